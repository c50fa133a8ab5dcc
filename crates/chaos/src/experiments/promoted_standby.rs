//! E13: the primary is killed under load, and its standby is promoted, over and over.

use std::time::{Duration, Instant};

use portfolio_testkit::Cluster;
use portfolio_testkit::history::{History, Sample, stored};
use portfolio_testkit::load::{Load, wait_for_readyz};

use super::killed_database::Judged;
use super::{around_host, site_on};
use crate::experiment::{Context, Experiment, Outcome, World, ms};

pub(crate) const E13: Experiment = Experiment {
    id: "E13",
    promise: "where the primary is killed and its synchronous standby promoted, no answered write is lost, and the \
              service works again within 2 s without a restart",
    sabotage: "the standby is an asynchronous one: commits are answered before it has them",
    measure,
};

const CLIENTS: i64 = 32;
/// For how long before each kill nothing reaches the standby any more, as when the network goes first: killed
/// without warning, a primary has mostly sent what it answered, whether it waited for that or not. It is longer
/// than `statement_timeout`, which must not end the wait for the standby with an answer.
const HELD_BACK: Duration = Duration::from_secs(3);

fn measure(cx: &Context, world: World) -> Outcome {
    let rounds = if world.is_sabotaged() { cx.size(2, 1) } else { cx.size(5, 2) };
    let changes = cx.size(2_600, 300);
    let mut primary = Cluster::start();
    let site = site_on(cx, &primary);
    let key = cx.seed(&site, CLIENTS);
    let mut standby = primary.standby();
    let (before, host, after) = around_host(site.database_url());
    let url = format!("{before}{host},{}{after}", standby.address());
    let mut server = cx.serve(&site, Some(&url));
    let mut history = History::default();
    let mut judged = Judged::default();
    for round in 1..=rounds {
        primary.wait_for_standby(!world.is_sabotaged());
        let load = Load::start(&server, &key, CLIENTS);
        load.wait_until(|samples| samples.iter().filter(|sample| sample.is_change()).count() >= changes);
        primary.freeze_replication();
        std::thread::sleep(HELD_BACK);
        primary.kill();
        let gone = Instant::now();
        load.wait_for_each(gone, Sample::is_refusal);
        standby.promote();
        let promoted = Instant::now();
        load.wait_for_each(promoted, Sample::is_change);
        let mut met = History::default();
        load.end(&mut met);
        wait_for_readyz(&server.client(), 200);
        judged.round(&met.0, promoted);
        history.0.append(&mut met.0);
        if round < rounds {
            primary.rejoin(&standby);
            std::mem::swap(&mut primary, &mut standby);
        }
    }
    let lost = history.lost(&stored(&server.client(), &key, CLIENTS));
    let mut outcome = Outcome::default();
    outcome.figure(format!(
        "{rounds} promotions under {CLIENTS} clients, nothing having reached the standby for {}",
        ms(HELD_BACK)
    ));
    outcome.must(lost == 0, format!("{lost} of {} answered changes lost", history.answered()));
    judged.tell(&mut outcome);
    outcome.must(server.is_running(), "the process stayed the same one");
    outcome
}
