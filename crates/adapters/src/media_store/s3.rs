//! A bucket of S3, Amazon's or another's that speaks its protocol.
//!
//! A file is one object, put with `If-None-Match: *` and a checksum: the store itself sees to it that
//! nothing is replaced, and answers when the object is durable. TLS is rustls with `ring`, which needs
//! no more than a C compiler, and trusts the certificates that the system trusts.

use std::error::Error as _;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::SubsecRound as _;
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::aws::{AmazonS3, AmazonS3Builder, Checksum};
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, Error, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt as _,
    PutMode, PutPayload, RetryConfig,
};
use portfolio_domain::image::FileSize;
use portfolio_domain::media_path::MediaPath;
use portfolio_domain::ports::{MediaEntry, MediaFile, MediaSource, MediaStore, PortError, Probe, PutError};
use secrecy::{ExposeSecret as _, SecretString};

use super::{clamp, is_plain, source_error};

/// How long it takes to reach the store at most.
const CONNECT: Duration = Duration::from_secs(1);
/// How long a caller waits for an answer in all, tries of its own included.
const DEADLINE: Duration = Duration::from_millis(2_500);
/// The same for an answer to a file that is sent, and for each piece of one that comes.
const TRANSFER_DEADLINE: Duration = Duration::from_secs(10);
/// How often it is tried again.
const RETRIES: usize = 2;

/// A bucket, and where in it the files lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Location {
    bucket: String,
    prefix: String,
}

/// Why a text names no place in a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be s3:// and a bucket, with or without a path in it, as s3://bucket/prefix")]
pub struct InvalidLocation;

impl S3Location {
    /// Takes a text like `s3://bucket/prefix`.
    ///
    /// # Errors
    ///
    /// [`InvalidLocation`] unless the bucket is named as [S3 wants it] and the prefix would do for a
    /// [path](MediaPath::parse).
    ///
    /// [S3 wants it]: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    pub fn parse(text: &str) -> Result<Self, InvalidLocation> {
        let place = text.strip_prefix("s3://").ok_or(InvalidLocation)?;
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        let good = (3..=63).contains(&bucket.len())
            && bucket.bytes().all(|c| plain(c) || c == b'-' || c == b'.')
            && bucket
                .split('.')
                .all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'))
            && (prefix.is_empty() || (MediaPath::parse(prefix).is_ok() && !prefix.contains(['?', '#'])));
        if good {
            Ok(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
        } else {
            Err(InvalidLocation)
        }
    }

    /// The bucket's name.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }
}

impl fmt::Display for S3Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bucket, prefix } = self;
        let slash = if prefix.is_empty() { "" } else { "/" };
        write!(f, "s3://{bucket}{slash}{prefix}")
    }
}

/// All that it takes to use a bucket.
#[derive(Debug, Clone)]
pub struct S3Settings {
    /// Where files lie.
    pub location: S3Location,
    /// The region that requests are signed for, as `eu-central-1`.
    pub region: String,
    /// The address of the server, as `http://127.0.0.1:9000`, with nothing after it; `None` for Amazon's.
    pub endpoint: Option<url::Url>,
    /// Whether the bucket is part of the server's name, rather than of the path.
    pub virtual_hosted: bool,
    /// Whose requests they are.
    pub access_key_id: String,
    /// What they are signed with.
    pub secret_access_key: SecretString,
    /// What comes along with keys that are lent for a while.
    pub session_token: Option<SecretString>,
}

/// Why a bucket can't be used, in words that hold no secret.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct OpenError(String);

/// A bucket of S3.
#[derive(Debug, Clone)]
pub struct S3MediaStore {
    client: Arc<AmazonS3>,
    prefix: String,
}

