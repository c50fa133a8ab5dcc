//! Logs, on standard error.

use std::io::IsTerminal as _;

use anyhow::anyhow;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// Sets up logs as `LOG_FORMAT` (`text` or `json`; text on a terminal, else JSON) and `RUST_LOG` say.
///
/// # Errors
///
/// The variable that is wrong.
pub fn start(format: Option<&str>) -> anyhow::Result<()> {
    let levels = std::env::var("RUST_LOG").unwrap_or_default();
    let levels = if levels.is_empty() { "info,actix_server=warn".to_owned() } else { levels };
    let filter = EnvFilter::try_new(levels).map_err(|_| {
        anyhow!("RUST_LOG: must be a level, or targets with levels, as info or portfolio_api=debug")
    })?;
    let json = match format.unwrap_or_default() {
        "" => !std::io::stderr().is_terminal(),
        "json" => true,
        "text" => false,
        _ => return Err(anyhow!("LOG_FORMAT: must be text or json")),
    };
    let logs = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if json {
        logs.json().flatten_event(true).init();
    } else {
        logs.with_target(false).with_ansi(std::io::stderr().is_terminal()).init();
    }
    Ok(())
}
