//! Clients that never stop asking, until they are told to or the server is gone.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::history::{History, Outcome, Sample, version};
use crate::{Client, Server};

/// For what a test waits at all; whatever waits longer hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Clients at work. Client `n` sets the description of employer `n`, over and over.
pub struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    samples: Mutex<Vec<Sample>>,
    news: Condvar,
}

impl Load {
    /// Sets this many clients to work, which change the employers 1 to `clients`.
    #[must_use]
    pub fn start(server: &Server, key: &str, clients: i64) -> Self {
        Self::start_with(|| server.client(), key, clients)
    }

    /// The same with clients of one's own.
    #[must_use]
    pub fn start_with(client: impl Fn() -> Client, key: &str, clients: i64) -> Self {
        let shared = Arc::new(Shared::default());
        let threads = (1..=clients).map(|number| {
            let (shared, http, key) = (shared.clone(), client(), key.to_owned());
            std::thread::spawn(move || work(&shared, &http, &key, number))
        });
        Self { threads: threads.collect(), shared }
    }

    /// Waits until `enough` says so of all samples so far.
    pub fn wait_until(&self, enough: impl Fn(&[Sample]) -> bool) {
        let samples = self.shared.samples.lock().unwrap();
        let (samples, late) =
            self.shared.news.wait_timeout_while(samples, PATIENCE, |samples| !enough(samples)).unwrap();
        drop(samples);
        assert!(!late.timed_out(), "the clients were not answered as they should be");
    }

    /// Waits until each client has had, for a request that it began after `start`, what `wanted` tells.
    pub fn wait_for_each(&self, start: Instant, wanted: impl Fn(&Sample) -> bool) {
        self.wait_until(|samples| {
            let late = samples.iter().rev().take_while(|sample| sample.ended >= start);
            let clients: BTreeSet<_> = late
                .filter(|sample| sample.started >= start && wanted(sample))
                .map(|sample| sample.client)
                .collect();
            clients.len() == self.threads.len()
        });
    }

    /// Lets every client finish; adds what they did to `history`.
    pub fn end(self, history: &mut History) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
        history.0.append(&mut self.shared.samples.lock().unwrap());
    }
}

fn work(shared: &Shared, http: &Client, key: &str, client: i64) {
    /// Makes every text unique.
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    while !shared.stop.load(Ordering::Relaxed) {
        let text = NUMBER.fetch_add(1, Ordering::Relaxed).to_string();
        let started = Instant::now();
        let answer = http.patch(client, key, &json!({ "description": text }).to_string(), &[]);
        let ended = Instant::now();
        let outcome = match answer {
            Ok(answer) if answer.status == 200 => Outcome::Changed(version(&answer)),
            Ok(answer) if answer.status == 503 => {
                Outcome::Unavailable { retry_after: answer.header("retry-after") == Some("1") }
            }
            Ok(answer) => Outcome::Other(Box::new(answer)),
            Err(error) => Outcome::Nothing(error),
        };
        let gone = matches!(outcome, Outcome::Nothing(_));
        shared.samples.lock().unwrap().push(Sample { client, text, started, ended, outcome });
        shared.news.notify_all();
        if gone {
            return;
        }
    }
}

/// Someone who asks for `/healthz` all the time.
pub struct Watch {
    stop: Sender<()>,
    thread: JoinHandle<Vec<Duration>>,
}

impl Watch {
    /// Starts asking, every ten milliseconds.
    #[must_use]
    pub fn start(server: &Server) -> Self {
        let (stop, stopped) = mpsc::channel();
        let client = server.client();
        let thread = std::thread::spawn(move || {
            let mut took = Vec::new();
            while stopped.recv_timeout(Duration::from_millis(10)) == Err(RecvTimeoutError::Timeout) {
                let start = Instant::now();
                let answer = client.send("GET", "/healthz", &[], None).unwrap();
                took.push(start.elapsed());
                assert_eq!(answer.status, 200, "{answer:?}");
            }
            took
        });
        Self { stop, thread }
    }

    /// Every answer was a 200. Answers how long each took.
    #[must_use]
    pub fn end_with_all(self) -> Vec<Duration> {
        drop(self.stop);
        self.thread.join().unwrap()
    }

    /// Every answer was a 200, and quick. Answers how long the slowest one took.
    #[must_use]
    pub fn end(self) -> Duration {
        // However busy the machine is; alone, it is a millisecond.
        const QUICK: Duration = Duration::from_millis(500);
        let slowest = self.end_with_all().into_iter().max().unwrap();
        assert!(slowest < QUICK, "/healthz took {slowest:?}");
        slowest
    }
}

/// Waits until `/readyz` has this status; answers its body.
#[expect(clippy::must_use_candidate, reason = "what it says beside is often of no interest")]
pub fn wait_for_readyz(client: &Client, status: u16) -> String {
    let start = Instant::now();
    loop {
        let answer = client.send("GET", "/readyz", &[], None).unwrap();
        if answer.status == status {
            return answer.body;
        }
        assert!(start.elapsed() < PATIENCE, "/readyz never says {status}: {answer:?}");
    }
}