impl S3MediaStore {
    /// Makes ready to use a bucket. Nothing is asked of it yet.
    ///
    /// # Errors
    ///
    /// When no client can be made: the system's certificates can't be read, the endpoint's name makes no
    /// sense with the bucket in front.
    pub fn open(settings: &S3Settings) -> Result<Self, OpenError> {
        // reqwest asks the process for it. It stands already when a store was opened before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let S3Location { bucket, prefix } = &settings.location;
        let client_options = ClientOptions::new()
            .with_connect_timeout(CONNECT)
            .with_read_timeout(TRANSFER_DEADLINE)
            // It would count the time that a slow client of ours takes to fetch a file.
            .with_timeout_disabled()
            .with_allow_http(settings.endpoint.as_ref().is_some_and(|endpoint| endpoint.scheme() == "http"));
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(50),
                max_backoff: Duration::from_millis(500),
                base: 2.0,
            },
            max_retries: RETRIES,
            retry_timeout: DEADLINE,
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(&settings.region)
            .with_virtual_hosted_style_request(settings.virtual_hosted)
            .with_access_key_id(&settings.access_key_id)
            .with_secret_access_key(settings.secret_access_key.expose_secret())
            .with_checksum_algorithm(Checksum::SHA256)
            // One file at a time is deleted; not every server knows how to delete many.
            .with_disable_bulk_delete(true)
            .with_client_options(client_options)
            .with_retry(retry);
        if let Some(token) = &settings.session_token {
            builder = builder.with_token(token.expose_secret());
        }
        if let Some(endpoint) = &settings.endpoint {
            builder =
                builder.with_endpoint(endpoint_for(endpoint, settings.virtual_hosted.then_some(bucket))?);
        }
        let client = builder.build().map_err(|error| OpenError(told(&error)))?;
        Ok(Self { client: Arc::new(client), prefix: prefix.clone() })
    }

    /// The object's name. `None` for a path that no file can have.
    fn key(&self, path: &MediaPath) -> Option<Path> {
        path.is_servable().then(|| self.any_key(path)).flatten()
    }

    fn any_key(&self, path: &MediaPath) -> Option<Path> {
        let path = path.as_str();
        // object_store would pass over a slash at either end.
        if !is_plain(path) {
            return None;
        }
        Path::parse(if self.prefix.is_empty() { path.to_owned() } else { format!("{}/{path}", self.prefix) })
            .ok()
    }

    fn prefix(&self) -> Option<Path> {
        Path::parse(&self.prefix).ok().filter(|prefix| !prefix.as_ref().is_empty())
    }

    async fn payload(source: MediaSource) -> Result<PutPayload, PortError> {
        let bytes = match source {
            MediaSource::Bytes(bytes) => bytes,
            MediaSource::File(file) => tokio::task::spawn_blocking(move || {
                std::fs::read(file.path()).map_err(|error| source_error(&error))
            })
            .await
            .map_err(|error| PortError::Internal(error.to_string()))??
            .into(),
        };
        Ok(PutPayload::from_bytes(bytes))
    }
}

/// The address as `object_store` wants it: the bucket stands in front of the name, or comes after.
fn endpoint_for(endpoint: &url::Url, bucket: Option<&String>) -> Result<String, OpenError> {
    let mut endpoint = endpoint.clone();
    if let Some(bucket) = bucket {
        let host = format!("{bucket}.{}", endpoint.host_str().unwrap_or_default());
        endpoint.set_host(Some(&host)).map_err(|_| OpenError(format!("{host} is no name of a server")))?;
    }
    Ok(endpoint.as_str().trim_end_matches('/').to_owned())
}

#[async_trait]
impl Probe for S3MediaStore {
    fn name(&self) -> &'static str {
        "media store"
    }

    /// Asks for the list behind the last name there can be: one request, an empty page.
    async fn check(&self) -> Result<(), PortError> {
        let end = MediaPath('\u{10ffff}'.to_string());
        let end = self.any_key(&end).unwrap_or_default();
        let mut page = self.client.list_with_offset(self.prefix().as_ref(), &end);
        in_time(DEADLINE, page.try_next()).await?.map_err(|error| port_error(&error))?;
        Ok(())
    }
}

#[async_trait]
impl MediaStore for S3MediaStore {
    async fn put_new(&self, path: &MediaPath, source: MediaSource) -> Result<(), PutError> {
        let Some(key) = self.key(path) else {
            return Err(PortError::Internal(format!("{path:?} is no path to store a file at")).into());
        };
        let payload = Self::payload(source).await?;
        let put = self.client.put_opts(&key, payload, PutMode::Create.into());
        match in_time(TRANSFER_DEADLINE, put).await? {
            Ok(_) => Ok(()),
            Err(Error::AlreadyExists { .. }) => Err(PutError::Taken),
            Err(error) => Err(port_error(&error).into()),
        }
    }

    async fn find(&self, path: &MediaPath) -> Result<Option<MediaEntry>, PortError> {
        let Some(key) = self.key(path) else { return Ok(None) };
        match in_time(DEADLINE, self.client.head(&key)).await? {
            Ok(found) => Ok(Some(entry(path.clone(), &found))),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(port_error(&error)),
        }
    }

    async fn read(
        &self,
        path: &MediaPath,
        range: Option<Range<u64>>,
    ) -> Result<Option<MediaFile>, PortError> {
        let Some(key) = self.key(path) else { return Ok(None) };
        let mut options = GetOptions::default();
        if let Some(Range { start, end }) = range {
            if start >= end {
                return self.read_nothing(path, start..end).await;
            }
            // There are servers that read these as signed numbers.
            options.range = Some(GetRange::Bounded(start..end.min(i64::MAX.cast_unsigned())));
        }
        let found = match (in_time(DEADLINE, self.client.get_opts(&key, options)).await?, range) {
            (Ok(found), _) => found,
            (Err(Error::NotFound { .. }), _) => return Ok(None),
            // It may have been refused for lying behind the end, which the error does not tell apart.
            (Err(error), Some(range)) => {
                return match self.read_nothing(path, range).await? {
                    Some(file) if file.range.is_empty() => Ok(Some(file)),
                    Some(_) => Err(port_error(&error)),
                    None => Ok(None),
                };
            }
            (Err(error), None) => return Err(port_error(&error)),
        };
        let MediaEntry { size, modified, .. } = entry(path.clone(), &found.meta);
        let range = found.range.clone();
        let chunks = found.into_stream().map_err(|error| port_error(&error)).boxed();
        Ok(Some(MediaFile { size, modified, range, chunks }))
    }

