//! `portfolio openapi` (contract, section 7).

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

use crate::config::AddressFlags;
use crate::openapi::Documents;
use crate::routes;

/// Prints the document that a service with these flags serves.
///
/// # Errors
///
/// When `PUBLIC_URL` is wrong, or nothing can be printed.
pub fn run(flags: &AddressFlags) -> anyhow::Result<ExitCode> {
    let documents = Documents::new(&flags.local_url()?, &routes::endpoints())?;
    let mut output = std::io::stdout().lock();
    match output.write_all(&documents.openapi).and_then(|()| output.write_all(b"\n")) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        written => written?,
    }
    Ok(ExitCode::SUCCESS)
}
