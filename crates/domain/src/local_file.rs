//! A file of the local disk on its way from whoever received it to whoever reads it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file that stays where it is as long as this, or a copy of it, is kept.
///
/// A path alone would not do: work on another thread goes on when nobody waits for it any more, and could then
/// open what has taken the place of a temporary file that is gone.
#[derive(Clone)]
pub struct LocalFile {
    path: PathBuf,
    _kept: Option<Arc<dyn Send + Sync>>,
}

impl LocalFile {
    /// A file that lasts without anybody's doing.
    #[must_use]
    pub fn lasting(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), _kept: None }
    }

    /// A file that goes when `keeper` is dropped.
    #[must_use]
    pub fn kept_by(path: impl Into<PathBuf>, keeper: impl Send + Sync + 'static) -> Self {
        Self { path: path.into(), _kept: Some(Arc::new(keeper)) }
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Debug for LocalFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

impl PartialEq for LocalFile {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl Eq for LocalFile {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_stays_as_long_as_any_copy_is_kept() {
        let keeper = Arc::new(());
        let file = LocalFile::kept_by("/tmp/upload", keeper.clone());
        let copy = file.clone();
        drop(file);
        assert_eq!((Arc::strong_count(&keeper), copy.path()), (2, Path::new("/tmp/upload")));
        drop(copy);
        assert_eq!(Arc::strong_count(&keeper), 1);
    }
}
