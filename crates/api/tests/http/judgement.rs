//! The order in which a request is judged (contract, section 2): of everything that is wrong with it,
//! the gravest is answered, and nothing of the body is read before it has to be.

use portfolio_testkit::Kind;
use rstest::rstest;

use crate::stage::{EMPLOYER, JSON, NOBODY, Stage};
use crate::wire::{self, Reply};

const NO_CREDENTIALS: &str = "Authentication credentials were not provided.";
const FORBIDDEN: &str = "You do not have permission to perform this action.";
const PLAIN_TEXT: &str = r#"Unsupported media type "text/plain" in request."#;
const TOO_LARGE: &str = "Request body is too large.";
const NOT_FOUND: &str = "Not found.";
const STALE: &str = "Precondition failed.";

/// A request of which every part can be right or wrong.
#[derive(Clone, Copy)]
struct Request<'a> {
    key: &'a str,
    media_type: &'a str,
    path: &'a str,
    if_match: &'a str,
    body: &'a [u8],
}

impl Request<'_> {
    fn send(self, stage: &Stage) -> Reply {
        let token = format!("Token {}", self.key);
        let headers = [
            ("Authorization", token.as_bytes()),
            ("Content-Type", self.media_type.as_bytes()),
            ("If-Match", self.if_match.as_bytes()),
        ];
        stage.send("PATCH", self.path, &headers, Some(self.body))
    }
}

