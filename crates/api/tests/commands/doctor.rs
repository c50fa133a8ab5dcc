//! What breaks a promise is named, by `portfolio doctor` and in the log of a service that starts (RELIABILITY.md, E5).

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use portfolio_testkit::{Cluster, Kind, S3Server, Server, Site, TestDatabase};
use rstest::rstest;
use serde_json::Value;

use crate::{PROGRAM, complaint, in_bucket, migrated, misuse};

/// What is found; its status says whether a promise is broken.
#[track_caller]
fn found(command: &mut Command) -> Vec<Value> {
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    // What tries to reach a bucket again says so in the log.
    assert!(!said.contains("portfolio: ") && !said.contains(S3Server::SECRET_ACCESS_KEY), "{said}");
    let findings: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let broken = findings.iter().any(|finding| finding["severity"] == "breaks-a-promise");
    assert_eq!(output.status.code(), Some(i32::from(broken)), "{findings:?}");
    for finding in &findings {
        let advice = finding["advice"].as_str().unwrap();
        assert_eq!(finding["severity"] == "ok", advice.is_empty(), "{finding}");
    }
    findings
}

fn doctor(site: &Site) -> Command {
    site.command(&["doctor", "--json"])
}

#[track_caller]
fn about<'a>(findings: &'a [Value], subject: &str) -> &'a Value {
    let found = findings.iter().find(|finding| finding["subject"] == subject);
    found.unwrap_or_else(|| panic!("nothing of {subject}: {findings:?}"))
}

#[track_caller]
fn severity<'a>(findings: &'a [Value], subject: &str) -> &'a str {
    about(findings, subject)["severity"].as_str().unwrap()
}

/// The subjects that break a promise, but for where the files of this test lie.
fn broken(findings: &[Value]) -> Vec<&str> {
    let broken = findings.iter().filter(|finding| finding["severity"] == "breaks-a-promise");
    let subjects = broken.filter_map(|finding| finding["subject"].as_str());
    subjects.filter(|subject| !subject.starts_with("file system of")).collect()
}

/// What the service said when it was ready.
fn told_at_the_start(server: &Server, subject: &str) -> Value {
    server.logged(|event| event["target"] == "portfolio_api::doctor" && event["subject"] == subject)
}

#[rstest]
fn with_sound_settings_no_promise_is_broken(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let site = migrated(kind);
    let findings = found(&mut doctor(&site));
    assert_eq!(broken(&findings), [] as [&str; 0], "{findings:?}");
    for subject in ["migrations", "KEEP_ALIVE", "TRUSTED_PROXIES", "metrics", "PUBLIC_URL"] {
        assert_eq!(severity(&findings, subject), "ok", "{findings:?}");
    }
    let of_the_database = match kind {
        Kind::Sqlite => ["synchronous", "journal mode", "rights of the database"],
        Kind::Postgres => ["synchronous_commit", "fsync", "unlogged tables"],
    };
    for subject in of_the_database {
        assert_eq!(severity(&findings, subject), "ok", "{findings:?}");
    }
    assert_eq!(severity(&findings, "media store"), "warning", "it is not there yet");
    assert!(!site.folder().join("data").exists(), "it makes nothing");
    let table = site.run(&["doctor"]).stdout;
    let table = String::from_utf8(table).unwrap();
    assert!(table.lines().next().unwrap().contains("SUBJECT") && table.contains("\nok "), "{table}");
}

