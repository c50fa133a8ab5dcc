//! E2 and E3: the service is killed, over and over, under load.

use std::path::Path;
use std::time::{Duration, Instant};

use portfolio_testkit::history::{History, Sample, stored};
use portfolio_testkit::load::Load;
use portfolio_testkit::{Kind, Server, Site};

use super::proxied;
use crate::experiment::{Context, Experiment, Outcome, World, ms, serve_command};
use crate::proxy::Proxy;

pub(crate) const E2: Experiment = Experiment {
    id: "E2",
    promise: "kill -9 of the service on PostgreSQL loses no answered write, and it is ready again within 1 s",
    sabotage: "a proxy opens a transaction at the start of each session, which nobody commits",
    measure: |cx, world| measure(cx, world, Kind::Postgres, cx.size(20, 3)),
};

pub(crate) const E3: Experiment = Experiment {
    id: "E3",
    promise: "kill -9 of the service on SQLite loses no answered write and leaves the file whole",
    sabotage: "the file is replaced by a copy of a moment ago under the running service",
    measure: |cx, world| measure(cx, world, Kind::Sqlite, cx.size(50, 4)),
};

const CLIENTS: i64 = 16;
const READY: Duration = Duration::from_secs(1);

fn measure(cx: &Context, world: World, kind: Kind, rounds: usize) -> Outcome {
    let rounds = if world.is_sabotaged() { 1 } else { rounds };
    let changes = cx.size(400, 150);
    let site = Site::new(cx.program, kind);
    let key = cx.seed(&site, CLIENTS);
    let mut history = History::default();
    let mut slowest = Duration::ZERO;
    let mut whole = 0;
    for _ in 0..rounds {
        let (_proxy, server) = start(cx, &site, world.is_sabotaged() && kind == Kind::Postgres, &mut slowest);
        let copy = site.folder().join("copy.db");
        if world.is_sabotaged() && kind == Kind::Sqlite {
            site.execute(&format!("VACUUM INTO '{}'", copy.display()));
        }
        let load = Load::start(&server, &key, CLIENTS);
        load.wait_until(|samples| samples.iter().filter(|sample| sample.is_change()).count() >= changes);
        if copy.exists() {
            replace(&site, &copy);
        }
        // Kills it while all clients wait for answers.
        drop(server);
        load.end(&mut history);
        if kind == Kind::Sqlite {
            let judged = site.lines("SELECT integrity_check AS line FROM pragma_integrity_check");
            whole += usize::from(judged == ["ok"]);
        }
    }
    let (_, server) = start(cx, &site, false, &mut slowest);
    let lost = history.lost(&stored(&server.client(), &key, CLIENTS));
    let strange = history.0.iter().filter(|sample| !sample.is_change() && !is_unanswered(sample)).count();
    let mut outcome = Outcome::default();
    outcome.figure(format!("{rounds} kills under {CLIENTS} clients"));
    outcome.must(lost == 0, format!("{lost} of {} answered changes lost", history.answered()));
    outcome.must(strange == 0, format!("{strange} answers of another status than 200"));
    if kind == Kind::Sqlite {
        outcome.must(whole == rounds, format!("integrity_check ok {whole} of {rounds}"));
    }
    outcome.must(slowest <= READY, format!("ready within {}", ms(slowest)));
    outcome
}

/// Serves, and keeps the longest time that took.
fn start(cx: &Context, site: &Site, never_commits: bool, slowest: &mut Duration) -> (Option<Proxy>, Server) {
    if never_commits {
        // As long as what the service says at the start of a session, which is one query of several statements.
        let honest = "    SELECT set_config(name, wanted, false)";
        let (proxy, url) = proxied(site, &[(honest, "BEGIN;SELECT set_config(name,wanted,false)")]);
        // One session, or it would not see its own writes.
        let server = cx.serve_by(serve_command(site, Some(&url)).env("DATABASE_POOL_SIZE", "1"));
        server.wait_until_ready();
        assert!(
            proxy.rewritten() > 0,
            "the sabotage meets nothing: the service starts its sessions otherwise"
        );
        return (Some(proxy), server);
    }
    let start = Instant::now();
    let server = cx.serve(site, None);
    *slowest = (*slowest).max(start.elapsed());
    (None, server)
}

fn is_unanswered(sample: &Sample) -> bool {
    matches!(sample.outcome, portfolio_testkit::history::Outcome::Nothing(_))
}

/// As a careless restore does it.
fn replace(site: &Site, copy: &Path) {
    let file = site.database_url().strip_prefix("sqlite://").expect("a file");
    std::fs::rename(copy, file).expect("the file's folder");
    for beside in ["-wal", "-shm"] {
        // Whoever opens the new file may have done away with it.
        let _ = std::fs::remove_file(format!("{file}{beside}"));
    }
}
