//! E1: the database is killed, over and over, under load.

use std::time::{Duration, Instant};

use portfolio_testkit::Cluster;
use portfolio_testkit::history::{History, Sample, stored};
use portfolio_testkit::load::{Load, wait_for_readyz};

use super::{LONGEST_ANSWER, RECOVERY, site_on};
use crate::experiment::{Context, Experiment, Outcome, World, ms};

pub(crate) const E1: Experiment = Experiment {
    id: "E1",
    promise: "kill -9 of PostgreSQL loses no answered write, and the service works again 2 s after its return",
    sabotage: "commits are answered before they are on disk (`synchronous_commit=off`, by a trigger)",
    measure,
};

const CLIENTS: i64 = 32;

fn measure(cx: &Context, world: World) -> Outcome {
    let rounds = if world.is_sabotaged() { cx.size(5, 1) } else { cx.size(20, 2) };
    let changes = cx.size(2_600, 300);
    let cluster = Cluster::start();
    let site = site_on(cx, &cluster);
    let key = cx.seed(&site, CLIENTS);
    if world.is_sabotaged() {
        site.answer_before_it_is_written();
    }
    let mut server = cx.serve(&site, None);
    let mut history = History::default();
    let mut judged = Judged::default();
    for _ in 0..rounds {
        let load = Load::start(&server, &key, CLIENTS);
        load.wait_until(|samples| samples.iter().filter(|sample| sample.is_change()).count() >= changes);
        cluster.kill();
        let gone = Instant::now();
        load.wait_for_each(gone, Sample::is_refusal);
        cluster.restart();
        let back = Instant::now();
        load.wait_for_each(back, Sample::is_change);
        let mut round = History::default();
        load.end(&mut round);
        wait_for_readyz(&server.client(), 200);
        judged.round(&round.0, back);
        history.0.append(&mut round.0);
    }
    let lost = history.lost(&stored(&server.client(), &key, CLIENTS));
    let mut outcome = Outcome::default();
    outcome.figure(format!("{rounds} kills under {CLIENTS} clients"));
    outcome.must(lost == 0, format!("{lost} of {} answered changes lost", history.answered()));
    judged.tell(&mut outcome);
    outcome.must(server.is_running(), "the process stayed the same one");
    outcome
}

/// How the rounds went for the clients.
#[derive(Debug, Default)]
pub(super) struct Judged {
    refusals: usize,
    others: usize,
    longest: Duration,
    recovery: Duration,
}

impl Judged {
    /// Adds what the clients met in one round, in which the database was back at `back`.
    pub(super) fn round(&mut self, samples: &[Sample], back: Instant) {
        self.refusals += samples.iter().filter(|sample| sample.is_refusal()).count();
        self.others += samples.iter().filter(|sample| !sample.is_change() && !sample.is_refusal()).count();
        let longest = samples.iter().map(Sample::took).max().unwrap_or_default();
        self.longest = self.longest.max(longest);
        // What was asked before may have waited.
        let mut later = samples.iter().filter(|sample| sample.is_change() && sample.ended >= back);
        let recovery = later.by_ref().map(|sample| sample.ended - back).min().unwrap_or(Duration::MAX);
        let last_refusal = samples
            .iter()
            .filter(|sample| !sample.is_change() && sample.started >= back)
            .map(|sample| sample.started - back);
        self.recovery = self.recovery.max(recovery).max(last_refusal.max().unwrap_or_default());
    }

    pub(super) fn tell(&self, outcome: &mut Outcome) {
        outcome.figure(format!("{} answers of 503 with Retry-After", self.refusals));
        outcome.must(self.others == 0, format!("{} others", self.others));
        outcome.must(self.longest <= LONGEST_ANSWER, format!("longest answer {}", ms(self.longest)));
        outcome.must(self.recovery <= RECOVERY, format!("all well {} after its return", ms(self.recovery)));
    }
}