/// The service sets its own sessions, so that only what comes before shows what others get.
#[rstest]
#[case::of_the_role("ALTER ROLE CURRENT_USER IN DATABASE {} SET synchronous_commit = off", "user")]
#[case::of_the_database("ALTER DATABASE {} SET synchronous_commit = off", "database")]
fn a_role_or_a_database_that_answers_before_it_is_on_disk_is_named(
    #[case] sabotage: &str,
    #[case] place: &str,
) {
    let site = migrated(Kind::Postgres);
    let name = &site.lines("SELECT current_database()::text AS line")[0];
    site.execute(&sabotage.replace("{}", name));
    let findings = found(&mut doctor(&site));
    assert_eq!(broken(&findings), ["synchronous_commit"]);
    let of_it = about(&findings, "synchronous_commit");
    assert!(of_it["found"].as_str().unwrap().contains(place), "{of_it}");
    let server = site.serve();
    let told = told_at_the_start(&server, "synchronous_commit");
    assert_eq!((&told["level"], &told["found"]), (&Value::from("WARN"), &of_it["found"]));
}

/// E5: settings of the server itself, which another test must not meet.
#[test]
fn a_server_that_does_not_keep_what_it_answered_is_named_by_doctor_and_at_the_start() {
    const NAMES: [&str; 3] = ["fsync", "full_page_writes", "synchronous_commit"];
    let cluster = Cluster::start();
    let site = Site::on(PROGRAM, TestDatabase::on(cluster.url()));
    site.ok(&["migrate"]);
    assert_eq!(broken(&found(&mut doctor(&site))), [] as [&str; 0]);
    site.execute("CREATE UNLOGGED TABLE hasty (id bigint)");
    assert_eq!(broken(&found(&mut doctor(&site))), ["unlogged tables"]);
    site.execute("DROP TABLE hasty");
    let off = format!("{}?options=-csynchronous_commit%3Doff", site.database_url());
    assert_eq!(broken(&found(doctor(&site).env("DATABASE_URL", off))), ["synchronous_commit"]);
    for name in NAMES {
        site.execute(&format!("ALTER SYSTEM SET {name} = off"));
    }
    site.execute("SELECT pg_reload_conf()");
    let still_on = "SELECT name AS line FROM pg_settings \
                    WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting <> 'off'";
    while !site.lines(still_on).is_empty() {
        std::thread::yield_now();
    }
    let findings = found(&mut doctor(&site));
    let mut named = broken(&findings);
    named.sort_unstable();
    assert_eq!(named, ["fsync", "full_page_writes", "synchronous_commit"]);
    let server = site.serve();
    for name in NAMES {
        assert_eq!(told_at_the_start(&server, name)["level"], "WARN");
    }
}

#[test]
fn more_connections_than_the_server_has_are_a_warning() {
    let site = migrated(Kind::Postgres);
    assert_eq!(severity(&found(&mut doctor(&site)), "max_connections"), "ok");
    let many = found(&mut site.command(&["doctor", "--json", "--instances", "100"]));
    assert_eq!(severity(&many, "max_connections"), "warning");
    misuse(&site.run(&["doctor", "--instances", "0"]));
}

#[test]
fn a_database_that_is_away_is_named_and_the_rest_is_looked_at() {
    let site = Site::new(PROGRAM, Kind::Sqlite);
    let findings = found(doctor(&site).env("DATABASE_URL", "postgres://anna:geheim@127.0.0.1:1/site"));
    assert_eq!(broken(&findings), ["database"]);
    assert!(!format!("{findings:?}").contains("geheim"));
    assert_eq!(severity(&findings, "KEEP_ALIVE"), "ok");
}

#[rstest]
fn what_is_pending_is_a_warning_and_nothing_is_made(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let site = Site::new(PROGRAM, kind);
    assert_eq!(severity(&found(&mut doctor(&site)), "migrations"), "warning");
    assert_eq!(site.run(&["migrate", "--check"]).status.code(), Some(1));
}

#[test]
fn a_database_or_media_in_memory_break_a_promise() {
    let memory = Path::new("/dev/shm");
    assert!(memory.exists(), "a test of Linux");
    let site = Site::new(PROGRAM, Kind::Sqlite);
    let there = |name: &str| memory.join(format!("portfolio-{}", std::process::id())).join(name);
    let mut command = doctor(&site);
    command.env("DATABASE_URL", format!("sqlite://{}", there("a.db").display()));
    command.env("MEDIA_STORE", format!("file:{}", there("media").display()));
    let findings = found(&mut command);
    for subject in ["file system of the database", "file system of the media"] {
        assert_eq!(severity(&findings, subject), "breaks-a-promise");
    }
    assert!(!there("").exists(), "it makes nothing");
}

