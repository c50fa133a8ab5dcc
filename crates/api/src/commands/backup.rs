//! `portfolio backup`.

pub(super) mod archive;

use std::collections::HashSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use clap::Args;
use futures_util::stream::{BoxStream, TryStreamExt as _};
use indicatif::ProgressBar;
use portfolio_adapters::database_url::DatabaseUrl;
use portfolio_domain::image::FileSize;
use portfolio_domain::ports::{MediaFile, MediaStore, PortError};
use tokio::runtime::Handle;

use self::archive::{Entry, Writer};
use super::{progress_bar, say};
use crate::composition::{self, NewFile, Snapshot};
use crate::config::{self, MediaFlags, MediaStoreUrl};

/// The flags of `backup` and of `restore`.
#[derive(Debug, Args)]
pub struct Flags {
    #[command(flatten)]
    pub(super) media: MediaFlags,
    /// The backup
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
}

/// How many snapshots are taken before images are said to go faster than they can be copied.
const SNAPSHOTS: usize = 10;

/// Writes a backup.
///
/// # Errors
///
/// When there is a file of that name, or something can't be read or written; no file is left then.
pub async fn run(flags: Flags) -> anyhow::Result<ExitCode> {
    let (database, folder) = embedded(&flags.media)?;
    let taken = flags.file.symlink_metadata().is_ok();
    ensure!(!taken, "{}: there is such a file already", flags.file.display());
    let media = composition::open_media_store(&MediaStoreUrl::Folder(folder))?;
    let bar = progress_bar(0, "files")?;
    let done = tokio::task::spawn_blocking(move || {
        let written = write(&database, &*media, &flags.file, &bar);
        bar.finish_and_clear();
        written.with_context(|| flags.file.display().to_string())
    });
    say(done.await??)?;
    Ok(ExitCode::SUCCESS)
}

/// The database's file and the media's folder.
pub(super) fn embedded(media: &MediaFlags) -> anyhow::Result<(PathBuf, PathBuf)> {
    match (config::database()?, media.judge()?) {
        (DatabaseUrl::Sqlite(database), MediaStoreUrl::Folder(folder)) => Ok((database, folder)),
        _ => bail!(
            "this is for sqlite:// with files in file: only; \
             the README tells how under \"Backups on PostgreSQL or S3\""
        ),
    }
}

fn write(database: &Path, media: &dyn MediaStore, file: &Path, bar: &ProgressBar) -> anyhow::Result<String> {
    let new = NewFile::begin(file)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut archive = Writer::new(new.file());
    let mut missed = HashSet::new();
    for _ in 0..SNAPSHOTS {
        let snapshot = Snapshot::take(database, folder).context("DATABASE_URL")?;
        let paths = snapshot.media_paths()?;
        bar.set_length(paths.len() as u64);
        bar.set_position(0);
        let mut missing = HashSet::new();
        for path in &paths {
            let entry = Entry::Media(path.clone());
            if !archive.has(&entry) {
                match Handle::current().block_on(media.read(path, None)).context("MEDIA_STORE")? {
                    Some(MediaFile { size, chunks, .. }) => {
                        let content = Chunks { chunks, rest: Bytes::new() };
                        archive.add(&entry, size.0, content).with_context(|| path.as_str().to_owned())?;
                    }
                    None => drop(missing.insert(path.clone())),
                }
            }
            bar.inc(1);
        }
        if missing.is_empty() {
            snapshot.check()?;
            let content = snapshot.open()?;
            archive.add(&Entry::Database, content.metadata()?.len(), content)?;
            let size = FileSize(archive.finish()?);
            new.finish()?;
            return Ok(format!("{}: the database and {} files, {size}", file.display(), paths.len()));
        }
        // A removal deletes the rows first, and then the files: a newer snapshot names none that is gone.
        if let Some(path) = missing.intersection(&missed).next() {
            bail!(
                "{} is gone, which an image has; `portfolio images rebuild-thumbnails` names every such image",
                path.as_str()
            );
        }
        missed = missing;
    }
    bail!("images go faster than their files are copied; try again when fewer do")
}

/// A stream of the media store, for who reads without async.
struct Chunks {
    chunks: BoxStream<'static, Result<Bytes, PortError>>,
    rest: Bytes,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() {
            let next = Handle::current().block_on(self.chunks.try_next());
            self.rest = next.map_err(io::Error::other)?.unwrap_or_default();
        }
        let length = self.rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.rest.split_to(length));
        Ok(length)
    }
}
