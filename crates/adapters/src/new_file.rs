//! Files that appear under their names when they are whole, and stay there whatever fails then.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file that is being written beside the place it is to have, its owner's alone. Dropped, it is gone; a process that
/// is killed leaves it under a name that begins with `.portfolio-`.
#[derive(Debug)]
pub struct NewFile {
    file: NamedTempFile,
    place: PathBuf,
}

impl NewFile {
    /// Begins the file that is to lie at `place`. The folder is made when it is not there, durably.
    ///
    /// # Errors
    ///
    /// When there is no room for one.
    pub fn begin(place: &Path) -> io::Result<Self> {
        let place = std::path::absolute(place)?;
        let folder = create_folder(folder_of(&place))?;
        // Its mode is 0600.
        let file = tempfile::Builder::new().prefix(".portfolio-").tempfile_in(folder)?;
        Ok(Self { file, place })
    }

    /// What is written to.
    #[must_use]
    pub fn file(&self) -> &File {
        self.file.as_file()
    }

    /// Gives it its name, durably.
    ///
    /// # Errors
    ///
    /// When the name is taken, which replaces nothing, or the disk fails; nothing is left of it then.
    pub fn finish(self) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        self.file.persist_noclobber(&self.place)?;
        let synced = File::open(folder_of(&self.place)).and_then(|folder| folder.sync_all());
        synced.inspect_err(|_| drop(std::fs::remove_file(&self.place)))
    }
}

fn folder_of(place: &Path) -> &Path {
    place.parent().unwrap_or(Path::new("/"))
}

/// Makes a folder where there is none, durably; answers its absolute path.
pub(crate) fn create_folder(folder: &Path) -> io::Result<PathBuf> {
    // Absolute, so that each folder on the way has a parent that can be opened.
    let folder = std::path::absolute(folder)?;
    let missing = folder.ancestors().take_while(|folder| !folder.exists()).count();
    std::fs::create_dir_all(&folder)?;
    // A folder that was made is on disk when its parent is.
    for parent in folder.ancestors().skip(1).take(missing) {
        File::open(parent)?.sync_all()?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_there_when_it_is_finished_and_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("deep/down/file");
        let new = NewFile::begin(&place).unwrap();
        new.file().write_all(b"whole").unwrap();
        assert!(!place.exists());
        new.finish().unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"whole");
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(place.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_replaces_nothing_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("file");
        drop(NewFile::begin(&place).unwrap());
        let new = NewFile::begin(&place).unwrap();
        fs::write(&place, "other").unwrap();
        assert_eq!(new.finish().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&place).unwrap(), b"other");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
