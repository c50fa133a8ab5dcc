//! What an error of the local disk means to whoever asked a port: asked by all that write files there.

use std::io::{self, ErrorKind};

use portfolio_domain::ports::PortError;

/// What `error` is that befell `what`: no room, or, for whatever else the disk says (no folder, no right, too many
/// open files), something that an operator or a while cures.
#[must_use]
pub fn port_error(what: &str, error: &io::Error) -> PortError {
    let text = format!("{what}: {error}");
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => PortError::StorageFull(text),
        _ => PortError::Unavailable(text),
    }
}