    async fn delete(&self, path: &MediaPath) -> Result<(), PortError> {
        let Some(key) = self.any_key(path) else { return Ok(()) };
        match in_time(DEADLINE, self.client.delete(&key)).await? {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(port_error(&error)),
        }
    }

    fn list(&self) -> BoxStream<'static, Result<MediaEntry, PortError>> {
        let skipped = self.prefix.len() + usize::from(!self.prefix.is_empty());
        let found = self.client.list(self.prefix().as_ref());
        found
            .map(move |found| {
                let found = found.map_err(|error| port_error(&error))?;
                let path = found.location.as_ref().get(skipped..).unwrap_or_default();
                Ok(entry(MediaPath(path.to_owned()), &found))
            })
            .boxed()
    }
}

impl S3MediaStore {
    /// The file's size and time, with none of its bytes, where `range` has none; `range` as it is where it
    /// has some.
    async fn read_nothing(
        &self,
        path: &MediaPath,
        range: Range<u64>,
    ) -> Result<Option<MediaFile>, PortError> {
        let Some(MediaEntry { size, modified, .. }) = self.find(path).await? else { return Ok(None) };
        let chunks = stream::empty::<Result<Bytes, PortError>>().boxed();
        Ok(Some(MediaFile { size, modified, range: clamp(Some(range), size.0), chunks }))
    }
}

fn entry(path: MediaPath, found: &ObjectMeta) -> MediaEntry {
    MediaEntry { path, size: FileSize(found.size), modified: found.last_modified.trunc_subsecs(0) }
}

async fn in_time<T>(time: Duration, answer: impl Future<Output = T>) -> Result<T, PortError> {
    let waited = tokio::time::timeout(time, answer).await;
    waited.map_err(|_| PortError::Unavailable("the media store did not answer in time".into()))
}

fn port_error(error: &Error) -> PortError {
    let text = told(error);
    // What MinIO and others say when no room is left; the type that holds the status is not public.
    if text.contains("507 Insufficient Storage") {
        PortError::StorageFull(text)
    } else {
        PortError::Unavailable(text)
    }
}

/// What went wrong, for logs: without the document that S3 sends, which repeats the request, and only
/// with its code.
fn told(error: &Error) -> String {
    let mut text = error.to_string();
    // Where a connection failed, the cause says why.
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    let code =
        text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code);
    let told = text.split_once('<').map_or(&*text, |(told, _)| told).trim_end();
    code.map_or_else(|| told.to_owned(), |code| format!("{told} {code}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_a_bucket_is_read_and_written_alike() {
        for text in ["s3://bucket", "s3://my.bucket-1/prefix", "s3://bucket/a/b"] {
            assert_eq!(S3Location::parse(text).map(|place| place.to_string()), Ok(text.to_owned()));
        }
        assert_eq!(S3Location::parse("s3://bucket/a/"), S3Location::parse("s3://bucket/a"));
        assert_eq!(S3Location::parse("s3://bucket/"), S3Location::parse("s3://bucket"));
        for wrong in [
            "s3://",
            "s3:///a",
            "s3://ab",
            "s3://Bucket",
            "s3://user:secret@host",
            "s3://-bucket",
            "s3://bucket./a",
            "s3://buck_et",
            "s3://bucket//a",
            "s3://bucket/../a",
            "s3://bucket/a?b",
            "bucket",
        ] {
            assert_eq!(S3Location::parse(wrong), Err(InvalidLocation), "{wrong}");
        }
    }

    #[test]
    fn the_bucket_stands_in_front_of_the_servers_name_or_not_at_all() {
        let endpoint = url::Url::parse("http://s3.example.com:9000").unwrap();
        let bucket = "media".to_owned();
        assert_eq!(endpoint_for(&endpoint, None).unwrap(), "http://s3.example.com:9000");
        assert_eq!(endpoint_for(&endpoint, Some(&bucket)).unwrap(), "http://media.s3.example.com:9000");
    }

    #[test]
    fn what_s3_says_is_told_by_its_code() {
        let said = |status: &str, body: &str| Error::Generic {
            store: "S3",
            source: format!("Server returned non-2xx status code: {status}: {body}").into(),
        };
        let refused = told(&said(
            "403 Forbidden",
            "<Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>AKIA</AWSAccessKeyId></Error>",
        ));
        assert!(refused.ends_with("403 Forbidden: SignatureDoesNotMatch"), "{refused}");
        let full =
            port_error(&said("507 Insufficient Storage", "<Error><Code>XMinioStorageFull</Code></Error>"));
        assert!(matches!(full, PortError::StorageFull(_)), "{full:?}");
    }
}
