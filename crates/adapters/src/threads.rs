//! Threads for work that blocks: what asks a database, and what renders.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, unbounded};
use portfolio_domain::ports::PortError;

type Job = Box<dyn FnOnce() + Send>;

/// A fixed number of threads, each started when a job comes and there are fewer. What they take their jobs from lets one
/// look for the next for a moment before it sleeps, and is locked by nobody who wakes it: with tokio's blocking pool in
/// its place a reader of SQLite took a fifth more of the processor's time (measured).
pub(crate) struct Threads {
    jobs: Sender<Job>,
    taken: Receiver<Job>,
    number: usize,
    started: AtomicUsize,
}

impl Threads {
    pub(crate) fn new(number: usize) -> Self {
        let (jobs, taken) = unbounded();
        Self { jobs, taken, number, started: AtomicUsize::new(0) }
    }

    /// Queues a job. One that panics costs its thread nothing.
    ///
    /// # Errors
    ///
    /// [`PortError::Unavailable`] when there is no thread yet, and the system gives none; then the job is dropped.
    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) -> Result<(), PortError> {
        let place = self.started.fetch_update(Ordering::AcqRel, Ordering::Acquire, |started| {
            (started < self.number).then_some(started + 1)
        });
        if place.is_ok()
            && let Err(error) = self.start()
        {
            tracing::warn!(%error, "the system gives no thread");
            if self.started.fetch_sub(1, Ordering::AcqRel) == 1 {
                return Err(PortError::Unavailable(format!("no thread: {error}")));
            }
        }
        // There is a receiver in `self`, so that it is always taken.
        let _ = self.jobs.send(Box::new(job));
        Ok(())
    }

    /// The thread ends when its `Threads` are gone and nothing is queued.
    fn start(&self) -> std::io::Result<()> {
        let jobs = self.taken.clone();
        let work = move || {
            while let Ok(job) = jobs.recv() {
                // Whoever waits for its answer is told by what it drops.
                let _ = catch_unwind(AssertUnwindSafe(job));
            }
        };
        std::thread::Builder::new().name("blocking".to_owned()).spawn(work).map(drop)
    }
}
