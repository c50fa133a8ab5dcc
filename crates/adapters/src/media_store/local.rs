//! A folder of the local disk.
//!
//! A file is written beside its place under a name that no [servable](MediaPath::is_servable) path has,
//! synced, and hard-linked into place, which never replaces anything; then the folders down to it are
//! synced. File systems without hard links (FAT) can't be used.

use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata, OpenOptions, ReadDir};
use chrono::{DateTime, SubsecRound as _, Utc};
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use portfolio_domain::image::FileSize;
use portfolio_domain::media_path::MediaPath;
use portfolio_domain::ports::{MediaEntry, MediaFile, MediaSource, MediaStore, PortError, Probe, PutError};

use super::{clamp, is_plain, source_error};
use crate::disk::port_error;
use crate::new_file::create_folder;

/// How much of a file is in memory while it is read.
const CHUNK: usize = 64 * 1024;

/// How many entries of a list are in memory.
const BATCH: usize = 256;

/// What the names of half-written files begin with.
const UNFINISHED: &str = ".upload-";

/// A folder of the local disk.
#[derive(Debug, Clone)]
pub struct LocalMediaStore {
    root: PathBuf,
}

impl LocalMediaStore {
    /// Opens the folder `root`, which is made when it is not there, durably.
    ///
    /// # Errors
    ///
    /// When it can't be made.
    pub fn open(root: &Path) -> io::Result<Self> {
        create_folder(root).map(|root| Self { root })
    }

    /// Runs `job` on the folder, where blocking hurts nobody. The folder is opened anew each time: it may
    /// have gone and come back.
    async fn with_root<T, F>(&self, job: F) -> Result<T, PortError>
    where
        T: Send + 'static,
        F: FnOnce(&Dir) -> io::Result<T> + Send + 'static,
    {
        let root = self.root.clone();
        blocking(move || {
            let folder = open_root(&root)?;
            job(&folder).map_err(|error| port_error("a file of the media store", &error))
        })
        .await?
    }
}

#[async_trait]
impl Probe for LocalMediaStore {
    fn name(&self) -> &'static str {
        "media store"
    }

    /// It tries to write, too.
    async fn check(&self) -> Result<(), PortError> {
        match self.with_root(|root| Unfinished::create(root).map(drop)).await {
            // What is stored can be read all the same, and who uploads is told.
            Err(PortError::StorageFull(_)) => Ok(()),
            checked => checked,
        }
    }
}

#[async_trait]
impl MediaStore for LocalMediaStore {
    async fn put_new(&self, path: &MediaPath, source: MediaSource) -> Result<(), PutError> {
        if !path.is_servable() {
            return Err(PortError::Internal(format!("{path:?} is no path to store a file at")).into());
        }
        let path = path.clone();
        let source = blocking(move || Source::open(source)).await??;
        let stored = self.with_root(move |root| put_new(root, path.as_str(), source)).await?;
        if stored { Ok(()) } else { Err(PutError::Taken) }
    }

    async fn find(&self, path: &MediaPath) -> Result<Option<MediaEntry>, PortError> {
        if !path.is_servable() {
            return Ok(None);
        }
        let path = path.clone();
        self.with_root(move |root| {
            let metadata = root.metadata(path.as_str()).map(Some).or_else(none_when_absent)?;
            metadata.filter(Metadata::is_file).map(|metadata| entry(path, &metadata)).transpose()
        })
        .await
    }

    async fn read(
        &self,
        path: &MediaPath,
        range: Option<Range<u64>>,
    ) -> Result<Option<MediaFile>, PortError> {
        if !path.is_servable() {
            return Ok(None);
        }
        let path = path.clone();
        let opened =
            self.with_root(move |root| open_file(root, path.as_str(), range).or_else(none_when_absent));
        let Some(Opened { file, size, modified, range }) = opened.await? else { return Ok(None) };
        let chunks = steps((file, range.end - range.start), |(file, left)| next_chunk(file, left));
        Ok(Some(MediaFile { size: FileSize(size), modified, range, chunks }))
    }

