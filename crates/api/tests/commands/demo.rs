use portfolio_testkit::{Kind, Site};
use rstest::rstest;
use serde_json::Value;

use crate::{PROGRAM, complaint, migrated};

fn key(printed: &str) -> &str {
    printed.lines().find(|line| line.starts_with("pf_")).unwrap()
}

fn users_and_keys(site: &Site) -> [String; 2] {
    [site.ok(&["staff", "list", "--json"]), site.ok(&["token", "list", "--json"])]
}

#[rstest]
fn an_empty_database_becomes_the_example_and_what_is_printed_works(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let site = Site::new(PROGRAM, kind);
    let first = site.ok(&["demo"]);
    let server = site.serve();
    assert_eq!(server.patch(4, key(&first), r#"{"name": "Apple", "image": 123}"#).status, 200);
    let changed = server.patch(123, key(&first), r#"{"image": 456}"#).body;

    // Once more: another key, and nothing of what was changed is undone.
    let second = site.ok(&["demo"]);
    assert_ne!(key(&first), key(&second));
    for key in [key(&first), key(&second)] {
        assert_eq!(server.patch(123, key, "{}").body, changed);
    }
    assert_eq!(server.patch(4, key(&second), "{}").json()["name"], "Apple");
    let users: Value = serde_json::from_str(&users_and_keys(&site)[0]).unwrap();
    assert_eq!(users.as_array().unwrap().len(), 1);
}

#[test]
fn the_printed_lines_can_be_pasted() {
    let site = Site::new(PROGRAM, Kind::Sqlite);
    let server = site.serve();
    let mut demo = site.command(&["demo"]);
    let demo = demo.env_remove("PUBLIC_URL").env("BIND", server.address()).output().unwrap();
    let printed = String::from_utf8(demo.stdout).unwrap();
    let pasted: Vec<&str> = printed.split("\n\n").filter(|part| part.starts_with("curl ")).collect();
    assert_eq!(pasted.len(), 4, "{printed}");
    for part in &pasted {
        assert!(part.contains(&format!("http://{}/api/portfolios/employers/", server.address())), "{part}");
        assert!(part.contains(&format!("Authorization: Token {}", key(&printed))), "{part}");
    }
}

/// A terminal shows standard output and standard error together: a line of the log within a command would be pasted
/// with it.
#[test]
fn no_line_of_the_log_comes_between_the_printed_lines() {
    let site = Site::new(PROGRAM, Kind::Sqlite);
    let (mut both, out) = std::io::pipe().unwrap();
    let mut demo = site.command(&["demo"]);
    demo.stdout(out.try_clone().unwrap()).stderr(out);
    let mut running = demo.spawn().unwrap();
    // It holds the ends that are written to.
    drop(demo);
    let shown = std::io::read_to_string(&mut both).unwrap();
    assert!(running.wait().unwrap().success(), "{shown}");
    let (before, printed) = shown.split_once("A key that may do everything").unwrap();
    assert_eq!(before.matches(r#""target":"audit""#).count(), 2, "{shown}");
    assert!(!printed.contains(r#""timestamp":"#), "{shown}");
}

/// Whoever reads no further, as `head` does, costs a command its log and nothing else.
#[test]
fn a_log_that_nobody_reads_is_no_panic() {
    let site = Site::new(PROGRAM, Kind::Sqlite);
    let (unread, log) = std::io::pipe().unwrap();
    drop(unread);
    let output = site.command(&["demo"]).stderr(log).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap().matches("curl ").count(), 4);
}

#[rstest]
fn real_data_get_no_demo(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let site = migrated(kind);
    let real = site.key("maryam", &["--permission", "4223"]);
    let before = users_and_keys(&site);
    let line = complaint(&site.run(&["demo"]));
    assert!(line.contains("nothing was changed"), "{line}");
    assert_eq!(users_and_keys(&site), before);
    assert_eq!(site.serve().patch(4, &real, "{}").status, 404, "there is no employer either");
}

#[rstest]
fn a_database_with_tables_of_somebody_else_is_not_touched(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let site = Site::new(PROGRAM, kind);
    site.execute("CREATE TABLE customers (id integer PRIMARY KEY)");
    let line = complaint(&site.run(&["demo"]));
    assert!(line.contains("not empty"), "{line}");
    assert!(site.run(&["migrate", "--check"]).status.code() == Some(1), "no migration was applied");
}

#[rstest]
#[case::disabled(&["disable", "demo"])]
#[case::no_admin(&["set", "demo", "--no-admin"])]
fn no_key_is_printed_that_can_t_do_what_is_said_of_it(#[case] change: &[&str]) {
    let site = Site::new(PROGRAM, Kind::Sqlite).demo();
    site.ok(&[&["staff"], change].concat());
    let before = users_and_keys(&site);
    let line = complaint(&site.run(&["demo"]));
    assert!(line.contains("the demo's user"), "{line}");
    assert_eq!(users_and_keys(&site), before);
}
