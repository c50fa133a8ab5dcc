//! What is measured (contract, section 5; issue 6), and whether the dashboard and the alerts ask for it.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use portfolio_testkit::{Client, Kind};
use rstest::rstest;
use serde_json::Value;

use crate::stage::{EMPLOYER, Stage};
use crate::{PROGRAM, wire};

const LOGO: &[u8] = include_bytes!("images/logo.png");

/// A server at which everything has happened once that is counted.
fn busy(kind: Kind) -> Stage {
    let stage = Stage::with(kind, &["--auth-failures-per-minute", "1"]);
    assert_eq!(stage.patch(r#"{"description":"a"}"#).status, 200);
    assert_eq!(stage.upload(&[("name=\"f\"; filename=\"a.png\"", LOGO)]).status, 201);
    for (method, path) in
        [("BREW", EMPLOYER), ("FROTH", EMPLOYER), ("GET", "/a"), ("GET", "/b"), ("GET", "/media/a/b")]
    {
        stage.send(method, path, &[], None);
    }
    for _ in 0..2 {
        stage.send("GET", EMPLOYER, &[("Authorization", b"Token guess")], None);
    }
    stage
}

fn text(stage: &Stage) -> String {
    let reply = stage.send("GET", "/metrics", &[], None);
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    reply.body
}

#[rstest]
fn what_happens_is_counted(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let text = text(&busy(kind));
    let pool = if kind == Kind::Postgres { "postgres" } else { "sqlite readers" };
    for line in [
        r#"portfolio_http_requests_total{method="PATCH",route="/api/portfolios/employers/{id}",status="200"} 1"#,
        r#"portfolio_http_request_duration_seconds_count{method="PATCH",route="/api/portfolios/employers/{id}",status="200"} 1"#,
        r#"portfolio_http_requests_total{method="POST",route="/api/images",status="201"} 1"#,
        // Whatever is asked for, and however, there is one of these.
        r#"portfolio_http_requests_total{method="other",route="/api/portfolios/employers/{id}",status="405"} 2"#,
        r#"portfolio_http_requests_total{method="GET",route="unmatched",status="404"} 2"#,
        r#"portfolio_http_requests_total{method="GET",route="/media/{path}",status="404"} 1"#,
        r#"portfolio_authentication_failures_total{reason="invalid"} 2"#,
        "portfolio_throttled_total 1",
        "portfolio_uploads_total 1",
        "portfolio_thumbnails_made_total 4",
        "portfolio_image_rendering_duration_seconds_count 1",
        r#"portfolio_images{state="waiting"} 0"#,
        &format!(r#"portfolio_database_waiting{{pool="{pool}"}} 0"#),
        &format!(r#"portfolio_database_queue_length{{pool="{pool}"}} 0"#),
        &format!(r#"portfolio_database_connections{{pool="{pool}",state="in_use"}} 0"#),
        "portfolio_log_lines_dropped_total 0",
        &format!(r#"portfolio_build_info{{version="{}"}} 1"#, env!("CARGO_PKG_VERSION")),
    ] {
        assert!(text.lines().any(|other| other == line), "{line}\n{text}");
    }
    for start in ["process_resident_memory_bytes ", "process_open_fds ", "process_start_time_seconds "] {
        let value = text.lines().find_map(|line| line.strip_prefix(start)).unwrap();
        assert!(value.parse::<f64>().unwrap() > 0.0, "{start}");
    }
}

/// Connections in use and jobs that wait, while the database holds them up.
#[test]
fn what_waits_for_the_database_is_seen() {
    use diesel::connection::SimpleConnection as _;
    use diesel::{Connection as _, PgConnection};
    let stage = Stage::with(Kind::Postgres, &["--database-pool-size", "2"]);
    let mut other = PgConnection::establish(stage.site.database_url()).unwrap();
    other.batch_execute("BEGIN; LOCK TABLE employers").unwrap();
    let values = || {
        let text = text(&stage);
        [
            r#"portfolio_database_connections{pool="postgres",state="in_use"}"#,
            r#"portfolio_database_queue_length{pool="postgres"}"#,
            r#"portfolio_database_waiting{pool="postgres"}"#,
        ]
        .map(|name| {
            text.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().parse::<u32>().unwrap()
        })
    };
    let token = format!("Token {}", stage.key);
    let seen = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Pages of the list are asked for one by one.
        for _ in 0..30 {
            scope.spawn(|| {
                while !seen.load(Ordering::Relaxed) {
                    let path = "/api/portfolios/employers?limit=1";
                    stage.send("GET", path, &[("Authorization", token.as_bytes())], None);
                }
            });
        }
        // Two are in use, 24 in the queue, and the others before it, until they are refused and come again.
        let start = Instant::now();
        let all_there = std::iter::repeat_with(values)
            .find(|values| *values == [2, 24, 4] || start.elapsed() > Duration::from_secs(60));
        seen.store(true, Ordering::Relaxed);
        other.batch_execute("COMMIT").unwrap();
        assert_eq!(all_there, Some([2, 24, 4]));
    });
    assert_eq!(values()[2], 0);
}

#[test]
fn at_an_address_of_their_own_metrics_are_there_only_and_also_before_the_service_is_ready() {
    let stage = Stage::with(Kind::Sqlite, &["--metrics-bind", "127.0.0.1:0"]);
    let apart =
        stage.server.logged(|event| event["message"] == "metrics")["address"].as_str().unwrap().to_owned();
    stage.send("GET", "/metrics", &[], None).assert_detail(404, "Not found.");
    let document = stage.send("GET", "/api/openapi.json", &[], None).json();
    assert!(document["paths"]["/metrics"].is_null() && document["paths"]["/healthz"].is_object());
    let apart = Client::new(&apart);
    let answer = apart.send("GET", "/metrics", &[], None).unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains(r#"route="unmatched",status="404"} 1"#), "{}", answer.body);
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(apart.send("HEAD", "/metrics", &[], None).unwrap().status, 200);
    assert_eq!(apart.send("POST", "/metrics", &[], None).unwrap().status, 405);
    assert_eq!(apart.send("GET", "/healthz", &[], None).unwrap().status, 404);

    // The migrations are pending, and it may not apply them.
    let site = portfolio_testkit::Site::new(PROGRAM, Kind::Sqlite);
    let unready = site.serve_unready(&["--no-migrate", "--metrics-bind", "127.0.0.1:0"]);
    let apart = unready.logged(|event| event["message"] == "metrics")["address"].as_str().unwrap().to_owned();
    assert_eq!(Client::new(&apart).send("GET", "/metrics", &[], None).unwrap().status, 200);
    assert_eq!(unready.send("GET", "/readyz", &[], None).status, 503);
}

/// A request under way holds the stop up.
#[test]
fn metrics_apart_are_told_while_the_service_stops() {
    let mut stage = Stage::with(Kind::Sqlite, &["--metrics-bind", "127.0.0.1:0", "--keep-alive", "1s"]);
    let apart = stage.server.logged(|event| event["message"] == "metrics");
    let apart = Client::new(apart["address"].as_str().unwrap());
    let token = format!("Token {}", stage.key);
    let headers = [
        ("Authorization", token.as_bytes()),
        ("Content-Type", &b"application/json"[..]),
        ("Expect", b"100-continue"),
        ("Content-Length", b"2"),
    ];
    let mut stream = TcpStream::connect(stage.server.address()).unwrap();
    stream.write_all(&wire::request("PATCH", EMPLOYER, &headers, None)).unwrap();
    stream.read_exact(&mut [0; 25]).unwrap();
    let pid = stage.server.pid().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let _ = stage.server.logged(|event| event["message"] == "stopping");
    assert_eq!(apart.send("GET", "/metrics", &[], None).unwrap().status, 200);
    stream.write_all(b"{}").unwrap();
    assert_eq!(stage.server.wait(), Some(0));
}

/// The names of metrics in a text.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names = words.filter(|word| word.starts_with("portfolio_") || word.starts_with("process_"));
    names
        .map(|name| {
            ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name)
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn dashboard_and_alerts_ask_for_what_there_is_and_the_dashboard_for_all_of_it() {
    let text = text(&busy(Kind::Sqlite));
    let there: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next().map(str::to_owned))
        .collect();
    let ops = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ops");
    let dashboard: Value =
        serde_json::from_str(&std::fs::read_to_string(ops.join("grafana-dashboard.json")).unwrap()).unwrap();
    let asked: Vec<_> = dashboard["panels"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap())
        .map(|target| target["expr"].as_str().unwrap())
        .collect();
    let shown = names(&asked.join(" "));
    let alerts = names(&std::fs::read_to_string(ops.join("alerts.yml")).unwrap());
    assert_eq!(shown.union(&alerts).filter(|name| !there.contains(*name)).collect::<Vec<_>>(), [""; 0]);
    let own: BTreeSet<_> = there.into_iter().filter(|name| name.starts_with("portfolio_")).collect();
    assert_eq!(own.difference(&shown).collect::<Vec<_>>(), [""; 0]);
    assert!(alerts.len() > 4, "{alerts:?}");
}
