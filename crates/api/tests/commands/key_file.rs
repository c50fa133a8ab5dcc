//! `DATABASE_URL_FILE`: what may hold a secret can be read from a file.

use std::fs;

use portfolio_testkit::{Kind, Site};
use rstest::rstest;

use crate::{PROGRAM, complaint};

#[rstest]
fn the_address_can_stand_in_a_file(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
    #[values("", "\n", "\r\n")] end: &str,
) {
    let site = Site::new(PROGRAM, kind);
    let path = site.folder().join("secret");
    fs::write(&path, format!("{}{end}", site.database_url())).unwrap();
    let mut command = site.command(&["migrate"]);
    command.env_remove("DATABASE_URL").env("DATABASE_URL_FILE", &path);
    assert!(command.status().unwrap().success());
    assert!(site.run(&["migrate", "--check"]).status.success(), "it migrated the database of the file");
}

#[test]
fn both_at_once_are_refused() {
    let site = Site::new(PROGRAM, Kind::Sqlite);
    let mut command = site.command(&["migrate"]);
    let line = complaint(&command.env("DATABASE_URL_FILE", "secret").output().unwrap());
    assert_eq!(line, "DATABASE_URL: set it or DATABASE_URL_FILE, not both");
}

#[test]
fn a_file_that_can_t_be_read_is_told() {
    let site = Site::new(PROGRAM, Kind::Sqlite);
    let mut command = site.command(&["migrate"]);
    command.env_remove("DATABASE_URL").env("DATABASE_URL_FILE", "no-such-file");
    let line = complaint(&command.output().unwrap());
    assert!(line.starts_with("DATABASE_URL_FILE: can't read no-such-file: "), "{line}");
}

#[test]
fn what_the_file_holds_is_not_shown() {
    let site = Site::new(PROGRAM, Kind::Sqlite);
    fs::write(site.folder().join("secret"), "mysql://anna:geheim@db/site\n").unwrap();
    let mut command = site.command(&["migrate"]);
    command.env_remove("DATABASE_URL").env("DATABASE_URL_FILE", "secret");
    let line = complaint(&command.output().unwrap());
    assert_eq!(line, "DATABASE_URL: must start with sqlite:// or postgres://");
}
