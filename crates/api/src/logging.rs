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
pub fn start(format: Option<&str>, levels: Option<&str>) -> anyhow::Result<()> {
    // What a client's malformed head makes actix say is nobody's error here.
    const USUAL: &str = "info,actix_server=warn,actix_http::h1::dispatcher=off";
    let levels = levels.filter(|levels| !levels.is_empty()).unwrap_or(USUAL);
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
