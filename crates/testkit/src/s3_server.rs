use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread::JoinHandle;

use async_trait::async_trait;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::SimpleAuth;
use s3s::dto::{
    DeleteObjectInput, DeleteObjectOutput, GetObjectInput, GetObjectOutput, HeadObjectInput,
    HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output, PutObjectInput, PutObjectOutput,
};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3, S3Request, S3Response, S3Result};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, oneshot};

/// An S3 server inside the process, which checks signatures and checksums, with one empty bucket. It
/// and what it holds are gone when this is dropped.
#[derive(Debug)]
pub struct S3Server {
    address: SocketAddr,
    folder: TempDir,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl S3Server {
    /// The bucket that there is.
    pub const BUCKET: &'static str = "media-of-tests";
    /// The key that it takes.
    pub const ACCESS_KEY_ID: &'static str = "AKIAOFTHETESTS";
    /// What the key's requests must be signed with.
    pub const SECRET_ACCESS_KEY: &'static str = "the/secret+of+the/tests";

    /// Starts one.
    #[must_use]
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join(Self::BUCKET)).expect("a bucket");
        let files = FileSystem::new(folder.path()).expect("files behind S3");
        let mut service = S3ServiceBuilder::new(AtomicPuts { files, putting: Mutex::default() });
        service.set_auth(SimpleAuth::from_single(Self::ACCESS_KEY_ID, Self::SECRET_ACCESS_KEY));
        let service = service.build();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a port that can be waited for");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        // On a thread of its own: inside a test's runtime no other one may begin or end.
        let thread = std::thread::spawn(move || {
            let runtime = Runtime::new().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("a port");
                tokio::select! {
                    () = serve(listener, service) => {}
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        });
        Self { address, folder, running: Some((stop, thread)) }
    }

    /// Its address, as `AWS_ENDPOINT_URL` would have it.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The bucket as a folder, in which each object is a file.
    #[must_use]
    pub fn bucket_folder(&self) -> PathBuf {
        self.folder.path().join(Self::BUCKET)
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            let _ = stop.send(());
            let _ = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, service: S3Service) {
    while let Ok((socket, _)) = listener.accept().await {
        let service = service.clone();
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            // A client that goes in the middle is none of the server's business.
            let _ = server.serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

/// The files of `s3s-fs`, but with puts one after the other: it looks whether an object is there, and then
/// makes it, so that two that come at once would both succeed, which S3 promises they don't; and a bucket is not made by
/// putting something into it. It answers what the service asks for, and nothing else.
struct AtomicPuts {
    files: FileSystem,
    putting: Mutex<()>,
}

#[async_trait]
impl S3 for AtomicPuts {
    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        if request.input.bucket != S3Server::BUCKET {
            return Err(s3s::s3_error!(NoSuchBucket));
        }
        let _alone = self.putting.lock().await;
        self.files.put_object(request).await
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.files.get_object(request).await
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        self.files.head_object(request).await
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.files.delete_object(request).await
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.files.list_objects_v2(request).await
    }
}
