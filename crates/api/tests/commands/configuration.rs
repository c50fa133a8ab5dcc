//! A wrong value stops the start with one line that names the variable.

use std::net::TcpListener;

use portfolio_testkit::{Kind, Site};
use rstest::rstest;

use crate::{PROGRAM, complaint};

#[rstest]
#[case::no_address("BIND", "here", "BIND: ")]
#[case::no_port("BIND", "127.0.0.1", "BIND: ")]
#[case::port_out_of_range("BIND", "127.0.0.1:65536", "BIND: ")]
#[case::not_our_address("BIND", "192.0.2.1:0", "BIND: ")]
#[case::no_scheme("PUBLIC_URL", "example.com", "PUBLIC_URL: ")]
#[case::a_query("PUBLIC_URL", "https://example.com/?a", "PUBLIC_URL: ")]
#[case::no_store("MEDIA_STORE", "data/media", "MEDIA_STORE: ")]
#[case::store_without_folder("MEDIA_STORE", "file:", "MEDIA_STORE: ")]
#[case::store_in_a_file("MEDIA_STORE", "file:/dev/null/media", "MEDIA_STORE: ")]
#[case::no_time("KEEP_ALIVE", "soon", "KEEP_ALIVE: ")]
#[case::too_long("KEEP_ALIVE", "2h", "KEEP_ALIVE: ")]
#[case::no_pool("DATABASE_POOL_SIZE", "0", "DATABASE_POOL_SIZE: ")]
#[case::no_number("DATABASE_POOL_SIZE", "many", "DATABASE_POOL_SIZE: ")]
#[case::no_metrics_address("METRICS_BIND", "here", "METRICS_BIND: ")]
#[case::no_proxy("TRUSTED_PROXIES", "10.0.0.0/33", "TRUSTED_PROXIES: ")]
#[case::no_failures("AUTH_FAILURES_PER_MINUTE", "0", "AUTH_FAILURES_PER_MINUTE: ")]
#[case::no_level("RUST_LOG", "portfolio=loud", "RUST_LOG: ")]
#[case::no_format("LOG_FORMAT", "xml", "LOG_FORMAT: ")]
fn a_wrong_value_is_one_line_that_names_its_variable(
    #[case] variable: &str,
    #[case] value: &str,
    #[case] start: &str,
) {
    let site = Site::new(PROGRAM, Kind::Sqlite);
    let mut command = site.command(&["serve"]);
    command.env("BIND", "127.0.0.1:0").env(variable, value);
    let line = complaint(&command.output().unwrap());
    assert!(line.starts_with(start), "{line}");
}

/// With a bucket, what the environment says of S3 is judged, too, and no secret is told.
#[rstest]
#[case::no_bucket("MEDIA_STORE", Some("s3://"), "MEDIA_STORE: ")]
#[case::no_key("AWS_ACCESS_KEY_ID", None, "AWS_ACCESS_KEY_ID: must be set, or AWS_ACCESS_KEY_ID_FILE, ")]
#[case::no_secret("AWS_SECRET_ACCESS_KEY", Some(""), "AWS_SECRET_ACCESS_KEY: must be set, or ")]
#[case::secret_twice("AWS_SECRET_ACCESS_KEY_FILE", Some("f"), "AWS_SECRET_ACCESS_KEY: set it or ")]
#[case::no_file("AWS_SESSION_TOKEN_FILE", Some("/nowhere"), "AWS_SESSION_TOKEN_FILE: can't read /nowhere: ")]
#[case::no_endpoint("AWS_ENDPOINT_URL", Some("127.0.0.1:9000"), "AWS_ENDPOINT_URL: ")]
#[case::secret_in_endpoint("AWS_ENDPOINT_URL_S3", Some("http://u:canary@h"), "AWS_ENDPOINT_URL_S3: ")]
#[case::no_region("AWS_REGION", Some("a/b"), "AWS_REGION: ")]
#[case::no_other_region("AWS_DEFAULT_REGION", Some("a/b"), "AWS_DEFAULT_REGION: ")]
#[case::neither("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", Some("yes"), "AWS_VIRTUAL_HOSTED_STYLE_REQUEST: ")]
fn what_is_wrong_with_s3_is_one_line_that_names_its_variable(
    #[case] variable: &str,
    #[case] value: Option<&str>,
    #[case] start: &str,
) {
    let site = Site::new(PROGRAM, Kind::Sqlite);
    let mut command = site.command(&["serve", "--bind", "127.0.0.1:0"]);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        command.env_remove(name);
    }
    command.envs([
        ("MEDIA_STORE", "s3://bucket/prefix"),
        ("AWS_ACCESS_KEY_ID", "AKIACANARY"),
        ("AWS_SECRET_ACCESS_KEY", "canary"),
    ]);
    match value {
        Some(value) => command.env(variable, value),
        None => command.env_remove(variable),
    };
    let line = complaint(&command.output().unwrap());
    assert!(line.starts_with(start), "{line}");
    assert!(!line.to_lowercase().contains("canary"), "{line}");
}

