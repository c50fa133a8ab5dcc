//! Failed authentications are throttled per client address, and good keys never are (contract, sections 3
//! and 6).

use portfolio_testkit::Kind;
use rstest::rstest;

use crate::stage::{EMPLOYER, Stage};
use crate::wire::Reply;

const FEW: [&str; 2] = ["--auth-failures-per-minute", "3"];

fn show(stage: &Stage, authorization: &str, forwarded_for: &str) -> Reply {
    let headers =
        [("Authorization", authorization.as_bytes()), ("X-Forwarded-For", forwarded_for.as_bytes())];
    stage.send("GET", EMPLOYER, &headers, None)
}

#[track_caller]
fn assert_throttled(reply: &Reply) {
    let seconds: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    let unit = if seconds == 1 { "second" } else { "seconds" };
    reply.assert_detail(429, &format!("Request was throttled. Expected available in {seconds} {unit}."));
    assert_eq!(reply.header("www-authenticate"), None);
}

#[rstest]
fn a_failure_beyond_the_allowance_is_a_429_and_a_good_key_passes(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let stage = Stage::with(kind, &FEW);
    let good = format!("Token {}", stage.key);
    let disabled = stage.site.key("disabled", &["--admin"]);
    stage.site.ok(&["staff", "disable", "disabled"]);
    // Without credentials nothing was tried.
    for _ in 0..5 {
        assert_eq!(show(&stage, "", "").status, 401);
        assert_eq!(show(&stage, "Bearer x", "").status, 401);
        assert_eq!(show(&stage, &good, "").status, 200);
    }
    show(&stage, "Token guess", "").assert_detail(401, "Invalid token.");
    show(&stage, "Token a b", "")
        .assert_detail(401, "Invalid token header. Token string should not contain spaces.");
    show(&stage, &format!("Token {disabled}"), "").assert_detail(401, "User inactive or deleted.");
    for failure in ["Token guess", "Token", "Token a b", &format!("Token {disabled}")] {
        assert_throttled(&show(&stage, failure, ""));
        assert_eq!(show(&stage, &good, "").status, 200, "a good key passes meanwhile");
        assert_eq!(show(&stage, "", "").status, 401);
    }
    let stranger = format!("Token {}", stage.stranger());
    let reply = stage.send("PATCH", EMPLOYER, &[("Authorization", stranger.as_bytes())], None);
    assert_eq!(reply.status, 403, "who is known has failed in nothing");
}

#[test]
fn a_forged_address_is_believed_of_nobody() {
    for flags in [&FEW[..], &[FEW[0], FEW[1], "--trusted-proxies", "192.0.2.0/24"]] {
        let stage = Stage::with(Kind::Sqlite, flags);
        for number in 0..3 {
            assert_eq!(show(&stage, "Token guess", &format!("198.51.100.{number}")).status, 401);
        }
        assert_throttled(&show(&stage, "Token guess", "198.51.100.9"));
    }
}

#[test]
fn behind_a_trusted_proxy_each_client_is_counted_apart() {
    let flags = [FEW[0], FEW[1], "--trusted-proxies", "192.0.2.1, 127.0.0.0/8"];
    let stage = Stage::with(Kind::Sqlite, &flags);
    for _ in 0..3 {
        assert_eq!(show(&stage, "Token guess", "203.0.113.1, 198.51.100.1, 192.0.2.1").status, 401);
    }
    // What the client wrote itself comes first, and changes nothing.
    assert_throttled(&show(&stage, "Token guess", "203.0.113.2, 198.51.100.1"));
    assert_eq!(show(&stage, "Token guess", "198.51.100.2").status, 401);
    let line = stage.server.logged(|event| event["status"] == 429);
    assert_eq!(line["client"], "198.51.100.1");
}
