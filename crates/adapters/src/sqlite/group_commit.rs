//! Writers that wait share one commit.
//!
//! Most of what a change costs is the sync of the log at its commit, which costs as much for thirty of them. The thread
//! that writes takes with a change those that wait by then, each in a savepoint of its own, and answers all of them after
//! the one commit. One that waits alone waits for nobody.

use std::collections::VecDeque;
use std::convert::identity;
use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use diesel::connection::{AnsiTransactionManager as Transactions, TransactionManager as _};
use diesel::result::{Error as DieselError, QueryResult};
use diesel::sqlite::SqliteConnection;
use portfolio_domain::ports::PortError;

use super::Sqlite;
use crate::blocking::{Asked, Database, PoolStatus};

/// For how long a group takes in those that wait: none waits much longer than that for a slow one that came after it.
/// Who is beyond the gate of the pool has no place in it, so that it never has more members than that has places.
const OPEN: Duration = Duration::from_millis(10);

/// The one connection that writes.
#[derive(Clone)]
pub(super) struct Writer(Arc<Shared>);

struct Shared {
    database: Database<Sqlite>,
    open: Duration,
    waiting: Mutex<VecDeque<Box<dyn Change>>>,
}

impl Writer {
    pub(super) fn new(database: Database<Sqlite>) -> Self {
        Self::with(database, OPEN)
    }

    fn with(database: Database<Sqlite>, open: Duration) -> Self {
        Self(Arc::new(Shared { database, open, waiting: Mutex::default() }))
    }

    pub(super) fn status(&self) -> PoolStatus {
        self.0.database.status()
    }

    /// Runs a job inside of a transaction, once: all that it does is on disk when it is answered, or, when it fails,
    /// nothing of it is kept.
    ///
    /// # Errors
    ///
    /// As [`Database::write`]. When the commit fails, or SQLite ends the transaction by itself, all that share it
    /// get that error.
    pub(super) async fn write<T, F>(&self, job: F) -> Result<T, PortError>
    where
        T: Send + 'static,
        F: FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    {
        self.write_judged(job, identity).await
    }

    /// The same, with a `judge` who may make an answer of the error of a job, of which nothing is left by then.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub(super) async fn write_judged<T, F>(
        &self,
        job: F,
        judge: fn(QueryResult<T>) -> QueryResult<T>,
    ) -> Result<T, PortError>
    where
        T: Send + 'static,
        F: FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    {
        let enqueue = |asked| {
            let shared = self.0.clone();
            let mut waiting = self.0.waiting();
            // Each has a turn of its own, which is nobody's when a group took its change along. It comes first: where there
            // is no thread for it, the change must not stay behind, and with it its place.
            self.0.database.on_its_thread(move || shared.turn())?;
            waiting.push_back(Box::new(Job { asked, work: Some(job), done: None, judge }));
            Ok(())
        };
        self.0.database.ask_later(enqueue).await
    }

    /// Runs a job outside of any transaction: one that takes long, and commits now and then.
    ///
    /// # Errors
    ///
    /// As [`Database::write`].
    pub(super) async fn write_alone<T, F>(&self, job: F) -> Result<T, PortError>
    where
        T: Send + 'static,
        F: FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    {
        self.0.database.write(job).await
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Box<dyn Change>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first of those that wait for whose answer somebody still does.
    fn next(&self) -> Option<Box<dyn Change>> {
        let mut waiting = self.waiting();
        std::iter::from_fn(|| waiting.pop_front()).find(|change| !change.is_abandoned())
    }

    /// Makes the changes of a group, and answers them.
    fn turn(&self) {
        let Some(first) = self.next() else { return };
        let mut group = vec![first];
        let committed = self.database.on_a_connection(|connection| {
            let begun = Instant::now();
            make(connection, &mut group, || (begun.elapsed() < self.open).then(|| self.next()).flatten())
        });
        for change in group {
            change.answer(&committed);
        }
    }
}

/// A change that waits, is made, and is then answered.
trait Change: Send {
    /// Whether nobody waits for its answer any more.
    fn is_abandoned(&self) -> bool;

    /// Makes it, and answers whether there is something to keep.
    fn make(&mut self, connection: &mut SqliteConnection) -> bool;

