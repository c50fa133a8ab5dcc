//! The disk of SQLite or of the media is full: 507, nothing answered is lost, nothing refused is left, and the next
//! change works once there is room.
//!
//! The disk is one of a megabyte in memory, mounted where only the service sees it, for which no rights are
//! needed but those that most systems give. (`ulimit -f` won't do: SQLite takes its EFBIG for a broken disk.)

use std::fs;
use std::path::Path;
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

/// The same, with the media alone on the disk.
const SMALL_MEDIA: &str = r#"
    set -e
    mount -t tmpfs -o size=1m none small
    "$0" demo > demo
    exec "$0" serve --bind 127.0.0.1:0 --media-store file:small
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

/// Every file below `folder`.
fn files(folder: &Path) -> usize {
    let count = |entry: fs::DirEntry| if entry.path().is_dir() { files(&entry.path()) } else { 1 };
    fs::read_dir(folder).unwrap().map(|entry| count(entry.unwrap())).sum()
}

#[test]
fn an_upload_that_finds_the_disk_full_is_a_507_and_leaves_nothing() {
    let site = Site::new(PROGRAM, Kind::Sqlite);
    fs::create_dir(site.folder().join("small")).unwrap();
    let mut command = unshare();
    command
        .args(["sh", "-c", SMALL_MEDIA, PROGRAM])
        .current_dir(site.folder())
        .env("DATABASE_URL", "sqlite://portfolio.db")
        .env("LOG_FORMAT", "json");
    let server = Server::start(&mut command);
    server.wait_until_ready();
    let printed = fs::read_to_string(site.folder().join("demo")).unwrap();
    let token = format!("Token {}", printed.lines().find(|line| line.starts_with("pf_")).unwrap());
    let authorization = ("Authorization", token.as_bytes());
    let head = "--limit\r\nContent-Disposition: form-data; name=\"f\"; filename=\"logo.png\"\r\n\r\n";
    // What follows an image is stored with it: two of these are more than the disk.
    let logo = include_bytes!("../http/images/logo.png");
    let form = [head.as_bytes(), logo, &vec![0; 600_000], b"\r\n--limit--\r\n"].concat();
    let media_type = ("Content-Type", &b"multipart/form-data; boundary=limit"[..]);
    let upload = || server.send("POST", "/api/images", &[authorization, media_type], Some(&form));
    let small = format!("/proc/{}/root{}/small", server.pid(), site.folder().display());

    let first = upload();
    assert_eq!(first.status, 201, "{first:?}");
    for _ in 0..2 {
        upload().assert(507, &json!({ "detail": "Not enough storage." }));
        assert_eq!(files(Path::new(&small)), 5, "those of the first, and no other");
    }
    let address = format!("/api/images/{}", first.json()["id"]);
    assert_eq!(server.send("DELETE", &address, &[authorization], None).status, 204);
    let again = upload();
    assert_eq!(again.status, 201, "there is room again: {again:?}");
}
