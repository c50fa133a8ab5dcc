//! A database that hangs costs the clients no more than seconds each (reliability, E11).

use std::time::Instant;

use portfolio_testkit::{Cluster, Site, TestDatabase};

use crate::history::{History, Sample, stored};
use crate::killed_database::judge;
use crate::load::{Load, Watch, wait_for_readyz};
use crate::seed::seed;
use crate::{PROGRAM, alone};

/// More than the pool has connections, so that some wait for the hanging ones.
const CLIENTS: i64 = 24;

#[test]
fn a_frozen_database_is_a_503_within_three_seconds_and_is_used_again_when_it_thaws() {
    let _alone = alone();
    let cluster = Cluster::start();
    let site = Site::on(PROGRAM, TestDatabase::on(cluster.url()));
    let key = seed(&site, CLIENTS);
    let server = site.serve();
    let watch = Watch::start(&server);
    let load = Load::start(&server, &key, CLIENTS);
    load.wait_for_each(Instant::now(), Sample::is_change);
    cluster.freeze();
    let frozen = Instant::now();
    // For requests that know nothing else than a frozen database.
    load.wait_for_each(frozen, Sample::is_refusal);
    wait_for_readyz(&server.client(), 503);
    let thawing = Instant::now();
    cluster.thaw();
    let thawed = Instant::now();
    load.wait_for_each(thawed, Sample::is_change);
    wait_for_readyz(&server.client(), 200);
    let mut history = History::default();
    load.end(&mut history);
    let [longest, earliest, latest] = judge(&history.0, frozen, thawing, thawed);
    let lost = history.lost(&stored(&server.client(), &key, CLIENTS));
    eprintln!(
        "frozen for {:?}; {} answered, {lost} lost; longest 503 {longest:?}; 200 again after {earliest:?}, for \
         every client after {latest:?}; slowest /healthz {:?}",
        thawing - frozen,
        history.answered(),
        watch.end()
    );
    assert_eq!(lost, 0);
}
