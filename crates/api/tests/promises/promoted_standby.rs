//! `DATABASE_URL` may name several servers: the service works with the one that takes writes, and goes on without a
//! restart when that becomes another one (contract, section 8).

use std::net::TcpListener;
use std::time::{Duration, Instant};

use portfolio_testkit::{Cluster, Server, Site, TestDatabase};

use crate::history::{History, Sample, stored};
use crate::killed_database::judge;
use crate::load::{Load, wait_for_readyz};
use crate::seed::seed;
use crate::{PROGRAM, RECOVERY, alone};

const CLIENTS: i64 = 24;
/// How many changes are made before the primary is killed.
const CHANGES: usize = 300;
/// For how long before that nothing reaches the standby any more: longer than `statement_timeout`, which must not end
/// the wait for the standby with an answer.
const HELD_BACK: Duration = Duration::from_secs(3);

/// Nobody listens at port 1 of this machine.
const DEAD: &str = "127.0.0.1:1";

/// The site's database, which lies on `primary`, on whichever of these hosts takes writes.
fn url_on(site: &Site, primary: &Cluster, hosts: &[&str]) -> String {
    site.database_url().replace(primary.address(), &hosts.join(","))
}

fn serve(site: &Site, url: &str, flags: &[&str]) -> Server {
    let mut command = site.command(&[&["serve", "--bind", "127.0.0.1:0"], flags].concat());
    let server = Server::start(command.env("LOG_FORMAT", "json").env("DATABASE_URL", url));
    server.wait_until_ready();
    server
}

#[test]
fn a_host_that_is_dead_or_silent_or_takes_no_writes_is_passed_over() {
    let primary = Cluster::start();
    let standby = primary.standby();
    let site = Site::on(PROGRAM, TestDatabase::on(primary.url()));
    let key = seed(&site, 1);
    // It takes connections, and says nothing to them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_address = silent.local_addr().unwrap().to_string();
    let url = url_on(&site, &primary, &[DEAD, &silent_address, standby.address(), primary.address()]);
    for arguments in [&["migrate"], &["migrate", "--check"], &["staff", "list"]] as [&[&str]; 3] {
        let output = site.command(arguments).env("DATABASE_URL", &url).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let server = serve(&site, &url, &["--database-pool-size", "1"]);
    let told = server.logged(|event| event["message"] == "listening");
    assert_eq!(told["database"], url.replace("postgres@", ""), "the log names every host");
    assert_eq!(server.patch(1, &key, r#"{"description":"x"}"#).status, 200);

    // Who waits for a new connection has it before its two seconds are over, though the silent host comes first.
    primary.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'portfolio'",
    );
    let answer = server.patch(1, &key, r#"{"description":"y"}"#);
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Its connections stay open, and their next write is refused: they must not be used again.
#[test]
fn a_host_that_takes_no_writes_any_more_is_left_for_the_one_that_does() {
    let old = Cluster::start();
    let site = Site::on(PROGRAM, TestDatabase::on(old.url()));
    let key = seed(&site, 1);
    let new = old.standby();
    old.wait_for_standby(false);
    let server = serve(&site, &url_on(&site, &old, &[old.address(), new.address()]), &[]);
    assert_eq!(server.patch(1, &key, r#"{"description":"on the old"}"#).status, 200);

    new.promote();
    old.execute("ALTER SYSTEM SET default_transaction_read_only = on");
    old.execute("SELECT pg_reload_conf()");
    let start = Instant::now();
    loop {
        let answer = server.patch(1, &key, r#"{"description":"on the new"}"#);
        if answer.status == 503 {
            assert_eq!(answer.header("retry-after"), Some("1"), "{answer:?}");
            break;
        }
        // The old one has not heard of it yet.
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(start.elapsed() < RECOVERY, "the old one takes writes for ever");
    }
    // Every connection of the pool was to the old one.
    for _ in 0..20 {
        assert_eq!(server.patch(1, &key, r#"{"description":"on the new"}"#).status, 200);
    }
}

/// Kills the primary under load and promotes its standby; answers how many answered changes are lost. Nothing reaches
/// the standby for a while before, as when the network goes first.
fn fail_over(synchronous: bool) -> usize {
    let primary = Cluster::start();
    let site = Site::on(PROGRAM, TestDatabase::on(primary.url()));
    let key = seed(&site, CLIENTS);
    let standby = primary.standby();
    primary.wait_for_standby(synchronous);
    let mut server = serve(&site, &url_on(&site, &primary, &[primary.address(), standby.address()]), &[]);
    let client = server.client();

    let load = Load::start(&server, &key, CLIENTS);
    load.wait_until(|samples| samples.iter().filter(|sample| sample.is_change()).count() >= CHANGES);
    primary.freeze_replication();
    // How long it is held back is what is tried.
    std::thread::sleep(HELD_BACK);
    primary.kill();
    let gone = Instant::now();
    load.wait_for_each(gone, Sample::is_refusal);
    wait_for_readyz(&client, 503);
    let promoting = Instant::now();
    standby.promote();
    let promoted = Instant::now();
    load.wait_for_each(promoted, Sample::is_change);
    wait_for_readyz(&client, 200);
    let mut history = History::default();
    load.end(&mut history);
    let [longest, earliest, latest] = judge(&history.0, gone, promoting, promoted);
    assert!(server.is_running(), "it is the same process all the time");
    let lost = history.lost(&stored(&client, &key, CLIENTS));
    eprintln!(
        "{} answered, {lost} lost; longest 503 {longest:?}; 200 again {earliest:?} after the promotion, for every \
         client {latest:?}",
        history.answered()
    );
    lost
}

#[test]
fn a_standby_promoted_under_load_takes_over_with_every_answered_write() {
    let _alone = alone();
    assert_eq!(fail_over(true), 0);
}

/// The twin of the test above: a commit is answered before the standby has it.
#[test]
fn a_standby_that_lags_behind_is_found_out() {
    let _alone = alone();
    assert!(fail_over(false) > 0, "the check finds no loss where there must be one");
}
