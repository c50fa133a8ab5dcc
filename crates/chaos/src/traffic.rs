//! Clients that write and read the same few employers, and what each request met.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use portfolio_testkit::history::version;
use portfolio_testkit::{Answer, Client};
use serde_json::json;

use crate::experiment::send;

/// An employer as an answer shows it. Each write sets its name and its description to one mark, which no
/// other write sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    /// Its version.
    pub(crate) version: i64,
    /// The mark in its name; 0 before the first write.
    pub(crate) name: u64,
    /// The mark in its description.
    pub(crate) description: u64,
}

/// What a request met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Met {
    /// 200, with this employer.
    Ok(State),
    /// A proper 503. A write may have been made.
    Unavailable,
    /// Any other status.
    Other(u16),
    /// No answer. A write may have been made.
    Nothing,
}

/// One request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Op {
    /// The employer's id.
    pub(crate) employer: i64,
    /// The mark that a write is to set; none for a read.
    pub(crate) wrote: Option<u64>,
    /// When it was sent.
    pub(crate) started: Instant,
    /// When it was answered, or was known to get no answer.
    pub(crate) ended: Instant,
    /// What it met.
    pub(crate) met: Met,
}

impl Op {
    pub(crate) fn took(&self) -> Duration {
        self.ended - self.started
    }

    pub(crate) fn is_ok(&self) -> bool {
        matches!(self.met, Met::Ok(_))
    }
}

/// Clients at work: of four requests three write.
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    ops: Arc<Mutex<Vec<Op>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Traffic {
    /// Client `n` works on employer `n % employers + 1`.
    pub(crate) fn start(client: impl Fn() -> Client, key: &str, clients: usize, employers: i64) -> Self {
        let (stop, ops) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Vec<Op>>>::default());
        let threads = (0..clients).map(|number| {
            let (stop, ops, http, key) = (stop.clone(), ops.clone(), client(), key.to_owned());
            let employer = i64::try_from(number).expect("a few clients") % employers + 1;
            std::thread::spawn(move || {
                let mut round = number;
                while !stop.load(Ordering::Relaxed) {
                    let op = if round.is_multiple_of(4) {
                        read(&http, &key, employer)
                    } else {
                        write(&http, &key, employer)
                    };
                    ops.lock().expect("nobody panics with it").push(op);
                    round += 1;
                }
            })
        });
        Self { threads: threads.collect(), stop, ops }
    }

    /// How many requests were answered with 200 so far.
    pub(crate) fn answered(&self) -> usize {
        self.ops.lock().expect("nobody panics with it").iter().filter(|op| op.is_ok()).count()
    }

    /// Lets every client finish; answers what they met.
    pub(crate) fn end(self) -> Vec<Op> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("a client");
        }
        std::mem::take(&mut self.ops.lock().expect("nobody panicked with it"))
    }
}

/// Reads an employer.
pub(crate) fn read(client: &Client, key: &str, employer: i64) -> Op {
    let path = format!("/api/portfolios/employers/{employer}");
    let started = Instant::now();
    let answer = send(client, "GET", &path, key, None);
    Op { employer, wrote: None, started, ended: Instant::now(), met: met(answer) }
}

/// Sets an employer to a new mark.
pub(crate) fn write(client: &Client, key: &str, employer: i64) -> Op {
    /// None that the names of untouched employers hold.
    static MARK: AtomicU64 = AtomicU64::new(1_000);
    let mark = MARK.fetch_add(1, Ordering::Relaxed);
    let body = json!({ "name": format!("employer {mark}"), "description": mark.to_string() }).to_string();
    let started = Instant::now();
    let answer = client.patch(employer, key, &body, &[]);
    Op { employer, wrote: Some(mark), started, ended: Instant::now(), met: met(answer) }
}

fn met(answer: Result<Answer, String>) -> Met {
    match answer {
        Ok(answer) if answer.status == 200 => Met::Ok(state(&answer)),
        Ok(answer) if answer.status == 503 && answer.header("retry-after").is_some() => Met::Unavailable,
        Ok(answer) => Met::Other(answer.status),
        Err(_) => Met::Nothing,
    }
}

fn state(answer: &Answer) -> State {
    let json = answer.json();
    let mark = |text: Option<&str>| text.and_then(|text| text.parse().ok());
    // Before its first write an employer is named after its id, and has no description.
    let description = json["description"].as_str().map_or(Some(0), |text| mark(Some(text)));
    let name = json["name"].as_str().and_then(|text| text.strip_prefix("employer "));
    State {
        version: version(answer),
        name: if description == Some(0) { 0 } else { mark(name).unwrap_or(u64::MAX) },
        description: description.unwrap_or(u64::MAX),
    }
}
