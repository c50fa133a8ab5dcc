//! `DATABASE_URL`, which may hold a password: it is never shown.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use portfolio_testkit::{Kind, Site};
use rstest::rstest;

use crate::{PROGRAM, complaint};

const COMMANDS: [&[&str]; 4] =
    [&["serve", "--bind", "127.0.0.1:0"], &["migrate"], &["staff", "list"], &["demo"]];

#[rstest]
#[case::another_kind("mysql://anna:geheim@db/site")]
#[case::no_kind("anna:geheim@db")]
#[case::no_file("sqlite://")]
#[case::in_memory("sqlite://:memory:")]
fn a_wrong_address_is_told_without_its_password(#[case] url: &str) {
    let site = Site::new(PROGRAM, Kind::Sqlite);
    for arguments in COMMANDS {
        // What it logs before it gives up shows no password either.
        let output = site.command(arguments).env("DATABASE_URL", url).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(!said.contains("geheim"), "{arguments:?}: {said}");
        let last = said.lines().next_back().unwrap();
        assert!(last.starts_with("portfolio: ") && last.contains("DATABASE_URL"), "{arguments:?}: {said}");
    }
}

/// libpq reads the address only when it connects. What it can't read, no waiting cures; and what it says of
/// it may repeat a password, or a part of one, that was not escaped.
#[rstest]
#[case::bad_option("postgres://anna:geheim@127.0.0.1:1/site?nonsense=1")]
#[case::bad_port("postgres://anna:geheim@127.0.0.1:port/site")]
#[case::bad_timeout("postgres://anna:geheim@127.0.0.1:1/site?connect_timeout=soon")]
#[case::bad_escape("postgres://anna:geheim%zz@127.0.0.1:1/site")]
#[case::bad_host("postgres://anna:geheim@[::1]x/site")]
#[case::unescaped_slash("postgres://anna:geheim/x@127.0.0.1:1/site")]
#[case::bad_session_attrs("postgres://anna:geheim@127.0.0.1:1,127.0.0.1:2/site?target_session_attrs=writes")]
#[case::empty_host("postgres://anna:geheim@127.0.0.1:1,,127.0.0.1:2/site")]
#[case::ports_of_hosts("postgres://anna:geheim@127.0.0.1,127.0.0.2/site?port=1,2,3")]
#[case::unescaped_equals("postgres://anna:geheim@127.0.0.1:1/site?options=-csearch_path=app")]
#[case::unescaped_at("postgres://anna:x@geheim@127.0.0.1:1/site")]
fn an_address_that_libpq_can_t_read_stops_the_start_and_is_not_shown(#[case] url: &str) {
    let site = Site::new(PROGRAM, Kind::Sqlite);
    for arguments in COMMANDS {
        let mut command = site.command(arguments);
        let mut child = command.env("DATABASE_URL", url).stderr(Stdio::piped()).spawn().unwrap();
        let mut last = String::new();
        for line in BufReader::new(child.stderr.take().unwrap()).lines() {
            last = line.unwrap();
            let waits = last.contains("Waiting for the database");
            if waits || last.contains("geheim") {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("{arguments:?} {}: {last}", if waits { "waits" } else { "shows the password" });
            }
        }
        assert_eq!(child.wait().unwrap().code(), Some(1));
        assert!(last.starts_with("portfolio: DATABASE_URL: "), "{arguments:?}: {last}");
    }
}

#[test]
fn a_database_that_is_not_there_stops_the_start() {
    let site = Site::new(PROGRAM, Kind::Postgres);
    let url = site.database_url().replace("postgres@", "postgres:geheim@") + "_not";
    for arguments in COMMANDS {
        let output = site.command(arguments).env("DATABASE_URL", &url).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(!said.contains("geheim"), "{arguments:?}: {said}");
        let last = said.lines().next_back().unwrap();
        assert!(last.starts_with("portfolio: ") && last.contains("does not exist"), "{arguments:?}: {said}");
    }
}

#[rstest]
#[case::no_database("this is no database, but a text that is long enough to be taken for one ".repeat(20))]
fn a_file_that_is_no_database_stops_the_start(#[case] text: String) {
    let site = Site::new(PROGRAM, Kind::Sqlite);
    fs::write(site.folder().join("text"), &text).unwrap();
    for arguments in COMMANDS {
        let output = site.command(arguments).env("DATABASE_URL", "sqlite://text").output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.lines().next_back().unwrap().contains("not a database"), "{arguments:?}: {said}");
    }
    assert_eq!(fs::read_to_string(site.folder().join("text")).unwrap(), text);
}

#[test]
fn a_server_that_is_away_is_told_by_commands_that_do_not_wait() {
    let site = Site::new(PROGRAM, Kind::Sqlite);
    let mut command = site.command(&["staff", "list"]);
    // Port 1 of this machine: nobody listens there.
    let line =
        complaint(&command.env("DATABASE_URL", "postgres://a:geheim@127.0.0.1:1/site").output().unwrap());
    assert!(line.contains("the database can't be reached"), "{line}");
    assert!(!line.contains("geheim"), "{line}");
}

#[test]
fn unset_it_is_a_file_below_the_current_folder() {
    let site = Site::new(PROGRAM, Kind::Sqlite);
    assert!(site.command(&["migrate"]).env_remove("DATABASE_URL").status().unwrap().success());
    assert!(site.folder().join("data/portfolio.db").is_file());
}
