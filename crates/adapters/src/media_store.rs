//! Where the files of images lie.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use portfolio_domain::ports::{PortError, Probe};

/// A folder of the local disk.
#[derive(Debug, Clone)]
pub struct LocalMediaStore {
    root: PathBuf,
}

impl LocalMediaStore {
    /// Opens the folder `root`, which is made when it is not there.
    ///
    /// # Errors
    ///
    /// When it can't be made.
    pub fn open(root: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(root)?;
        Ok(Self { root: root.to_owned() })
    }
}

#[async_trait]
impl Probe for LocalMediaStore {
    fn name(&self) -> &'static str {
        "media store"
    }

    async fn check(&self) -> Result<(), PortError> {
        let root = self.root.clone();
        tokio::task::spawn_blocking(move || {
            std::fs::read_dir(&root)
                .map(drop)
                .map_err(|error| PortError::Unavailable(format!("{}: {error}", root.display())))
        })
        .await
        .map_err(|error| PortError::Internal(error.to_string()))?
    }
}
