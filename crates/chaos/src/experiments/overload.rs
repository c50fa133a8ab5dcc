//! E16: ten times as many requests as the database can bear, whether or not they are answered.
//!
//! The database is made slow, so that it and not the clients is what there is too little of.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use portfolio_testkit::{Client, Server};

use super::{LONGEST_ANSWER, RECOVERY, memory, proxied, site};
use crate::experiment::{Context, Experiment, Outcome, World, ms, percentile, serve_command};
use crate::proxy::Fault;
use crate::traffic::{Met, Op, Traffic, write};

pub(crate) const E16: Experiment = Experiment {
    id: "E16",
    promise: "ten times the load that the database can bear leaves four fifths of the throughput, and the rest is refused in time",
    sabotage: "the database takes twice as long for each request while there are too many",
    measure,
};

const CLIENTS: usize = 16;
const EMPLOYERS: i64 = 64;
/// How long whatever goes to the database and comes back takes in each direction.
const DELAY: Duration = Duration::from_millis(25);
const TIMES: u32 = 10;
/// What those take who wait to be refused.
const MOST_MEMORY_MIB: u64 = 64;
/// A burst waits for half a second, a request of an overload for a tenth of one; a busy machine may add something.
const REFUSAL: Duration = Duration::from_secs(1);
const STACK: usize = 256 * 1024;

fn measure(cx: &Context, world: World) -> Outcome {
    let time = if world.is_sabotaged() {
        Duration::from_secs(6)
    } else {
        cx.size(Duration::from_mins(1), Duration::from_secs(6))
    };
    let site = site(cx);
    let key = cx.seed(&site, EMPLOYERS);
    let (proxy, url) = proxied(&site, &[]);
    proxy.set(Fault::Delay(DELAY));
    let mut server = cx.serve_by(serve_command(&site, Some(&url)).env("DATABASE_POOL_SIZE", "4"));
    server.wait_until_ready();

    let calm = Duration::from_secs(5);
    let traffic = Traffic::start(|| server.client(), &key, CLIENTS, EMPLOYERS);
    std::thread::sleep(calm);
    let peak = rate(&traffic.end(), calm);
    let [before, _] = memory(&server);
    if world.is_sabotaged() {
        proxy.set(Fault::Delay(2 * DELAY));
    }
    let (ops, late) = flood(&server, &key, peak * f64::from(TIMES), time);
    let over = Instant::now();
    proxy.set(Fault::Delay(DELAY));
    let [_, most] = memory(&server);
    let traffic = Traffic::start(|| server.client(), &key, CLIENTS, EMPLOYERS);
    std::thread::sleep(2 * RECOVERY);
    let after = traffic.end();

    let goodput = rate(&ops, time);
    let refusals: Vec<_> = ops.iter().filter(|op| op.met == Met::Unavailable).map(Op::took).collect();
    let strange: Vec<_> = ops.iter().filter(|op| matches!(op.met, Met::Other(_) | Met::Nothing)).collect();
    let such_as = strange.first().map(|op| format!(", such as {:?}", op.met)).unwrap_or_default();
    let longest = ops.iter().map(Op::took).max().unwrap_or_default();
    let recovered =
        after.iter().filter(|op| !op.is_ok()).map(|op| op.started - over).max().unwrap_or_default();
    let mut outcome = Outcome::default();
    outcome.figure(format!("{} requests in {}, begun at most {} late", ops.len(), ms(time), ms(late)));
    outcome
        .must(goodput >= 0.8 * peak, format!("{goodput:.0} a second were answered 200, at best {peak:.0}"));
    let refused = percentile(&refusals, 0.99);
    outcome.must(
        refused <= REFUSAL,
        format!("{} answers of 503 with Retry-After, p99 {}", refusals.len(), ms(refused)),
    );
    outcome.must(strange.is_empty(), format!("{} others{such_as}", strange.len()));
    outcome.must(longest <= LONGEST_ANSWER, format!("longest answer {}", ms(longest)));
    outcome.must(most <= before + MOST_MEMORY_MIB, format!("{most} MiB of memory at most, before {before}"));
    outcome.must(recovered <= RECOVERY && !after.is_empty(), format!("all well {} later", ms(recovered)));
    outcome.must(server.is_running(), "the process stayed the same one");
    outcome
}

/// How many were answered with 200, a second.
fn rate(ops: &[Op], time: Duration) -> f64 {
    let ok = ops.iter().filter(|op| op.is_ok()).count();
    f64::from(u32::try_from(ok).unwrap_or(u32::MAX)) / time.as_secs_f64()
}

/// Begins so many changes a second, each when its time has come; answers what they met, and by how much the latest was
/// begun too late.
fn flood(server: &Server, key: &str, rate: f64, time: Duration) -> (Vec<Op>, Duration) {
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    let due = |number: usize| {
        let number = u32::try_from(number).expect("a few thousands");
        start + Duration::from_secs_f64(f64::from(number) / rate)
    };
    // As many as are under way when each takes as long as one may.
    let clients = (0_u32..).take_while(|number| f64::from(*number) < rate * LONGEST_ANSWER.as_secs_f64());
    std::thread::scope(|scope| {
        let clients: Vec<_> = clients
            .map(|_| {
                let work = || {
                    let client = Client::with_patience(server.address(), 4 * LONGEST_ANSWER);
                    let (mut ops, mut late) = (Vec::new(), Duration::ZERO);
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let due = due(number);
                        if due > start + time {
                            return (ops, late);
                        }
                        std::thread::sleep(due.saturating_duration_since(Instant::now()));
                        late = late.max(due.elapsed());
                        let employer = i64::try_from(number).expect("a few thousands") % EMPLOYERS + 1;
                        ops.push(write(&client, key, employer));
                    }
                };
                std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work).expect("a thread")
            })
            .collect();
        let mut all = (Vec::new(), Duration::ZERO);
        for client in clients {
            let (ops, late) = client.join().expect("a client");
            all.0.extend(ops);
            all.1 = all.1.max(late);
        }
        all
    })
}