#[rstest]
fn of_two_faults_the_graver_is_answered(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let stage = Stage::new(kind);
    let stranger = stage.stranger();
    let before = stage.employer();
    let too_large = vec![b'x'; 256 * 1024 + 1];
    let fine = Request {
        key: &stage.key,
        media_type: JSON,
        path: EMPLOYER,
        if_match: "*",
        body: b"{\"name\":\"A\"}",
    };
    let forbidden = Request { key: &stranger, ..fine };
    let plain_text = Request { media_type: "text/plain", ..fine };
    let nobody = Request { path: NOBODY, ..fine };
    let stale = Request { if_match: "\"0-0\"", ..fine };

    // Each request is wrong in two neighbouring ways.
    Request { key: "nobody's", ..forbidden }.send(&stage).assert_detail(401, "Invalid token.");
    Request { media_type: "text/plain", ..forbidden }.send(&stage).assert_detail(403, FORBIDDEN);
    Request { body: &too_large, ..plain_text }.send(&stage).assert_detail(415, PLAIN_TEXT);
    // What is too large is no JSON either, and is told as what it is first.
    Request { body: &too_large, ..fine }.send(&stage).assert_detail(413, TOO_LARGE);
    Request { body: b"{", ..nobody }.send(&stage).assert_json_error("no JSON, of no employer");
    Request { body: b"null", ..nobody }
        .send(&stage)
        .assert(400, r#"{"non_field_errors":["No data provided"]}"#);
    Request { if_match: stale.if_match, ..nobody }.send(&stage).assert_detail(404, NOT_FOUND);
    Request { body: b"{\"name\":5}", ..nobody }.send(&stage).assert_detail(404, NOT_FOUND);
    Request { body: b"{\"name\":5}", ..stale }.send(&stage).assert_detail(412, STALE);
    // Of these two, the domain finds one and the database the other.
    let taken = "{\"name\":\"همکاران سیستم\"}".as_bytes();
    Request { body: taken, ..stale }.send(&stage).assert_detail(412, STALE);
    Request { body: b"{\"image\":999}", ..stale }.send(&stage).assert_detail(412, STALE);
    Request { body: b"{}", ..stale }.send(&stage).assert_detail(412, STALE);
    Request { body: b"{}", ..nobody }.send(&stage).assert_detail(404, NOT_FOUND);

    assert_eq!(stage.employer(), before, "what was refused changed nothing");
}

#[rstest]
fn a_request_that_is_wrong_in_every_way_is_mended_one_answer_at_a_time(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let stage = Stage::new(kind);
    let stranger = stage.stranger();
    let too_large = [b"{\"name\":".to_vec(), vec![b' '; 256 * 1024]].concat();
    let mut request = Request {
        key: "nobody's",
        media_type: "text/plain",
        path: NOBODY,
        if_match: "malformed",
        body: &too_large,
    };
    request.send(&stage).assert_detail(401, "Invalid token.");
    request.key = &stranger;
    request.send(&stage).assert_detail(403, FORBIDDEN);
    request.key = &stage.key;
    request.send(&stage).assert_detail(415, PLAIN_TEXT);
    request.media_type = JSON;
    request.send(&stage).assert_detail(413, TOO_LARGE);
    request.body = &too_large[..20];
    request.send(&stage).assert_json_error("a member without value");
    request.body = b"{\"name\":\"\"}";
    request.send(&stage).assert_detail(404, NOT_FOUND);
    request.path = EMPLOYER;
    request.send(&stage).assert_detail(412, STALE);
    request.if_match = "*";
    request.send(&stage).assert(400, r#"{"name":["This field may not be blank."]}"#);
    request.body = b"{\"name\":\"Apple\"}";
    assert_eq!(request.send(&stage).status, 200);
}

#[rstest]
fn a_bad_encoding_outweighs_size_and_not_the_media_type() {
    let stage = Stage::new(Kind::Sqlite);
    let too_large = vec![b'x'; 256 * 1024 + 1];
    let gzip = ("Content-Encoding", &b"gzip"[..]);
    let reply = stage.patch_with(&too_large, &[gzip]);
    reply.assert_detail(415, r#"Unsupported content encoding "gzip" in request."#);
    let token = format!("Token {}", stage.key);
    let headers = [("Authorization", token.as_bytes()), ("Content-Type", b"text/plain"), gzip];
    stage.send("PATCH", EMPLOYER, &headers, Some(b"x")).assert_detail(415, PLAIN_TEXT);
}

#[rstest]
fn nothing_of_the_body_is_read_before_it_has_to_be(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let stage = Stage::new(kind);
    let stranger = stage.stranger();
    // The length is announced, and no byte of the body is sent: an answer that waited for one would be
    // the 408 of a slow client.
    let bodiless = |key: &str, media_type: &str, length: &str| {
        let token = format!("Token {key}");
        let headers = [
            ("Authorization", token.as_bytes()),
            ("Content-Type", media_type.as_bytes()),
            ("Content-Length", length.as_bytes()),
        ];
        wire::exchange(&stage.server, &wire::request("PATCH", EMPLOYER, &headers, None))
    };
    bodiless("nobody's", JSON, "10").assert_detail(401, "Invalid token.");
    bodiless(&stranger, JSON, "10").assert_detail(403, FORBIDDEN);
    bodiless(&stage.key, "text/plain", "10").assert_detail(415, PLAIN_TEXT);
    bodiless(&stage.key, JSON, "262145").assert_detail(413, TOO_LARGE);
    bodiless(&stage.key, JSON, "18446744073709551615").assert_detail(413, TOO_LARGE);
}

#[test]
fn a_body_that_does_not_come_is_a_408_on_a_closed_connection() {
    let stage = Stage::new(Kind::Sqlite);
    let token = format!("Token {}", stage.key);
    let headers =
        [("Authorization", token.as_bytes()), ("Content-Type", JSON.as_bytes()), ("Content-Length", b"10")];
    let request = wire::request("PATCH", EMPLOYER, &headers, None);
    let reply = wire::exchange(&stage.server, &[&request[..], b"{"].concat());
    reply.assert_detail(408, "Request timed out.");
    assert_eq!(reply.header("connection"), Some("close"));
    let _ = stage.server.logged(|event| event["target"] == "portfolio_api::access" && event["status"] == 408);
}

/// All of them in one answer, in the order name, image, description, whatever the order they came in.
#[rstest]
#[case::shapes(
    r#"{"description":5,"image":"x","name":null}"#,
    r#"{"name":["This field may not be null."],"image":["Incorrect type. Expected pk value, received str."],"description":["Not a valid string."]}"#
)]
#[case::what_only_the_database_knows(
    r#"{"image":999,"name":" همکاران سیستم "}"#,
    r#"{"name":["employer with this name already exists."],"image":["Invalid pk \"999\" - object does not exist."]}"#
)]
#[case::both_kinds(
    r#"{"image":999,"description":[],"name":"همکاران سیستم"}"#,
    r#"{"name":["employer with this name already exists."],"image":["Invalid pk \"999\" - object does not exist."],"description":["Not a valid string."]}"#
)]
#[case::a_right_member_among_wrong_ones(
    r#"{"image":6,"description":{},"name":"همکاران سیستم"}"#,
    r#"{"name":["employer with this name already exists."],"description":["Not a valid string."]}"#
)]
#[case::two_of_one_field(
    r#"{"description":"\u0000","image":true,"name":"\u0000"}"#,
    r#"{"name":["This field may not be blank.","Null characters are not allowed."],"image":["Incorrect type. Expected pk value, received bool."],"description":["Null characters are not allowed."]}"#
)]
#[case::an_id_that_no_database_holds(
    r#"{"image":99999999999999999999,"name":"همکاران سیستم"}"#,
    r#"{"name":["employer with this name already exists."],"image":["Invalid pk \"99999999999999999999\" - object does not exist."]}"#
)]
fn all_field_errors_come_in_one_answer(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
    #[case] body: &str,
    #[case] expected: &str,
) {
    let stage = Stage::new(kind);
    let before = stage.employer();
    stage.patch(body).assert(400, expected);
    assert_eq!(stage.employer(), before, "one wrong member keeps the others from being changed");
}

