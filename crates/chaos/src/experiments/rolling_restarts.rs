//! E20: three instances behind a load balancer are restarted one after the other, over and over, under load.

use std::time::{Duration, Instant};

use portfolio_testkit::{Client, Server};

use super::{LONGEST_ANSWER, signal, site};
use crate::experiment::{Context, Experiment, Outcome, World, ms};
use crate::front::Front;
use crate::traffic::{Op, Traffic};

pub(crate) const E20: Experiment = Experiment {
    id: "E20",
    promise: "rolling restarts of three instances behind a load balancer that heeds `/readyz` cost no request",
    sabotage: "each instance is told to stop twice, and so ends without waiting for its clients",
    measure,
};

const INSTANCES: usize = 3;
const CLIENTS: usize = 16;
/// An instance is back by then.
const READY: Duration = Duration::from_secs(10);
/// It has ended by then, as it promises.
const STOP: Duration = Duration::from_secs(30);
/// How long the clients work before the first restart, and after the last one.
const CALM: Duration = Duration::from_secs(1);

fn measure(cx: &Context, world: World) -> Outcome {
    let rounds = if world.is_sabotaged() { 1 } else { cx.size(20, 1) };
    let site = site(cx);
    let key = cx.seed(&site, 8);
    let mut instances: Vec<Server> = (0..INSTANCES).map(|_| cx.serve(&site, None)).collect();
    let addresses: Vec<_> = instances.iter().map(Server::address).collect();
    let front = Front::start(&addresses);
    for (at, address) in addresses.iter().enumerate() {
        assert!(front.replace(at, address, READY), "an instance that is ready");
    }
    let (mut stopped_well, mut back, mut slowest) = (0, 0, Duration::ZERO);
    let traffic =
        Traffic::start(|| Client::with_patience(&front.address(), 4 * LONGEST_ANSWER), &key, CLIENTS, 8);
    std::thread::sleep(CALM);
    for _ in 0..rounds {
        for (at, instance) in instances.iter_mut().enumerate() {
            let told = Instant::now();
            signal(instance, "-TERM");
            if world.is_sabotaged() {
                signal(instance, "-INT");
            }
            let code = instance.wait();
            slowest = slowest.max(told.elapsed());
            stopped_well += usize::from(code == Some(0));
            *instance = cx.serve(&site, None);
            back += usize::from(front.replace(at, instance.address(), READY));
        }
    }
    std::thread::sleep(CALM);
    let ops = traffic.end();
    let restarts = rounds * INSTANCES;
    let failed: Vec<_> = ops.iter().filter(|op| !op.is_ok()).collect();
    let longest = ops.iter().map(Op::took).max().unwrap_or_default();
    let such_as = failed.first().map(|op| format!(", such as {:?}", op.met)).unwrap_or_default();
    let mut outcome = Outcome::default();
    outcome.figure(format!("{rounds} × {INSTANCES} restarts under {CLIENTS} clients"));
    outcome.must(failed.is_empty(), format!("{} of {} requests failed{such_as}", failed.len(), ops.len()));
    outcome.must(longest <= LONGEST_ANSWER, format!("longest answer {}", ms(longest)));
    outcome.must(
        stopped_well == restarts && slowest <= STOP,
        format!("ended with 0 {stopped_well} of {restarts}, within {}", ms(slowest)),
    );
    outcome.must(back == restarts, format!("back {back} of {restarts}"));
    outcome
}
