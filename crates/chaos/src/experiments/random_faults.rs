//! E10: minutes of random faults, every request recorded, the whole history judged.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use portfolio_testkit::load::wait_for_readyz;
use portfolio_testkit::{Client, Cluster, Site};
use rand::RngExt as _;

use super::{LONGEST_ANSWER, proxied, site_on};
use crate::checker::check;
use crate::experiment::{Context, Experiment, Outcome, World, ms};
use crate::proxy::{Fault, Proxy};
use crate::traffic::{Met, Op, State, Traffic, read};

pub(crate) const E10: Experiment = Experiment {
    id: "E10",
    promise: "whatever befalls the database and the way to it, no answered write is lost, no answer is stale, no write is half or made twice",
    sabotage: "commits are answered before they are on disk, and a trigger now and then keeps half of a write",
    measure,
};

const CLIENTS: usize = 24;
const EMPLOYERS: i64 = 8;

fn measure(cx: &Context, world: World) -> Outcome {
    let time = if world.is_sabotaged() {
        Duration::from_secs(10)
    } else {
        cx.size(Duration::from_secs(100), Duration::from_secs(8))
    };
    let cluster = Cluster::start();
    let site = site_on(cx, &cluster);
    let key = cx.seed(&site, EMPLOYERS);
    if world.is_sabotaged() {
        sabotage(&site);
    }
    let (proxy, url) = proxied(&site, &[]);
    let mut server = cx.serve(&site, Some(&url));
    let address = server.address().to_owned();
    let traffic =
        Traffic::start(|| Client::with_patience(&address, 4 * LONGEST_ANSWER), &key, CLIENTS, EMPLOYERS);
    let faults = befall(&cluster, &proxy, time);
    let ops = traffic.end();
    wait_for_readyz(&server.client(), 200);
    let last: BTreeMap<i64, State> = (1..=EMPLOYERS)
        .map(|employer| match read(&server.client(), &key, employer).met {
            Met::Ok(state) => (employer, state),
            met => panic!("employer {employer} can't be read in the end: {met:?}"),
        })
        .collect();
    let findings = check(&ops, &last);
    let count = |wanted: fn(&Op) -> bool| ops.iter().filter(|op| wanted(op)).count();
    let others: Vec<_> = ops.iter().filter(|op| matches!(op.met, Met::Other(_) | Met::Nothing)).collect();
    let longest = ops.iter().map(Op::took).max().unwrap_or_default();
    let mut outcome = Outcome::default();
    outcome.figure(format!("{} of {faults} faults under {CLIENTS} clients", ms(time)));
    outcome.must(
        findings.none(),
        format!(
            "of {} requests {} × 200, {} × 503: {} lost, {} stale, {} half, {} strange",
            ops.len(),
            count(Op::is_ok),
            count(|op| op.met == Met::Unavailable),
            findings.lost,
            findings.stale,
            findings.half,
            findings.strange
        ),
    );
    outcome.must(others.is_empty(), format!("{} other answers{}", others.len(), first(&others)));
    outcome.must(longest <= LONGEST_ANSWER, format!("longest answer {}", ms(longest)));
    outcome.must(server.is_running(), "the process stayed the same one");
    outcome
}

/// The first of some answers, to begin looking with.
fn first(ops: &[&Op]) -> String {
    ops.first().map(|op| format!(", such as {:?}", op.met)).unwrap_or_default()
}

/// One fault after the other, with some peace between, and peace at the end. Answers how many.
fn befall(cluster: &Cluster, proxy: &Proxy, time: Duration) -> usize {
    let start = Instant::now();
    let mut random = rand::rng();
    let mut faults = 0;
    let mut pause = |from: u64, to: u64| {
        std::thread::sleep(Duration::from_millis(random.random_range(from..to)));
        random.random_range(0..7)
    };
    while start.elapsed() < time {
        match pause(300, 1_500) {
            0 => proxy.cut(),
            1 => proxy.set(Fault::Refuse),
            2 => proxy.set(Fault::BlackHole),
            3 => proxy.set(Fault::Delay(Duration::from_millis(200))),
            4 => proxy.set(Fault::Throttle(16 * 1024)),
            5 => {
                cluster.freeze();
                pause(200, 3_000);
                cluster.thaw();
            }
            _ => {
                cluster.kill();
                pause(100, 1_000);
                cluster.restart();
            }
        }
        faults += 1;
        pause(200, 2_000);
        proxy.set(Fault::None);
    }
    faults
}

fn sabotage(site: &Site) {
    site.answer_before_it_is_written();
    site.execute(
        "CREATE FUNCTION halve() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN IF NEW.version % 50 = 0 THEN NEW.name := OLD.name; END IF; RETURN NEW; END $$; \
         CREATE TRIGGER halve BEFORE UPDATE ON employers FOR EACH ROW EXECUTE FUNCTION halve()",
    );
}
