//! `portfolio restore`.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use futures_util::stream::TryStreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use portfolio_domain::media_path::MediaPath;
use portfolio_domain::ports::{MediaSource, MediaStore};
use tokio::runtime::Handle;

use super::backup::archive::{self, Entry};
use super::backup::{Flags, embedded};
use super::{operator, say};
use crate::audit::Change;
use crate::composition::{self, NewFile, Snapshot};
use crate::config::MediaStoreUrl;

/// Puts a backup back.
///
/// # Errors
///
/// When there is a database or a file already, or the backup is not whole; nothing is put in place then.
pub async fn run(flags: Flags) -> anyhow::Result<ExitCode> {
    let (database, folder) = embedded(&flags.media)?;
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut file = database.clone().into_os_string();
        file.push(suffix);
        let file = PathBuf::from(file);
        let taken = file.symlink_metadata().is_ok();
        ensure!(!taken, "DATABASE_URL: there is {} already", file.display());
    }
    let media = MediaStoreUrl::Folder(folder.clone());
    // To open it would make it, and the backup may be damaged.
    if folder.exists() {
        let first = composition::open_media_store(&media)?.list().try_next().await.context("MEDIA_STORE")?;
        ensure!(first.is_none(), "MEDIA_STORE: there are files in {} already", folder.display());
    }
    let done = tokio::task::spawn_blocking(move || {
        let restored = File::open(&flags.file)
            .context("can't be opened")
            .and_then(|file| restore(&file, &database, &media))
            .with_context(|| flags.file.display().to_string());
        restored.map(|files| format!("{}: the database and {files} files are back", flags.file.display()))
    });
    let done = done.await??;
    Change::by_command("restore", &operator::<()>(), "restored", "database").made();
    say(done)?;
    Ok(ExitCode::SUCCESS)
}

fn restore(file: &File, database: &Path, media: &MediaStoreUrl) -> anyhow::Result<usize> {
    let paths = check(file)?;
    let media = composition::open_media_store(media)?;
    let mut stored = Vec::new();
    let put = put(file, &paths, database, &*media, &mut stored);
    if put.is_err() {
        for path in &stored {
            // What stays is without a database.
            let _ = Handle::current().block_on(media.delete(path));
        }
    }
    put.map(|()| paths.len())
}

/// Reads all of it, and answers the paths of the files that its rows name.
fn check(file: &File) -> anyhow::Result<HashSet<MediaPath>> {
    let mut snapshot = None;
    let mut files = HashSet::new();
    let bar = progress_bar(file, "checking")?;
    archive::read(&mut bar.wrap_read(file), |entry, mut content| {
        match entry {
            Entry::Database => snapshot = Some(Snapshot::copy_of(&mut content)?),
            Entry::Media(path) => drop(files.insert(path)),
        }
        Ok(())
    })?;
    bar.finish_and_clear();
    let Some(snapshot) = snapshot else { bail!("it has no database") };
    snapshot.check()?;
    let paths = snapshot.media_paths()?;
    let missing = paths.iter().find(|path| !files.contains(path));
    missing.map_or(Ok(()), |path| bail!("{} is missing, which an image has", path.as_str()))?;
    Ok(paths.into_iter().collect())
}

/// Puts the files in place, and the database when all of them are: whenever this is cut short, there is none.
fn put(
    file: &File,
    paths: &HashSet<MediaPath>,
    database: &Path,
    media: &dyn MediaStore,
    stored: &mut Vec<MediaPath>,
) -> anyhow::Result<()> {
    let new = NewFile::begin(database)?;
    let bar = progress_bar(file, "restoring")?;
    archive::read(&mut bar.wrap_read(file), |entry, mut content| {
        match entry {
            Entry::Database => drop(io::copy(&mut content, &mut new.file())?),
            // Of an image that was removed while the backup was written.
            Entry::Media(path) if !paths.contains(&path) => {}
            Entry::Media(path) => {
                let (mut copy, source) = composition::temporary_file()?;
                io::copy(&mut content, &mut copy)?;
                Handle::current()
                    .block_on(media.put_new(&path, MediaSource::File(source)))
                    .with_context(|| path.as_str().to_owned())?;
                stored.push(path);
            }
        }
        Ok(())
    })?;
    bar.finish_and_clear();
    new.finish().with_context(|| database.display().to_string())
}

/// A bar for the bytes of a file, on a terminal only.
fn progress_bar(file: &File, doing: &'static str) -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template("{msg} {bar:40} {bytes} of {total_bytes}, {eta} left")?;
    Ok(ProgressBar::new(file.metadata()?.len()).with_style(style).with_message(doing))
}
