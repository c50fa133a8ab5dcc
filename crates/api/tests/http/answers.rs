//! What belongs to an answer beside its text (contract, sections 1, 3, 5 and 9): methods, paths, media
//! types, sizes, headers.

use portfolio_testkit::{Kind, PUBLIC_URL, Site};
use rstest::rstest;

use crate::PROGRAM;
use crate::stage::{EMPLOYER, JSON, Stage};
use crate::wire;

/// The methods that an employer knows.
const ALLOW: &str = "GET, HEAD, PATCH, DELETE, OPTIONS";
/// The methods that the list knows.
const LIST_ALLOW: &str = "GET, HEAD, POST, OPTIONS";
const ACCEPT_PATCH: &str = "application/json, application/merge-patch+json";

#[test]
fn another_method_on_a_known_path_is_a_405_at_once() {
    let stage = Stage::new(Kind::Sqlite);
    for method in ["POST", "PUT", "TRACE", "FOO", "patch"] {
        for path in [EMPLOYER, "/api/portfolios/employers/123/", "/api/portfolios/employers/nobody"] {
            // Without credentials, and with a body that nobody reads.
            for body in [None, Some(&b"{bad"[..])] {
                let reply = stage.send(method, path, &[], body);
                reply.assert_detail(405, &format!("Method \"{method}\" not allowed."));
                assert_eq!(reply.header("allow"), Some(ALLOW));
            }
        }
    }
    for method in ["PUT", "PATCH", "DELETE"] {
        for path in ["/api/portfolios/employers", "/api/portfolios/employers/"] {
            let reply = stage.send(method, path, &[], Some(b"{}"));
            reply.assert_detail(405, &format!("Method \"{method}\" not allowed."));
            assert_eq!(reply.header("allow"), Some(LIST_ALLOW));
        }
    }
    for path in ["/healthz", "/readyz", "/healthz/", "/readyz/"] {
        let reply = stage.send("PATCH", path, &[], Some(b"{}"));
        reply.assert_detail(405, "Method \"PATCH\" not allowed.");
        assert_eq!(reply.header("allow"), Some("GET, HEAD, OPTIONS"));
    }
    // No header makes one method another.
    let headers = [("X-HTTP-Method-Override", &b"PATCH"[..])];
    stage.send("POST", EMPLOYER, &headers, Some(b"{}")).assert_detail(405, "Method \"POST\" not allowed.");
}

#[test]
fn options_are_told_without_credentials() {
    let stage = Stage::new(Kind::Sqlite);
    for (path, allow, accept_patch) in [
        (EMPLOYER, ALLOW, Some(ACCEPT_PATCH)),
        ("/api/portfolios/employers/123/", ALLOW, Some(ACCEPT_PATCH)),
        ("/api/portfolios/employers", LIST_ALLOW, None),
        ("/healthz", "GET, HEAD, OPTIONS", None),
        ("/readyz", "GET, HEAD, OPTIONS", None),
    ] {
        let reply = stage.send("OPTIONS", path, &[], None);
        assert_eq!((reply.status, reply.body.as_str()), (204, ""), "{path}");
        assert_eq!((reply.header("allow"), reply.header("accept-patch")), (Some(allow), accept_patch));
    }
}

