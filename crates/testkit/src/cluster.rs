use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::test_database::{execute, lines};

/// A PostgreSQL server of its own, for a test that kills or freezes it. It is gone when this is dropped.
#[derive(Debug)]
pub struct Cluster {
    folder: String,
    url: String,
}

impl Cluster {
    /// Starts one.
    #[must_use]
    pub fn start() -> Self {
        Self::of(&script(&["start"]))
    }

    /// Starts a hot standby of it: another server, which follows its log, answers reads, and can be promoted.
    #[must_use]
    pub fn standby(&self) -> Self {
        Self::of(&script(&["standby", &self.folder]))
    }

    fn of(said: &str) -> Self {
        let value = |name: &str| {
            let line = said.lines().find_map(|line| line.strip_prefix(name));
            line.expect("what scripts/throwaway-postgres start prints").to_owned()
        };
        Self { folder: value("dir="), url: value("url=") }
    }

    /// The address of its database `postgres`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Kills every process of it at once, as a power cut would.
    pub fn kill(&self) {
        script(&["kill", &self.folder]);
    }

    /// Starts it again after [`kill`](Self::kill), and waits until it takes connections.
    pub fn restart(&self) {
        script(&["restart", &self.folder]);
    }

    /// Starts it again after [`kill`](Self::kill) as a standby of `primary`, with that one's data and on its own port:
    /// what it alone had is gone.
    pub fn rejoin(&self, primary: &Self) {
        script(&["rejoin", &self.folder, &primary.folder]);
    }

    /// Makes a standby take writes, and waits until it does.
    pub fn promote(&self) {
        assert_eq!(self.lines("SELECT pg_promote()::text AS line"), ["true"], "it is promoted");
    }

    /// Waits until its standby follows it as it writes. If `synchronous`, a commit is answered from now on only when
    /// the standby has it on disk, too.
    pub fn wait_for_standby(&self, synchronous: bool) {
        const PATIENCE: Duration = Duration::from_secs(30);
        if synchronous {
            self.execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'");
            self.execute("SELECT pg_reload_conf()");
        }
        let wanted = if synchronous { "streaming sync" } else { "streaming async" };
        let start = Instant::now();
        while self.lines("SELECT state || ' ' || sync_state AS line FROM pg_stat_replication") != [wanted] {
            assert!(start.elapsed() < PATIENCE, "the standby does not follow");
        }
    }

    /// Stops the process that sends its log to its standby, where it stands: what is written from now on does not
    /// reach the standby.
    pub fn freeze_replication(&self) {
        let sender = self.lines("SELECT pid::text AS line FROM pg_stat_replication");
        assert_eq!(sender.len(), 1, "it has one standby");
        let status = Command::new("kill").args(["-STOP", &sender[0]]).status();
        assert!(status.is_ok_and(|status| status.success()), "kill -STOP {sender:?}");
    }

    /// Runs a statement on its database `postgres`.
    pub fn execute(&self, statement: &str) {
        execute(&self.url, statement);
    }

    fn lines(&self, query: &str) -> Vec<String> {
        lines(&self.url, query)
    }

    /// Where it listens, as `HOST:PORT`.
    #[must_use]
    pub fn address(&self) -> &str {
        let (_, rest) = self.url.split_once('@').expect("an address with a user");
        rest.split_once('/').expect("an address with a database").0
    }

    /// Stops every process of it where it stands: connections stay open, and nobody answers.
    pub fn freeze(&self) {
        script(&["freeze", &self.folder]);
    }

    /// Lets it go on after [`freeze`](Self::freeze).
    pub fn thaw(&self) {
        script(&["thaw", &self.folder]);
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        script(&["log", &self.folder])
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        script(&["stop", &self.folder]);
    }
}

/// Runs the one script that knows how to get a PostgreSQL server.
fn script(arguments: &[&str]) -> String {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scripts/throwaway-postgres");
    let output = Command::new(script)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("scripts/throwaway-postgres");
    assert!(output.status.success(), "scripts/throwaway-postgres {arguments:?}: {}", output.status);
    String::from_utf8(output.stdout).expect("text")
}
