//! SQLite's disk is full: 507, nothing answered is lost, and the next change works once there is room.
//!
//! The disk is one of a megabyte in memory, mounted where only the service sees it, for which no rights are
//! needed but those that most systems give. (`ulimit -f` won't do: SQLite takes its EFBIG for a broken disk.)

use std::fs;
use std::process::Command;

use portfolio_testkit::{Kind, Server, Site};
use serde_json::json;

use crate::PROGRAM;

/// Runs as root of a world of its own: makes the disk, puts something on it and the example beside, and
/// serves.
const SMALL_WORLD: &str = r#"
    set -e
    mount -t tmpfs -o size=1m none small
    head -c 400000 /dev/zero > small/filler
    "$0" demo > demo
    exec "$0" serve --bind 127.0.0.1:0
"#;

fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "--"]);
    command
}

#[test]
fn a_full_disk_is_a_507_until_there_is_room_again() {
    let site = Site::new(PROGRAM, Kind::Sqlite);
    fs::create_dir(site.folder().join("small")).unwrap();
    let mut command = unshare();
    command
        .args(["sh", "-c", SMALL_WORLD, PROGRAM])
        .current_dir(site.folder())
        .env("DATABASE_URL", "sqlite://small/portfolio.db")
        .env("LOG_FORMAT", "json");
    // Where this fails: run it as root, or let users have namespaces of their own.
    let server = Server::start(&mut command);
    server.wait_until_ready();
    let printed = fs::read_to_string(site.folder().join("demo")).unwrap();
    let key = printed.lines().find(|line| line.starts_with("pf_")).unwrap();
    let patch = |number: usize| {
        let body = json!({ "description": format!("{number} {}", "x".repeat(9_000)) });
        server.patch(4, key, &body.to_string())
    };

    let mut last = server.patch(4, key, "{}");
    let mut number = 0;
    let refused = loop {
        let answer = patch(number);
        if answer.status != 200 {
            break answer;
        }
        last = answer;
        number += 1;
        assert!(number < 1_000, "the disk never fills");
    };
    assert!(number > 0, "at first there is room: {refused:?}");
    refused.assert(507, &json!({ "detail": "Not enough storage." }));
    assert_eq!(server.patch(4, key, "{}").body, last.body, "what was answered is there, and no more");
    patch(number).assert(507, &json!({ "detail": "Not enough storage." }));

    // The disk is seen from outside through the process that lives with it.
    let small = format!("/proc/{}/root{}/small", server.pid(), site.folder().display());
    fs::remove_file(format!("{small}/filler")).unwrap();
    let answer = patch(number);
    assert_eq!(answer.status, 200, "there is room again: {answer:?}");
    assert_eq!(server.patch(4, key, "{}").body, answer.body);
    eprintln!("full after {number} changes");
}
