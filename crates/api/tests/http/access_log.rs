//! One line a request, one audit line a change (contract, section 5; issue 6).

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};
use portfolio_testkit::{Client, Kind, Server, Site};
use rstest::rstest;
use serde_json::{Value, json};
use socket2::Socket;

use crate::stage::{EMPLOYER, JSON, NOBODY, Stage};
use crate::{PROGRAM, wire};

const LOGO: &[u8] = include_bytes!("images/logo.png");

/// The line of the request that this is the id of.
fn access(server: &Server, request_id: &str) -> Value {
    server.logged(|event| event["target"] == "portfolio_api::access" && event["request_id"] == request_id)
}

fn audits(events: Vec<Value>) -> Vec<Value> {
    events.into_iter().filter(|event| event["target"] == "audit").collect()
}

#[test]
fn each_request_has_a_line_and_no_more_than_its_pattern_is_told_of_its_path() {
    let stage = Stage::new(Kind::Sqlite);
    let token = format!("Token {}", stage.key);
    let stranger = format!("Token {}", stage.stranger());
    for (number, (method, path, token, route, shown, status, caller)) in [
        ("PATCH", EMPLOYER, token.as_str(), "/api/portfolios/employers/{id}", "PATCH", 200, Some("demo")),
        (
            "GET",
            "/api/portfolios/employers/?search=private",
            &token,
            "/api/portfolios/employers",
            "GET",
            200,
            Some("demo"),
        ),
        ("PATCH", NOBODY, &token, "/api/portfolios/employers/{id}", "PATCH", 404, Some("demo")),
        ("PATCH", EMPLOYER, &stranger, "/api/portfolios/employers/{id}", "PATCH", 403, Some("stranger")),
        ("PATCH", EMPLOYER, "", "/api/portfolios/employers/{id}", "PATCH", 401, None),
        ("BREW", EMPLOYER, "", "/api/portfolios/employers/{id}", "other", 405, None),
        ("GET", "/private/path", "", "unmatched", "GET", 404, None),
        ("GET", "/media/core_media/private.png", "", "/media/{path}", "GET", 404, None),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("request-{number}");
        let headers = [
            ("Authorization", token.as_bytes()),
            ("Content-Type", JSON.as_bytes()),
            ("X-Request-Id", id.as_bytes()),
        ];
        assert_eq!(stage.send(method, path, &headers, Some(b"{}")).status, status, "{path}");
        let line = access(&stage.server, &id);
        assert_eq!((&line["method"], &line["route"]), (&json!(shown), &json!(route)));
        assert_eq!((&line["status"], line["caller"].as_str()), (&json!(status), caller), "{line}");
        assert_eq!((&line["client"], &line["level"]), (&json!("127.0.0.1"), &json!("INFO")), "{line}");
        assert!(line["duration_ms"].as_f64().unwrap() > 0.0 && line["bytes"].as_u64().unwrap() > 0, "{line}");
    }
    let log = stage.log();
    for private in ["private", stage.key.as_str(), "Token"] {
        assert!(!log.contains(private), "{private}: {log}");
    }
}

#[test]
fn what_machines_ask_all_the_time_is_told_at_debug_only() {
    let stage = Stage::new(Kind::Sqlite);
    for path in ["/healthz", "/readyz", "/metrics", "/nope"] {
        stage.send("GET", path, &[], None);
    }
    let last = stage.server.logged(|event| event["target"] == "portfolio_api::access");
    assert_eq!(last["route"], "unmatched");
}

