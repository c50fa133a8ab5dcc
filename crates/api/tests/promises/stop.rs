//! A service that is told to stop finishes what it has begun.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};
use portfolio_testkit::{Kind, Site};
use rstest::rstest;

use crate::PROGRAM;

#[rstest]
fn told_to_stop_it_answers_the_request_it_has_begun_and_ends_with_0(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
    #[values("-TERM", "-INT")] signal: &str,
) {
    let site = Site::new(PROGRAM, kind).demo();
    let key = site.key("maryam", &["--permission", "4223"]);
    let mut server = site.serve();
    let body = r#"{"description": "after the signal"}"#;
    let mut stream = TcpStream::connect(server.address()).unwrap();
    write!(
        stream,
        "PATCH /api/portfolios/employers/4 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Token {key}\r\n\
         Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .unwrap();
    // Asked to go on, the client knows that its request has begun.
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");

    let told = Command::new("kill").args([signal, &server.pid().to_string()]).status().unwrap();
    assert!(told.success());
    // It has understood when it listens no more.
    while TcpStream::connect(server.address()).is_ok() {
        std::thread::yield_now();
    }
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains(r#""description":"after the signal""#), "{answer}");
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn told_to_stop_it_ends_even_while_it_waits_for_the_migrations_of_another() {
    let site = Site::new(PROGRAM, Kind::Postgres);
    let mut other = PgConnection::establish(site.database_url()).unwrap();
    other.batch_execute("SELECT pg_advisory_lock(4223001)").unwrap();
    let mut server = site.serve_unready(&[]);
    let waits = "SELECT 'line' AS line FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    while site.lines(waits).is_empty() {
        std::thread::yield_now();
    }
    assert!(Command::new("kill").args(["-TERM", &server.pid().to_string()]).status().unwrap().success());
    assert_eq!(server.wait(), Some(0), "the lock is still held, and it has ended");
    drop(other);
}
