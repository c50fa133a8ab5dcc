//! An answered write survives `kill -9` of the database, and the service lives on (contract, section 8).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use portfolio_testkit::{Cluster, Server, Site, TestDatabase};

use crate::history::{History, Sample, stored};
use crate::load::{Load, Watch, wait_for_readyz};
use crate::seed::seed;
use crate::{LONGEST_ANSWER, PROGRAM, RECOVERY, alone};

const CLIENTS: i64 = 24;
const ROUNDS: usize = 3;
/// How many changes each round makes before the database is killed.
const CHANGES: usize = 150;

/// Clients change employers without pause; after a while the database is killed.
fn kill_under_load(cluster: &Cluster, server: &Server, key: &str) -> (Load, Instant) {
    let load = Load::start(server, key, CLIENTS);
    load.wait_until(|samples| samples.iter().filter(|sample| sample.is_change()).count() >= CHANGES);
    cluster.kill();
    (load, Instant::now())
}

/// While the database was away, from `gone` to `returning`, every answer was a 503; it came soon, as did
/// every other; and from two seconds after `back` on, all is well. Answers the longest 503, and how long
/// after `back` the first and the last of the clients had their first 200.
pub(crate) fn judge(samples: &[Sample], gone: Instant, returning: Instant, back: Instant) -> [Duration; 3] {
    for sample in samples {
        assert!(sample.is_change() || sample.is_refusal(), "{sample:?}");
        assert!(sample.took() <= LONGEST_ANSWER, "{:?}: {sample:?}", sample.took());
        if sample.started >= gone && sample.ended <= returning {
            assert!(sample.is_refusal(), "{sample:?}");
        }
        if sample.started >= back + RECOVERY {
            assert!(
                sample.is_change(),
                "{:?} after the database was back: {sample:?}",
                sample.started - back
            );
        }
    }
    let longest = samples.iter().filter(|sample| sample.is_refusal()).map(Sample::took).max().unwrap();
    let clients: BTreeSet<i64> = samples.iter().map(|sample| sample.client).collect();
    let recovered: Vec<Duration> = clients
        .into_iter()
        .map(|client| {
            let mut own = samples.iter().filter(|sample| sample.client == client);
            own.find(|sample| sample.is_change() && sample.ended >= back).unwrap().ended - back
        })
        .collect();
    let (earliest, latest) = (*recovered.iter().min().unwrap(), *recovered.iter().max().unwrap());
    assert!(earliest <= RECOVERY, "the first 200 came {earliest:?} after the database was back");
    [longest, earliest, latest]
}

#[test]
fn a_database_killed_under_load_loses_nothing_and_the_service_goes_on() {
    let _alone = alone();
    let cluster = Cluster::start();
    let site = Site::on(PROGRAM, TestDatabase::on(cluster.url()));
    let key = seed(&site, CLIENTS);
    let mut server = site.serve();
    let watch = Watch::start(&server);
    let mut history = History::default();
    for round in 1..=ROUNDS {
        let (load, gone) = kill_under_load(&cluster, &server, &key);
        load.wait_for_each(gone, Sample::is_refusal);
        assert_eq!(
            wait_for_readyz(&server.client(), 503),
            r#"{"detail":"The database does not answer."}"#,
            "it says why"
        );
        let returning = Instant::now();
        cluster.restart();
        let back = Instant::now();
        load.wait_for_each(back, Sample::is_change);
        wait_for_readyz(&server.client(), 200);
        let mut this_round = History::default();
        load.end(&mut this_round);
        let [longest, earliest, latest] = judge(&this_round.0, gone, returning, back);
        history.0.append(&mut this_round.0);
        let lost = history.lost(&stored(&server.client(), &key, CLIENTS));
        eprintln!(
            "round {round}: {} answered, {lost} lost; longest 503 {longest:?}; 200 again after {earliest:?}, \
             for every client after {latest:?}",
            history.answered()
        );
        assert_eq!(lost, 0);
    }
    eprintln!("slowest /healthz: {:?}", watch.end());
    assert!(server.is_running(), "it is the same process all the time");
}

/// The twin of the test above: the same kill where an answer does not wait for the disk.
#[test]
fn a_database_that_answers_before_it_has_written_is_found_out() {
    const MOST_ROUNDS: usize = 10;
    let _alone = alone();
    let cluster = Cluster::start();
    let site = Site::on(PROGRAM, TestDatabase::on(cluster.url()));
    let key = seed(&site, CLIENTS);
    site.answer_before_it_is_written();
    let server = site.serve();
    let mut history = History::default();
    for round in 1..=MOST_ROUNDS {
        let (load, _) = kill_under_load(&cluster, &server, &key);
        cluster.restart();
        let back = Instant::now();
        load.wait_for_each(back, Sample::is_change);
        load.end(&mut history);
        let lost = history.lost(&stored(&server.client(), &key, CLIENTS));
        eprintln!("the twin's round {round}: {lost} of {} lost", history.answered());
        if lost > 0 {
            return;
        }
    }
    panic!("the check finds no loss where there must be one");
}