#[rstest]
fn each_change_has_an_audit_line_and_nothing_else_has(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let stage = Stage::new(kind);
    let token = format!("Token {}", stage.key);
    let send = |method: &str, path: &str, body: &str| {
        let headers = [("Authorization", token.as_bytes()), ("Content-Type", JSON.as_bytes())];
        stage.send(method, path, &headers, Some(body.as_bytes()))
    };
    let created = send("POST", "/api/portfolios/employers", r#"{"name":"private","description":"private"}"#);
    let created = created.json()["id"].as_i64().unwrap();
    let path = format!("/api/portfolios/employers/{created}");
    assert_eq!(send("PATCH", &path, r#"{"image":null,"unknown":1}"#).status, 200);
    assert_eq!(send("PATCH", &path, "{}").status, 200);
    assert_eq!(send("PATCH", &path, r#"{"name":""}"#).status, 400);
    assert_eq!(send("PATCH", "/api/portfolios/employers/99999", r#"{"name":"a"}"#).status, 404);
    assert_eq!(send("DELETE", &path, "").status, 204);
    let image =
        stage.upload(&[("name=\"f\"; filename=\"private.png\"", LOGO)]).json()["id"].as_i64().unwrap();
    assert_eq!(send("PATCH", &format!("/api/images/{image}"), r#"{"name":"private"}"#).status, 200);
    assert_eq!(send("DELETE", &format!("/api/images/{image}"), "").status, 204);
    let told: Vec<_> = audits(stage.events())
        .iter()
        .map(|line| {
            assert_eq!((&line["caller"], &line["client"]), (&json!("demo"), &json!("127.0.0.1")), "{line}");
            assert!(line["request_id"].as_str().is_some_and(|id| id.len() == 32), "{line}");
            let text = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
            (text("message"), text("resource"), line["id"].as_i64().unwrap(), text("members"))
        })
        .collect();
    let line = |done: &str, resource: &str, id: i64, members: &str| {
        (done.to_owned(), resource.to_owned(), id, members.to_owned())
    };
    assert_eq!(
        told,
        [
            line("created", "employer", created, "name,description"),
            line("patched", "employer", created, "image"),
            line("deleted", "employer", created, "-"),
            line("uploaded", "image", image, "f"),
            line("renamed", "image", image, "name"),
            line("deleted", "image", image, "-"),
        ]
    );
    assert!(!stage.log().contains("private"));
}

#[test]
fn a_refusal_is_in_the_audit_log_without_the_key() {
    let stage = Stage::new(Kind::Sqlite);
    let stranger = stage.stranger();
    for (key, status) in [(stranger.as_str(), 403), ("guessed-key", 401), ("two words", 401)] {
        let token = format!("Token {key}");
        assert_eq!(
            stage.send("PATCH", EMPLOYER, &[("Authorization", token.as_bytes())], None).status,
            status
        );
    }
    let told: Vec<_> = audits(stage.events())
        .iter()
        .map(|line| {
            assert_eq!((&line["message"], &line["level"]), (&json!("refused"), &json!("WARN")));
            assert_eq!(line["route"], "/api/portfolios/employers/{id}");
            (line["why"].as_str().unwrap().to_owned(), line["caller"].as_str().map(str::to_owned))
        })
        .collect();
    assert_eq!(
        told,
        [
            ("stranger lacks permission 4223".to_owned(), Some("stranger".to_owned())),
            ("invalid token".to_owned(), None),
            ("credentials: Spaces".to_owned(), None),
        ]
    );
    assert!(!stage.log().contains("guessed"));
}

/// Sends a request, and no more is heard of it: the connection is reset.
fn send_and_reset(server: &Server, request: &[u8], before_reset: impl FnOnce()) {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(request).unwrap();
    before_reset();
    let socket = Socket::from(stream);
    socket.set_linger(Some(std::time::Duration::ZERO)).unwrap();
}

fn stop(server: &mut Server) {
    assert!(Command::new("kill").args(["-TERM", &server.pid().to_string()]).status().unwrap().success());
    assert_eq!(server.wait(), Some(0));
}

/// The database holds the change back until the client is known to have gone, and the service was told to stop.
#[test]
fn a_change_ends_and_has_its_audit_line_though_its_client_went_away_and_the_service_stops() {
    let mut stage = Stage::new(Kind::Postgres);
    let mut other = PgConnection::establish(stage.site.database_url()).unwrap();
    other.batch_execute("BEGIN; SELECT * FROM employers WHERE id = 123 FOR UPDATE").unwrap();
    let token = format!("Token {}", stage.key);
    let headers = [
        ("Authorization", token.as_bytes()),
        ("Content-Type", JSON.as_bytes()),
        ("X-Request-Id", &b"reset"[..]),
    ];
    let request = wire::request("PATCH", EMPLOYER, &headers, Some(br#"{"description":"after the reset"}"#));
    send_and_reset(&stage.server, &request, || {
        let waits = "SELECT 'line' AS line FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                     AND datname = current_database()";
        while stage.site.lines(waits).is_empty() {
            std::thread::yield_now();
        }
    });
    let gone = access(&stage.server, "reset");
    assert_eq!((&gone["status"], &gone["message"]), (&json!(499), &json!("client gone")));
    assert_eq!(audits(stage.server.events()), [] as [Value; 0]);
    let pid = stage.server.pid().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    other.batch_execute("COMMIT").unwrap();
    assert_eq!(stage.server.wait(), Some(0));
    let told = audits(stage.server.events());
    let [line] = &told[..] else { panic!("{told:?}") };
    assert_eq!(
        (&line["message"], &line["id"], &line["request_id"]),
        (&json!("patched"), &json!(123), &json!("reset"))
    );
    let stored = stage.site.lines("SELECT description AS line FROM employers WHERE id = 123");
    assert_eq!(stored, ["after the reset"]);
}

#[rstest]
fn what_is_in_the_database_is_in_the_audit_log_whatever_clients_did(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    const CLIENTS: usize = 120;
    let mut stage = Stage::new(kind);
    let token = format!("Token {}", stage.key);
    let headers = [
        ("Authorization", token.as_bytes()),
        ("Content-Type", JSON.as_bytes()),
        ("Expect", &b"100-continue"[..]),
    ];
    for number in 0..CLIENTS {
        let body = format!(r#"{{"name":"client {number}"}}"#);
        let head = wire::request("POST", "/api/portfolios/employers", &headers, Some(&[]));
        let head = String::from_utf8(head).unwrap().replace("Length: 0", &format!("Length: {}", body.len()));
        let mut stream = TcpStream::connect(stage.server.address()).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        // Its handler waits for the body now.
        stream.read_exact(&mut [0; 25]).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        // Each goes at another moment of its change.
        let moment = std::time::Instant::now() + std::time::Duration::from_micros(number as u64 * 25);
        while std::time::Instant::now() < moment {
            std::hint::spin_loop();
        }
        Socket::from(stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    }
    stop(&mut stage.server);
    let mut stored =
        stage.site.lines("SELECT CAST(id AS TEXT) AS line FROM employers WHERE name LIKE 'client %'");
    let mut told: Vec<_> = audits(stage.server.events()).iter().map(|line| line["id"].to_string()).collect();
    stored.sort();
    told.sort();
    assert_eq!(stored, told);
    let gone = stage.server.events().iter().filter(|event| event["status"] == 499).count();
    eprintln!("{} of {CLIENTS} were made; {gone} clients were gone before their answer", stored.len());
    assert!(gone > 0 && !stored.is_empty(), "{gone} {}", stored.len());
}

/// Whoever should read the log has stopped doing so: the pipe is full, then the queue is.
#[test]
fn a_log_that_nobody_reads_does_not_stop_the_service_and_what_is_lost_is_counted() {
    let site = Site::new(PROGRAM, Kind::Sqlite).demo();
    let mut command = site.command(&["serve", "--bind", "127.0.0.1:0"]);
    let command = command.env("LOG_FORMAT", "json").env("RUST_LOG", "trace").stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let client = loop {
        let mut line = String::new();
        assert!(log.read_line(&mut line).unwrap() > 0, "it ended");
        let event: Value = serde_json::from_str(&line).unwrap();
        if event["message"] == "listening" {
            break Client::new(event["address"].as_str().unwrap());
        }
    };
    let lost = |text: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix("portfolio_log_lines_dropped_total "));
        value.unwrap().parse::<u64>().unwrap()
    };
    let mut requests = 0;
    while lost(&client.send("GET", "/metrics", &[], None).unwrap().body) == 0 {
        requests += 1;
        assert!(requests < 10_000, "nothing was lost");
    }
    assert_eq!(client.send("GET", "/healthz", &[], None).unwrap().status, 200);
    child.kill().unwrap();
    child.wait().unwrap();
}
