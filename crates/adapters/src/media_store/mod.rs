//! Where the files of images lie: a folder of the local disk, or a bucket of S3.
//!
//! S3 is the crate `object_store`. The folder is not, although `object_store` has one that can be durable
//! (`LocalFileSystem::with_fsync`): it follows symbolic links out of its folder, hides what a crashed put
//! left behind from its own list, holds a whole upload in memory, and syncs a new folder's parent only in
//! the put that made it, so that another one, which found the folder there, could answer before its
//! file's name is on disk. Our own rests on `cap-std`, which lets the kernel keep every path below the
//! folder (`openat2` with `RESOLVE_BENEATH`).

use std::io::{self, ErrorKind};
use std::ops::Range;

use portfolio_domain::ports::PortError;

use crate::disk::port_error;

mod examination;
mod local;
mod s3;

pub use examination::{examine_folder, examine_temporary_folder};
pub use local::LocalMediaStore;
pub use s3::{InvalidLocation, OpenError, S3Location, S3MediaStore, S3Settings};

/// What a file of `size` bytes has of `range`; all of it for none.
fn clamp(range: Option<Range<u64>>, size: u64) -> Range<u64> {
    let Range { start, end } = range.unwrap_or(0..size);
    let start = start.min(size);
    start..end.clamp(start, size)
}

/// Whether `path` could be a file's or a half-written file's: it names each folder down to it, and no other.
fn is_plain(path: &str) -> bool {
    path.split('/').all(|segment| !["", ".", ".."].contains(&segment))
}

/// What it means that the file to store can't be read. That it is not there is a mistake of whoever called; the rest
/// (too many open files) is the machine's, and passes.
fn source_error(error: &io::Error) -> PortError {
    let what = "the file to store";
    if error.kind() == ErrorKind::NotFound {
        PortError::Internal(format!("{what}: {error}"))
    } else {
        port_error(what, error)
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn too_many_open_files_is_a_while_to_wait_and_a_source_that_is_not_there_a_mistake() {
        for errno in [Errno::MFILE, Errno::NFILE, Errno::IO] {
            assert!(matches!(source_error(&errno.into()), PortError::Unavailable(_)), "{errno}");
        }
        assert!(matches!(source_error(&Errno::NOENT.into()), PortError::Internal(_)));
    }
}