    /// Takes the error that it ended with, if it did.
    fn take_error(&mut self) -> Option<DieselError>;

    /// Tells whoever waits what became of it, once it is known what became of its group.
    fn answer(self: Box<Self>, committed: &Result<(), PortError>);
}

struct Job<T, F> {
    asked: Asked<T>,
    work: Option<F>,
    /// None before it has run, and when it panicked.
    done: Option<QueryResult<T>>,
    judge: fn(QueryResult<T>) -> QueryResult<T>,
}

impl<T, F> Change for Job<T, F>
where
    T: Send + 'static,
    F: FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
{
    fn is_abandoned(&self) -> bool {
        self.asked.is_abandoned()
    }

    fn make(&mut self, connection: &mut SqliteConnection) -> bool {
        let Some(job) = self.work.take() else { return false };
        // What a panic leaves open in the connection is closed with the savepoint.
        self.done = catch_unwind(AssertUnwindSafe(|| job(connection))).ok();
        matches!(self.done, Some(Ok(_)))
    }

    fn take_error(&mut self) -> Option<DieselError> {
        self.done.take().and_then(Result::err)
    }

    fn answer(self: Box<Self>, committed: &Result<(), PortError>) {
        match (committed, self.done) {
            (Err(error), _) => self.asked.answer(Err(error.clone())),
            (Ok(()), Some(done)) => {
                self.asked.answer((self.judge)(done).map_err(|error| Database::<Sqlite>::port_error(&error)));
            }
            // Dropped, it says that the job ended without an answer.
            (Ok(()), None) => {}
        }
    }
}

/// Makes the changes in `group`, and after each the `next`, if there is one, in one transaction.
fn make(
    connection: &mut SqliteConnection,
    group: &mut Vec<Box<dyn Change>>,
    next: impl Fn() -> Option<Box<dyn Change>>,
) -> QueryResult<()> {
    // Begun as a reader, it could not become the writer while another is.
    Transactions::begin_transaction_sql(connection, "BEGIN IMMEDIATE")?;
    let mut made = 0;
    while let Some(change) = group.get_mut(made) {
        if let Err(error) = make_one(connection, &mut **change) {
            // SQLite ends the transaction by itself when the disk is full, or fails. The change knows why.
            let error = change.take_error().unwrap_or(error);
            return roll_back(connection, None).and(Err(error));
        }
        made += 1;
        group.extend(next());
    }
    Transactions::commit_transaction(connection)
}

/// Makes a change in a savepoint of its own. An error is one of the whole transaction.
fn make_one(connection: &mut SqliteConnection, change: &mut dyn Change) -> QueryResult<()> {
    let before = depth(connection)?;
    Transactions::begin_transaction(connection)?;
    if change.make(connection) {
        Transactions::commit_transaction(connection)
    } else {
        roll_back(connection, before)
    }
}

/// Rolls back what was begun after the transaction had this depth. There is more than one when a job panicked inside of
/// a savepoint that it had made.
fn roll_back(connection: &mut SqliteConnection, to: Option<NonZeroU32>) -> QueryResult<()> {
    while depth(connection)? > to {
        Transactions::rollback_transaction(connection)?;
    }
    Ok(())
}

