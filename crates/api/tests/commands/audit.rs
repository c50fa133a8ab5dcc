//! What commands change has its audit line on standard error, and nothing but what was asked for on standard output.

use std::process::Output;

use portfolio_testkit::{Kind, Site};
use rstest::rstest;
use serde_json::{Value, json};

use crate::{PROGRAM, complaint, migrated};

const LOGO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http/images/logo.png");

/// What its audit lines say, but for their time, after it succeeded.
#[track_caller]
fn audits(output: &Output) -> Vec<Value> {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(output.status.success(), "{said}");
    let lines = said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let lines = lines.filter(|line| line["target"] == "audit").map(|mut line| {
        let line = line.as_object_mut().unwrap();
        assert_eq!(line.remove("level"), Some(json!("INFO")));
        assert!(line.remove("uid").unwrap().is_u64());
        for other in ["timestamp", "target"] {
            assert!(line.remove(other).is_some(), "{other}");
        }
        // No user's name ends in a space: nobody can be made out to be the operator.
        assert_eq!(line.remove("caller"), Some(json!("operator ")));
        Value::from(line.clone())
    });
    lines.collect()
}

#[rstest]
fn each_change_by_a_command_has_one_audit_line(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let site = migrated(kind);
    let id: i64 = 1;
    for (arguments, line) in [
        (
            &["staff", "add", "maryam", "--permission", "4223"][..],
            json!({"message": "created", "resource": "user", "id": id, "user": "maryam",
                   "members": "name,permissions", "command": "staff add"}),
        ),
        (
            &["staff", "set", "maryam", "--no-permission", "4223", "--admin"],
            json!({"message": "patched", "resource": "user", "id": id, "user": "maryam",
                   "members": "permissions,admin", "command": "staff set"}),
        ),
        (
            &["staff", "disable", "maryam"],
            json!({"message": "disabled", "resource": "user", "id": id, "user": "maryam",
                   "command": "staff disable"}),
        ),
        (
            &["staff", "enable", "maryam"],
            json!({"message": "enabled", "resource": "user", "id": id, "user": "maryam",
                   "command": "staff enable"}),
        ),
        (
            &["images", "add", "--name", "logo", LOGO],
            json!({"message": "uploaded", "resource": "image", "id": id, "members": "f,name",
                   "command": "images add"}),
        ),
    ] {
        assert_eq!(audits(&site.run(arguments)), [line], "{arguments:?}");
    }
    for arguments in [&["staff", "set", "maryam"][..], &["staff", "list"], &["token", "list"], &["migrate"]] {
        assert_eq!(audits(&site.run(arguments)), [] as [Value; 0], "{arguments:?} changes nothing");
    }
    for arguments in
        [&["staff", "add", "maryam"][..], &["staff", "disable", "nobody"], &["token", "revoke", "77"]]
    {
        let output = site.run(arguments);
        complaint(&output);
        assert!(
            !String::from_utf8(output.stderr).unwrap().contains("audit"),
            "{arguments:?} changes nothing"
        );
    }
}

#[rstest]
fn a_key_is_on_standard_output_alone_and_in_no_audit_line(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let site = migrated(kind);
    site.ok(&["staff", "add", "maryam"]);
    let issued = site.run(&["token", "issue", "maryam", "--label", "laptop"]);
    let key = String::from_utf8(issued.stdout.clone()).unwrap();
    assert!(key.starts_with("pf_") && key.lines().count() == 1, "{key}");
    let said = String::from_utf8(issued.stderr.clone()).unwrap();
    // Of the 32 random characters, none of which may be told, some at the beginning are shown in lists.
    assert!(!said.contains(&key.trim()[..8]), "{said}");
    let line = |done, id: i64, rest: Value| {
        let mut line = json!({"message": done, "resource": "token", "id": id});
        line.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        line
    };
    let by_issue = json!({"user": "maryam", "command": "token issue"});
    assert_eq!(audits(&issued), [line("issued", 1, by_issue.clone())]);

    let mut adopting = site.command(&["token", "issue", "maryam", "--key-stdin"]);
    let file = site.folder().join("key");
    let adopted_key = "adopted-0123456789-0123456789";
    std::fs::write(&file, adopted_key).unwrap();
    let adopted = adopting.stdin(std::fs::File::open(file).unwrap()).output().unwrap();
    assert!(!String::from_utf8(adopted.stderr.clone()).unwrap().contains(&adopted_key[..8]));
    assert_eq!(audits(&adopted), [line("adopted", 2, by_issue)]);

    let revoked = site.run(&["token", "revoke", "1"]);
    let by_revoke = json!({"user": "maryam", "command": "token revoke"});
    assert_eq!(audits(&revoked), [line("revoked", 1, by_revoke)]);
    let again = site.run(&["token", "revoke", "1"]);
    assert_eq!(audits(&again), [] as [Value; 0], "it was revoked before");
}

/// Nobody can have seen the key of a command whose standard output is closed.
#[test]
fn a_key_that_could_not_be_printed_is_told_as_revoked() {
    let site = migrated(Kind::Sqlite);
    site.ok(&["staff", "add", "maryam"]);
    let mut command = site.command(&["token", "issue", "maryam"]);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = command.stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let told: Vec<_> = lines.map(|line| [line["message"].clone(), line["user"].clone()]).collect();
    assert_eq!(told, [["issued", "maryam"], ["revoked", "maryam"]], "{said}");
}

#[rstest]
fn the_demo_and_a_restore_are_told(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let site = migrated(kind);
    let lines = audits(&site.run(&["demo"]));
    let told: Vec<_> =
        lines.iter().map(|line| [&line["command"], &line["message"], &line["resource"]]).collect();
    assert_eq!(told, [["demo", "planted", "demo"], ["demo", "issued", "token"]]);
    assert_eq!(lines[1]["user"], "demo");
    if kind == Kind::Sqlite {
        let backup = site.folder().join("site.backup").display().to_string();
        assert_eq!(audits(&site.run(&["backup", &backup])), [] as [Value; 0], "it changes nothing");
        let other = Site::new(PROGRAM, Kind::Sqlite);
        let restored = audits(&other.run(&["restore", &backup]));
        assert_eq!(restored, [json!({"message": "restored", "resource": "database", "command": "restore"})]);
    }
}
