//! `ETag` and `If-Match` (contract, section 5).

use portfolio_testkit::Kind;
use rstest::rstest;

use crate::stage::Stage;
use crate::wire::Reply;

fn tag(reply: &Reply) -> String {
    reply.header("etag").unwrap().to_owned()
}

#[rstest]
fn every_change_has_a_strong_tag_of_its_own(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let stage = Stage::new(kind);
    let first = tag(&stage.patch("{}"));
    assert!(first.starts_with('"') && first.ends_with('"') && first.len() > 2, "{first}");
    assert_eq!(tag(&stage.patch("{\"unknown\":1}")), first, "nothing was changed");
    let second = tag(&stage.patch("{\"description\":\"b\"}"));
    assert_ne!(second, first);
    // The answer differs by its `updated_at`.
    assert_ne!(tag(&stage.patch("{\"description\":\"b\"}")), second);
}

#[rstest]
fn a_change_is_made_only_to_the_version_that_was_asked_for(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let stage = Stage::new(kind);
    let stale = tag(&stage.patch("{}"));
    let current = tag(&stage.patch("{\"description\":\"b\"}"));
    let bare = current.trim_matches('"');
    let patch = |if_match: &[u8], body: &str| stage.patch_with(body.as_bytes(), &[("If-Match", if_match)]);

    for refused in [
        stale.as_bytes(),
        b"\"0\"",
        b"\"\"",
        b"",
        b",",
        b"\"",
        b"W/",
        b"\"\xff\"",
        b"x",
        bare.as_bytes(),
        // A weak tag never matches strongly.
        format!("W/{current}").as_bytes(),
        format!("w/{current}").as_bytes(),
        format!("'{bare}'").as_bytes(),
        format!("\"{bare}").as_bytes(),
        format!("{bare}\"").as_bytes(),
        format!("\"+{bare}\"").as_bytes(),
        format!("\"0{bare}\"").as_bytes(),
        format!("{stale} {current}").as_bytes(),
        format!("{current}, *").as_bytes(),
        format!("*, {current}").as_bytes(),
        format!("{stale}, W/{current}").as_bytes(),
    ] {
        for body in ["{\"description\":\"c\"}", "{}"] {
            patch(refused, body).assert_detail(412, "Precondition failed.");
        }
    }
    assert_eq!(tag(&stage.patch("{}")), current, "what was refused changed nothing");

    for taken in [
        current.clone(),
        "*".to_owned(),
        format!("{stale}, {current}"),
        format!("{current},{stale}"),
        format!("W/{current}, {current}"),
        format!("\"a,b\" ,,\t{current} ,"),
    ] {
        assert_eq!(patch(taken.as_bytes(), "{}").status, 200, "{taken}");
    }
    // Two lines are one list.
    let lines = [("If-Match", stale.as_bytes()), ("If-Match", current.as_bytes())];
    assert_eq!(stage.patch_with(b"{}", &lines).status, 200);
    // A change by the current version makes it stale.
    assert_eq!(patch(current.as_bytes(), "{\"description\":\"c\"}").status, 200);
    patch(current.as_bytes(), "{\"description\":\"d\"}").assert_detail(412, "Precondition failed.");
}

#[rstest]
fn an_error_has_no_tag(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let stage = Stage::new(kind);
    for reply in
        [stage.patch("{\"name\":5}"), stage.patch("{"), stage.patch_with(b"{}", &[("If-Match", b"x")])]
    {
        assert!(reply.status >= 400 && reply.header("etag").is_none(), "{reply:?}");
    }
}

#[test]
fn another_public_url_is_another_tag() {
    let stage = Stage::new(Kind::Sqlite);
    let ours = tag(&stage.patch("{}"));
    // Over the same database.
    let elsewhere = stage.site.serve_unready(&["--public-url", "https://portfolio.example"]);
    elsewhere.wait_until_ready();
    assert_ne!(elsewhere.patch(123, &stage.key, "{}").header("etag"), Some(ours.as_str()));
    let answer = elsewhere.patch_with(123, &stage.key, "{}", &[("if-match", ours.as_bytes())]);
    assert_eq!(answer.status, 412, "{answer:?}");
}
