//! `portfolio`: the one binary of the service.

use std::process::ExitCode;

fn main() -> ExitCode {
    portfolio_api::cli::run()
}