fn depth(connection: &mut SqliteConnection) -> QueryResult<Option<NonZeroU32>> {
    Transactions::transaction_manager_status_mut(connection).transaction_depth()
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::pin::pin;
    use std::sync::mpsc;

    use diesel::connection::SimpleConnection as _;
    use diesel::prelude::*;
    use diesel::sql_types::BigInt;
    use futures_util::FutureExt as _;
    use futures_util::future::join_all;

    use super::*;
    use crate::blocking::Engine as _;

    type Work = Box<dyn FnOnce(&mut SqliteConnection) -> QueryResult<usize> + Send>;

    /// A file with a table of unique numbers, and the one that writes to it.
    struct Fixture {
        folder: tempfile::TempDir,
        writer: Writer,
    }

    #[derive(QueryableByName)]
    struct Number {
        #[diesel(sql_type = BigInt)]
        number: i64,
    }

    impl Fixture {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let engine = Sqlite { path: path(folder.path()), read_only: false };
            // A group is open until nobody waits, however slow the machine is.
            let writer = Writer::with(Database::new("writer", engine, 1, 1), Duration::MAX);
            let tables = "CREATE TABLE numbers (number INTEGER PRIMARY KEY, text TEXT);
                          CREATE TABLE others (number INTEGER REFERENCES numbers DEFERRABLE INITIALLY DEFERRED)";
            writer.write_alone(|connection| connection.batch_execute(tables)).await.unwrap();
            Self { folder, writer }
        }

        /// Does all of these while they wait for one that does not end before they do.
        async fn together(&self, work: Vec<Work>) -> Vec<Result<usize, PortError>> {
            let (go, gone) = mpsc::channel::<()>();
            let first: Work = Box::new(move |_| {
                gone.recv().unwrap();
                Ok(0)
            });
            let all = std::iter::once(first).chain(work).map(|work| self.writer.write(work));
            let mut done = pin!(join_all(all));
            // All are in the queue after that, in this order.
            assert!(done.as_mut().now_or_never().is_none());
            go.send(()).unwrap();
            done.await.split_off(1)
        }

        /// The numbers that are in the file, as another process sees them.
        fn numbers(&self) -> Vec<i64> {
            let engine = Sqlite { path: path(self.folder.path()), read_only: true };
            let query = diesel::sql_query("SELECT number FROM numbers ORDER BY number");
            let rows: Vec<Number> = query.load(&mut engine.connect().unwrap()).unwrap();
            rows.into_iter().map(|row| row.number).collect()
        }

        /// How many commits are in the log: the frame that ends one holds how many pages the file then has.
        fn commits(&self) -> usize {
            const HEADER: usize = 32;
            const FRAME: usize = 24 + 4096;
            let log = std::fs::read(self.folder.path().join("a.db-wal")).unwrap();
            log[HEADER..].chunks_exact(FRAME).filter(|frame| frame[4..8] != [0; 4]).count()
        }
    }

    fn path(folder: &Path) -> PathBuf {
        folder.join("a.db")
    }

    fn insert(number: i64) -> Work {
        Box::new(move |connection| insert_now(connection, number))
    }

    fn insert_now(connection: &mut SqliteConnection, number: i64) -> QueryResult<usize> {
        diesel::sql_query("INSERT INTO numbers (number) VALUES (?)")
            .bind::<BigInt, _>(number)
            .execute(connection)
    }

    #[tokio::test]
    async fn those_that_wait_share_one_commit_in_their_order() {
        let fixture = Fixture::new().await;
        let before = fixture.commits();
        let order = Arc::new(Mutex::new(Vec::new()));
        let work = (1..=20).map(|number| {
            let order = order.clone();
            Box::new(move |connection: &mut SqliteConnection| {
                order.lock().unwrap().push(number);
                insert_now(connection, number)
            }) as Work
        });
        let done = fixture.together(work.collect()).await;
        assert_eq!(done, vec![Ok(1); 20]);
        assert_eq!(*order.lock().unwrap(), (1..=20).collect::<Vec<_>>());
        assert_eq!(fixture.numbers(), (1..=20).collect::<Vec<_>>());
        assert_eq!(fixture.commits() - before, 1);
    }

    #[tokio::test]
    async fn nobody_is_answered_before_the_commit() {
        let fixture = Fixture::new().await;
        let (go, gone) = mpsc::channel::<()>();
        let (report, begun) = mpsc::channel::<()>();
        let (end, ended) = mpsc::channel::<()>();
        let first: Work = Box::new(move |connection| {
            gone.recv().unwrap();
            insert_now(connection, 1)
        });
        let last: Work = Box::new(move |connection| {
            report.send(()).unwrap();
            ended.recv().unwrap();
            insert_now(connection, 2)
        });
        let mut first = pin!(fixture.writer.write(first));
        let mut last = pin!(fixture.writer.write(last));
        assert!(first.as_mut().now_or_never().is_none() && last.as_mut().now_or_never().is_none());
        go.send(()).unwrap();
        begun.recv().unwrap();
        assert!(first.as_mut().now_or_never().is_none());
        assert_eq!(fixture.numbers(), [0; 0]);
        end.send(()).unwrap();
        assert_eq!((first.await, last.await), (Ok(1), Ok(1)));
        assert_eq!(fixture.numbers(), [1, 2]);
    }

    #[tokio::test]
    async fn one_that_fails_leaves_nothing_and_harms_nobody() {
        let fixture = Fixture::new().await;
        let twice: Work = Box::new(|connection| {
            insert_now(connection, 7)?;
            insert_now(connection, 1)
        });
        let mut done = fixture.together(vec![insert(1), twice, insert(3)]).await;
        let failed = done.remove(1);
        assert!(matches!(failed, Err(PortError::Internal(_))), "{failed:?}");
        assert_eq!(done, [Ok(1), Ok(1)]);
        assert_eq!(fixture.numbers(), [1, 3]);
    }

    #[tokio::test]
    async fn an_answer_is_made_of_an_error_once_nothing_is_left_of_it() {
        let fixture = Fixture::new().await;
        fixture.writer.write(insert(1)).await.unwrap();
        let twice = |connection: &mut SqliteConnection| {
            insert_now(connection, 7)?;
            insert_now(connection, 1)
        };
        let judged = fixture.writer.write_judged(twice, |done| done.or(Ok(9))).await;
        assert_eq!(judged, Ok(9));
        assert_eq!(fixture.numbers(), [1]);
    }

    #[tokio::test]
    async fn one_that_panics_leaves_nothing_and_harms_nobody() {
        let fixture = Fixture::new().await;
        let panics: Work = Box::new(|connection| {
            insert_now(connection, 7)?;
            connection.transaction(|connection| {
                insert_now(connection, 8)?;
                panic!("in a savepoint of its own")
            })
        });
        let mut done = fixture.together(vec![insert(1), panics, insert(3)]).await;
        let failed = done.remove(1);
        assert!(matches!(failed, Err(PortError::Internal(_))), "{failed:?}");
        assert_eq!(done, [Ok(1), Ok(1)]);
        assert_eq!(fixture.numbers(), [1, 3]);
        assert_eq!(fixture.writer.write(insert(4)).await, Ok(1));
    }

    #[tokio::test]
    async fn a_commit_that_fails_is_nobodys_success() {
        let fixture = Fixture::new().await;
        // Looked at only by the commit.
        let orphan: Work =
            Box::new(|connection| diesel::sql_query("INSERT INTO others VALUES (99)").execute(connection));
        let done = fixture.together(vec![insert(1), orphan, insert(3)]).await;
        assert!(done.iter().all(Result::is_err), "{done:?}");
        assert_eq!(fixture.numbers(), [0; 0]);
        assert_eq!(fixture.writer.write(insert(4)).await, Ok(1));
        assert_eq!(fixture.numbers(), [4]);
    }

    #[tokio::test]
    async fn a_transaction_that_the_full_disk_ended_is_nobodys_success() {
        let fixture = Fixture::new().await;
        let full = "PRAGMA max_page_count = 4";
        fixture.writer.write_alone(|connection| connection.batch_execute(full)).await.unwrap();
        let much: Work = Box::new(|connection| {
            let insert = "INSERT INTO numbers (number, text) VALUES (2, hex(zeroblob(100000)))";
            diesel::sql_query(insert).execute(connection)
        });
        let done = fixture.together(vec![insert(1), much]).await;
        assert!(done.iter().all(|done| matches!(done, Err(PortError::StorageFull(_)))), "{done:?}");
        assert_eq!(fixture.numbers(), [0; 0]);
        assert_eq!(fixture.writer.write(insert(4)).await, Ok(1));
    }

    #[tokio::test]
    async fn one_whose_caller_is_gone_is_skipped() {
        let fixture = Fixture::new().await;
        let (go, gone) = mpsc::channel::<()>();
        let first: Work = Box::new(move |connection| {
            gone.recv().unwrap();
            insert_now(connection, 1)
        });
        let mut first = pin!(fixture.writer.write(first));
        assert!(first.as_mut().now_or_never().is_none());
        {
            let mut second = pin!(fixture.writer.write(insert(2)));
            assert!(second.as_mut().now_or_never().is_none());
        }
        let mut third = pin!(fixture.writer.write(insert(3)));
        assert!(third.as_mut().now_or_never().is_none());
        go.send(()).unwrap();
        assert_eq!((first.await, third.await), (Ok(1), Ok(1)));
        assert_eq!(fixture.numbers(), [1, 3]);
    }
}
