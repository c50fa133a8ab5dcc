//! What is taken from a user counts from the next request on (contract, section 8).

use portfolio_testkit::{Kind, Server, Site};
use rstest::rstest;
use serde_json::{Value, json};

use crate::PROGRAM;

fn key_number(site: &Site, owner: &str) -> String {
    let keys: Value = serde_json::from_str(&site.ok(&["token", "list", owner, "--json"])).unwrap();
    keys[0]["id"].to_string()
}

/// The same answer twice: the first may have been given by a connection that had not been used since.
#[track_caller]
fn assert_refused(server: &Server, key: &str, status: u16, detail: &str) {
    for _ in 0..2 {
        server.patch(4, key, "{}").assert(status, &json!({ "detail": detail }));
    }
}

#[rstest]
fn what_is_taken_from_a_user_counts_on_the_next_request(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let site = Site::new(PROGRAM, kind).demo();
    let [revoked, disabled, stripped, expelled, admin] = [
        ("revoked", &["--permission", "4223"][..]),
        ("disabled", &["--permission", "4223"]),
        ("stripped", &["--permission", "4223"]),
        ("expelled", &["--permission", "4223"]),
        ("admin", &["--admin"]),
    ]
    .map(|(name, flags)| site.key(name, flags));
    let server = site.serve();
    for key in [&revoked, &disabled, &stripped, &expelled, &admin] {
        assert_eq!(server.patch(4, key, "{}").status, 200);
    }

    site.ok(&["token", "revoke", &key_number(&site, "revoked")]);
    assert_refused(&server, &revoked, 401, "Invalid token.");
    site.ok(&["staff", "disable", "disabled"]);
    assert_refused(&server, &disabled, 401, "User inactive or deleted.");
    for (key, change) in [
        (&stripped, ["staff", "set", "stripped", "--no-permission", "4223"].as_slice()),
        (&expelled, &["staff", "set", "expelled", "--not-staff"]),
        (&admin, &["staff", "set", "admin", "--no-admin"]),
    ] {
        site.ok(change);
        assert_refused(&server, key, 403, "You do not have permission to perform this action.");
    }

    // And what is given back counts as soon.
    site.ok(&["staff", "enable", "disabled"]);
    assert_eq!(server.patch(4, &disabled, "{}").status, 200);
    site.ok(&["staff", "set", "stripped", "--permission", "4223"]);
    assert_eq!(server.patch(4, &stripped, "{}").status, 200);
}
