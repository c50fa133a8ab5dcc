//! The command line: `portfolio --help` (contract, section 7).

use std::process::ExitCode;

use anyhow::anyhow;
use clap::{Parser, Subcommand};

use crate::commands::{backup, demo, doctor, healthcheck, images, migrate, openapi, restore, staff, token};
use crate::config::{AddressFlags, ServeConfig, ServeFlags};
use crate::logging::{self, Program};
use crate::server;

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
    /// Log levels, such as info or `info,portfolio_api=debug`; what is not named is off, the audit log, too
    #[arg(long, env = "RUST_LOG", value_name = "LEVELS", global = true)]
    rust_log: Option<String>,
}

/// The variables that are read.
const VARIABLES: [&str; 13] = [
    "BIND",
    "PUBLIC_URL",
    "DATABASE_URL",
    "DATABASE_URL_FILE",
    "DATABASE_POOL_SIZE",
    "MEDIA_STORE",
    "KEEP_ALIVE",
    "CORS_ALLOWED_ORIGINS",
    "METRICS_BIND",
    "TRUSTED_PROXIES",
    "AUTH_FAILURES_PER_MINUTE",
    "LOG_FORMAT",
    "RUST_LOG",
];

/// clap would tell of a value that is no text in many lines, and not by its variable.
fn check_variables() -> anyhow::Result<()> {
    let no_text = |name: &&str| std::env::var_os(name).is_some_and(|value| value.to_str().is_none());
    VARIABLES.into_iter().find(no_text).map_or(Ok(()), |name| Err(anyhow!("{name}: is not UTF-8")))
}

const ENVIRONMENT: &str = "\
Every flag with [env: …] can be set by that variable too. What may hold a secret is no flag:
  DATABASE_URL       sqlite://PATH or postgres://…, also of several hosts; sqlite://data/portfolio.db when unset
  DATABASE_URL_FILE  a file that holds it instead";

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
    /// a user who may do everything, with small images drawn for it. Running it again is harmless, and prints
    /// another key. In a database that holds users or rows and was not made by it, it changes nothing and ends
    /// with status 1; as it does where another file has the place of one of its images.
    Demo(demo::Flags),
    /// Look after the image library
    #[command(subcommand)]
    Images(images::Command),
    /// Write a backup of the embedded database and the files of its images into one file
    ///
    /// It may run while the service serves: what it holds is what was there at one moment. The file is its
    /// owner's alone, since it holds what keys hash to, and replaces none. For sqlite:// with files in file: only.
    Backup(backup::Flags),
    /// Put a backup back, where there is no database yet
    ///
    /// All of it is checked before anything is put in place, the database at the very end. For sqlite:// with
    /// files in file: only.
    Restore(backup::Flags),
    /// Name the settings that break a promise, and what to do
    ///
    /// Looks at the settings that serve would have, at the database and at the media store, and changes nothing. It
    /// ends with status 0 when no promise is broken, whatever it warns of, and with status 1 when one is.
    Doctor(doctor::Flags),
    /// Print the OpenAPI document
    Openapi(AddressFlags),
    /// Ask the running service whether it is ready; for containers
    Healthcheck(AddressFlags),
}

/// Runs what the command line says.
#[must_use]
pub fn run() -> ExitCode {
    let run = || {
        check_variables()?;
        let cli = Cli::parse();
        // Dropped, it writes what is left, before the error below.
        let program = match cli.command {
            Command::Serve(_) => Program::Service,
            _ => Program::Command,
        };
        let _logs = logging::start(program, cli.log_format.as_deref(), cli.rust_log.as_deref())?;
        execute(cli.command)
    };
    match run() {
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
            Command::Images(command) => images::run(command).await,
            Command::Backup(flags) => backup::run(flags).await,
            Command::Restore(flags) => restore::run(flags).await,
            Command::Doctor(flags) => doctor::run(flags).await,
            Command::Openapi(flags) => openapi::run(&flags),
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
