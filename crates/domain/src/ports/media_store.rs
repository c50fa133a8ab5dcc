use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_core::stream::BoxStream;

use crate::image::FileSize;
use crate::local_file::LocalFile;
use crate::media_path::MediaPath;
use crate::ports::{PortError, Probe};

/// What is to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaSource {
    /// A file of the local disk, as an upload that came in. It is read, not taken away.
    File(LocalFile),
    /// These bytes, as a thumbnail.
    Bytes(Bytes),
}

/// Why a file was not stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    /// The path is another file's; choose another one.
    #[error("the path is taken")]
    Taken,
    /// The store can't.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// A file that is being read.
pub struct MediaFile {
    /// The length of the whole file.
    pub size: FileSize,
    /// When it was stored, true to a second.
    pub modified: DateTime<Utc>,
    /// Which of its bytes `chunks` brings.
    pub range: Range<u64>,
    /// The bytes, a piece at a time. It ends early only with an error.
    pub chunks: BoxStream<'static, Result<Bytes, PortError>>,
}

/// What is known of a file without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaEntry {
    /// Where it lies.
    pub path: MediaPath,
    /// Its length.
    pub size: FileSize,
    /// When it was stored, true to a second.
    pub modified: DateTime<Utc>,
}

/// The files of images. What is stored never changes: a path is written once, and may be deleted.
///
/// A path MUST lead to nothing outside the store, whatever it holds (`..`, a slash first, a NUL, a
/// symbolic link on the way): there is no file there. Neither is there one at a path that is not
/// [servable](MediaPath::is_servable), for [`find`](Self::find) and [`read`](Self::read).
///
/// Calls MUST end within seconds, also when the store behind them stands still; a file system is
/// trusted to answer.
#[async_trait]
pub trait MediaStore: Probe {
    /// Stores a file. It MUST outlive a crash of the service and of the machine once this has answered,
    /// be visible under `path` wholly or not at all, and never take the place of another one: of any
    /// number that put the same path at once, one succeeds and the others get [`PutError::Taken`].
    ///
    /// # Errors
    ///
    /// [`PutError::Taken`] when the path is not free; nothing was stored, except that an answer which
    /// got lost on the way may have been to this very file: [`list`](Self::list) finds it.
    /// [`PortError::StorageFull`] when there is no room; nothing was stored.
    /// [`PortError::Unavailable`] when it is not known whether it was stored.
    /// [`PortError::Internal`] when the path is not servable or the source can't be read.
    async fn put_new(&self, path: &MediaPath, source: MediaSource) -> Result<(), PutError>;

    /// What is known of the file at `path`; `None` when there is none.
    ///
    /// # Errors
    ///
    /// [`PortError::Unavailable`]; the caller may ask again.
    async fn find(&self, path: &MediaPath) -> Result<Option<MediaEntry>, PortError>;

    /// Reads the file at `path`: the bytes of `range` that it has, or all of them. `None` when there is
    /// no file. It MUST never hold a whole large file in memory.
    ///
    /// # Errors
    ///
    /// [`PortError::Unavailable`], here or later in the stream; the caller may ask again.
    async fn read(&self, path: &MediaPath, range: Option<Range<u64>>)
    -> Result<Option<MediaFile>, PortError>;

    /// Deletes the file at `path`, servable or not: afterwards there is none, also when there was none
    /// before. Empty folders may stay, and so may the file after a crash that follows at once.
    ///
    /// # Errors
    ///
    /// [`PortError::Unavailable`] when it is not known whether it is gone; the caller may try again.
    async fn delete(&self, path: &MediaPath) -> Result<(), PortError>;

    /// Every file of the store in any order, those that a crashed [`put_new`](Self::put_new) left half
    /// written included (and those that one is writing: the caller goes by their age). It MUST never
    /// hold them all in memory. A file that comes or goes meanwhile may be there or not.
    ///
    /// An error ends the stream: [`PortError::Unavailable`]; the caller may ask again.
    fn list(&self) -> BoxStream<'static, Result<MediaEntry, PortError>>;
}

impl std::fmt::Debug for MediaFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { size, modified, range, chunks: _ } = self;
        f.debug_struct("MediaFile")
            .field("size", size)
            .field("modified", modified)
            .field("range", range)
            .finish_non_exhaustive()
    }
}

// `automock` makes no mock of a trait that asks for another one.
#[cfg(feature = "testing")]
mockall::mock! {
    /// A media store that does what a test tells it.
    pub MediaStore {}

    #[async_trait]
    impl Probe for MediaStore {
        fn name(&self) -> &'static str;
        async fn check(&self) -> Result<(), PortError>;
    }

    #[async_trait]
    impl MediaStore for MediaStore {
        async fn put_new(&self, path: &MediaPath, source: MediaSource) -> Result<(), PutError>;
        async fn find(&self, path: &MediaPath) -> Result<Option<MediaEntry>, PortError>;
        async fn read(
            &self,
            path: &MediaPath,
            range: Option<Range<u64>>,
        ) -> Result<Option<MediaFile>, PortError>;
        async fn delete(&self, path: &MediaPath) -> Result<(), PortError>;
        fn list(&self) -> BoxStream<'static, Result<MediaEntry, PortError>>;
    }
}
