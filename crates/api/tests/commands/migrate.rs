use portfolio_testkit::{Kind, Site};
use rstest::rstest;

use crate::{PROGRAM, complaint};

#[rstest]
fn check_tells_by_its_status_whether_migrations_are_pending(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let site = Site::new(PROGRAM, kind);
    for _ in 0..2 {
        let pending = site.run(&["migrate", "--check"]);
        assert_eq!(pending.status.code(), Some(1));
        let listed = String::from_utf8(pending.stdout).unwrap();
        assert!(listed.lines().all(|line| line.starts_with("pending 20")) && !listed.is_empty(), "{listed}");
    }
    let applied = site.ok(&["migrate"]);
    assert!(applied.lines().all(|line| line.starts_with("applied 20")) && !applied.is_empty(), "{applied}");
    for arguments in [&["migrate", "--check"][..], &["migrate"]] {
        assert_eq!(site.ok(arguments), "nothing is pending\n");
    }
}

#[rstest]
fn without_migrations_other_commands_say_what_to_do(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let site = Site::new(PROGRAM, kind);
    for arguments in [
        &["staff", "list"][..],
        &["staff", "add", "maryam"],
        &["token", "list"],
        &["token", "issue", "maryam"],
        &["token", "revoke", "1"],
    ] {
        let line = complaint(&site.run(arguments));
        assert_eq!(line, "the database lacks migrations; `portfolio migrate` applies them");
    }
}
