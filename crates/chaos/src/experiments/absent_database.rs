//! E15: the service starts while its database is away: refused at the door, or swallowed on the way.

use std::time::{Duration, Instant};

use portfolio_testkit::{Client, Server};

use super::{LONGEST_ANSWER, RECOVERY, proxied, site};
use crate::experiment::{Context, Experiment, Outcome, World, ms, serve_command};
use crate::proxy::Fault;

pub(crate) const E15: Experiment = Experiment {
    id: "E15",
    promise: "without its database the service starts, says that it is alive and not ready, and is ready 2 s after the database",
    sabotage: "`DATABASE_URL` says `connect_timeout=60`, so that an attempt to connect hangs",
    measure,
};

const READYZ: Duration = Duration::from_secs(1);

fn measure(cx: &Context, world: World) -> Outcome {
    let rounds = if world.is_sabotaged() { 1 } else { cx.size(5, 1) };
    let site = site(cx);
    let key = cx.seed(&site, 1);
    let mut outcome = Outcome::default();
    for (fault, name) in [(Fault::Refuse, "refused"), (Fault::BlackHole, "in a black hole")] {
        let (mut alive, mut unready, mut ready) = (0, Duration::ZERO, Duration::ZERO);
        for _ in 0..rounds {
            let (proxy, mut url) = proxied(&site, &[]);
            if world.is_sabotaged() {
                url.push_str("?connect_timeout=60");
            }
            proxy.set(fault.clone());
            let server = cx.serve_by(&mut serve_command(&site, Some(&url)));
            alive += usize::from(server.send("GET", "/healthz", &[], None).status == 200);
            unready = unready.max(time_of_503(&server, "/readyz"));
            let asked = server.patch(1, &key, "{}");
            assert_eq!(asked.status, 503, "{asked:?}");
            // In the middle of an attempt, which now has to end by itself.
            std::thread::sleep(Duration::from_millis(700));
            proxy.set(Fault::None);
            ready = ready.max(time_until_ready(&server.client()));
        }
        outcome.must(alive == rounds, format!("{name}: /healthz 200 {alive} of {rounds}"));
        outcome.must(unready <= READYZ, format!("/readyz 503 within {}", ms(unready)));
        outcome.must(ready <= RECOVERY, format!("ready {} after the database", ms(ready)));
    }
    outcome
}

fn time_of_503(server: &Server, path: &str) -> Duration {
    let start = Instant::now();
    let answer = server.send("GET", path, &[], None);
    assert_eq!(answer.status, 503, "{answer:?}");
    start.elapsed()
}

/// No longer than it takes to see that it is too long.
fn time_until_ready(client: &Client) -> Duration {
    let start = Instant::now();
    while start.elapsed() < 2 * LONGEST_ANSWER {
        if client.send("GET", "/readyz", &[], None).is_ok_and(|answer| answer.status == 200) {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    start.elapsed()
}
