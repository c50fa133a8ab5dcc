use std::net::TcpListener;

use portfolio_testkit::{Kind, Site};
use rstest::rstest;

use crate::{PROGRAM, complaint};

#[rstest]
fn it_tells_by_its_status_whether_the_service_is_ready(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let site = Site::new(PROGRAM, kind);
    let server = site.serve_unready(&["--no-migrate"]);
    let check = || {
        let mut command = site.command(&["healthcheck"]);
        command.env("BIND", server.address()).output().unwrap()
    };
    let line = complaint(&check());
    assert!(line.starts_with("not ready: HTTP/1.1 503 ") && line.contains("Waiting for "), "{line}");
    site.ok(&["migrate"]);
    server.wait_until_ready();
    let output = check();
    assert_eq!((output.status.code(), &output.stdout[..], &output.stderr[..]), (Some(0), &b""[..], &b""[..]));
    // On every address, it is reached as on this machine's own.
    let port = server.address().rsplit_once(':').unwrap().1.to_owned();
    assert!(site.run(&["healthcheck", "--bind", &format!("0.0.0.0:{port}")]).status.success());
}

#[test]
fn nobody_there_is_one_line() {
    let site = Site::new(PROGRAM, Kind::Sqlite);
    // Free at this moment, and nobody takes it at once.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let line = complaint(&site.run(&["healthcheck", "--bind", &free]));
    assert!(line.starts_with(&format!("no answer from {free}")), "{line}");
    let line = complaint(&site.run(&["healthcheck", "--bind", "nowhere"]));
    assert!(line.starts_with("BIND"), "{line}");
}
