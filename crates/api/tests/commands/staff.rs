use portfolio_testkit::{Kind, Site};
use rstest::rstest;
use serde_json::{Value, json};

use crate::{complaint, migrated, misuse};

fn listed(site: &Site) -> Value {
    serde_json::from_str(&site.ok(&["staff", "list", "--json"])).unwrap()
}

fn user(name: &str, [active, staff, admin]: [bool; 3], permissions: &[i32]) -> Value {
    json!({ "name": name, "active": active, "staff": staff, "admin": admin, "permissions": permissions })
}

#[rstest]
fn users_are_made_changed_and_listed(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let site = migrated(kind);
    assert_eq!(listed(&site), json!([]));
    site.ok(&[
        "staff",
        "add",
        "maryam",
        "--permission",
        "4223",
        "--permission",
        "4222",
        "--permission",
        "4223",
    ]);
    site.ok(&["staff", "add", "anna lena", "--admin", "--not-staff"]);
    assert_eq!(
        listed(&site),
        json!([
            user("anna lena", [true, false, true], &[]),
            user("maryam", [true, true, false], &[4222, 4223])
        ])
    );

    for (change, expected) in [
        (&["set", "maryam", "--no-permission", "4223"][..], user("maryam", [true, true, false], &[4222])),
        (&["set", "maryam", "--no-permission", "4223"], user("maryam", [true, true, false], &[4222])),
        (&["set", "maryam", "--permission", "4234"], user("maryam", [true, true, false], &[4222, 4234])),
        (&["set", "maryam", "--admin", "--not-staff"], user("maryam", [true, false, true], &[4222, 4234])),
        (&["disable", "maryam"], user("maryam", [false, false, true], &[4222, 4234])),
        (&["disable", "maryam"], user("maryam", [false, false, true], &[4222, 4234])),
        (&["set", "maryam"], user("maryam", [false, false, true], &[4222, 4234])),
        (&["set", "maryam", "--no-admin", "--staff"], user("maryam", [false, true, false], &[4222, 4234])),
        (&["enable", "maryam"], user("maryam", [true, true, false], &[4222, 4234])),
    ] {
        let shown = site.ok(&[&["staff"], change].concat());
        assert!(shown.contains("maryam") && !shown.contains("anna"), "{shown}");
        assert_eq!(listed(&site)[1], expected, "{change:?}");
    }
    let table = site.ok(&["staff", "list"]);
    let cells = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let lines: Vec<_> = table.lines().map(cells).collect();
    assert_eq!(lines[0], ["NAME", "ACTIVE", "STAFF", "ADMIN", "PERMISSIONS"]);
    assert_eq!(lines[2], ["maryam", "yes", "yes", "no", "4222", "4234"]);
}

#[rstest]
fn what_can_t_be_done_changes_nothing(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let site = migrated(kind);
    site.ok(&["staff", "add", "maryam", "--permission", "4223"]);
    let before = listed(&site);
    for (arguments, expected) in [
        (&["add", "maryam", "--admin"][..], "there is a user maryam already"),
        (&["set", "nobody", "--admin"], "there is no user nobody"),
        (&["disable", "nobody"], "there is no user nobody"),
        (&["enable", "nobody"], "there is no user nobody"),
        (
            &["set", "maryam", "--permission", "4223", "--no-permission", "4223"],
            "permission 4223 can't be added and removed at once",
        ),
    ] {
        assert_eq!(complaint(&site.run(&[&["staff"], arguments].concat())), expected);
    }
    for (arguments, expected) in [
        (&["add", "eve", "--permission", "4225"][..], "4223"),
        (&["add", "eve", "--permission", "all"], "4223"),
        (&["add", " eve"], "no space at its ends"),
        (&["add", "e\nve"], "control character"),
        (&["add"], "<NAME>"),
        (&["set", "maryam", "--admin", "--no-admin"], "--no-admin"),
        (&["set", "maryam", "--staff", "--not-staff"], "--not-staff"),
        (&[], "Usage"),
    ] {
        let said = misuse(&site.run(&[&["staff"], arguments].concat()));
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    assert_eq!(listed(&site), before);
}
