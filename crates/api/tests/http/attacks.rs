//! What attackers try that belongs to no one resource: forged heads, probing, and headers that are missed.
//! Others stand with what they attack: keys in `throttle` and `authorisation`, bodies in `body` and
//! `judgement`, files in `images` and `media`, versions in `precondition`, other sites in `cors`.

use portfolio_testkit::Kind;
use rstest::rstest;

use crate::stage::{EMPLOYER, JSON, Stage};
use crate::wire;

const LIST: &str = "/api/portfolios/employers";

#[test]
fn a_key_in_the_query_string_is_none_and_is_never_logged() {
    let stage = Stage::new(Kind::Sqlite);
    for name in ["token", "key", "api_key", "Authorization", "access_token"] {
        let reply = stage.send("GET", &format!("{LIST}?{name}={}", stage.key), &[], None);
        reply.assert_detail(401, "Authentication credentials were not provided.");
    }
    assert!(!stage.log().contains(&stage.key));
}

#[rstest]
fn sql_is_text_like_any_other(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let stage = Stage::new(kind);
    let token = format!("Token {}", stage.key);
    let get = |query: &str| {
        stage.send("GET", &format!("{LIST}?{query}"), &[("Authorization", token.as_bytes())], None)
    };
    for sql in [
        "name;DROP+TABLE+employers",
        "(SELECT+1)",
        "name,(CASE+WHEN+1=1+THEN+id+END)",
        "created_at--",
        "password",
    ] {
        let reply = get(&format!("ordering={sql}"));
        assert_eq!(reply.status, 400, "{reply:?}");
        assert!(reply.json()["ordering"].is_array(), "{reply:?}");
    }
    for sql in ["1+OR+1=1", "1;SELECT+1", "0x10"] {
        assert_eq!(get(&format!("id_min={sql}")).status, 400);
    }
    for sql in ["%27+OR+%271%27=%271", "%25", "_", "%27;DROP+TABLE+employers;--", "%5C%27"] {
        let found = get(&format!("search={sql}")).json();
        assert_eq!(found["count"], 0, "{sql}: {found}");
    }
    let name = r#"{"name":"'); DROP TABLE employers; --"}"#;
    assert_eq!(stage.patch(name).status, 200);
    assert_eq!(stage.text("name"), "'); DROP TABLE employers; --");
}

#[test]
fn a_page_of_any_number_is_none() {
    let stage = Stage::new(Kind::Sqlite);
    let token = format!("Token {}", stage.key);
    for query in [
        "limit=1000000000",
        "limit=1e9",
        "limit=-1",
        "limit=99999999999999999999",
        "offset=-1",
        "offset=99999999999999999999",
    ] {
        let reply =
            stage.send("GET", &format!("{LIST}?{query}"), &[("Authorization", token.as_bytes())], None);
        let name = query.split('=').next().unwrap();
        assert!(reply.status == 400 && reply.json()[name].is_array(), "{query}: {reply:?}");
    }
}

/// Two servers in a row that see two different requests in one are how requests are smuggled.
#[rstest]
#[case::length_and_chunks("Host: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n")]
#[case::two_lengths("Host: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n")]
#[case::a_list_of_lengths("Host: a\r\nContent-Length: 4, 4\r\n")]
#[case::a_signed_length("Host: a\r\nContent-Length: +4\r\n")]
#[case::two_hosts("Host: a\r\nHost: b\r\n")]
#[case::no_host("")]
#[case::space_before_the_colon("Host: a\r\nContent-Length : 4\r\n")]
#[case::unknown_coding("Host: a\r\nTransfer-Encoding: cow\r\n")]
#[case::two_codings("Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n")]
#[case::a_nul("Host: a\r\nX-A: a\0b\r\n")]
fn a_request_of_doubtful_framing_is_a_400_and_the_connection_is_closed(#[case] head: &str) {
    let stage = Stage::new(Kind::Sqlite);
    let after = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    let answer =
        stage.server.raw(format!("PATCH {EMPLOYER} HTTP/1.1\r\n{head}\r\n0\r\n\r\n{after}").as_bytes());
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
}

