//! The command line: `portfolio --help` (contract, section 7).

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands::{demo, healthcheck, migrate, staff, token};
use crate::config::{AddressFlags, ServeConfig, ServeFlags};
use crate::{logging, server};

/// The portfolio employers service: the employers (client companies) that a company site shows in its
/// portfolio, over HTTP.
#[derive(Debug, Parser)]
#[command(name = "portfolio", version, after_help = ENVIRONMENT, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How logs are written: text or json; text on a terminal, else json
    #[arg(long, env = "LOG_FORMAT", value_name = "FORMAT", global = true)]
    log_format: Option<String>,
}

const ENVIRONMENT: &str = "\
Every flag with [env: …] can be set by that variable too. What may hold a secret is no flag:
  DATABASE_URL       sqlite://PATH or postgres://…; sqlite://data/portfolio.db when unset
  DATABASE_URL_FILE  a file that holds it instead
  RUST_LOG           log levels, such as info or portfolio_api=debug";

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve HTTP
    ///
    /// Listens at once (/healthz answers 200, /readyz 503), applies pending migrations as soon as the
    /// database answers, and serves until it is told to stop. It ends with status 1 only for what
    /// waiting can't cure: a wrong configuration or password, a failed migration.
    Serve(ServeFlags),
    /// Apply pending migrations
    Migrate(migrate::Flags),
    /// Manage the users of the service
    #[command(subcommand)]
    Staff(staff::Command),
    /// Manage the keys by which users are recognised
    #[command(subcommand)]
    Token(token::Command),
    /// Fill an empty database with the documented example, and print a key and curl lines to try it
    ///
    /// Makes employer 4 with image 6 as the documentation shows them, what its other examples need, and
    /// a user who may do everything. Running it again is harmless, and prints another key. In a database
    /// that holds users or rows and was not made by it, it changes nothing and ends with status 1.
    Demo(AddressFlags),
    /// Ask the running service whether it is ready; for containers
    Healthcheck(AddressFlags),
}

/// Runs what the command line says.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    match logging::start(cli.log_format.as_deref()).and_then(|()| execute(cli.command)) {
        Ok(code) => code,
        Err(error) => {
            // One line, whatever a library put into its message.
            let text = format!("{error:#}");
            eprintln!("portfolio: {}", text.split_whitespace().collect::<Vec<_>>().join(" "));
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> anyhow::Result<ExitCode> {
    let runtime = actix_web::rt::System::new();
    runtime.block_on(async move {
        match command {
            Command::Serve(flags) => {
                server::serve(ServeConfig::judge(flags)?).await.map(|()| ExitCode::SUCCESS)
            }
            Command::Migrate(flags) => migrate::run(&flags).await,
            Command::Staff(command) => staff::run(command).await,
            Command::Token(command) => token::run(command).await,
            Command::Demo(flags) => demo::run(&flags).await,
            Command::Healthcheck(flags) => healthcheck::run(&flags),
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
