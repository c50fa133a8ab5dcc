use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;

use crate::local_file::LocalFile;
use crate::ports::PortError;

/// Room on the local disk for files that are needed for a while.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait Scratch: Send + Sync {
    /// Writes what `chunks` brings to a file of its own, which goes with its last [`LocalFile`]. It MUST never
    /// hold the whole of it in memory.
    ///
    /// # Errors
    ///
    /// The first error that `chunks` brings; [`PortError::StorageFull`] or [`PortError::Unavailable`] when the
    /// file can't be written. Nothing is left of it then.
    async fn keep(
        &self,
        chunks: BoxStream<'static, Result<Bytes, PortError>>,
    ) -> Result<LocalFile, PortError>;
}
