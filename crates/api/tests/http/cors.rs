//! What pages of other sites may do (Fetch standard; contract, sections 6 and 9).

use portfolio_testkit::{Kind, Server, Site};

use crate::PROGRAM;
use crate::stage::EMPLOYER;
use crate::wire::{self, Reply};

const ORIGIN: &str = "https://www.example.com";

/// A server that these origins may call, and a key.
fn serve(origins: Option<&str>) -> (Site, Server, String) {
    let site = Site::new(PROGRAM, Kind::Sqlite).demo();
    let key = site.key("maryam", &["--permission", "4223"]);
    let flags: Vec<_> = origins.into_iter().flat_map(|origins| ["--cors-allowed-origins", origins]).collect();
    let server = site.serve_unready(&flags);
    server.wait_until_ready();
    (site, server, key)
}

fn send(server: &Server, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    wire::exchange(server, &wire::request(method, path, &headers, None))
}

fn preflight(server: &Server, path: &str, origin: &str, method: &str) -> Reply {
    let headers = [
        ("Origin", origin),
        ("Access-Control-Request-Method", method),
        ("Access-Control-Request-Headers", "authorization,content-type,if-match"),
    ];
    send(server, "OPTIONS", path, &headers)
}

#[test]
fn a_page_of_an_allowed_origin_is_told_before_it_asks() {
    let (_site, server, _) = serve(Some(&format!("http://localhost:3000, {ORIGIN}")));
    // What it does not know is told, too: the browser compares.
    for method in ["PATCH", "PUT"] {
        let reply = preflight(&server, EMPLOYER, ORIGIN, method);
        assert_eq!((reply.status, reply.body.as_str()), (204, ""));
        assert_eq!(reply.header("access-control-allow-origin"), Some(ORIGIN));
        assert_eq!(reply.header("access-control-allow-methods"), Some("GET, HEAD, PATCH, DELETE, OPTIONS"));
        assert_eq!(reply.header("access-control-allow-headers"), Some("authorization,content-type,if-match"));
        assert_eq!(reply.header("access-control-max-age"), Some("3600"));
        assert_eq!(reply.header("access-control-allow-credentials"), None);
        assert_eq!(reply.header("allow"), Some("GET, HEAD, PATCH, DELETE, OPTIONS"));
    }
}

/// Errors, too: a page could not tell its user otherwise.
#[test]
fn a_page_of_an_allowed_origin_may_read_every_answer() {
    let (site, server, key) = serve(Some(ORIGIN));
    let token = format!("Token {key}");
    // A time that is beyond every calendar.
    site.execute("UPDATE employers SET updated_at = 9223372036854775806 WHERE id = 4");
    for (method, path, status) in [
        ("PATCH", "/api/portfolios/employers/4", 500),
        ("PATCH", EMPLOYER, 415),
        ("GET", EMPLOYER, 403),
        ("PUT", EMPLOYER, 405),
        ("GET", "/nowhere", 404),
        ("OPTIONS", EMPLOYER, 204),
        ("GET", "/healthz", 200),
    ] {
        let headers = [("Origin", ORIGIN), ("Authorization", &token), ("Content-Type", "application/json")];
        let body = (status == 500).then_some(&b"{\"name\":\"x\"}"[..]);
        let headers = headers.map(|(name, value)| (name, value.as_bytes()));
        let sent = if status == 415 { &headers[..2] } else { &headers[..] };
        let reply = wire::exchange(&server, &wire::request(method, path, sent, body));
        assert_eq!(reply.status, status, "{method} {path}");
        assert_eq!(reply.header("access-control-allow-origin"), Some(ORIGIN), "{method} {path}");
        assert!(reply.header("vary").unwrap().contains("Origin"));
        let exposed = reply.header("access-control-expose-headers").unwrap().to_lowercase();
        for name in ["etag", "location", "retry-after", "x-request-id", "accept-patch", "allow"] {
            assert!(exposed.contains(name), "{name}: {exposed}");
        }
    }
}

#[test]
fn no_other_page_is_let_in() {
    let (_site, open, _) = serve(Some(ORIGIN));
    let (_other_site, closed, _) = serve(None);
    let strangers =
        ["https://example.com", "http://www.example.com", "https://www.example.com.evil.org", "null", "*"];
    for (server, origins) in [(&open, &strangers[..]), (&closed, &[ORIGIN, "null"])] {
        for origin in origins {
            let replies = [
                preflight(server, EMPLOYER, origin, "PATCH"),
                send(server, "OPTIONS", EMPLOYER, &[("Access-Control-Request-Method", "PATCH")]),
                send(server, "OPTIONS", EMPLOYER, &[("Origin", origin)]),
                preflight(server, EMPLOYER, origin, "P A T C H"),
            ];
            for reply in replies {
                assert_eq!((reply.status, reply.body.as_str()), (204, ""), "{origin}");
                assert_eq!(reply.header("access-control-allow-origin"), None, "{origin}");
                assert_eq!(reply.header("access-control-allow-methods"), None, "{origin}");
            }
            let reply = send(server, "GET", "/healthz", &[("Origin", origin)]);
            assert_eq!((reply.status, reply.header("access-control-allow-origin")), (200, None), "{origin}");
        }
    }
}

#[test]
fn an_origin_that_is_none_stops_the_start() {
    let site = Site::new(PROGRAM, Kind::Sqlite);
    let output = site.command(&["serve"]).env("CORS_ALLOWED_ORIGINS", "https://a, *").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("portfolio: CORS_ALLOWED_ORIGINS: ") && said.lines().count() == 1, "{said}");
}
