//! E22: several instances find one empty database at the same moment.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portfolio_testkit::{Server, Site};
use serde_json::Value;

use super::{proxied, site};
use crate::experiment::{Context, Experiment, Outcome, World, ms, serve_command};

pub(crate) const E22: Experiment = Experiment {
    id: "E22",
    promise: "of five instances that start on an empty database, each migration is applied by one, and all become ready",
    sabotage: "a proxy gives each instance a lock of its own",
    measure,
};

const INSTANCES: usize = 5;
/// The lock's number, as the service asks for it.
const LOCK: &str = "pg_advisory_lock(4223001)";

fn measure(cx: &Context, world: World) -> Outcome {
    let rounds = if world.is_sabotaged() { cx.size(5, 2) } else { cx.size(20, 3) };
    let (mut ready, mut applied_once, mut slowest) = (0, 0, Duration::ZERO);
    for _ in 0..rounds {
        let site = site(cx);
        let applied = Arc::new(Mutex::new(Vec::new()));
        let instances: Vec<_> = std::thread::scope(|scope| {
            let starting: Vec<_> = (0..INSTANCES)
                .map(|number| {
                    let (site, applied) = (&site, applied.clone());
                    scope.spawn(move || instance(cx, site, world, number, applied))
                })
                .collect();
            starting.into_iter().map(|thread| thread.join().expect("an instance")).collect()
        });
        for took in instances.into_iter().flatten() {
            ready += 1;
            slowest = slowest.max(took);
        }
        let mut applied = applied.lock().expect("no instance panicked").clone();
        applied.sort_unstable();
        let known = site.lines("SELECT count(*)::text AS line FROM __diesel_schema_migrations");
        let told = applied.len();
        applied.dedup();
        applied_once += usize::from(told > 0 && applied.len() == told && known == [told.to_string()]);
    }
    let instances = rounds * INSTANCES;
    let mut outcome = Outcome::default();
    outcome.must(applied_once == rounds, format!("each migration applied once {applied_once} of {rounds}"));
    outcome.must(ready == instances, format!("{ready} of {instances} instances ready"));
    outcome.figure(format!("the last within {}", ms(slowest)));
    outcome
}

/// Runs one instance until it is ready; answers how long that took, or nothing when it ended instead.
fn instance(
    cx: &Context,
    site: &Site,
    world: World,
    number: usize,
    applied: Arc<Mutex<Vec<String>>>,
) -> Option<Duration> {
    let own = LOCK.replace("001", &format!("10{number}"));
    let rewrite: &[_] = if world.is_sabotaged() { &[(LOCK, own.as_str())] } else { &[] };
    let (_proxy, url) = proxied(site, rewrite);
    let start = Instant::now();
    let mut server = cx.serve_watched(&mut serve_command(site, Some(&url)), move |line| {
        let event: Value = serde_json::from_str(line).unwrap_or_default();
        if event["message"] == "applied" {
            applied.lock().expect("nobody panics with it").push(event["migration"].to_string());
        }
    });
    is_ready(&mut server).then(|| start.elapsed())
}

fn is_ready(server: &mut Server) -> bool {
    let client = server.client();
    let start = Instant::now();
    while server.is_running() && start.elapsed() < Duration::from_secs(15) {
        if client.send("GET", "/readyz", &[], None).is_ok_and(|answer| answer.status == 200) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}
