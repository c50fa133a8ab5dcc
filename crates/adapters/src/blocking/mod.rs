//! The one place where async meets a database.
//!
//! diesel blocks, so each connection has a thread. Jobs queue for the threads, which go from one to the
//! next without sleeping between; a full queue has an async gate in front, where a job waits, costs
//! nothing, and is turned away after a while. A pooled connection never leaves the thread that took it.

mod batch;
mod gate;
mod line;
mod sessions;
#[cfg(test)]
mod testing;
mod works;

pub(crate) use batch::Batch;
pub use sessions::{Sessions, in_one_session};
pub(crate) use works::Works;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diesel::result::{DatabaseErrorKind, Error as DieselError, QueryResult};
use portfolio_domain::ports::PortError;
use r2d2::{ManageConnection, Pool, PooledConnection};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::timeout;

use self::gate::{Gate, Place};
use crate::threads::Threads;

/// How many jobs may queue beside those that run. With none, a thread would sleep after each until an
/// async worker woke up to give it the next (a quarter of the CPU time, measured).
const QUEUE: usize = 24;
/// How long a job waits for a connection.
const WAIT: Duration = Duration::from_secs(2);
/// How long a caller waits for an answer in all. The job behind it may go on: one that hangs in a
/// frozen database keeps its thread and its place, and those behind it are skipped when they are reached.
const DEADLINE: Duration = Duration::from_millis(2_500);

/// How connections to one database are made and judged.
pub trait Engine: Send + Sync + 'static {
    /// What a job works with.
    type Connection: diesel::Connection + Send + 'static;

    /// Opens a connection, ready for use.
    ///
    /// # Errors
    ///
    /// Why there is none, in words for a log that hold no secret.
    fn connect(&self) -> Result<Self::Connection, String>;

    /// Whether `connection` is of no more use after `error`.
    fn is_lost(connection: &mut Self::Connection, error: &DieselError) -> bool;

    /// Whether `error` says that there is no room to write.
    fn is_full(error: &DieselError) -> bool;
}

/// A pool of connections, used through an async gate.
pub struct Database<E: Engine> {
    name: &'static str,
    pool: Pool<Manager<E>>,
    threads: Arc<Threads>,
    gate: Arc<Gate>,
    generation: Generation,
}

// Derived, it would ask for `E: Clone`.
impl<E: Engine> Clone for Database<E> {
    fn clone(&self) -> Self {
        let Self { pool, threads, gate, generation, name } = self;
        Self {
            pool: pool.clone(),
            threads: threads.clone(),
            gate: gate.clone(),
            name,
            generation: generation.clone(),
        }
    }
}

/// How a pool is at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolStatus {
    /// Its name.
    pub name: &'static str,
    /// How many connections it may have.
    pub size: u32,
    /// How many of those that it has are in use.
    pub in_use: u32,
    /// How many are not.
    pub idle: u32,
    /// How many jobs are in the queue of its threads, beside those that run.
    pub queued: usize,
    /// How many wait at the gate.
    pub waiting: usize,
}

/// Who waits for the answer of a job, and the place that it takes until then.
pub(crate) struct Asked<T> {
    place: Option<OwnedSemaphorePermit>,
    answer: oneshot::Sender<Result<T, PortError>>,
}

/// Where the answer of a job comes.
type Answered<T> = oneshot::Receiver<Result<T, PortError>>;

impl<T> Asked<T> {
    /// Asked by work that has a place.
    fn without_place() -> (Self, Answered<T>) {
        let (answer, answered) = oneshot::channel();
        (Self { place: None, answer }, answered)
    }

    /// Waits until nobody waits any more.
    async fn abandoned(&mut self) {
        self.answer.closed().await;
    }

    /// Whether nobody waits any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    /// Goes on without its place.
    fn leave_place(&mut self) {
        self.place = None;
    }

    pub(crate) fn answer(self, result: Result<T, PortError>) {
        drop(self.place);
        // Nobody may be waiting any more.
        let _ = self.answer.send(result);
    }
}

/// What is told of a job that panicked.
fn unanswered() -> PortError {
    PortError::Internal("a database job ended without an answer".into())
}

/// Counts how often connections were found lost. One that is lost puts all under suspicion that are
/// as old as itself, so that after a restart of the database no request meets a second dead one.
#[derive(Debug, Clone, Default)]
struct Generation(Arc<AtomicU64>);

impl Generation {
    fn current(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    fn end(&self, generation: u64) {
        self.0.fetch_max(generation + 1, Ordering::AcqRel);
    }
}

struct Manager<E> {
    engine: E,
    generation: Generation,
}

struct Session<C> {
    connection: C,
    generation: u64,
}

/// Why a job has no answer of its own.
#[derive(Debug)]
enum AttemptError {
    /// There was no connection, or it is not known how far the job came on it.
    Lost(PortError),
    /// The job failed, on a connection that is in order.
    Refused(PortError),
}

impl From<AttemptError> for PortError {
    fn from(error: AttemptError) -> Self {
        let (AttemptError::Lost(error) | AttemptError::Refused(error)) = error;
        error
    }
}

/// What r2d2 says when a connection can't be had.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct ConnectError(String);

impl<E: Engine> ManageConnection for Manager<E> {
    type Connection = Session<E::Connection>;
    type Error = ConnectError;

