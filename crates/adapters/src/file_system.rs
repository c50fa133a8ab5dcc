//! What a file or a folder lies on, and who may get at it. Nothing here opens a file: closing it again would end the
//! locks that this process holds on it.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

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

/// `path`, or what of the folders down to it is there.
fn nearest(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let there = path.ancestors().find(|path| path.exists());
    there.map(Path::to_owned).ok_or_else(|| io::ErrorKind::NotFound.into())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_from_disks() {
        assert_eq!(FileSystem::of(Path::new("/dev/shm/not/there/yet")).unwrap(), FileSystem::Memory);
        assert_eq!(FileSystem::of(Path::new("/proc/self")).unwrap(), FileSystem::Local);
        assert_eq!(FileSystem::of_magic(0x6969), FileSystem::Network);
        // As a 32-bit system says it.
        assert_eq!(FileSystem::of_magic(i128::from(0xff53_4d42_u32.cast_signed())), FileSystem::Network);
    }
}
