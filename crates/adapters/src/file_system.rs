//! What a file or a folder lies on, and who may get at it. Nothing here opens a file: closing it again would end the
//! locks that this process holds on it.

use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

/// What kind of file system it is, as far as that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSystem {
    /// In memory: it is gone with the machine, or with the container.
    Memory,
    /// On another machine.
    Network,
    /// The uppermost layer of a container, which goes with it.
    Layer,
    /// None of these, as far as can be told.
    Local,
}

impl FileSystem {
    /// That of `path`, or of the nearest folder above it that is there.
    ///
    /// # Errors
    ///
    /// When the system does not say.
    #[cfg(target_os = "linux")]
    pub fn of(path: &Path) -> io::Result<Self> {
        Ok(Self::of_magic(i128::from(rustix::fs::statfs(&nearest(path)?)?.f_type)))
    }

    /// That of `path`, which can be told on Linux alone.
    ///
    /// # Errors
    ///
    /// None.
    #[cfg(not(target_os = "linux"))]
    pub fn of(_: &Path) -> io::Result<Self> {
        Ok(Self::Local)
    }

    /// The numbers are those of statfs(2), whose type differs from machine to machine.
    #[cfg(target_os = "linux")]
    fn of_magic(magic: i128) -> Self {
        match magic & 0xffff_ffff {
            // tmpfs, ramfs
            0x0102_1994 | 0x8584_58f6 => Self::Memory,
            // NFS, SMB, CIFS, SMB2, 9P, Ceph, AFS
            0x6969 | 0x517b | 0xff53_4d42 | 0xfe53_4d42 | 0x0102_1997 | 0x00c3_6400 | 0x5346_414f => {
                Self::Network
            }
            // overlayfs
            0x794c_7630 => Self::Layer,
            _ => Self::Local,
        }
    }
}

/// How many bytes an ordinary user may still write where `path` lies, or will lie.
///
/// # Errors
///
/// When the system does not say.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(&nearest(path)?)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// The rights of `path`, as `0o600`.
///
/// # Errors
///
/// When it is not there, or can't be asked.
pub fn mode(path: &Path) -> io::Result<u32> {
    Ok(path.metadata()?.permissions().mode() & 0o7777)
}

/// Whether others than the owner and the group of `path`, which is there, may enter each folder down to it.
///
/// # Errors
///
/// When it can't be asked.
pub fn others_may_reach(path: &Path) -> io::Result<bool> {
    const ENTER: u32 = 0o001;
    let path = path.canonicalize()?;
    for folder in path.ancestors().skip(1) {
        if mode(folder)? & ENTER == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Asks whether this process may write to `path`, which is there: to a file, or files to a folder.
///
/// # Errors
///
/// When it may not, or `path` is not there.
pub fn may_write(path: &Path) -> io::Result<()> {
    let told = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let is_folder = path.metadata().map_err(told)?.is_dir();
    let access = if is_folder { Access::EXEC_OK } else { Access::READ_OK } | Access::WRITE_OK;
    rustix::fs::access(path, access).map_err(|error| told(error.into()))
}

/// Asks whether this process may make `path`, and the folders down to it, where they are not there; else whether it may
/// write to it.
///
/// # Errors
///
/// When it may not, or can't see `path`.
pub fn may_make(path: &Path) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    let there = nearest(&path)?;
    if there != path && !there.is_dir() {
        return Err(io::Error::new(ErrorKind::NotADirectory, format!("{} is no folder", there.display())));
    }
    may_write(&there)
}

/// `path`, or what of the folders down to it is there, be it a link that leads nowhere.
fn nearest(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    for place in path.ancestors() {
        match place.symlink_metadata() {
            Ok(_) => return Ok(place.to_owned()),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", place.display()))),
        }
    }
    Err(ErrorKind::NotFound.into())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs::{self, Permissions};

    use super::*;

    #[test]
    fn what_can_t_be_made_is_told_by_what_is_in_its_way() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        may_make(&place("deep/down/file")).unwrap();
        assert!(!place("deep").exists());
        fs::write(place("file"), "").unwrap();
        may_make(&place("file")).unwrap();
        std::os::unix::fs::symlink(place("nowhere"), place("link")).unwrap();
        for (name, what) in [("file/a", "file"), ("file/a/b", "file"), ("link", "link"), ("link/a", "link")] {
            let error = may_make(&place(name)).unwrap_err().to_string();
            assert!(error.contains(&place(what).display().to_string()), "{name}: {error}");
        }
        assert_eq!(may_write(&place("nowhere")).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_folder_keeps_others_from_what_is_in_it() {
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        let (inner, file) = (folder.path().join("inner"), folder.path().join("inner/file"));
        fs::create_dir(&inner).unwrap();
        fs::write(&file, "").unwrap();
        for (outer_mode, inner_mode, reach) in
            [(0o755, 0o755, true), (0o711, 0o711, true), (0o755, 0o750, false), (0o700, 0o755, false)]
        {
            fs::set_permissions(&inner, Permissions::from_mode(inner_mode)).unwrap();
            fs::set_permissions(folder.path(), Permissions::from_mode(outer_mode)).unwrap();
            assert_eq!(others_may_reach(&file).unwrap(), reach, "{outer_mode:o} {inner_mode:o}");
        }
    }

    #[test]
    fn memory_is_told_from_disks() {
        assert_eq!(FileSystem::of(Path::new("/dev/shm/not/there/yet")).unwrap(), FileSystem::Memory);
        assert_eq!(FileSystem::of(Path::new("/proc/self")).unwrap(), FileSystem::Local);
        assert_eq!(FileSystem::of_magic(0x6969), FileSystem::Network);
        // As a 32-bit system says it.
        assert_eq!(FileSystem::of_magic(i128::from(0xff53_4d42_u32.cast_signed())), FileSystem::Network);
    }
}
