//! What an experiment is, and what came of it.

use std::fmt::Display;
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portfolio_testkit::{Client, Server, Site};
use serde_json::json;

/// Whether what is measured is the service as it is, or as it must never be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum World {
    /// As it is.
    Intact,
    /// With the promise broken on purpose: what is measured must not pass.
    Sabotaged,
}

impl World {
    pub(crate) fn is_sabotaged(self) -> bool {
        self == Self::Sabotaged
    }
}

/// One promise, and how it is tried. The twin is the same measurement, judged alike, in a world in which
/// the promise is broken: a measurement that passes there proves nothing.
pub(crate) struct Experiment {
    /// Its number in the reliability notes, such as `E1`.
    pub(crate) id: &'static str,
    /// The promise, in one sentence.
    pub(crate) promise: &'static str,
    /// What is broken for the twin.
    pub(crate) sabotage: &'static str,
    /// Tries it.
    pub(crate) measure: fn(&Context, World) -> Outcome,
}

/// What was measured, and what of it breaks the promise.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    figures: Vec<String>,
    broken: Vec<String>,
}

impl Outcome {
    /// Notes a figure that decides nothing.
    pub(crate) fn figure(&mut self, figure: impl Display) {
        self.figures.push(figure.to_string());
    }

    /// Notes a figure, and whether the promise held by it.
    pub(crate) fn must(&mut self, held: bool, figure: impl Display) {
        let figure = figure.to_string();
        if !held {
            self.broken.push(figure.clone());
        }
        self.figures.push(figure);
    }

    pub(crate) fn passed(&self) -> bool {
        self.broken.is_empty()
    }

    /// All figures, in one line.
    pub(crate) fn figures(&self) -> String {
        self.figures.join("; ")
    }

    /// Those by which the promise did not hold.
    pub(crate) fn broken(&self) -> String {
        self.broken.join("; ")
    }
}

/// What every experiment needs.
pub(crate) struct Context {
    /// The binary under test. It is known until the process ends, as the testkit asks.
    pub(crate) program: &'static str,
    /// Small numbers, for a quick look.
    pub(crate) quick: bool,
    /// What the services say goes here.
    pub(crate) log: Log,
}

/// A file that many write lines to.
#[derive(Clone)]
pub(crate) struct Log(Arc<Mutex<File>>);

impl Log {
    pub(crate) fn create(path: &PathBuf) -> std::io::Result<Self> {
        Ok(Self(Arc::new(Mutex::new(File::create(path)?))))
    }

    pub(crate) fn line(&self, line: &str) {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that can't be written spoils no measurement.
        let _ = writeln!(file, "{line}");
    }
}

impl Context {
    /// The first in earnest, the second for a quick look.
    pub(crate) fn size<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// Serves, and waits until it listens. What it says goes to the log; one line a request would
    /// measure the log.
    pub(crate) fn serve_by(&self, command: &mut Command) -> Server {
        self.serve_watched(command, |_| ())
    }

    /// The same; `watch` sees each line of its log.
    pub(crate) fn serve_watched(
        &self,
        command: &mut Command,
        mut watch: impl FnMut(&str) + Send + 'static,
    ) -> Server {
        let log = self.log.clone();
        command.env("LOG_FORMAT", "json").env("RUST_LOG", "warn,portfolio_api::server=info");
        Server::start_logging(command, move |line| {
            log.line(line);
            watch(line);
        })
    }

    /// Serves a site from a free port, over its own database or through `database_url`.
    pub(crate) fn serve(&self, site: &Site, database_url: Option<&str>) -> Server {
        let mut command = serve_command(site, database_url);
        let server = self.serve_by(&mut command);
        server.wait_until_ready();
        server
    }

    /// Makes an empty database into one with employers 1 to `count` and one who may do everything; answers
    /// a key of that one's.
    pub(crate) fn seed(&self, site: &Site, count: i64) -> String {
        site.ok(&["migrate"]);
        let key = site.key("maryam", &["--admin"]);
        let server = self.serve(site, None);
        for id in 1..=count {
            let body = json!({ "name": format!("employer {id}") }).to_string();
            let answer = send(&server.client(), "POST", "/api/portfolios/employers", &key, Some(&body))
                .unwrap_or_else(|error| panic!("{error}"));
            assert_eq!((answer.status, answer.json()["id"].as_i64()), (201, Some(id)), "{answer:?}");
        }
        key
    }
}

/// `portfolio serve` on a free port.
pub(crate) fn serve_command(site: &Site, database_url: Option<&str>) -> Command {
    let mut command = site.command(&["serve", "--bind", "127.0.0.1:0"]);
    if let Some(url) = database_url {
        command.env("DATABASE_URL", url);
    }
    command
}

/// `command`, run by another program that is given it as its last arguments, in the same folder and
/// environment.
pub(crate) fn run_by(runner: &[&str], command: &Command) -> Command {
    let mut run = Command::new(runner[0]);
    run.args(&runner[1..]).arg(command.get_program()).args(command.get_args()).env_clear();
    run.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    run.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = command.get_current_dir() {
        run.current_dir(folder);
    }
    run
}

/// Sends one request with a key, and JSON if there is a body.
///
/// # Errors
///
/// Why there is no whole answer.
pub(crate) fn send(
    client: &Client,
    method: &str,
    path: &str,
    key: &str,
    body: Option<&str>,
) -> Result<portfolio_testkit::Answer, String> {
    let token = format!("Token {key}");
    let mut headers = vec![("authorization", token.as_bytes())];
    if body.is_some() {
        headers.push(("content-type", b"application/json"));
    }
    client.send(method, path, &headers, body.map(str::as_bytes))
}

/// The value below which this part of `times` lies; zero of none.
pub(crate) fn percentile(times: &[Duration], part: f64) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place in a list of less than billions"
    )]
    let place = ((sorted.len() as f64 * part).ceil() as usize).max(1);
    sorted.get(place.min(sorted.len()).wrapping_sub(1)).copied().unwrap_or_default()
}

/// A time as people read it.
pub(crate) fn ms(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds >= 10.0 => format!("{seconds:.0} s"),
        seconds if seconds >= 1.0 => format!("{seconds:.2} s"),
        seconds if seconds >= 0.01 => format!("{:.0} ms", seconds * 1e3),
        seconds => format!("{:.1} ms", seconds * 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let times: Vec<_> = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile(&times, 0.99), Duration::from_millis(99));
        assert_eq!(percentile(&times, 1.0), Duration::from_millis(100));
        assert_eq!(percentile(&times[..1], 0.5), Duration::from_millis(100));
        assert_eq!(percentile(&[], 0.5), Duration::ZERO);
    }

    #[test]
    fn one_figure_by_which_a_promise_does_not_hold_breaks_it() {
        let mut outcome = Outcome::default();
        outcome.must(true, "0 lost");
        assert!(outcome.passed());
        outcome.must(false, "3 lost");
        outcome.figure("7 asked");
        assert!(!outcome.passed());
        assert_eq!(
            (outcome.figures().as_str(), outcome.broken().as_str()),
            ("0 lost; 3 lost; 7 asked", "3 lost")
        );
    }
}
