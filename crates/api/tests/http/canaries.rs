//! Secrets that the service is given are found nowhere that it writes (reliability, E31): not in its logs,
//! however much they tell, nor in bodies, headers or metrics.

use std::cell::RefCell;

use portfolio_testkit::{Kind, S3Server, Server, Site};
use rstest::rstest;

use crate::PROGRAM;
use crate::stage::{EMPLOYER, JSON, NOBODY, Stage};

const LOGO: &[u8] = include_bytes!("images/logo.png");
const PASSWORD: &str = "canary-password-of-the-database";

#[rstest]
fn no_secret_is_in_a_log_a_body_or_the_metrics(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let s3 = S3Server::start();
    let site = Site::new(PROGRAM, kind);
    let said = site.ok(&["demo"]);
    let key = said.lines().find(|line| line.starts_with("pf_")).unwrap().to_owned();
    let url = match kind {
        Kind::Sqlite => site.database_url().to_owned(),
        // The server of the tests lets everyone in, whatever the password.
        Kind::Postgres => {
            let (user, rest) = site.database_url().split_once('@').unwrap();
            assert!(user.matches(':').count() == 1, "a password of its own: {user}");
            format!("{user}:{PASSWORD}@{rest}")
        }
    };
    let mut command = site.command(&["serve", "--bind", "127.0.0.1:0", "--auth-failures-per-minute", "2"]);
    command.env("LOG_FORMAT", "json").env("RUST_LOG", "trace").env("DATABASE_URL", url).envs([
        ("MEDIA_STORE", format!("s3://{}/media", S3Server::BUCKET)),
        ("AWS_ENDPOINT_URL", s3.endpoint()),
        ("AWS_ACCESS_KEY_ID", S3Server::ACCESS_KEY_ID.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", S3Server::SECRET_ACCESS_KEY.to_owned()),
    ]);
    let server = Server::start(&mut command);
    server.wait_until_ready();
    let stage = Stage { server, site, key };
    let stranger = stage.stranger();

    let told = RefCell::new(Vec::new());
    let send = |method: &str, path: &str, key: &str, body: &[u8]| {
        let token = format!("Token {key}");
        let headers = [("Authorization", token.as_bytes()), ("Content-Type", JSON.as_bytes())];
        let reply = stage.send(method, path, &headers, Some(body));
        told.borrow_mut().push(reply);
    };
    send("PATCH", EMPLOYER, &stage.key, br#"{"description":"a"}"#);
    send("PATCH", EMPLOYER, &stage.key, b"{bad");
    send("PATCH", EMPLOYER, &stage.key, br#"{"name":""}"#);
    send("PATCH", NOBODY, &stage.key, b"{}");
    send("PATCH", EMPLOYER, &stranger, b"{}");
    send("GET", &format!("{EMPLOYER}?key={}", stage.key), &stage.key, b"");
    // Neither is what is nearly a key.
    for _ in 0..3 {
        send("PATCH", EMPLOYER, &format!("{}x", stage.key), b"{}");
    }
    send("PATCH", EMPLOYER, &format!("{} x", stage.key), b"{}");
    let uploaded = stage.upload(&[("name=\"f\"; filename=\"a.png\"", LOGO)]);
    let image = uploaded.json();
    told.borrow_mut().push(uploaded);
    let file = image["f"].as_str().unwrap().strip_prefix(portfolio_testkit::PUBLIC_URL).unwrap();
    send("GET", file, &stage.key, b"");
    send("DELETE", &format!("/api/images/{}", image["id"]), &stage.key, b"");
    // The media store goes, then the database.
    drop(s3);
    send("GET", file, &stage.key, b"");
    stage.site.execute("ALTER TABLE employers RENAME TO gone");
    send("PATCH", EMPLOYER, &stage.key, br#"{"description":"a"}"#);
    send("GET", "/metrics", &stage.key, b"");
    let told = told.into_inner();
    let statuses: Vec<_> = told.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [200, 400, 400, 404, 403, 200, 401, 401, 429, 429, 201, 200, 204, 503, 503, 200]);

    let told: Vec<_> = told.iter().map(|reply| format!("{reply:?}")).collect();
    stage.events();
    let all = [told, stage.server.log()].concat().join("\n");
    assert!(all.contains("TRACE"), "logs tell all they can");
    for secret in [&stage.key, &stranger, PASSWORD, S3Server::SECRET_ACCESS_KEY] {
        assert_eq!(all.find(secret), None, "{secret} in {}", around(&all, secret));
    }
    assert_eq!(all.find("Token pf_"), None);
}

fn around<'a>(all: &'a str, secret: &str) -> &'a str {
    all.lines().find(|line| line.contains(secret)).unwrap_or_default()
}
