//! Who may do what: every method of every path of the service (contract, sections 1, 2, 4 and 5).

use std::collections::BTreeSet;

use actix_web::http::Method;
use portfolio_api::routes;
use portfolio_testkit::Kind;
use rstest::rstest;

use crate::stage::{EMPLOYER, JSON, Stage};

/// What a request needs.
#[derive(Clone, Copy)]
enum Needs {
    Nothing,
    /// This permission code; with it, a body that is no JSON gets this status.
    Code(&'static str, u16),
}
use Needs::{Code, Nothing};

const LIST: &str = "/api/portfolios/employers";
const ONE: &str = "/api/portfolios/employers/{id}";

const IMAGES: &str = "/api/images";
const IMAGE: &str = "/api/images/{id}";
const MEDIA: &str = "/media/{path}";

/// The whole service: a route that is not here fails the first test.
const TABLE: [(&str, &str, Needs); 32] = [
    ("GET", LIST, Code("4222", 200)),
    ("HEAD", LIST, Code("4222", 200)),
    ("POST", LIST, Code("4221", 400)),
    ("GET", ONE, Code("4222", 200)),
    ("HEAD", ONE, Code("4222", 200)),
    ("PATCH", ONE, Code("4223", 400)),
    ("DELETE", ONE, Code("4224", 204)),
    ("GET", IMAGES, Code("4232", 200)),
    ("HEAD", IMAGES, Code("4232", 200)),
    ("POST", IMAGES, Code("4231", 415)),
    ("GET", IMAGE, Code("4232", 200)),
    ("HEAD", IMAGE, Code("4232", 200)),
    ("PATCH", IMAGE, Code("4233", 400)),
    ("DELETE", IMAGE, Code("4234", 204)),
    ("GET", MEDIA, Nothing),
    ("HEAD", MEDIA, Nothing),
    ("GET", "/healthz", Nothing),
    ("HEAD", "/healthz", Nothing),
    ("GET", "/readyz", Nothing),
    ("HEAD", "/readyz", Nothing),
    ("GET", "/metrics", Nothing),
    ("HEAD", "/metrics", Nothing),
    ("GET", "/api/openapi.json", Nothing),
    ("HEAD", "/api/openapi.json", Nothing),
    ("GET", "/api/docs", Nothing),
    ("HEAD", "/api/docs", Nothing),
    ("GET", "/api/docs/start.js", Nothing),
    ("HEAD", "/api/docs/start.js", Nothing),
    ("GET", "/api/docs/swagger-ui-bundle.js", Nothing),
    ("HEAD", "/api/docs/swagger-ui-bundle.js", Nothing),
    ("GET", "/api/docs/swagger-ui.css", Nothing),
    ("HEAD", "/api/docs/swagger-ui.css", Nothing),
];

#[test]
fn every_method_of_every_route_is_in_the_table() {
    let mut registered = BTreeSet::new();
    for endpoint in routes::endpoints() {
        registered
            .extend(endpoint.methods().iter().map(|method| (method.to_string(), endpoint.path().to_owned())));
    }
    let table = TABLE.map(|(method, path, _)| (method.to_owned(), path.to_owned()));
    assert_eq!(registered, table.into_iter().collect());
}

#[rstest]
fn a_request_needs_what_the_table_says(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let stage = Stage::new(kind);
    let media = stage.site.folder().join("data/media");
    std::fs::write(media.join("a.png"), "whatever").unwrap();
    let codes: BTreeSet<&str> = ["4221", "4222", "4223", "4224", "4231", "4232", "4233", "4234"].into();
    for (place, (method, path, needs)) in TABLE.into_iter().enumerate() {
        // Image 456 is nobody's.
        let path = &path.replace(ONE, EMPLOYER).replace(IMAGE, "/api/images/456").replace("{path}", "a.png");
        let nobody = stage.send(method, path, &[], Some(b"{bad")).status;
        let Code(code, allowed) = needs else {
            assert_eq!(nobody, 200, "{method} {path}");
            continue;
        };
        assert_eq!(nobody, 401, "{method} {path}");
        let status = |who: &str, flags: &[&str]| {
            let token = format!("Token {}", stage.site.key(&format!("{who}-{place}"), flags));
            let headers = [("Authorization", token.as_bytes()), ("Content-Type", JSON.as_bytes())];
            stage.send(method, path, &headers, Some(b"{bad")).status
        };
        let others: Vec<_> =
            codes.iter().filter(|other| **other != code).flat_map(|other| ["--permission", other]).collect();
        assert_eq!(status("others", &others), 403, "{method} {path}");
        assert_eq!(status("no-staff", &["--not-staff", "--permission", code]), 403, "{method} {path}");
        assert_eq!(status("staff", &["--permission", code]), allowed, "{method} {path}");
    }
}

#[test]
fn options_need_nothing_on_any_path() {
    let stage = Stage::new(Kind::Sqlite);
    for endpoint in routes::endpoints() {
        let path = &endpoint.path().replace("{id}", "1").replace("{path}", "a.png");
        let reply = stage.send("OPTIONS", path, &[], None);
        assert_eq!((reply.status, reply.body.as_str()), (204, ""), "{path}");
        let methods: Vec<_> = endpoint.methods().iter().map(Method::as_str).chain(["OPTIONS"]).collect();
        assert_eq!(reply.header("allow"), Some(methods.join(", ").as_str()), "{path}");
    }
}
