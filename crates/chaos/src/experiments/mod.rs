//! The experiments, one a file, in the order in which they run.

mod absent_database;
mod broken_network;
mod cut_answers;
mod descriptors;
mod frozen_database;
mod full_disk;
mod killed_database;
mod killed_service;
mod killed_uploads;
mod locked_table;
mod lost_updates;
mod migrated_under_load;
mod migrations;
mod overload;
mod panics;
mod promoted_standby;
mod random_faults;
mod rolling_restarts;
mod slow_clients;
mod stopped_requests;
mod synced_writes;

use std::process::Command;
use std::time::Duration;

use portfolio_testkit::{Cluster, Kind, Server, Site, TestDatabase};

use crate::experiment::{Context, Experiment};
use crate::proxy::Proxy;

/// A client has its answer by then, whatever became of the database.
const LONGEST_ANSWER: Duration = Duration::from_secs(3);
/// The service works again by then, once the database does.
const RECOVERY: Duration = Duration::from_secs(2);

/// All of them.
pub(crate) fn all() -> Vec<Experiment> {
    vec![
        killed_database::E1,
        killed_service::E2,
        killed_service::E3,
        synced_writes::E4,
        synced_writes::E6,
        killed_uploads::E7,
        lost_updates::E8,
        cut_answers::E9,
        random_faults::E10,
        frozen_database::E11,
        broken_network::E12,
        promoted_standby::E13,
        locked_table::E14,
        absent_database::E15,
        overload::E16,
        full_disk::E17,
        descriptors::E18,
        panics::E19,
        rolling_restarts::E20,
        stopped_requests::E21,
        migrations::E22,
        migrated_under_load::E23,
        slow_clients::E25,
    ]
}

/// A site over a server of its own, to be killed or frozen.
fn site_on(cx: &Context, cluster: &Cluster) -> Site {
    Site::on(cx.program, TestDatabase::on(cluster.url()))
}

/// A site over the server that all share.
fn site(cx: &Context) -> Site {
    Site::new(cx.program, Kind::Postgres)
}

/// What stands before the host of an address, `HOST:PORT`, and what after it.
fn around_host(url: &str) -> (&str, &str, &str) {
    let at = url.rfind('@').map_or_else(|| url.find("://").expect("an address") + 3, |at| at + 1);
    let end = at + url[at..].find('/').expect("an address with a database");
    (&url[..at], &url[at..end], &url[end..])
}

/// A proxy in front of a site's server that rewrites what the service says, and the database's address
/// through it.
fn proxied(site: &Site, rewrite: &[(&str, &str)]) -> (Proxy, String) {
    let (before, host, after) = around_host(site.database_url());
    let proxy = Proxy::rewriting(host, rewrite);
    let url = format!("{before}{}{after}", proxy.address());
    (proxy, url)
}

/// Sends the process a signal, such as `-TERM`.
fn signal(server: &Server, signal: &str) {
    let status = Command::new("kill").args([signal, &server.pid().to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "kill {signal}");
}

/// What the process has of memory, and what it had at most, in MiB.
fn memory(server: &Server) -> [u64; 2] {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("Linux");
    ["VmRSS:", "VmHWM:"].map(|name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a process has memory");
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kilobytes / 1024
    })
}
