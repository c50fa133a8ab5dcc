//! `portfolio migrate`.

use std::process::ExitCode;

use clap::Args;

use super::{blocking, say};
use crate::composition;

/// The flags of `migrate`.
#[derive(Debug, Args)]
pub struct Flags {
    /// Apply nothing: list what is pending, and end with status 1 when something is
    #[arg(long)]
    check: bool,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

/// Applies the pending migrations, or lists them.
///
/// # Errors
///
/// When the database can't be reached, or a migration fails.
pub async fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    let (done, names) = if flags.check {
        ("pending", blocking(composition::pending_migrations).await?)
    } else {
        ("applied", blocking(composition::migrate).await?)
    };
    if flags.json {
        say(format_args!("{:#}", serde_json::json!({ done: names })))?;
    } else if names.is_empty() {
        say("nothing is pending")?;
    } else {
        names.iter().try_for_each(|name| say(format_args!("{done} {name}")))?;
    }
    Ok(if flags.check && !names.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
