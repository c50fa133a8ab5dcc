//! The service starts whatever the database does (contract, section 7).

use std::time::Instant;

use portfolio_testkit::{Cluster, Kind, Site, TestDatabase};
use rstest::rstest;
use serde_json::json;

use crate::load::wait_for_readyz;
use crate::{LONGEST_ANSWER, PROGRAM, RECOVERY, alone};

#[test]
fn without_its_database_the_service_listens_and_says_what_it_waits_for() {
    let _alone = alone();
    let cluster = Cluster::start();
    let site = Site::on(PROGRAM, TestDatabase::on(cluster.url())).demo();
    let key = site.key("maryam", &["--permission", "4223"]);
    cluster.kill();

    let start = Instant::now();
    let server = site.serve_unready(&[]);
    server.send("GET", "/healthz", &[], None).assert(200, &json!({ "status": "alive" }));
    assert!(start.elapsed() < RECOVERY, "it listens at once, not after {:?}", start.elapsed());
    let unready = server.send("GET", "/readyz", &[], None);
    unready.assert(503, &json!({ "detail": "Waiting for the database." }));
    assert_eq!(unready.header("retry-after"), Some("1"));
    let asked = Instant::now();
    let refused = server.patch(4, &key, "{}");
    refused.assert(503, &json!({ "detail": "Service temporarily unavailable, try again later." }));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(asked.elapsed() <= LONGEST_ANSWER);
    let stranger = server.send("PATCH", "/api/portfolios/employers/4", &[], Some(b"{}"));
    stranger.assert(401, &json!({ "detail": "Authentication credentials were not provided." }));

    cluster.restart();
    let back = Instant::now();
    wait_for_readyz(&server.client(), 200);
    let took = back.elapsed();
    eprintln!("ready {took:?} after the database");
    assert!(took <= RECOVERY, "ready {took:?} after the database");
    assert_eq!(server.patch(4, &key, "{}").status, 200);
}

#[rstest]
fn told_not_to_migrate_it_waits_until_someone_does(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let site = Site::new(PROGRAM, kind);
    let server = site.serve_unready(&["--no-migrate"]);
    let client = server.client();
    let start = Instant::now();
    while client.send("GET", "/readyz", &[], None).unwrap().json()["detail"]
        != "Waiting for pending migrations to be applied."
    {
        assert!(start.elapsed() < LONGEST_ANSWER, "it does not say that migrations are pending");
    }
    let refused = server.patch(4, "pf_whatever", "{}");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert!(!site.run(&["migrate", "--check"]).status.success(), "it applied nothing by itself");

    site.ok(&["migrate"]);
    wait_for_readyz(&client, 200);
    server.patch(4, "pf_whatever", "{}").assert(401, &json!({ "detail": "Invalid token." }));
}
