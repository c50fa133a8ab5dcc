//! Threads for work that blocks: what asks a database, and what renders.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::Builder;

use crossbeam_channel::{Receiver, Sender, unbounded};
use portfolio_domain::ports::PortError;

type Job = Box<dyn FnOnce() + Send>;

/// A fixed number of threads, each started when a job comes and there are fewer. A thread that waits for a job looks for it
/// for a moment before it sleeps, and who wakes it holds nothing that it wants next: tokio's blocking pool, in its
/// place, made 0.85 calls of `sched_yield` and two of `futex` for each GET (strace).
pub(crate) struct Threads {
    jobs: Sender<Job>,
    taken: Receiver<Job>,
    number: usize,
    started: AtomicUsize,
    /// Held by who starts one, so that there are never more, and a job is only queued where one will take it.
    starting: Mutex<()>,
}

impl Threads {
    pub(crate) fn new(number: usize) -> Self {
        let (jobs, taken) = unbounded();
        Self { jobs, taken, number, started: AtomicUsize::new(0), starting: Mutex::new(()) }
    }

    /// Whether jobs wait for a thread.
    pub(crate) fn are_awaited(&self) -> bool {
        !self.taken.is_empty()
    }

    /// Queues a job. One that panics costs its thread nothing.
    ///
    /// # Errors
    ///
    /// [`PortError::Unavailable`] when there is no thread yet, and the system gives none; then the job is dropped.
    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) -> Result<(), PortError> {
        self.run_on(Builder::new(), job)
    }

    /// The same, with what a thread that is started for it is to be like.
    fn run_on(&self, thread: Builder, job: impl FnOnce() + Send + 'static) -> Result<(), PortError> {
        if self.started.load(Ordering::Acquire) < self.number {
            self.start(thread)?;
        }
        // There is a receiver in `self`, so that it is always taken.
        let _ = self.jobs.send(Box::new(job));
        Ok(())
    }

    /// Starts one more, unless another caller has started the last.
    fn start(&self, thread: Builder) -> Result<(), PortError> {
        let _starting = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        let started = self.started.load(Ordering::Acquire);
        if started >= self.number {
            return Ok(());
        }
        let jobs = self.taken.clone();
        // It ends when its `Threads` are gone and nothing is queued.
        let work = move || {
            while let Ok(job) = jobs.recv() {
                // Whoever waits for its answer is told by what it drops.
                let _ = catch_unwind(AssertUnwindSafe(job));
            }
        };
        match thread.name("blocking".to_owned()).spawn(work) {
            Ok(_) => {
                self.started.store(started + 1, Ordering::Release);
                Ok(())
            }
            Err(error) if started == 0 => Err(PortError::Unavailable(format!("no thread: {error}"))),
            Err(error) => {
                tracing::warn!(%error, started, "the system gives no further thread");
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::sync::{Arc, Barrier};

    use super::*;

    /// More than any system has.
    fn refused() -> Builder {
        Builder::new().stack_size(1 << 60)
    }

    #[test]
    fn as_many_jobs_run_at_once_as_there_may_be_threads() {
        let threads = Threads::new(3);
        let (barrier, (told, all)) = (Arc::new(Barrier::new(3)), mpsc::channel());
        for _ in 0..3 {
            let (barrier, told) = (barrier.clone(), told.clone());
            threads
                .run(move || {
                    // Each waits for the two others.
                    barrier.wait();
                    told.send(()).unwrap();
                })
                .unwrap();
        }
        drop(told);
        assert_eq!(all.iter().count(), 3);
    }

    #[test]
    fn jobs_of_one_thread_run_in_their_order_and_one_that_panics_costs_it_nothing() {
        let threads = Threads::new(1);
        let (told, all) = mpsc::channel();
        for number in 0..20 {
            let told = told.clone();
            threads
                .run(move || {
                    assert_ne!(number, 7, "a job that panics");
                    told.send((number, std::thread::current().id())).unwrap();
                })
                .unwrap();
        }
        drop(told);
        let (numbers, ids): (Vec<_>, Vec<_>) = all.iter().unzip();
        assert_eq!(numbers, (0..20).filter(|number| *number != 7).collect::<Vec<_>>());
        assert!(ids.iter().all(|id| *id == ids[0]));
    }

    #[test]
    fn a_thread_that_the_system_refuses_costs_one_job_and_none_where_there_is_another() {
        let threads = Threads::new(2);
        let (told, all) = mpsc::channel();
        let say = |number| {
            let told = told.clone();
            move || told.send(number).unwrap()
        };
        assert!(matches!(threads.run_on(refused(), say(1)), Err(PortError::Unavailable(_))));
        threads.run(say(2)).unwrap();
        threads.run_on(refused(), say(3)).unwrap();
        threads.run(say(4)).unwrap();
        assert_eq!(threads.started.load(Ordering::Acquire), 2);
        drop(told);
        let mut said: Vec<_> = all.iter().collect();
        said.sort_unstable();
        assert_eq!(said, [2, 3, 4]);
    }
}