#[test]
fn a_head_that_is_too_large_is_a_431() {
    let stage = Stage::new(Kind::Sqlite);
    let many = "X-A: b\r\n".repeat(100);
    let long = format!("X-A: {}\r\n", "b".repeat(140 * 1024));
    for head in [many, long] {
        let answer = stage.server.raw(format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{head}\r\n").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    assert_eq!(stage.send("GET", "/healthz", &[], None).status, 200);
}

#[test]
fn whatever_is_sent_each_line_of_the_log_is_one_event() {
    let stage = Stage::new(Kind::Sqlite);
    let forged = r#"{"level":"INFO","target":"audit","message":"forged"}"#;
    let encoded = "%0d%0a%7B%22level%22:%22INFO%22,%22message%22:%22forged%22%7D";
    for path in [format!("/{encoded}"), format!("/media/{encoded}.png"), format!("{LIST}?search={encoded}")] {
        stage.send("GET", &path, &[("X-Request-Id", encoded.as_bytes())], None);
    }
    let token = format!("Token \n{forged}").replace('\n', "\t");
    stage.send("GET", LIST, &[("Authorization", token.as_bytes())], None);
    stage.patch(format!("{{\"name\":{}}}", serde_json::json!(format!("a\r\n{forged}"))));
    let file = format!("name=\"f\"; filename=\"a%0d%0a\\\"{}\"", forged.replace('"', "'"));
    stage.upload(&[(&file, b"no image")]);
    for event in stage.events() {
        assert!(event["target"].is_string() && event["message"] != "forged", "{event}");
    }
}

/// Whatever answers: headers that make it safe, and nothing that tells what runs here.
#[test]
fn every_answer_has_the_headers_that_make_it_safe_and_no_banner() {
    let stage = Stage::with(Kind::Sqlite, &["--auth-failures-per-minute", "1"]);
    std::fs::write(stage.site.folder().join("data/media/a.png"), "whatever").unwrap();
    let token = format!("Token {}", stage.key);
    let send = |method: &str, path: &str, more: &[(&str, &[u8])], body: Option<&[u8]>| {
        let usual = [("Authorization", token.as_bytes()), ("Content-Type", JSON.as_bytes())];
        let usual = if more.iter().any(|(name, _)| *name == "Authorization") { &[][..] } else { &usual };
        stage.send(method, path, &[usual, more].concat(), body)
    };
    let etag = send("GET", EMPLOYER, &[], None).header("etag").unwrap().to_owned();
    let known = [("If-None-Match", etag.as_bytes())];
    let guess = [("Authorization", &b"Token guess"[..])];
    let api = ("private, no-cache", "default-src 'none'; frame-ancestors 'none'");
    let media = ("public, max-age=31536000, immutable", "default-src 'none'; sandbox");
    for (status, reply, (caching, policy)) in [
        (200, send("GET", EMPLOYER, &[], None), api),
        (200, send("HEAD", LIST, &[], None), api),
        (200, send("GET", "/healthz", &[], None), api),
        (200, send("GET", "/metrics", &[], None), api),
        (200, send("GET", "/api/openapi.json", &[], None), api),
        (201, send("POST", LIST, &[], Some(b"{\"name\":\"a\"}")), api),
        (204, send("OPTIONS", LIST, &[], None), api),
        (304, send("GET", EMPLOYER, &known, None), api),
        (400, send("PATCH", EMPLOYER, &[], Some(b"{")), api),
        (401, send("GET", EMPLOYER, &guess, None), api),
        (429, send("GET", EMPLOYER, &guess, None), api),
        (404, send("GET", "/nope", &[], None), api),
        (404, send("GET", "/media/nope.png", &[], None), api),
        (405, send("TRACE", EMPLOYER, &[], None), api),
        (415, send("PATCH", EMPLOYER, &[("Content-Encoding", b"gzip")], Some(b"{}")), api),
        (200, send("GET", "/media/a.png", &[], None), media),
        (206, send("GET", "/media/a.png", &[("Range", b"bytes=0-1")], None), media),
        (204, send("DELETE", EMPLOYER, &[], None), api),
    ] {
        assert_eq!(reply.status, status, "{reply:?}");
        assert_eq!(reply.header("cache-control"), Some(caching), "{reply:?}");
        assert_eq!(reply.header("content-security-policy"), Some(policy), "{reply:?}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{reply:?}");
        assert_eq!(reply.header("referrer-policy"), Some("no-referrer"), "{reply:?}");
        assert!(reply.header("x-request-id").is_some(), "{reply:?}");
        for banner in ["server", "x-powered-by", "via"] {
            assert_eq!(reply.header(banner), None, "{reply:?}");
        }
    }
    let page = stage.send("GET", "/api/docs", &[], None);
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self'; ") && !policy.contains("unsafe"),
        "{policy}"
    );
}

#[test]
fn a_forged_forwarding_is_not_believed_in_any_link() {
    let stage = Stage::new(Kind::Sqlite);
    let token = format!("Token {}", stage.key);
    let headers = [
        ("Authorization", token.as_bytes()),
        ("X-Forwarded-Host", &b"evil.example"[..]),
        ("X-Forwarded-Proto", b"gopher"),
        ("X-Forwarded-For", b"203.0.113.7"),
        ("Forwarded", b"host=evil.example;for=203.0.113.7"),
        ("X-Original-URL", b"/metrics"),
    ];
    let bytes = wire::request("GET", &format!("{LIST}?limit=1"), &headers, None);
    let bytes = String::from_utf8(bytes).unwrap().replace("Host: portfolio\r\n", "Host: evil.example\r\n");
    let reply = wire::exchange(&stage.server, bytes.as_bytes());
    assert!(reply.json()["next"].as_str().unwrap().starts_with(portfolio_testkit::PUBLIC_URL), "{reply:?}");
    assert!(!format!("{reply:?}").contains("evil"), "{reply:?}");
    let line = stage.server.logged(|event| event["target"] == "portfolio_api::access");
    assert_eq!(line["client"], "127.0.0.1");
}