    async fn delete(&self, path: &MediaPath) -> Result<(), PortError> {
        if !is_plain(path.as_str()) {
            return Ok(());
        }
        let path = path.clone();
        self.with_root(move |root| {
            let removed = root.remove_file(path.as_str()).map(Some);
            removed.or_else(none_when_absent).map(|_| ())
        })
        .await
    }

    fn list(&self) -> BoxStream<'static, Result<MediaEntry, PortError>> {
        let walk = Walk { root: self.root.clone(), folders: None };
        let batches = steps(walk, Walk::next_batch);
        batches.map_ok(|batch| stream::iter(batch.into_iter().map(Ok))).try_flatten().boxed()
    }
}

fn open_root(root: &Path) -> Result<Dir, PortError> {
    let opened = Dir::open_ambient_dir(root, ambient_authority());
    // That the store itself is not there is no answer about a file.
    opened.map_err(|error| PortError::Unavailable(format!("{}: {error}", root.display())))
}

/// Where the bytes of a new file come from.
enum Source {
    File(std::fs::File),
    Bytes(Bytes),
}

impl Source {
    fn open(source: MediaSource) -> Result<Self, PortError> {
        match source {
            MediaSource::Bytes(bytes) => Ok(Self::Bytes(bytes)),
            MediaSource::File(file) => {
                std::fs::File::open(file.path()).map(Self::File).map_err(|error| source_error(&error))
            }
        }
    }

    fn write_to(self, file: &mut std::fs::File) -> io::Result<()> {
        match self {
            Self::File(mut source) => io::copy(&mut source, file).map(|_| ()),
            Self::Bytes(bytes) => file.write_all(&bytes),
        }
    }
}

/// Stores a file durably; `false` when the path is taken.
fn put_new(root: &Dir, path: &str, source: Source) -> io::Result<bool> {
    let (parent, name) = path.rsplit_once('/').unwrap_or((".", path));
    root.create_dir_all(parent)?;
    let folder = root.open_dir(parent)?;
    // The link below decides; this saves writing for nothing.
    if folder.symlink_metadata(name).is_ok() {
        return Ok(false);
    }
    let (unfinished, mut file) = Unfinished::create(&folder)?;
    source.write_to(&mut file)?;
    file.sync_all()?;
    match folder.hard_link(&unfinished.name, &folder, name) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(error),
    }
    drop(unfinished);
    // All of them each time: whoever found a folder there can't know whether who made it has synced it yet.
    // One with nothing to sync costs little.
    for folder in Path::new(path).ancestors().skip(1) {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        root.open(folder)?.sync_all()?;
    }
    Ok(true)
}

/// A file that is being written; dropped, its name goes.
struct Unfinished<'a> {
    folder: &'a Dir,
    name: String,
}

impl<'a> Unfinished<'a> {
    fn create(folder: &'a Dir) -> io::Result<(Self, std::fs::File)> {
        let name = format!("{UNFINISHED}{:016x}", getrandom::u64().map_err(io::Error::other)?);
        let file = folder.open_with(&name, OpenOptions::new().write(true).create_new(true))?;
        Ok((Self { folder, name }, file.into_std()))
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        // What stays is listed.
        let _ = self.folder.remove_file(&self.name);
    }
}

struct Opened {
    file: std::fs::File,
    size: u64,
    modified: DateTime<Utc>,
    range: Range<u64>,
}

fn open_file(root: &Dir, path: &str, range: Option<Range<u64>>) -> io::Result<Option<Opened>> {
    // Asked before it is opened: opening a pipe would wait for its writer.
    if !root.metadata(path)?.is_file() {
        return Ok(None);
    }
    let mut file = root.open(path)?.into_std();
    let metadata = file.metadata()?;
    let (size, modified) = (metadata.len(), to_second(metadata.modified()?));
    let range = clamp(range, size);
    file.seek(SeekFrom::Start(range.start))?;
    Ok(Some(Opened { file, size, modified, range }))
}