#[test]
fn head_answers_as_get_does_without_the_body() {
    let stage = Stage::new(Kind::Sqlite);
    for (path, body) in [("/healthz", r#"{"status":"alive"}"#), ("/readyz", r#"{"status":"ready"}"#)] {
        stage.send("GET", path, &[], None).assert(200, body);
        let head = stage.send("HEAD", path, &[], None);
        assert_eq!((head.status, head.body.as_str(), head.header("content-type")), (200, "", Some(JSON)));
        assert_eq!(head.header("content-length"), Some(body.len().to_string().as_str()));
    }
}

#[test]
fn what_is_not_there_is_a_404_in_json_without_credentials() {
    let stage = Stage::new(Kind::Sqlite);
    for path in [
        "/",
        "/nope",
        "/api",
        "/api/",
        "/api/portfolios/employer/123",
        "/api/portfolios/employers/123/4",
        "/api/portfolios/employers/123//",
        "//api/portfolios/employers/123",
        "/API/portfolios/employers/123",
        "/api%2Fportfolios/employers/123",
        "/api/nope/../portfolios/employers/123",
        "/healthz/live",
        "*",
    ] {
        for method in ["GET", "PATCH", "OPTIONS"] {
            stage.send(method, path, &[], None).assert_detail(404, "Not found.");
        }
    }
}

#[rstest]
fn one_employer_has_one_address(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let stage = Stage::new(kind);
    let token = format!("Token {}", stage.key);
    let headers = [("Authorization", token.as_bytes()), ("Content-Type", JSON.as_bytes())];
    let patch = |path: &str| stage.send("PATCH", path, &headers, Some(b"{}"));
    for id in [
        "0",
        "124",
        "0123",
        "00123",
        "+123",
        "-123",
        "123%20",
        "%20123",
        "123.0",
        "1e2",
        "1_23",
        "123;v=1",
        "%D9%A1",
        "%00",
        "%FF",
        "%",
        "%zz",
        "123%00",
        "123%2F",
        "9223372036854775807",
        "9223372036854775808",
        "99999999999999999999",
        "abc",
        "..",
        "%2e%2e",
    ] {
        patch(&format!("/api/portfolios/employers/{id}")).assert_detail(404, "Not found.");
    }
    patch(&format!("/api/portfolios/employers/{}", "1".repeat(5000))).assert_detail(404, "Not found.");
    // A trailing slash is the same address, answered where it is, and so is any query.
    for path in [EMPLOYER, "/api/portfolios/employers/123/", "/api/portfolios/employers/123/?a=%00&id=4"] {
        let reply = patch(path);
        assert_eq!((reply.status, reply.header("location")), (200, None), "{path}");
    }
}

#[rstest]
#[case("application/json")]
#[case("APPLICATION/JSON")]
#[case("application/json;charset=utf-8")]
#[case("application/json ; charset=UTF-8")]
#[case("application/json; charset=\"utf-8\"")]
#[case("application/json;\tCharset=Utf-8")]
#[case("application/json;")]
#[case("application/json; version=\"1;charset=utf-16\"")]
#[case("application/merge-patch+json")]
#[case("Application/Merge-Patch+JSON; charset=utf-8")]
fn json_is_taken_by_either_name(#[case] media_type: &str) {
    assert_media_type(media_type.as_bytes(), None);
}

#[rstest]
#[case("text/plain")]
#[case("text/json")]
#[case("application/json-patch+json")]
#[case("application/vnd.api+json")]
#[case("application/x-www-form-urlencoded")]
#[case("multipart/form-data; boundary=x")]
#[case("application/*")]
#[case("*/*")]
#[case("json")]
#[case("application/json, application/json")]
#[case("application/json; charset=utf-16")]
#[case("application/json; charset=latin-1")]
#[case("application/json; charset=us-ascii")]
#[case("application/json; charset=nope")]
#[case("application/json; charset=")]
#[case("application/json; charset='utf-8'")]
#[case("application/merge-patch+json; charset=utf-16")]
#[case("a\"b\\c")]
#[case("")]
fn another_media_type_or_charset_is_a_415_that_shows_it(#[case] media_type: &str) {
    assert_media_type(media_type.as_bytes(), Some(media_type));
}

#[test]
fn a_media_type_that_is_no_text_is_shown_as_latin_1() {
    assert_media_type(b"\xff/\xe9", Some("ÿ/é"));
}

#[track_caller]
fn assert_media_type(sent: &[u8], refused_as: Option<&str>) {
    let stage = Stage::new(Kind::Sqlite);
    let token = format!("Token {}", stage.key);
    let headers = [("Authorization", token.as_bytes()), ("Content-Type", sent)];
    let reply = stage.send("PATCH", EMPLOYER, &headers, Some(b"{}"));
    match refused_as {
        None => assert_eq!(reply.status, 200, "{reply:?}"),
        Some(shown) => {
            reply.assert_detail(415, &format!("Unsupported media type \"{shown}\" in request."));
            assert_eq!(reply.header("accept-patch"), Some(ACCEPT_PATCH));
        }
    }
}

#[test]
fn a_body_without_a_media_type_is_a_415() {
    let stage = Stage::new(Kind::Sqlite);
    let token = format!("Token {}", stage.key);
    let headers = [("Authorization", token.as_bytes())];
    for body in [Some(&b"{}"[..]), Some(&b""[..]), None] {
        let reply = stage.send("PATCH", EMPLOYER, &headers, body);
        reply.assert_detail(415, "Unsupported media type \"\" in request.");
    }
}

#[test]
fn a_body_that_is_encoded_is_a_415() {
    let stage = Stage::new(Kind::Sqlite);
    for coding in ["gzip", "br", "deflate, gzip", "compress"] {
        let reply = stage.patch_with(b"\x1f\x8b\x08\0", &[("Content-Encoding", coding.as_bytes())]);
        reply.assert_detail(415, &format!("Unsupported content encoding \"{coding}\" in request."));
    }
    for coding in ["identity", "Identity"] {
        assert_eq!(stage.patch_with(b"{}", &[("Content-Encoding", coding.as_bytes())]).status, 200);
    }
}

#[test]
fn a_body_of_256_kib_is_taken_and_one_byte_more_is_not() {
    const LIMIT: usize = 256 * 1024;
    let stage = Stage::new(Kind::Sqlite);
    let body = |length: usize| {
        let frame = r#"{"unknown":""}"#;
        let (before, after) = frame.split_at(frame.len() - 2);
        [before, &"x".repeat(length - frame.len()), after].concat().into_bytes()
    };
    let chunked = |body: &[u8]| {
        let token = format!("Token {}", stage.key);
        let headers = [
            ("Authorization", token.as_bytes()),
            ("Content-Type", JSON.as_bytes()),
            ("Transfer-Encoding", b"chunked"),
        ];
        let mut request = wire::request("PATCH", EMPLOYER, &headers, None);
        for chunk in body.chunks(10_000) {
            request.extend([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
        }
        request.extend(b"0\r\n\r\n");
        wire::exchange(&stage.server, &request)
    };
    let (full, over) = (body(LIMIT), body(LIMIT + 1));
    assert_eq!((full.len(), stage.patch(&full).status, chunked(&full).status), (LIMIT, 200, 200));
    stage.patch(&over).assert_detail(413, "Request body is too large.");
    chunked(&over).assert_detail(413, "Request body is too large.");
    // Nor does a client that goes on sending lose the answer.
    stage.patch(vec![b' '; 20_000_000]).assert_detail(413, "Request body is too large.");
    chunked(&vec![b' '; 20_000_000]).assert_detail(413, "Request body is too large.");
}

#[test]
fn a_body_that_breaks_off_is_a_400() {
    let stage = Stage::new(Kind::Sqlite);
    let request = format!(
        "PATCH {EMPLOYER} HTTP/1.1\r\nHost: a\r\nAuthorization: Token {}\r\nContent-Type: {JSON}\r\n\
         Content-Length: 20\r\n\r\n{{\"name\":\"Apple\"}}",
        stage.key
    );
    let reply = wire::exchange_and_stop(&stage.server, request.as_bytes());
    reply.assert_detail(400, "The request body is incomplete or malformed.");
    assert_eq!(stage.text("name"), "Example Company");
}

#[test]
fn a_request_id_that_is_fit_is_echoed_and_another_is_replaced() {
    let stage = Stage::new(Kind::Sqlite);
    let longest = "x".repeat(128);
    let too_long = "x".repeat(129);
    let asked = |path: &str, ids: &[&[u8]]| {
        let headers: Vec<_> = ids.iter().map(|id| ("X-Request-Id", *id)).collect();
        let reply = stage.send("PATCH", path, &headers, Some(b"{}"));
        reply.header("x-request-id").unwrap().to_owned()
    };
    // A 401, a 404 and a 405 have it as well as any other answer.
    for path in [EMPLOYER, "/nope", "/healthz"] {
        for fit in ["a", "A-z_0.9", &longest] {
            assert_eq!(asked(path, &[fit.as_bytes()]), fit);
        }
        let unfit: [&[&[u8]]; 7] = [
            &[],
            &[b""],
            &[b"a b"],
            &[b"a/b"],
            &[b"\xff"],
            &[too_long.as_bytes()],
            // Which of the two would it be?
            &[b"one", b"two"],
        ];
        for ids in unfit {
            let (first, second) = (asked(path, ids), asked(path, ids));
            assert!(first.len() == 32 && first.bytes().all(|byte| byte.is_ascii_hexdigit()), "{first}");
            assert_ne!(first, second);
        }
    }
    assert_eq!(stage.patch_with(b"{}", &[("X-Request-Id", b"mine")]).header("x-request-id"), Some("mine"));
}

#[rstest]
#[case::host("Host: evil.example\r\n", EMPLOYER)]
#[case::forwarded(
    "Host: a\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: gopher\r\nForwarded: host=evil.example;proto=https\r\n",
    EMPLOYER
)]
#[case::absolute("Host: evil.example\r\n", "http://evil.example/api/portfolios/employers/123")]
fn links_never_come_from_what_the_request_says_of_its_host(#[case] headers: &str, #[case] target: &str) {
    let stage = Stage::new(Kind::Sqlite);
    let body = r#"{"image":6}"#;
    let request = format!(
        "PATCH {target} HTTP/1.1\r\n{headers}Authorization: Token {}\r\nContent-Type: {JSON}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        stage.key,
        body.len()
    );
    let reply = wire::exchange(&stage.server, request.as_bytes());
    assert_eq!(reply.status, 200, "{reply:?}");
    let image = reply.json()["image_data"].clone();
    let start = format!("{PUBLIC_URL}/media/core_media/");
    let thumbnails = image["thumbnails"].as_array().unwrap();
    for shown in thumbnails.iter().chain([&image]) {
        assert!(shown["f"].as_str().unwrap().starts_with(&start), "{shown}");
    }
    assert!(thumbnails.len() == 4 && !format!("{reply:?}").contains("evil"), "{reply:?}");
}

#[test]
fn any_accept_is_answered_in_json() {
    let stage = Stage::new(Kind::Sqlite);
    for accept in ["text/html", "application/xml;q=1", "nonsense", ""] {
        let reply = stage.patch_with(b"{}", &[("Accept", accept.as_bytes())]);
        assert_eq!((reply.status, reply.header("content-type")), (200, Some(JSON)));
    }
}

#[rstest]
fn a_service_that_is_not_ready_says_when_to_come_back(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    // The migrations are pending, and it may not apply them.
    let site = Site::new(PROGRAM, kind);
    let server = site.serve_unready(&["--no-migrate"]);
    let send = |method: &str, path: &str, headers: &[(&str, &[u8])]| {
        wire::exchange(&server, &wire::request(method, path, headers, None))
    };
    let reply = send("PATCH", EMPLOYER, &[("Authorization", b"Token anything")]);
    reply.assert_detail(503, "Service temporarily unavailable, try again later.");
    assert_eq!(reply.header("retry-after"), Some("1"));
    let reply = send("GET", "/readyz", &[]);
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
    send("GET", "/healthz", &[]).assert(200, r#"{"status":"alive"}"#);
    // What needs no database is judged all the same.
    send("PATCH", EMPLOYER, &[]).assert_detail(401, "Authentication credentials were not provided.");
    send("PUT", EMPLOYER, &[]).assert_detail(405, "Method \"PUT\" not allowed.");
    assert_eq!(send("OPTIONS", EMPLOYER, &[]).status, 204);
}