#[test]
fn what_others_can_read_or_replace_is_a_warning() {
    let site = migrated(Kind::Sqlite);
    let file = Path::new(site.database_url().strip_prefix("sqlite://").unwrap());
    let rights = |path: &Path, mode: u32| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    assert_eq!(severity(&found(&mut doctor(&site)), "rights of the database"), "ok");
    rights(file, 0o644);
    let findings = found(&mut doctor(&site));
    assert_eq!(severity(&findings, "rights of the database"), "warning");
    assert!(about(&findings, "rights of the database")["found"].as_str().unwrap().ends_with("0644"));
    rights(file, 0o600);
    rights(file.parent().unwrap(), 0o777);
    assert_eq!(severity(&found(&mut doctor(&site)), "rights of the database's folder"), "warning");

    let secret = site.folder().join("secret");
    fs::write(&secret, site.database_url()).unwrap();
    for (mode, expected) in [(0o600, "ok"), (0o640, "ok"), (0o644, "warning")] {
        rights(&secret, mode);
        let findings = found(doctor(&site).env_remove("DATABASE_URL").env("DATABASE_URL_FILE", &secret));
        assert_eq!(severity(&findings, "DATABASE_URL_FILE"), expected);
    }
}

#[rstest]
#[case("TRUSTED_PROXIES", "0.0.0.0/0", "TRUSTED_PROXIES", "breaks-a-promise")]
#[case("TRUSTED_PROXIES", "10.0.0.0/8", "TRUSTED_PROXIES", "ok")]
#[case("METRICS_BIND", "0.0.0.0:9000", "metrics", "warning")]
#[case("BIND", "0.0.0.0:8000", "metrics", "warning")]
#[case("METRICS_BIND", "10.1.2.3:9000", "metrics", "ok")]
#[case("KEEP_ALIVE", "75s", "KEEP_ALIVE", "warning")]
#[case("PUBLIC_URL", "http://www.example.com", "PUBLIC_URL", "warning")]
#[case("PUBLIC_URL", "https://www.example.com", "PUBLIC_URL", "ok")]
fn a_setting_is_judged(
    #[case] variable: &str,
    #[case] value: &str,
    #[case] subject: &str,
    #[case] expected: &str,
) {
    let site = migrated(Kind::Sqlite);
    let findings = found(doctor(&site).env(variable, value));
    assert_eq!(severity(&findings, subject), expected, "{findings:?}");
}

#[test]
fn a_wrong_setting_is_the_error_that_serve_would_end_with() {
    let site = migrated(Kind::Sqlite);
    let line = complaint(&doctor(&site).env("KEEP_ALIVE", "soon").output().unwrap());
    assert!(line.starts_with("KEEP_ALIVE: "), "{line}");
}

#[test]
fn too_few_open_files_are_a_warning() {
    let site = migrated(Kind::Sqlite);
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 400 && exec \"$0\" doctor --json", PROGRAM]).current_dir(site.folder());
    let findings = found(command.env_clear().env("DATABASE_URL", site.database_url()));
    assert_eq!(severity(&findings, "open files"), "warning");
}

#[test]
fn a_bucket_is_asked_whether_it_is_there() {
    let site = migrated(Kind::Sqlite);
    let s3 = S3Server::start();
    assert_eq!(severity(&found(&mut in_bucket(&site, &s3, &["doctor", "--json"])), "media store"), "ok");
    let mut away = in_bucket(&site, &s3, &["doctor", "--json"]);
    let findings = found(away.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1"));
    assert_eq!(broken(&findings), ["media store"]);
    assert!(!format!("{findings:?}").contains(S3Server::SECRET_ACCESS_KEY));
}
