//! E18: more connections than the process may open files.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use portfolio_testkit::{Client, Kind, Server, Site};

use super::RECOVERY;
use crate::experiment::{Context, Experiment, Outcome, World, ms, run_by, serve_command};

pub(crate) const E18: Experiment = Experiment {
    id: "E18",
    promise: "a service out of file descriptors neither dies nor spins, and works again 2 s after clients let go",
    sabotage: "the clients never let go",
    measure,
};

const CONNECTIONS: usize = 200;
const HELD: Duration = Duration::from_secs(2);

fn measure(cx: &Context, world: World) -> Outcome {
    let rounds = if world.is_sabotaged() { 1 } else { cx.size(5, 1) };
    let mut slowest = Duration::ZERO;
    let mut busiest = 0;
    let mut alive = 0;
    for _ in 0..rounds {
        let site = Site::new(cx.program, Kind::Sqlite);
        let command = serve_command(&site, None);
        let mut server = cx.serve_by(&mut run_by(&["sh", "-c", r#"ulimit -n 64; exec "$0" "$@""#], &command));
        server.wait_until_ready();
        let held: Vec<_> = (0..CONNECTIONS)
            .map(|_| TcpStream::connect(server.address()).expect("a place in the queue"))
            .collect();
        let before = cpu_time(&server);
        std::thread::sleep(HELD);
        busiest = busiest.max((cpu_time(&server) - before) * 100 / HELD.as_millis());
        let kept = world.is_sabotaged().then_some(held);
        let client = Client::with_patience(server.address(), RECOVERY);
        let start = Instant::now();
        let answered = client.send("GET", "/healthz", &[], None).is_ok_and(|answer| answer.status == 200);
        slowest = slowest.max(if answered { start.elapsed() } else { 2 * RECOVERY });
        alive += usize::from(server.is_running());
        drop(kept);
    }
    let mut outcome = Outcome::default();
    outcome.figure(format!("{rounds} × {CONNECTIONS} connections, nofile=64"));
    outcome.must(alive == rounds, format!("alive {alive} of {rounds}"));
    outcome.must(busiest <= 50, format!("{busiest} % of a core"));
    outcome.must(slowest <= RECOVERY, format!("answers {} after they let go", ms(slowest)));
    outcome
}

/// What the process has used so far, in milliseconds.
fn cpu_time(server: &Server) -> u128 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.pid())).expect("Linux");
    let (_, after_name) = stat.rsplit_once(')').expect("its name");
    let ticks: u128 =
        after_name.split(' ').skip(12).take(2).filter_map(|ticks| ticks.parse::<u128>().ok()).sum();
    // Linux counts a hundred a second, whatever its own clock does.
    ticks * 10
}