fn next_chunk(file: &mut std::fs::File, left: &mut u64) -> io::Result<Option<Bytes>> {
    if *left == 0 {
        return Ok(None);
    }
    let length = usize::try_from(*left).map_or(CHUNK, |left| left.min(CHUNK));
    let mut chunk = vec![0; length];
    file.read_exact(&mut chunk)?;
    *left -= length as u64;
    Ok(Some(chunk.into()))
}

/// A walk through all folders, which holds one open folder a level.
struct Walk {
    root: PathBuf,
    /// From the root to where the walk is, with their paths; `None` before its first step.
    folders: Option<Vec<(ReadDir, String)>>,
}

impl Walk {
    fn next_batch(&mut self) -> io::Result<Option<Vec<MediaEntry>>> {
        let folders = if let Some(folders) = &mut self.folders {
            folders
        } else {
            let root = Dir::open_ambient_dir(&self.root, ambient_authority())?;
            self.folders.insert(vec![(root.entries()?, String::new())])
        };
        let mut batch = Vec::new();
        while batch.len() < BATCH {
            let Some((entries, folder)) = folders.last_mut() else { break };
            let Some(found) = entries.next() else {
                folders.pop();
                continue;
            };
            let found = found?;
            let Ok(name) = found.file_name().into_string() else {
                tracing::warn!(folder, name = ?found.file_name(), "a file whose name is not UTF-8 is passed over");
                continue;
            };
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            // Of a symbolic link this is the link, which is neither.
            let Some(metadata) = found.metadata().map(Some).or_else(none_when_absent)? else { continue };
            if metadata.is_file() {
                batch.push(entry(MediaPath(path), &metadata)?);
            } else if metadata.is_dir() {
                let inner = found.open_dir().and_then(|inner| inner.entries());
                if let Some(inner) = inner.map(Some).or_else(none_when_absent)? {
                    folders.push((inner, path));
                }
            }
        }
        Ok((!batch.is_empty()).then_some(batch))
    }
}

fn entry(path: MediaPath, metadata: &Metadata) -> io::Result<MediaEntry> {
    let modified = to_second(metadata.modified()?.into_std());
    Ok(MediaEntry { path, size: FileSize(metadata.len()), modified })
}

fn to_second(time: std::time::SystemTime) -> DateTime<Utc> {
    DateTime::<Utc>::from(time).trunc_subsecs(0)
}

/// What a path leads to that can't lead to a file of the store.
fn none_when_absent<T>(error: io::Error) -> io::Result<Option<T>> {
    match error.kind() {
        ErrorKind::NotFound
        | ErrorKind::NotADirectory
        | ErrorKind::IsADirectory
        | ErrorKind::InvalidInput
        | ErrorKind::InvalidFilename => Ok(None),
        // cap-std's own word for a path that leads out has no number of the system's.
        ErrorKind::PermissionDenied if error.raw_os_error().is_none() => Ok(None),
        // A symbolic link to itself, which has no kind yet that could be named.
        _ if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => Ok(None),
        _ => Err(error),
    }
}

/// Runs `job` where blocking hurts nobody. It runs to its end, also when nobody waits any more.
async fn blocking<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> Result<T, PortError> {
    tokio::task::spawn_blocking(job).await.map_err(|error| PortError::Internal(error.to_string()))
}

/// What `next` answers, step after step, each where blocking hurts nobody, until it answers none.
fn steps<S, T>(
    state: S,
    next: fn(&mut S) -> io::Result<Option<T>>,
) -> BoxStream<'static, Result<T, PortError>>
where
    S: Send + 'static,
    T: Send + 'static,
{
    stream::try_unfold(state, move |mut state| async move {
        let (step, state) = blocking(move || (next(&mut state), state)).await?;
        let item = step.map_err(|error| port_error("a file of the media store", &error))?;
        Ok(item.map(|item| (item, state)))
    })
    .boxed()
}
