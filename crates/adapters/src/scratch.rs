//! Files of the local disk that are needed for a while.

use std::fs::File;
use std::io::{self, Write as _};
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd as _;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{BoxStream, TryStreamExt as _};
use portfolio_domain::local_file::LocalFile;
use portfolio_domain::ports::{PortError, Scratch};

use crate::disk::port_error;

/// A file to write to, and the same for whoever reads it. On Linux it has no name, so that nothing of it is left
/// however the process ends.
///
/// # Errors
///
/// When there is no room for one.
#[cfg(target_os = "linux")]
pub fn temporary() -> io::Result<(File, LocalFile)> {
    let file = tempfile::tempfile()?;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok((file.try_clone()?, LocalFile::kept_by(path, file)))
}

/// A file to write to, and the same for whoever reads it.
///
/// # Errors
///
/// When there is no room for one.
#[cfg(not(target_os = "linux"))]
pub fn temporary() -> io::Result<(File, LocalFile)> {
    let (file, path) = tempfile::Builder::new().prefix("portfolio-upload-").tempfile()?.into_parts();
    Ok((file, LocalFile::kept_by(path.to_path_buf(), path)))
}

/// The system's folder for temporary files.
#[derive(Debug, Clone, Copy, Default)]
pub struct TemporaryFolder;

#[async_trait]
impl Scratch for TemporaryFolder {
    async fn keep(
        &self,
        mut chunks: BoxStream<'static, Result<Bytes, PortError>>,
    ) -> Result<LocalFile, PortError> {
        let (mut file, local) = blocking(temporary).await?;
        while let Some(chunk) = chunks.try_next().await? {
            file = blocking(move || file.write_all(&chunk).map(|()| file)).await?;
        }
        Ok(local)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, PortError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| PortError::Internal(error.to_string()))?
        .map_err(|error| port_error("a temporary file", &error))
}

#[cfg(test)]
mod tests {
    use std::fs::Metadata;
    use std::os::unix::fs::MetadataExt as _;

    use futures_util::stream::{self, StreamExt as _};

    use super::*;

    #[tokio::test]
    async fn a_file_holds_what_came_and_goes_with_its_last_keeper() {
        let chunks = stream::iter(["ab", "", "c"].map(|text| Ok(Bytes::from(text)))).boxed();
        let file = TemporaryFolder.keep(chunks).await.unwrap();
        assert_eq!(std::fs::read(file.path()).unwrap(), b"abc");
        let (path, copy) = (file.path().to_owned(), file.clone());
        // Its path is the number of a descriptor, which another test may get next. For as long as it is held here, no
        // other file is taken for it.
        let held = File::open(&path).unwrap();
        let place = |metadata: Metadata| (metadata.dev(), metadata.ino());
        let own = place(held.metadata().unwrap());
        let is_there = || std::fs::metadata(&path).is_ok_and(|found| place(found) == own);
        drop(file);
        assert!(is_there());
        drop(copy);
        assert!(!is_there());
    }

    #[tokio::test]
    async fn what_breaks_off_is_no_file() {
        let away = PortError::Unavailable("away".into());
        let chunks = stream::iter([Ok(Bytes::from("ab")), Err(away.clone())]).boxed();
        assert_eq!(TemporaryFolder.keep(chunks).await, Err(away));
    }
}