#[rstest]
fn a_name_can_be_kept_by_its_owner(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let stage = Stage::new(kind);
    let reply = stage.patch(r#"{"name":"Example Company"}"#);
    assert_eq!(reply.status, 200, "{reply:?}");
}

#[rstest]
fn every_way_to_be_nobody_has_its_text(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let stage = Stage::new(kind);
    // It has expired before anyone can use it.
    stage.site.ok(&["staff", "add", "late", "--permission", "4223"]);
    let expired = stage.site.ok(&["token", "issue", "late", "--expires-in", "1ns"]);
    let revoked = stage.site.key("revoked", &["--admin"]);
    let list: serde_json::Value =
        serde_json::from_str(&stage.site.ok(&["token", "list", "revoked", "--json"])).unwrap();
    stage.site.ok(&["token", "revoke", &list[0]["id"].to_string()]);
    let disabled = stage.site.key("disabled", &["--admin"]);
    stage.site.ok(&["staff", "disable", "disabled"]);

    let with_spaces = "Invalid token header. Token string should not contain spaces.";
    let token = |key: &str| Some(format!("Token {}", key.trim()).into_bytes());
    for (authorization, expected) in [
        (None, NO_CREDENTIALS),
        (Some(b"".to_vec()), NO_CREDENTIALS),
        (Some(format!("Bearer {}", stage.key).into_bytes()), NO_CREDENTIALS),
        (Some(stage.key.clone().into_bytes()), NO_CREDENTIALS),
        (Some(b"Token".to_vec()), "Invalid token header. No credentials provided."),
        (Some(b"Token a b".to_vec()), with_spaces),
        (
            Some(b"Token \xff".to_vec()),
            "Invalid token header. Token string should not contain invalid characters.",
        ),
        (Some("Token é".as_bytes().to_vec()), "Invalid token."),
        (token("nobody's"), "Invalid token."),
        (token(&stage.key.to_uppercase()), "Invalid token."),
        (token(&format!("{},", stage.key)), "Invalid token."),
        (token(&revoked), "Invalid token."),
        (token(&expired), "Token has expired."),
        (token(&disabled), "User inactive or deleted."),
    ] {
        let mut headers = vec![("Content-Type", JSON.as_bytes())];
        headers.extend(authorization.as_deref().map(|value| ("Authorization", value)));
        let reply = stage.send("PATCH", EMPLOYER, &headers, Some(b"{}"));
        reply.assert_detail(401, expected);
        assert_eq!(reply.header("www-authenticate"), Some("Token"), "{expected}");
    }
    // Two lines of one header are one value; were either of them taken alone, it would be let in.
    let token = format!("Token {}", stage.key);
    let twice = [("Authorization", token.as_bytes()); 2];
    stage.send("PATCH", EMPLOYER, &twice, Some(b"{}")).assert_detail(401, with_spaces);
}

#[rstest]
#[case::neither_staff_nor_admin(&["--not-staff"], 403)]
#[case::the_code_but_not_staff(&["--not-staff", "--permission", "4223"], 403)]
#[case::staff_without_a_code(&[], 403)]
#[case::staff_with_every_other_code(&["--permission", "4221", "--permission", "4222", "--permission", "4224"], 403)]
#[case::staff_with_the_code(&["--permission", "4223"], 200)]
#[case::an_admin(&["--admin"], 200)]
#[case::an_admin_who_is_no_staff(&["--admin", "--not-staff"], 200)]
fn only_admins_and_staff_with_the_code_may(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
    #[case] flags: &[&str],
    #[case] status: u16,
) {
    let stage = Stage::new(kind);
    let key = stage.site.key("somebody", flags);
    // The scheme's word counts in any case.
    for scheme in ["Token", "token", "TOKEN"] {
        let token = format!("{scheme} {key}");
        let headers = [("Authorization", token.as_bytes()), ("Content-Type", JSON.as_bytes())];
        let reply = stage.send("PATCH", EMPLOYER, &headers, Some(b"{}"));
        assert_eq!(reply.status, status, "{reply:?}");
        if status == 403 {
            reply.assert_detail(403, FORBIDDEN);
        }
    }
}
