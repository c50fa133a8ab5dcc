use std::io::Write as _;
use std::process::{Output, Stdio};

use portfolio_testkit::{Kind, Site};
use rstest::rstest;
use serde_json::{Value, json};

use crate::{complaint, migrated, misuse};

const ALPHABET: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The CRC-32 that zlib and PNG use, bit by bit, so as to share nothing with the service's own.
fn crc32(bytes: &[u8]) -> u64 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    u64::from(!crc)
}

/// What a secret scanner asks of a key, without asking anyone else.
#[track_caller]
fn assert_is_a_key(key: &str) {
    let rest = key.strip_prefix("pf_").unwrap_or_else(|| panic!("{key}"));
    assert!(rest.len() == 38 && rest.chars().all(|c| ALPHABET.contains(c)), "{key}");
    let (random, checksum) = rest.split_at(32);
    let value = checksum.chars().fold(0, |value, c| value * 62 + ALPHABET.find(c).unwrap() as u64);
    assert_eq!(value, crc32(random.as_bytes()), "{key}");
}

fn listed(site: &Site, more: &[&str]) -> Value {
    serde_json::from_str(&site.ok(&[&["token", "list", "--json"], more].concat())).unwrap()
}

fn adopt(site: &Site, name: &str, input: &[u8]) -> Output {
    let mut command = site.command(&["token", "issue", name, "--key-stdin"]);
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().unwrap();
    // One who does not read it all has judged what it read.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

#[test]
fn the_checksum_of_this_test_is_the_known_one() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
}

#[rstest]
fn issue_prints_a_new_key_and_nothing_else(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let site = migrated(kind);
    site.ok(&["staff", "add", "maryam"]);
    let mut keys = Vec::new();
    for _ in 0..3 {
        let output = site.run(&["token", "issue", "maryam"]);
        assert!(output.status.success());
        // Its audit line, and whether the key is in that is asked in `audit.rs`.
        assert_eq!(String::from_utf8(output.stderr).unwrap().lines().count(), 1);
        let printed = String::from_utf8(output.stdout).unwrap();
        let key = printed.strip_suffix('\n').unwrap();
        assert_is_a_key(key);
        keys.push(key.to_owned());
    }
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 3);
}

#[rstest]
fn a_list_shows_everything_but_the_key(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let site = migrated(kind);
    let maryam = site.key("maryam", &[]);
    site.ok(&["staff", "add", "anna"]);
    let annas = site.ok(&["token", "issue", "anna", "--label", "the old site", "--expires-in", "90d"]);
    let keys = listed(&site, &[]);
    assert_eq!(keys.as_array().unwrap().len(), 2);
    let (mine, theirs) = (&listed(&site, &["maryam"])[0], &listed(&site, &["anna"])[0]);
    assert_eq!(
        (&mine["owner"], &mine["label"], &mine["expires_at"]),
        (&json!("maryam"), &json!(""), &json!(null))
    );
    assert_eq!((&theirs["owner"], &theirs["label"]), (&json!("anna"), &json!("the old site")));
    assert_eq!(theirs["prefix"], annas[..7]);
    let time = |member: &str| {
        let text = theirs[member].as_str().unwrap();
        chrono::DateTime::parse_from_rfc3339(text).unwrap()
    };
    assert_eq!((time("expires_at") - time("created_at")).num_days(), 90);
    for member in ["last_used_at", "revoked_at"] {
        assert_eq!(theirs[member], json!(null));
    }
    for text in [site.ok(&["token", "list"]), keys.to_string()] {
        for key in [maryam.as_str(), annas.trim()] {
            assert!(
                text.contains(&key[..7]) && !text.contains(&key[..12]) && !text.contains(&key[35..]),
                "{text}"
            );
        }
    }
}

#[rstest]
fn a_key_that_has_expired_is_refused(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let site = migrated(kind);
    site.ok(&["staff", "add", "maryam", "--admin"]);
    let key = site.ok(&["token", "issue", "maryam", "--expires-in", "1ms"]);
    let forever = site.ok(&["token", "issue", "maryam"]);
    let server = site.serve();
    server.patch(1, key.trim(), "{}").assert(401, &json!({ "detail": "Token has expired." }));
    server.patch(1, forever.trim(), "{}").assert(404, &json!({ "detail": "Not found." }));
}

