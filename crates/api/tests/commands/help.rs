use portfolio_testkit::{Kind, Site};
use rstest::rstest;

use crate::{PROGRAM, misuse};

#[rstest]
#[case(&[], &["serve", "migrate", "staff", "token", "demo", "images", "backup", "restore", "doctor", "openapi", "healthcheck", "DATABASE_URL", "DATABASE_URL_FILE",
    "sqlite://data/portfolio.db", "RUST_LOG", "info,portfolio_api=debug", "LOG_FORMAT"])]
#[case(&["serve"], &["BIND", "127.0.0.1:8000", "PUBLIC_URL", "DATABASE_POOL_SIZE", "MEDIA_STORE", "KEEP_ALIVE", "CORS_ALLOWED_ORIGINS",
    "METRICS_BIND", "TRUSTED_PROXIES", "AUTH_FAILURES_PER_MINUTE",
    "15s", "--no-migrate", "LOG_FORMAT", "/healthz"])]
#[case(&["migrate"], &["--check"])]
#[case(&["staff"], &["add", "set", "disable", "enable", "list"])]
#[case(&["staff", "add"], &["--admin", "--not-staff", "--permission", "4223", "4221", "4231"])]
#[case(&["staff", "set"], &["--permission", "--no-permission", "--admin", "--no-admin", "--staff", "--not-staff"])]
#[case(&["staff", "list"], &["--json"])]
#[case(&["token"], &["issue", "list", "revoke", "can't be shown again"])]
#[case(&["token", "issue"], &["--label", "--expires-in", "90d", "--key-stdin", "20 to 200"])]
#[case(&["token", "list"], &["--json"])]
#[case(&["token", "revoke"], &["<ID>"])]
#[case(&["demo"], &["harmless", "changes nothing", "PUBLIC_URL", "MEDIA_STORE", "another file"])]
#[case(&["images"], &["add", "rebuild-thumbnails", "gc"])]
#[case(&["images", "add"], &["<FILE>", "--name", "--json", "MEDIA_STORE", "10 MiB", "only read"])]
#[case(&["images", "rebuild-thumbnails"], &["--json", "MEDIA_STORE", "begun again"])]
#[case(&["images", "gc"], &["--dry-run", "--json", "MEDIA_STORE", "an hour"])]
#[case(&["backup"], &["<FILE>", "MEDIA_STORE", "while the service serves", "replaces none"])]
#[case(&["restore"], &["<FILE>", "MEDIA_STORE", "no database yet", "checked before"])]
#[case(&["doctor"], &["--json", "--instances", "KEEP_ALIVE", "status 0", "status 1", "changes nothing"])]
#[case(&["openapi"], &["OpenAPI", "PUBLIC_URL"])]
#[case(&["healthcheck"], &["BIND"])]
fn help_tells_what_matters(#[case] command: &[&str], #[case] matters: &[&str]) {
    let site = Site::new(PROGRAM, Kind::Sqlite);
    let help = site.ok(&[command, &["--help"]].concat());
    // Lines are broken where they are full.
    let text = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for text_of_it in matters {
        assert!(text.contains(text_of_it), "{text_of_it}: {help}");
    }
    assert!(!help.contains(site.database_url()), "what is set may be a secret: {help}");
}

#[test]
fn a_wrong_call_ends_with_2() {
    let site = Site::new(PROGRAM, Kind::Sqlite);
    for arguments in [&[][..], &["sreve"], &["serve", "--no-such-flag"], &["migrate", "now"]] {
        misuse(&site.run(arguments));
    }
    assert!(site.ok(&["--version"]).starts_with("portfolio "));
}
