//! Several questions of one caller, asked in one go: on one connection by one thread, or, where questions are asked
//! together, with those of others ([`works`](super::works)).

use std::any::Any;
use std::cell::RefCell;
use std::sync::Arc;

use async_trait::async_trait;
use diesel::result::QueryResult;
use futures_util::future::BoxFuture;
use portfolio_domain::ports::PortError;
use r2d2::PooledConnection;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::gate::Place;
use super::{Database, Engine, Manager};

/// The session of the work that runs on a thread: one connection of one database.
struct Held {
    /// Whose it is.
    key: usize,
    /// An `Option<PooledConnection<Manager<E>>>`: none before the first job.
    session: Box<dyn Any>,
}

thread_local! {
    static HELD: RefCell<Option<Held>> = const { RefCell::new(None) };
}

impl Held {
    fn take(key: usize) -> Option<Self> {
        HELD.with_borrow_mut(|held| held.take_if(|held| held.key == key))
    }

    fn put_back(self) {
        HELD.set(Some(self));
    }
}

/// Ends the session of a thread when it is dropped.
struct Holding;

impl Drop for Holding {
    fn drop(&mut self) {
        drop(HELD.take());
    }
}

/// Where work is done that asks a database several times.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Runs `work` on a thread where what it asks of the database is asked at once: each hop between threads costs as much
    /// as a small statement.
    ///
    /// It takes its place as the first job of a request does ([`Database::read_first`]), and is for work that reads:
    /// when the caller's time is up, nobody learns what came of it.
    ///
    /// # Errors
    ///
    /// [`PortError::Unavailable`] when its turn or its end did not come in time; [`PortError::Internal`] when it
    /// panicked.
    async fn hold(&self, work: BoxFuture<'static, ()>) -> Result<(), PortError>;
}

impl<E: Engine> Database<E> {
    /// Runs `work` on one of its threads, and what it asks on one connection ([`Sessions::hold`]).
    ///
    /// # Errors
    ///
    /// As [`Sessions::hold`].
    pub(crate) async fn hold(&self, work: BoxFuture<'static, ()>) -> Result<(), PortError> {
        let (key, runtime) = (self.key(), Handle::current());
        let job = move |abandoned: &dyn Fn() -> bool| {
            if abandoned() {
                return Err(PortError::Unavailable("nobody waits for the answer any more".into()));
            }
            let session: Option<PooledConnection<Manager<E>>> = None;
            Held { key, session: Box::new(session) }.put_back();
            let _holding = Holding;
            // It rarely waits for anything but the database. What it spawns or waits for is its caller's runtime's.
            runtime.block_on(work);
            Ok(())
        };
        self.on_a_thread(Place::First, job).await
    }
}

/// Does `work` in one session.
///
/// # Errors
///
/// As [`Sessions::hold`].
pub async fn in_one_session<T: Send + 'static>(
    sessions: &dyn Sessions,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, PortError> {
    let (answer, mut answered) = oneshot::channel();
    let told = async move {
        // Nobody may be waiting any more.
        let _ = answer.send(work.await);
    };
    sessions.hold(Box::pin(told)).await?;
    answered.try_recv().map_err(|_| PortError::Internal("work in a session ended without an answer".into()))
}

impl<E: Engine> Database<E> {
    /// Runs a job in the session that this thread holds; `None` when it holds none of this database.
    pub(super) fn in_session<T>(
        &self,
        attempts: u32,
        job: &mut impl FnMut(&mut E::Connection) -> QueryResult<T>,
    ) -> Option<Result<T, PortError>> {
        let mut held = Held::take(self.key())?;
        let session = held.session.downcast_mut()?;
        let done = self.attempt(session, attempts, job, &|| false).map_err(PortError::from);
        // After a panic it is dropped instead, as one that is broken.
        held.put_back();
        Some(done)
    }

    /// Tells it from every other one.
    fn key(&self) -> usize {
        Arc::as_ptr(&self.threads) as usize
    }
}
