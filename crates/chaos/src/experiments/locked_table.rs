//! E14: somebody locks the table of employers for a minute.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};

use super::{LONGEST_ANSWER, RECOVERY, proxied, site};
use crate::bystanders::bystanders;
use crate::experiment::{Context, Experiment, Outcome, World, ms, percentile};
use crate::traffic::{Met, Op, Traffic};

pub(crate) const E14: Experiment = Experiment {
    id: "E14",
    promise: "while a table is locked, requests for it get their 503 within 3 s, and others are as quick as ever",
    sabotage: "a proxy keeps `lock_timeout` and `statement_timeout` from the sessions",
    measure,
};

/// Fewer than connections, so that there are some left for others.
const CLIENTS: usize = 4;
/// What a busy machine may add.
const NOISE: Duration = Duration::from_millis(20);

fn measure(cx: &Context, world: World) -> Outcome {
    let time = if world.is_sabotaged() {
        Duration::from_secs(8)
    } else {
        cx.size(Duration::from_mins(1), Duration::from_secs(5))
    };
    let site = site(cx);
    let key = cx.seed(&site, 4);
    let rewrite: &[_] = if world.is_sabotaged() {
        &[("'lock_timeout'", "'lock_timeouX'"), ("'statement_timeout'", "'statement_timeouX'")]
    } else {
        &[]
    };
    let (proxy, url) = proxied(&site, rewrite);
    let server = cx.serve(&site, Some(&url));
    assert_eq!(proxy.rewritten() > 0, world.is_sabotaged(), "the service starts its sessions otherwise");

    // As busy as it will be, but for the lock.
    let traffic = Traffic::start(|| server.client(), &key, CLIENTS, 4);
    let calm = cx.size(Duration::from_secs(5), Duration::from_secs(3));
    let (quiet, ()) = bystanders(&server, &key, || std::thread::sleep(calm));
    drop(traffic.end());

    let mut holder = PgConnection::establish(site.database_url()).expect("the database");
    holder.batch_execute("BEGIN; LOCK TABLE employers IN ACCESS EXCLUSIVE MODE").expect("the lock");
    let traffic = Traffic::start(|| server.client(), &key, CLIENTS, 4);
    let (locked, ()) = bystanders(&server, &key, || std::thread::sleep(time));
    holder.batch_execute("COMMIT").expect("the lock's end");
    let over = Instant::now();
    std::thread::sleep(2 * RECOVERY);
    let ops = traffic.end();

    let during: Vec<_> = ops.iter().filter(|op| op.started < over).collect();
    let refused = during.iter().filter(|op| op.met == Met::Unavailable).count();
    let strange = ops.iter().filter(|op| matches!(op.met, Met::Other(_) | Met::Nothing)).count();
    let longest = ops.iter().map(Op::took).max().unwrap_or_default();
    let late = ops.iter().filter(|op| !op.is_ok() && op.started > over).map(|op| op.started - over).max();
    let (before, after) = (percentile(&quiet.times, 0.99), percentile(&locked.times, 0.99));
    let mut outcome = Outcome::default();
    outcome.figure(format!("locked for {} under {CLIENTS} clients", ms(time)));
    outcome.must(refused > 0 && strange == 0, format!("{refused} answers of 503, {strange} others"));
    outcome.must(longest <= LONGEST_ANSWER, format!("longest answer {}", ms(longest)));
    outcome.must(
        locked.failed == 0,
        format!(
            "of {} requests for /healthz, /readyz and images {} failed",
            locked.times.len(),
            locked.failed
        ),
    );
    outcome.must(
        after <= 2 * before + NOISE,
        format!("their p99 {}, without the lock {}", ms(after), ms(before)),
    );
    outcome.must(
        late.unwrap_or_default() <= RECOVERY,
        format!("all well {} later", ms(late.unwrap_or_default())),
    );
    outcome
}