#[test]
fn a_flag_is_judged_as_its_variable_is_and_outweighs_it() {
    let site = Site::new(PROGRAM, Kind::Sqlite);
    let mut command = site.command(&["serve", "--bind", "127.0.0.1:0", "--keep-alive", "soon"]);
    let line = complaint(&command.env("KEEP_ALIVE", "10s").output().unwrap());
    assert!(line.starts_with("KEEP_ALIVE: "), "{line}");
}

#[test]
fn an_address_that_is_taken_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let site = Site::new(PROGRAM, Kind::Sqlite);
    let line = complaint(&site.run(&["serve", "--bind", &address]));
    assert!(line.starts_with(&format!("BIND: can't listen on {address}: ")), "{line}");
}

/// Nothing of this is told by listening on every address: it stops before it would serve.
#[rstest]
fn on_every_address_there_must_be_a_public_url(#[values("0.0.0.0:0", "[::]:0")] bind: &str) {
    let site = Site::new(PROGRAM, Kind::Sqlite);
    let mut command = site.command(&["serve", "--bind", bind]);
    let line = complaint(&command.env_remove("PUBLIC_URL").output().unwrap());
    assert!(line.starts_with("PUBLIC_URL: must be set when BIND is "), "{line}");
}

#[rstest]
#[case::empty("")]
#[case::its_own("15s")]
fn an_empty_value_counts_as_none(#[case] keep_alive: &str) {
    let site = Site::new(PROGRAM, Kind::Sqlite);
    // Later than all these, the address is judged: that it is told shows that they were let through.
    let mut command = site.command(&["serve", "--bind", "192.0.2.1:0"]);
    command.envs([
        ("KEEP_ALIVE", keep_alive),
        ("DATABASE_POOL_SIZE", ""),
        ("MEDIA_STORE", ""),
        ("PUBLIC_URL", ""),
        ("RUST_LOG", ""),
        ("LOG_FORMAT", ""),
        ("DATABASE_URL_FILE", ""),
        ("METRICS_BIND", ""),
        ("TRUSTED_PROXIES", ""),
        ("AUTH_FAILURES_PER_MINUTE", ""),
    ]);
    let line = complaint(&command.output().unwrap());
    assert!(line.starts_with("BIND: "), "{line}");
}

#[test]
fn a_value_that_is_no_text_is_told_by_its_variable() {
    use std::os::unix::ffi::OsStrExt as _;
    let site = Site::new(PROGRAM, Kind::Sqlite);
    for name in ["BIND", "PUBLIC_URL", "RUST_LOG", "DATABASE_URL"] {
        let mut command = site.command(&["serve"]);
        let output = command.env(name, std::ffi::OsStr::from_bytes(b"\xff")).output().unwrap();
        assert_eq!(complaint(&output), format!("{name}: is not UTF-8"));
    }
}