#[rstest]
fn an_existing_key_is_adopted_and_opens_the_door(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
    #[values("", "\n", "\r\n")] end: &str,
) {
    let site = migrated(kind);
    site.ok(&["staff", "add", "maryam", "--admin"]);
    // The shape of a key of the documented site.
    let key = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b";
    let output = adopt(&site, "maryam", format!("{key}{end}").as_bytes());
    assert!(output.status.success(), "{output:?}");
    site.serve().patch(1, key, "{}").assert(404, &json!({ "detail": "Not found." }));
    let shown = site.ok(&["token", "list"]);
    assert!(shown.contains(&key[..7]) && !shown.contains(&key[..8]), "{shown}");

    let again = complaint(&adopt(&site, "maryam", key.as_bytes()));
    assert!(!again.contains(key), "{again}");
}

#[rstest]
#[case::nothing(b"".to_vec())]
#[case::too_short(vec![b'x'; 19])]
#[case::too_long(vec![b'x'; 201])]
#[case::a_space(b"9944b09199c62bcf 9418ad846dd0e4bbdfc6ee4b".to_vec())]
#[case::not_ascii("9944b09199c62bcf9418ad846dd0e4é".into())]
#[case::not_text(vec![0xff; 40])]
fn what_is_no_key_is_not_adopted_and_not_repeated(#[case] input: Vec<u8>) {
    let site = migrated(Kind::Sqlite);
    site.ok(&["staff", "add", "maryam"]);
    let line = complaint(&adopt(&site, "maryam", &input));
    assert!(
        line.starts_with("standard input: ") && !line.contains("9944") && !line.contains("xxx"),
        "{line}"
    );
    assert_eq!(listed(&site, &[]), json!([]));
}

#[rstest]
fn a_key_is_revoked_by_its_number_once_and_for_all(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let site = migrated(kind);
    let key = site.key("maryam", &["--admin"]);
    let number = listed(&site, &[])[0]["id"].to_string();
    let server = site.serve();
    assert_eq!(server.patch(1, &key, "{}").status, 404);
    site.ok(&["token", "revoke", &number]);
    let revoked = listed(&site, &[])[0]["revoked_at"].clone();
    assert!(revoked.is_string());
    server.patch(1, &key, "{}").assert(401, &json!({ "detail": "Invalid token." }));
    site.ok(&["token", "revoke", &number]);
    assert_eq!(listed(&site, &[])[0]["revoked_at"], revoked, "the first time counts");
}

#[rstest]
fn what_can_t_be_done_is_one_line(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let site = migrated(kind);
    site.ok(&["staff", "add", "maryam"]);
    assert_eq!(complaint(&site.run(&["token", "revoke", "999"])), "there is no key 999");
    let line = complaint(&site.run(&["token", "issue", "nobody"]));
    assert!(line.contains("nobody") || line.contains("no such user"), "{line}");
    for arguments in [
        &["issue"][..],
        &["issue", "maryam", "--expires-in", "soon"],
        &["issue", "maryam", "--expires-in", "0s"],
        &["issue", "maryam", "--expires-in", "-1d"],
        &["revoke"],
        &["revoke", "pf_key"],
        &["lose"],
    ] {
        misuse(&site.run(&[&["token"], arguments].concat()));
    }
    assert_eq!(listed(&site, &[]), json!([]));
}

#[test]
fn a_key_that_nobody_could_see_is_revoked() {
    let site = migrated(Kind::Sqlite);
    site.ok(&["staff", "add", "maryam"]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = site.command(&["token", "issue", "maryam"]).stdout(full).output().unwrap();
    let line = complaint(&output);
    assert!(line.starts_with("standard output: "), "{line}");
    let keys: Value = serde_json::from_str(&site.ok(&["token", "list", "--json"])).unwrap();
    assert!(keys[0]["revoked_at"].is_string(), "{keys}");
}
