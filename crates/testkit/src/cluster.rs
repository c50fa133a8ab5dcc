use std::path::PathBuf;
use std::process::{Command, Stdio};

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
        let said = script(&["start"]);
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
