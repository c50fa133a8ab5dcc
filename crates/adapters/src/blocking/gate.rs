//! The gate in front of the threads of a pool: how long a job waits there, and who is turned away.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use portfolio_domain::ports::PortError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How long a job waits at the gate.
const WAIT: Duration = Duration::from_secs(2);
/// A line at the gate that was not empty for this long is no burst: more comes than the database bears.
const BURST: Duration = Duration::from_millis(500);
/// How long the first job of a request then waits at most. The line stays short, those who are let in find time left
/// for all their jobs, and the others are refused at once: `CoDel` (RFC 8289), as it is applied to the queues of servers.
const WAIT_IN_OVERLOAD: Duration = Duration::from_millis(100);

/// What a job is to its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Its first one: nothing was done for it yet, and nothing is wasted when it is refused.
    First,
    /// A later one, or it has no request.
    Later,
}

/// Lets in as many jobs as there are places.
pub(super) struct Gate {
    places: Arc<Semaphore>,
    line: Line,
}

impl Gate {
    pub(super) fn new(places: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), line: Line::new() }
    }

    /// How many places nobody has.
    pub(super) fn free(&self) -> usize {
        self.places.available_permits()
    }

    /// How many wait for one.
    pub(super) fn waiting(&self) -> usize {
        self.line.waiting.load(Ordering::Relaxed)
    }

    /// Waits for a place.
    ///
    /// # Errors
    ///
    /// [`PortError::Unavailable`] when there was none in time.
    pub(super) async fn pass(&self, place: Place) -> Result<OwnedSemaphorePermit, PortError> {
        let _waits = Waits::new(&self.line);
        let start = Instant::now();
        let mut passed = pin!(self.places.clone().acquire_owned());
        loop {
            match timeout(WAIT_IN_OVERLOAD, &mut passed).await {
                Ok(place) => return place.map_err(|_| PortError::Internal("the gate is closed".into())),
                Err(_) if start.elapsed() >= WAIT || (place == Place::First && self.line.is_overload()) => {
                    return Err(PortError::Unavailable("every connection is in use".into()));
                }
                Err(_) => {}
            }
        }
    }
}

/// Those that wait at the gate.
struct Line {
    waiting: AtomicUsize,
    /// When it was empty last, in milliseconds since `epoch`.
    empty: AtomicU64,
    epoch: Instant,
}

impl Line {
    fn new() -> Self {
        Self { waiting: AtomicUsize::new(0), empty: AtomicU64::new(0), epoch: Instant::now() }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether somebody has waited all the time, for longer than a burst takes. Who asks waits in it.
    fn is_overload(&self) -> bool {
        let since = self.now().saturating_sub(self.empty.load(Ordering::Relaxed));
        u128::from(since) > BURST.as_millis()
    }
}

/// One that waits, for as long as it does.
struct Waits<'a>(&'a Line);

impl<'a> Waits<'a> {
    fn new(line: &'a Line) -> Self {
        if line.waiting.fetch_add(1, Ordering::Relaxed) == 0 {
            line.empty.store(line.now(), Ordering::Relaxed);
        }
        Self(line)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
