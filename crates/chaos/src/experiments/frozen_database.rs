//! E11: the database is stopped where it stands, and lets every connection hang.

use std::time::{Duration, Instant};

use portfolio_testkit::Cluster;
use portfolio_testkit::history::{History, Sample, stored};
use portfolio_testkit::load::{Load, Watch};

use super::killed_database::Judged;
use super::{signal, site_on};
use crate::experiment::{Context, Experiment, Outcome, World, ms, percentile};

pub(crate) const E11: Experiment = Experiment {
    id: "E11",
    promise: "while PostgreSQL hangs, every answer comes within 3 s and `/healthz` stays quick; 2 s after it goes on, all is well",
    sabotage: "the service itself is stopped (SIGSTOP) with the database",
    measure,
};

const CLIENTS: i64 = 32;
const HEALTHZ: Duration = Duration::from_millis(50);

fn measure(cx: &Context, world: World) -> Outcome {
    let time = if world.is_sabotaged() {
        Duration::from_secs(4)
    } else {
        cx.size(Duration::from_secs(30), Duration::from_secs(6))
    };
    let cluster = Cluster::start();
    let site = site_on(cx, &cluster);
    let key = cx.seed(&site, CLIENTS);
    let server = cx.serve(&site, None);
    let load = Load::start(&server, &key, CLIENTS);
    load.wait_for_each(Instant::now(), Sample::is_change);
    cluster.freeze();
    if world.is_sabotaged() {
        signal(&server, "-STOP");
    }
    let watch = Watch::start(&server);
    // How long it hangs is what is tried.
    std::thread::sleep(time);
    if world.is_sabotaged() {
        signal(&server, "-CONT");
    }
    let healthz = percentile(&watch.end_with_all(), 0.99);
    cluster.thaw();
    let thawed = Instant::now();
    load.wait_for_each(thawed, Sample::is_change);
    let mut history = History::default();
    load.end(&mut history);
    let mut judged = Judged::default();
    judged.round(&history.0, thawed);
    let lost = history.lost(&stored(&server.client(), &key, CLIENTS));
    let mut outcome = Outcome::default();
    outcome.figure(format!("hung for {} under {CLIENTS} clients", ms(time)));
    judged.tell(&mut outcome);
    outcome.must(healthz <= HEALTHZ, format!("/healthz p99 {}", ms(healthz)));
    outcome.must(lost == 0, format!("{lost} of {} answered changes lost", history.answered()));
    outcome
}
