//! The command line (contract, sections 6 and 7): what it prints, and what it ends with.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod audit;
mod backup;
mod configuration;
mod database_url;
mod demo;
mod demo_files;
mod doctor;
mod healthcheck;
mod help;
mod images;
mod key_file;
mod migrate;
mod staff;
mod token;

use std::process::{Command, Output};

use portfolio_testkit::{Kind, S3Server, Site};

const PROGRAM: &str = env!("CARGO_BIN_EXE_portfolio");

/// A site with an empty database that has every migration.
fn migrated(kind: Kind) -> Site {
    let site = Site::new(PROGRAM, kind);
    site.ok(&["migrate"]);
    site
}

/// A command that has its files in a bucket.
fn in_bucket(site: &Site, s3: &S3Server, arguments: &[&str]) -> Command {
    let mut command = site.command(arguments);
    command
        .env("MEDIA_STORE", format!("s3://{}/site", S3Server::BUCKET))
        .env("AWS_ENDPOINT_URL", s3.endpoint())
        .env("AWS_ACCESS_KEY_ID", S3Server::ACCESS_KEY_ID)
        .env("AWS_SECRET_ACCESS_KEY", S3Server::SECRET_ACCESS_KEY);
    command
}

/// It failed with status 1 and told why in one line, which is answered; it printed nothing. What it had changed by
/// then has its audit lines.
#[track_caller]
fn complaint(output: &Output) -> String {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(output.stdout, b"", "{said}");
    let mut lines = said.lines();
    let line = lines.next_back().unwrap_or_default().to_owned();
    assert!(lines.all(|line| line.contains(r#""target":"audit""#)), "more than one line: {said}");
    line.strip_prefix("portfolio: ").unwrap_or_else(|| panic!("{line}")).to_owned()
}

/// It was called in a wrong way: status 2, and nothing printed. Answers what it said.
#[track_caller]
fn misuse(output: &Output) -> String {
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(2), &b""[..]));
    String::from_utf8(output.stderr.clone()).unwrap()
}
