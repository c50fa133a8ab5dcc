//! `portfolio images`.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use portfolio_domain::image::FileSize;
use portfolio_domain::use_cases::{CollectGarbage, Garbage};

use super::{say, storage};
use crate::composition;
use crate::config::MediaFlags;

/// What can be done with the image library.
#[derive(Debug, Subcommand)]
pub enum Command {
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
}

/// Runs what the command line says.
///
/// # Errors
///
/// When the database or the media store can't be used.
pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let Command::Gc(flags) = command;
    collect_garbage(&flags).await?;
    Ok(ExitCode::SUCCESS)
}

async fn collect_garbage(flags: &GcFlags) -> anyhow::Result<()> {
    let media = composition::open_media_store(&flags.media.judge()?)?;
    let collect = CollectGarbage::new(storage().await?.images, media, composition::clock());
    // On a terminal only; how many files there are, nobody knows before the end.
    let bar = ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{spinner} {msg}")?);
    let mut told = Ok(());
    let found = collect.execute(flags.dry_run, |entry, found| {
        bar.set_message(summary(found, flags.dry_run));
        bar.tick();
        if let (Some(entry), Ok(())) = (entry, &told) {
            told = bar.suspend(|| say(entry.path.as_str()));
        }
    });
    let found = found.await.context("MEDIA_STORE")?;
    bar.finish_and_clear();
    told?;
    say(summary(&found, flags.dry_run))
}

fn summary(found: &Garbage, dry_run: bool) -> String {
    let done = if dry_run { "would be deleted" } else { "deleted" };
    format!("{} of {} files {done}, {}", found.garbage, found.files, FileSize(found.size))
}
