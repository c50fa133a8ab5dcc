//! The fault suite: tries what the service promises on real processes, with real databases that are killed,
//! frozen and cut off, and tries each promise once more in a world where it is broken on purpose. A promise
//! whose broken twin passes as well is reported as proving nothing.
//!
//! `make chaos` runs it.
#![expect(clippy::expect_used, reason = "an experiment that can't go on has failed, and says where")]

mod bystanders;
mod checker;
mod experiment;
mod experiments;
mod front;
mod proxy;
mod table;
mod trace;
mod traffic;
mod upload;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::experiment::{Context, Log};
use crate::table::Report;

/// Tries what the service promises while things break.
#[derive(Debug, Parser)]
#[command(version)]
struct Flags {
    /// The binary of the service, built for release: a slow one would be measured as slow
    #[arg(long, value_name = "PATH", default_value = "target/release/portfolio")]
    portfolio: PathBuf,
    /// These experiments only, as `E1,E8`
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    only: Vec<String>,
    /// Small numbers: each promise and each twin in seconds
    #[arg(long)]
    quick: bool,
    /// Also write the results here, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Put the table into this document, between its two marks
    #[arg(long, value_name = "FILE", conflicts_with = "only")]
    write: Option<PathBuf>,
    /// What the services say goes here
    #[arg(long, value_name = "FILE", default_value = "target/chaos.log")]
    log: PathBuf,
}

fn main() -> ExitCode {
    match run(&Flags::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("portfolio-chaos: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the experiments that are asked for; answers whether every promise held and every twin was found out.
fn run(flags: &Flags) -> Result<bool, String> {
    let all = experiments::all();
    if let Some(unknown) = flags.only.iter().find(|id| !all.iter().any(|one| one.id == **id)) {
        let known: Vec<_> = all.iter().map(|one| one.id).collect();
        return Err(format!("--only: there is no {unknown}; there are {}", known.join(", ")));
    }
    let program = flags
        .portfolio
        .canonicalize()
        .map_err(|error| format!("--portfolio: {}: {error}", flags.portfolio.display()))?;
    let log = Log::create(&flags.log).map_err(|error| format!("--log: {}: {error}", flags.log.display()))?;
    let program = program.to_str().ok_or("--portfolio: the path is not UTF-8")?.to_owned();
    let context = Context { program: program.leak(), quick: flags.quick, log };
    let mut report = Report::new(flags.quick);
    for experiment in
        all.iter().filter(|one| flags.only.is_empty() || flags.only.iter().any(|id| id == one.id))
    {
        report.run(experiment, &context);
        // Each time, so that one who ends a long run early keeps what was measured.
        if let Some(file) = &flags.write {
            report.write_into(file).map_err(|error| format!("--write: {}: {error}", file.display()))?;
        }
    }
    print!("\n{}", report.table());
    if let Some(file) = &flags.json {
        std::fs::write(file, report.json())
            .map_err(|error| format!("--json: {}: {error}", file.display()))?;
    }
    Ok(report.all_well())
}
