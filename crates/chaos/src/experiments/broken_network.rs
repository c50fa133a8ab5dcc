//! E12: what a network does to the connections between the service and its database.

use std::time::{Duration, Instant};

use portfolio_testkit::{Client, Server};

use super::{LONGEST_ANSWER, RECOVERY, around_host, proxied, site};
use crate::experiment::{Context, Experiment, Outcome, World, ms};
use crate::proxy::{Fault, Proxy};
use crate::traffic::{Met, Op, Traffic};

pub(crate) const E12: Experiment = Experiment {
    id: "E12",
    promise: "connections to PostgreSQL that are reset, go dark, get slow or narrow make no answer longer than 3 s and none a 500",
    sabotage: "the same faults between the clients and the service, where its deadlines can't help",
    measure,
};

const CLIENTS: usize = 16;

fn measure(cx: &Context, world: World) -> Outcome {
    let rounds = if world.is_sabotaged() { 1 } else { cx.size(5, 1) };
    let lasts = cx.size(Duration::from_secs(4), LONGEST_ANSWER) + Duration::from_millis(500);
    let site = site(cx);
    let key = cx.seed(&site, i64::try_from(CLIENTS).expect("a few"));
    let faults = [
        ("reset", Fault::Refuse),
        ("black hole", Fault::BlackHole),
        ("+300 ms", Fault::Delay(Duration::from_millis(300))),
        ("16 KB/s", Fault::Throttle(16 * 1024)),
    ];
    let mut outcome = Outcome::default();
    outcome.figure(format!("{rounds} × {} each under {CLIENTS} clients", ms(lasts)));
    for (name, fault) in faults {
        let mut seen = Seen::default();
        for _ in 0..rounds {
            let (proxy, server) = start(cx, &site, world);
            let address = if world.is_sabotaged() { proxy.address() } else { server.address().to_owned() };
            let client = || Client::with_patience(&address, 4 * LONGEST_ANSWER);
            let traffic = Traffic::start(client, &key, CLIENTS, i64::try_from(CLIENTS).expect("a few"));
            while traffic.answered() < 10 * CLIENTS {
                std::thread::yield_now();
            }
            proxy.set(fault.clone());
            std::thread::sleep(lasts);
            proxy.set(Fault::None);
            let over = Instant::now();
            std::thread::sleep(RECOVERY + Duration::from_millis(500));
            seen.add(&traffic.end(), over);
        }
        seen.tell(name, &mut outcome);
    }
    outcome
}

fn start(cx: &Context, site: &portfolio_testkit::Site, world: World) -> (Proxy, Server) {
    if world.is_sabotaged() {
        let server = cx.serve(site, None);
        return (Proxy::start(server.address()), server);
    }
    let (proxy, url) = proxied(site, &[]);
    assert!(around_host(&url).1 == proxy.address());
    (proxy, cx.serve(site, Some(&url)))
}

#[derive(Default)]
struct Seen {
    ok: usize,
    unavailable: usize,
    others: usize,
    longest: Duration,
    recovery: Duration,
}

impl Seen {
    fn add(&mut self, ops: &[Op], over: Instant) {
        for op in ops {
            match op.met {
                Met::Ok(_) => self.ok += 1,
                Met::Unavailable => self.unavailable += 1,
                Met::Other(_) | Met::Nothing => self.others += 1,
            }
            self.longest = self.longest.max(op.took());
            if !op.is_ok() && op.started > over {
                self.recovery = self.recovery.max(op.started - over);
            }
        }
    }

    fn tell(&self, name: &str, outcome: &mut Outcome) {
        let Self { ok, unavailable, others, longest, recovery } = self;
        outcome.must(*others == 0, format!("{name}: {ok} × 200, {unavailable} × 503, {others} others"));
        outcome.must(*longest <= LONGEST_ANSWER, format!("longest {}", ms(*longest)));
        outcome.must(*recovery <= RECOVERY, format!("all well {} later", ms(*recovery)));
    }
}
