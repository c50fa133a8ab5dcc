//! What of a folder of media breaks what the service promises.

use std::path::Path;

use portfolio_domain::finding::Finding;
use portfolio_domain::image::{FileSize, MAX_FILE_SIZE};

use crate::file_system::{self, FileSystem};

/// Looks at what the folder at `root` lies on, which need not be there. Whether it can be written to, the store's
/// [`Probe`](portfolio_domain::ports::Probe) tells.
#[must_use]
pub fn examine_folder(root: &Path) -> Vec<Finding> {
    let found = |what: &str| format!("{what}: {}", root.display());
    let name = "file system of the media";
    let lies_on = match FileSystem::of(root) {
        // Files are written beside their place and synced there, which holds on another machine, too.
        Ok(FileSystem::Local | FileSystem::Network) => Finding::ok(name, "a disk, as far as can be told"),
        Ok(FileSystem::Memory) => Finding::breaks(
            name,
            found("in memory"),
            "all images are gone with the machine; put it on a disk",
        ),
        Ok(FileSystem::Layer) => Finding::warning(
            name,
            found("the container's own"),
            "all images are gone with the container; put it on a volume",
        ),
        Err(error) => Finding::warning(name, found(&error.to_string()), "it could not be told"),
    };
    vec![lies_on, room("room for media", root)]
}

/// Looks at the system's folder for temporary files, in which every upload is kept until it is stored.
#[must_use]
pub fn examine_temporary_folder() -> Finding {
    const NAME: &str = "room for temporary files";
    let folder = std::env::temp_dir();
    match file_system::may_write(&folder) {
        Ok(()) => room(NAME, &folder),
        Err(error) => Finding::breaks(
            NAME,
            error.to_string(),
            "nothing can be uploaded; make the folder and give the rights, or name another one in TMPDIR",
        ),
    }
}

/// Uploads are refused with 507 where there is none left.
fn room(name: &'static str, folder: &Path) -> Finding {
    /// A hundred uploads of the largest size.
    const ENOUGH: u64 = 100 * MAX_FILE_SIZE.0;
    match file_system::free_bytes(folder) {
        Ok(free) if free >= ENOUGH => Finding::ok(name, FileSize(free).to_string()),
        Ok(free) => Finding::warning(
            name,
            format!("{} in {}", FileSize(free), folder.display()),
            "without any, uploads get a 507; make room",
        ),
        Err(error) => {
            Finding::warning(name, format!("{}: {error}", folder.display()), "it could not be told")
        }
    }
}
