//! What the command line does beside serving, one command a file.

pub mod backup;
pub mod demo;
pub mod doctor;
pub mod healthcheck;
pub mod images;
pub mod migrate;
pub mod openapi;
pub mod restore;
pub mod staff;
pub mod token;

mod table;

use std::fmt::Display;
use std::io::Write as _;

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use portfolio_adapters::database_url::DatabaseUrl;
use portfolio_adapters::migrations::MigrateError;
use portfolio_domain::access::Permitted;

use crate::composition::{self, Storage};
use crate::config;

/// The proof that whoever runs a command may do what it does.
#[expect(clippy::disallowed_methods, reason = "this is a command")]
fn operator<A>() -> Permitted<A> {
    Permitted::of_operator()
}

/// A bar for so many `things`, on a terminal only.
fn progress_bar(length: u64, things: &str) -> anyhow::Result<ProgressBar> {
    let style =
        ProgressStyle::with_template(&format!("{{bar:40}} {{pos}} of {{len}} {things}, {{eta}} left"))?;
    Ok(ProgressBar::new(length).with_style(style))
}

/// Tells on standard error what did not stop the command. A progress bar is out of its way.
fn complain(bar: &ProgressBar, what: impl Display) {
    bar.suspend(|| eprintln!("portfolio: {what}"));
}

/// Prints a line. Standard output may be full, or closed by whoever reads it.
fn say(line: impl Display) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("standard output")
}

/// Runs what blocks for long on a thread of its own.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce(&DatabaseUrl) -> Result<T, MigrateError> + Send + 'static,
) -> anyhow::Result<T> {
    let database = config::database()?;
    tokio::task::spawn_blocking(move || work(&database)).await?.map_err(config::database_error)
}

/// Opens a database that has every migration.
async fn storage() -> anyhow::Result<Storage> {
    let pending = blocking(composition::pending_migrations).await?;
    if !pending.is_empty() {
        bail!("the database lacks migrations; `portfolio migrate` applies them");
    }
    Ok(Storage::open(&config::database()?, Some(1)))
}
