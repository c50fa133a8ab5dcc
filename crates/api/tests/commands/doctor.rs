//! What breaks a promise is named, by `portfolio doctor` and in the log of a service that starts (RELIABILITY.md, E5).

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};
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
        Kind::Sqlite => ["database file", "journal mode", "rights of the database"],
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

    // Folders down to here keep nobody out.
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, site.database_url()).unwrap();
    for (of_folder, mode, expected) in [
        (0o755, 0o600, "ok"),
        (0o755, 0o640, "ok"),
        (0o755, 0o644, "warning"),
        // As README has it, for containers that run as nobody in particular.
        (0o700, 0o644, "ok"),
    ] {
        rights(folder.path(), of_folder);
        rights(&secret, mode);
        let findings = found(doctor(&site).env_remove("DATABASE_URL").env("DATABASE_URL_FILE", &secret));
        assert_eq!(severity(&findings, "DATABASE_URL_FILE"), expected, "{of_folder:o} {mode:o}");
    }
}

/// A role that may connect and sees nothing: `serve` ends with 1.
#[test]
fn a_role_that_may_not_read_the_tables_is_named() {
    let site = migrated(Kind::Postgres);
    let blind = format!("{}?options=-crole%3Dpg_monitor", site.database_url());
    let findings = found(doctor(&site).env("DATABASE_URL", &blind));
    assert_eq!(broken(&findings), ["migrations"]);
    let mut serve = site.command(&["serve", "--bind", "127.0.0.1:0"]);
    let output = serve.env("DATABASE_URL", blind).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let last = said.lines().next_back().unwrap();
    assert!(last.starts_with("portfolio: can't look into the database: permission denied"), "{said}");
}

/// Behind whoever keeps a table to itself nobody waits for ever.
#[test]
fn a_table_that_is_locked_is_a_warning() {
    let site = migrated(Kind::Postgres);
    let mut locker = PgConnection::establish(site.database_url()).unwrap();
    locker.batch_execute("BEGIN; LOCK TABLE employers IN ACCESS EXCLUSIVE MODE").unwrap();
    let findings = found(&mut doctor(&site));
    assert_eq!(severity(&findings, "migrations"), "warning");
    assert!(
        about(&findings, "migrations")["found"].as_str().unwrap().contains("lock timeout"),
        "{findings:?}"
    );
}

#[test]
fn a_schema_may_have_any_name() {
    let site = Site::new(PROGRAM, Kind::Postgres);
    site.execute("CREATE SCHEMA \"portfolio-App\"");
    let url = format!("{}?options=-csearch_path%3D%22portfolio-App%22", site.database_url());
    let run = |arguments: &[&str]| {
        let output = site.command(arguments).env("DATABASE_URL", &url).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run(&["demo"]);
    assert_eq!(broken(&found(doctor(&site).env("DATABASE_URL", &url))), [] as [&str; 0]);
    site.execute("ALTER TABLE \"portfolio-App\".tokens SET UNLOGGED");
    assert_eq!(broken(&found(doctor(&site).env("DATABASE_URL", &url))), ["unlogged tables"]);
}

/// How a file that was made by another program keeps its journal is `serve`'s to change.
#[test]
fn a_database_without_a_log_is_a_warning_and_stays_as_it_is() {
    let site = migrated(Kind::Sqlite);
    site.execute("PRAGMA journal_mode = DELETE");
    let mode = || site.lines("SELECT journal_mode AS line FROM pragma_journal_mode");
    assert_eq!(severity(&found(&mut doctor(&site)), "journal mode"), "warning");
    site.ok(&["migrate", "--check"]);
    assert_eq!(mode(), ["delete"]);
    drop(site.serve());
    assert_eq!(mode(), ["wal"]);
    assert_eq!(severity(&found(&mut doctor(&site)), "journal mode"), "ok");
}

/// As somebody without any right but those of the files: root needs to be told.
fn without_privileges(command: &Command) -> Command {
    if !rustix::process::geteuid().is_root() {
        let mut same = Command::new(command.get_program());
        same.args(command.get_args());
        return with_surroundings(same, command);
    }
    let mut less = Command::new("setpriv");
    less.args(["--bounding-set=-all", "--inh-caps=-all"]).arg(command.get_program()).args(command.get_args());
    with_surroundings(less, command)
}

fn with_surroundings(mut command: Command, of: &Command) -> Command {
    command.env_clear().envs(of.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("PATH", std::env::var_os("PATH").unwrap());
    command.current_dir(of.get_current_dir().unwrap());
    command
}

#[test]
fn what_can_not_be_made_or_written_breaks_a_promise() {
    let site = migrated(Kind::Sqlite);
    let rights = |path: &Path, mode: u32| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let shut = site.folder().join("shut");
    fs::create_dir(&shut).unwrap();
    let file = Path::new(site.database_url().strip_prefix("sqlite://").unwrap());
    fs::copy(file, shut.join("there.db")).unwrap();
    let url = |name: &str| format!("sqlite://{}", shut.join(name).display());
    let sound = found(&mut without_privileges(&doctor(&site)));
    assert_eq!(broken(&sound), [] as [&str; 0], "{sound:?}");
    // A folder that may be read alone, and one that may not even be entered.
    for mode in [0o500, 0o000] {
        rights(&shut, mode);
        for (variable, value, subject) in [
            ("DATABASE_URL", url("there.db"), "database"),
            ("DATABASE_URL", url("new.db"), "database"),
            ("DATABASE_URL", url("deep/new.db"), "database"),
            ("MEDIA_STORE", format!("file:{}", shut.join("media").display()), "media store"),
            ("TMPDIR", shut.display().to_string(), "room for temporary files"),
            ("TMPDIR", shut.join("gone").display().to_string(), "room for temporary files"),
        ] {
            let findings = found(&mut without_privileges(doctor(&site).env(variable, &value)));
            assert_eq!(broken(&findings), [subject], "{mode:o} {value}: {findings:?}");
        }
    }
    rights(&shut, 0o700);
    let findings = found(doctor(&site).env("MEDIA_STORE", format!("file:{}/a/b", file.display())));
    assert_eq!(broken(&findings), ["media store"], "a file is in its way");
}

/// As `serve` has it, which ends with 1.
#[rstest]
#[case("0.0.0.0:8000")]
#[case("[::]:8000")]
fn links_that_lead_nowhere_break_a_promise(#[case] bind: &str) {
    let site = migrated(Kind::Sqlite);
    let mut command = doctor(&site);
    let findings = found(command.env("BIND", bind).env_remove("PUBLIC_URL"));
    assert_eq!(broken(&findings), ["PUBLIC_URL"]);
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
    let there = found(&mut in_bucket(&site, &s3, &["doctor", "--json"]));
    assert_eq!(severity(&there, "media store"), "ok");
    about(&there, "room for temporary files");
    let mut away = in_bucket(&site, &s3, &["doctor", "--json"]);
    let findings = found(away.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1"));
    assert_eq!(broken(&findings), ["media store"]);
    assert!(!format!("{findings:?}").contains(S3Server::SECRET_ACCESS_KEY));
}
