//! E23: a new release migrates while the one before serves, and somebody's long transaction reads a table.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};

use super::{LONGEST_ANSWER, RECOVERY, proxied, site};
use crate::experiment::{Context, Experiment, Outcome, World, ms, serve_command};
use crate::traffic::{Op, Traffic};

pub(crate) const E23: Experiment = Experiment {
    id: "E23",
    promise: "a migration that meets a long transaction costs the release before one request a connection at most, and is made once that ends",
    sabotage: "a proxy keeps `lock_timeout` from the session that migrates",
    measure,
};

const CLIENTS: usize = 8;
/// Each connection finds once that its prepared statements are of the tables before; a change that meets it is a 503.
const CONNECTIONS: usize = 8;
/// A migration that alters the table of images.
const DOWN: &str = include_str!("../../../../migrations/postgres/2026-11-24-000003_image_library/down.sql");
const MIGRATION: &str = "20261124000003";
/// What it adds, and what the release before does without: the same length, for the proxy.
const OLD_RELEASE: [(&str, &str); 2] =
    [("i.version", "1::bigint"), ("\"images\".\"version\"", "1::bigint         ")];

fn measure(cx: &Context, world: World) -> Outcome {
    let rounds = if world.is_sabotaged() { 1 } else { cx.size(5, 1) };
    let held = cx.size(Duration::from_secs(20), Duration::from_secs(6));
    let (mut requests, mut failed, mut migrated) = (0, 0, 0);
    let (mut longest, mut ready, mut such_as) = (Duration::ZERO, Duration::ZERO, String::new());
    for _ in 0..rounds {
        let site = site(cx);
        let key = cx.seed(&site, 4);
        let (_proxy, old_url) = proxied(&site, &OLD_RELEASE);
        let old = cx.serve(&site, Some(&old_url));
        site.execute(DOWN);
        site.execute(&format!("DELETE FROM __diesel_schema_migrations WHERE version = '{MIGRATION}'"));
        let traffic = Traffic::start(|| old.client(), &key, CLIENTS, 4);
        let mut reader = PgConnection::establish(site.database_url()).expect("the database");
        reader.batch_execute("BEGIN; SELECT count(*) FROM images").expect("a transaction");
        let rewrite: &[_] = if world.is_sabotaged() {
            &[("SET lock_timeout = '700ms'", "SET lock_timeout = '000ms'")]
        } else {
            &[]
        };
        let (proxy, url) = proxied(&site, rewrite);
        let new = cx.serve_by(&mut serve_command(&site, Some(&url)));
        std::thread::sleep(held);
        assert_eq!(proxy.rewritten() > 0, world.is_sabotaged(), "the service migrates otherwise");
        assert!(traffic.answered() > 0, "the release before does not work here");
        reader.batch_execute("COMMIT").expect("its end");
        let over = Instant::now();
        new.wait_until_ready();
        ready = ready.max(over.elapsed());
        std::thread::sleep(RECOVERY);
        let ops = traffic.end();
        requests += ops.len();
        failed += ops.iter().filter(|op| !op.is_ok()).count();
        if let Some(op) = ops.iter().find(|op| !op.is_ok()) {
            such_as = format!(", such as {:?}", op.met);
        }
        longest = longest.max(ops.iter().map(Op::took).max().unwrap_or_default());
        let applied = site.lines("SELECT version::text AS line FROM __diesel_schema_migrations");
        migrated += usize::from(applied.iter().any(|version| version == MIGRATION));
    }
    let mut outcome = Outcome::default();
    outcome.figure(format!("{rounds} × a transaction of {} under {CLIENTS} clients", ms(held)));
    outcome.must(failed <= rounds * CONNECTIONS, format!("{failed} of {requests} requests failed{such_as}"));
    outcome.must(longest <= LONGEST_ANSWER, format!("longest answer {}", ms(longest)));
    outcome.must(migrated == rounds, format!("migrated {migrated} of {rounds}"));
    outcome.must(ready <= 2 * RECOVERY, format!("the new release ready {} after its end", ms(ready)));
    outcome
}