    fn connect(&self) -> Result<Self::Connection, ConnectError> {
        // Read before connecting: what fails meanwhile may have failed this connection, too.
        let generation = self.generation.current();
        let connection = self.engine.connect().map_err(ConnectError)?;
        Ok(Session { connection, generation })
    }

    /// Never called: `test_on_check_out` is off, it would cost every request a statement.
    fn is_valid(&self, _: &mut Self::Connection) -> Result<(), ConnectError> {
        Ok(())
    }

    /// A job that panicked may have left a transaction open.
    fn has_broken(&self, session: &mut Self::Connection) -> bool {
        session.generation < self.generation.current() || std::thread::panicking()
    }
}

#[derive(Debug)]
struct LogConnectErrors(&'static str);

impl<X: std::error::Error> r2d2::HandleError<X> for LogConnectErrors {
    fn handle_error(&self, error: X) {
        tracing::warn!(pool = self.0, %error, "no connection to the database");
    }
}

impl<E: Engine> Database<E> {
    /// A pool of up to `size` connections, of which up to `idle` are kept ready. It connects in the
    /// background: the database may be away.
    #[must_use]
    pub fn new(name: &'static str, engine: E, size: u32, idle: u32) -> Self {
        let generation = Generation::default();
        let manager = Manager { engine, generation: generation.clone() };
        let pool = Pool::builder()
            .max_size(size)
            .min_idle(Some(idle.min(size)))
            // Half of it is also the longest pause between two attempts to connect.
            .connection_timeout(WAIT)
            .idle_timeout(Some(Duration::from_secs(10 * 60)))
            .max_lifetime(Some(Duration::from_secs(30 * 60)))
            .test_on_check_out(false)
            .error_handler(Box::new(LogConnectErrors(name)))
            .build_unchecked(manager);
        let threads = Arc::new(Threads::new(size as usize));
        let gate = Arc::new(Gate::new(size as usize + QUEUE));
        Self { name, pool, threads, gate, generation }
    }

    /// How it is at this moment, for whoever watches.
    #[must_use]
    pub fn status(&self) -> PoolStatus {
        let r2d2::State { connections, idle_connections, .. } = self.pool.state();
        let size = self.pool.max_size();
        let inside = (size as usize + QUEUE).saturating_sub(self.gate.free());
        PoolStatus {
            name: self.name,
            size,
            in_use: connections.saturating_sub(idle_connections),
            idle: idle_connections,
            queued: inside.saturating_sub(size as usize),
            waiting: self.gate.waiting(),
        }
    }

    /// Runs a job that changes nothing. If its connection turns out to be lost, it runs once more on
    /// a fresh one.
    ///
    /// # Errors
    ///
    /// [`PortError::Unavailable`] when no connection or no answer came in time, or the database
    /// refused; [`PortError::Internal`] when an answer made no sense, or the job panicked.
    pub async fn read<T, F>(&self, job: F) -> Result<T, PortError>
    where
        T: Send + 'static,
        F: FnMut(&mut E::Connection) -> QueryResult<T> + Send + 'static,
    {
        self.run(Place::Later, 2, job).await
    }

    /// The same for the first job of a request. While more requests come than the database bears, it is
    /// unavailable after a tenth of a second.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn read_first<T, F>(&self, job: F) -> Result<T, PortError>
    where
        T: Send + 'static,
        F: FnMut(&mut E::Connection) -> QueryResult<T> + Send + 'static,
    {
        self.run(Place::First, 2, job).await
    }

    /// Runs a job that may change something, once.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), and [`PortError::StorageFull`]. After [`PortError::Unavailable`] it is
    /// not known whether the change was made.
    pub async fn write<T, F>(&self, job: F) -> Result<T, PortError>
    where
        T: Send + 'static,
        F: FnOnce(&mut E::Connection) -> QueryResult<T> + Send + 'static,
    {
        let mut job = Some(job);
        self.run(Place::Later, 1, move |connection| match job.take() {
            Some(job) => job(connection),
            None => Err(DieselError::AlreadyInTransaction),
        })
        .await
    }

    async fn run<T, F>(&self, place: Place, attempts: u32, mut job: F) -> Result<T, PortError>
    where
        T: Send + 'static,
        F: FnMut(&mut E::Connection) -> QueryResult<T> + Send + 'static,
    {
        if let Some(done) = self.in_session(attempts, &mut job) {
            return done;
        }
        let database = self.clone();
        let job = move |abandoned: &dyn Fn() -> bool| {
            database.attempt(&mut None, attempts, &mut job, abandoned).map_err(PortError::from)
        };
        self.on_a_thread(place, job).await
    }

    /// Runs `job` on one of the threads when its turn comes. It is told how to find out whether anybody still waits
    /// for its answer.
    async fn on_a_thread<T: Send + 'static>(
        &self,
        place: Place,
        job: impl FnOnce(&dyn Fn() -> bool) -> Result<T, PortError> + Send + 'static,
    ) -> Result<T, PortError> {
        let run = |asked: Asked<T>| {
            self.threads.run(move || {
                let result = job(&|| asked.is_abandoned());
                asked.answer(result);
            })
        };
        self.ask(place, run).await
    }

    /// Waits for a place, and for the answer of the job that `enqueue` then makes of it.
    async fn ask<T>(
        &self,
        place: Place,
        enqueue: impl FnOnce(Asked<T>) -> Result<(), PortError>,
    ) -> Result<T, PortError> {
        let answered = async {
            let place = self.gate.pass(place).await?;
            let (asked, answered) = Asked::without_place();
            enqueue(Asked { place: Some(place), ..asked })?;
            answered.await.unwrap_or_else(|_| Err(unanswered()))
        };
        timeout(DEADLINE, answered)
            .await
            .unwrap_or_else(|_| Err(PortError::Unavailable("the database did not answer in time".into())))
    }

    /// The same for whoever queues jobs by itself.
    pub(crate) async fn ask_later<T>(
        &self,
        enqueue: impl FnOnce(Asked<T>) -> Result<(), PortError>,
    ) -> Result<T, PortError> {
        self.ask(Place::Later, enqueue).await
    }

    /// Runs `turn` on one of its threads.
    ///
    /// # Errors
    ///
    /// As [`Threads::run`].
    pub(crate) fn on_its_thread(&self, turn: impl FnOnce() + Send + 'static) -> Result<(), PortError> {
        self.threads.run(turn)
    }

    /// Whether jobs wait for one of its threads.
    fn is_awaited(&self) -> bool {
        self.threads.are_awaited()
    }

    /// Runs a job once, on a connection, on the thread of the caller, which is one of its own.
    pub(crate) fn on_a_connection<T>(
        &self,
        mut job: impl FnMut(&mut E::Connection) -> QueryResult<T>,
    ) -> Result<T, PortError> {
        self.attempt(&mut None, 1, &mut job, &|| false).map_err(PortError::from)
    }

    /// Runs a job on the connection in `kept`, or on a fresh one, which is then kept there.
    fn attempt<T>(
        &self,
        kept: &mut Option<PooledConnection<Manager<E>>>,
        attempts: u32,
        job: &mut impl FnMut(&mut E::Connection) -> QueryResult<T>,
        abandoned: &dyn Fn() -> bool,
    ) -> Result<T, AttemptError> {
        let lost = |why| AttemptError::Lost(PortError::Unavailable(why));
        let end = Instant::now() + WAIT;
        let mut attempt = 0;
        loop {
            // One under suspicion goes before another is asked for: each of the threads may have one.
            let trusted = kept.take().filter(|session| session.generation >= self.generation.current());
            let session = kept.insert(trusted.map_or_else(|| self.session(end).map_err(lost), Ok)?);
            if abandoned() {
                return Err(lost("nobody waits for the answer any more".into()));
            }
            attempt += 1;
            let error = match job(&mut session.connection) {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if !E::is_lost(&mut session.connection, &error) {
                return Err(AttemptError::Refused(Self::port_error(&error)));
            }
            self.generation.end(session.generation);
            if attempt >= attempts || Instant::now() >= end {
                return Err(lost(format!("the connection was lost: {error}")));
            }
        }
    }

    /// Takes a connection that is under no suspicion.
    fn session(&self, end: Instant) -> Result<PooledConnection<Manager<E>>, String> {
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let session = self.pool.get_timeout(left).map_err(|error| error.to_string())?;
            if session.generation >= self.generation.current() {
                return Ok(session);
            }
            // Dropped, it goes back to the pool, which throws it away and makes another.
        }
    }

    /// What a port says of an error that leaves its connection in order.
    pub(crate) fn port_error(error: &DieselError) -> PortError {
        let text = error.to_string();
        match error {
            error if E::is_full(error) => PortError::StorageFull(text),
            // diesel names no more than a few of the errors that a database may answer: whatever
            // else it says (no room, no time, no right, shutting down), waiting or an operator cures it.
            DieselError::DatabaseError(
                DatabaseErrorKind::Unknown
                | DatabaseErrorKind::ClosedConnection
                | DatabaseErrorKind::SerializationFailure
                | DatabaseErrorKind::ReadOnlyTransaction
                | DatabaseErrorKind::UnableToSendCommand,
                _,
            )
            | DieselError::BrokenTransactionManager => PortError::Unavailable(text),
            _ => PortError::Internal(text),
        }
    }
}

/// A change that a constraint forbids is none; which one, diesel tells only for PostgreSQL.
pub(crate) fn refused_is_none<T>(done: QueryResult<Option<T>>) -> QueryResult<Option<T>> {
    match done {
        Err(DieselError::DatabaseError(
            DatabaseErrorKind::UniqueViolation | DatabaseErrorKind::ForeignKeyViolation,
            _,
        )) => Ok(None),
        done => done,
    }
}
