//! `portfolio doctor`.

use std::cmp::Reverse;
use std::process::ExitCode;

use clap::{Args, value_parser};
use portfolio_domain::finding::{Finding, Severity};
use serde_json::{Value, json};

use super::{say, table};
use crate::config::{ServeConfig, ServeFlags};
use crate::doctor;

/// The flags of `doctor`: those of `serve`, whose settings are looked at, and its own.
#[derive(Debug, Args)]
pub struct Flags {
    #[command(flatten)]
    serve: ServeFlags,
    /// How many instances of the service are to share the database
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u32).range(1..=1000))]
    instances: u32,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

/// Looks at everything, and prints what was found, the worst first. It ends with status 1 when a promise is broken.
///
/// # Errors
///
/// When a setting can't even be understood, as `serve` would say.
pub async fn run(flags: Flags) -> anyhow::Result<ExitCode> {
    let config = ServeConfig::judge(flags.serve)?;
    let asked = config.clone();
    let database = tokio::task::spawn_blocking(move || doctor::database(&asked, flags.instances)).await?;
    let media = doctor::media(&config);
    let works = doctor::media_works(&config).await;
    let mut findings = [database, media, vec![works], doctor::settings(&config)].concat();
    findings.sort_by_key(|finding| Reverse(finding.severity));
    if flags.json {
        say(format_args!("{:#}", Value::from(findings.iter().map(to_json).collect::<Vec<_>>())))?;
    } else {
        show(&findings)?;
    }
    let broken = findings.iter().any(|finding| finding.severity == Severity::BreaksPromise);
    Ok(if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Ok => "ok",
        Severity::Warning => "warning",
        Severity::BreaksPromise => "breaks-a-promise",
    }
}

fn to_json(finding: &Finding) -> Value {
    let Finding { subject, severity, found, advice } = finding;
    json!({ "severity": word(*severity), "subject": subject, "found": found, "advice": advice })
}

fn show(findings: &[Finding]) -> anyhow::Result<()> {
    let rows: Vec<_> = findings
        .iter()
        .map(|Finding { subject, severity, found, advice }| {
            [word(*severity).to_owned(), (*subject).to_owned(), found.clone(), advice.clone()]
        })
        .collect();
    table::print(["", "SUBJECT", "FOUND", "WHAT FOLLOWS, AND WHAT TO DO"], &rows)
}
