//! `portfolio images`.

mod add;
mod rebuild;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use portfolio_domain::image::FileSize;
use portfolio_domain::use_cases::{CollectGarbage, Garbage};
use serde_json::json;

use super::{say, storage};
use crate::composition;
use crate::config::MediaFlags;

/// What can be done with the image library.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add files to the library, each as an upload would
    ///
    /// A file that is wrong is told, the others are added, and the command ends with status 1.
    Add(add::Flags),
    /// Make the thumbnails of every image anew
    ///
    /// It may run while the service serves, and be begun again when it was cut short. An image whose file is
    /// gone or damaged keeps its thumbnails and is told, and the command ends with status 1.
    RebuildThumbnails(rebuild::Flags),
    /// Delete the files that no image has, and that are older than an hour
    ///
    /// Such files are left when an upload or a removal is cut short. It may run while the service serves.
    Gc(GcFlags),
}

/// The flags of `images gc`.
#[derive(Debug, Args)]
pub struct GcFlags {
    #[command(flatten)]
    media: MediaFlags,
    /// Delete nothing: list what would be
    #[arg(long)]
    dry_run: bool,
    /// Write JSON: how many files there are, how many bytes the garbage has, and its paths
    #[arg(long)]
    json: bool,
}

/// Runs what the command line says.
///
/// # Errors
///
/// When the database or the media store can't be used.
pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Add(flags) => add::run(flags).await,
        Command::RebuildThumbnails(flags) => rebuild::run(&flags).await,
        Command::Gc(flags) => collect_garbage(&flags).await.map(|()| ExitCode::SUCCESS),
    }
}

async fn collect_garbage(flags: &GcFlags) -> anyhow::Result<()> {
    let media = composition::open_media_store(&flags.media.judge()?)?;
    let collect = CollectGarbage::new(storage().await?.images, media, composition::clock());
    // On a terminal only; how many files there are, nobody knows before the end.
    let bar = ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{spinner} {msg}")?);
    let (mut told, mut garbage) = (Ok(()), Vec::new());
    let found = collect.execute(flags.dry_run, |entry, found| {
        bar.set_message(summary(found, flags.dry_run));
        bar.tick();
        match entry {
            Some(entry) if flags.json => {
                garbage.push(json!({ "path": entry.path.as_str(), "size": entry.size.0 }));
            }
            Some(entry) if told.is_ok() => told = bar.suspend(|| say(entry.path.as_str())),
            _ => {}
        }
    });
    let found = found.await.context("MEDIA_STORE")?;
    bar.finish_and_clear();
    told?;
    if flags.json {
        let Garbage { files, size, .. } = found;
        let found = json!({ "dry_run": flags.dry_run, "files": files, "size": size, "garbage": garbage });
        return say(format_args!("{found:#}"));
    }
    say(summary(&found, flags.dry_run))
}

fn summary(found: &Garbage, dry_run: bool) -> String {
    let done = if dry_run { "would be deleted" } else { "deleted" };
    format!("{} of {} files {done}, {}", found.garbage, found.files, FileSize(found.size))
}
