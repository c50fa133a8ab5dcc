//! Questions of one kind that wait are asked together, in one statement.
//!
//! Most of what a small statement costs is its way to the server and back, and that is the same for thirty of them. A
//! thread takes all those that wait by then, and asks them as one; what comes meanwhile is the next batch. One that comes
//! alone waits for nobody, and none is asked before it came: what it sees is no older than it is.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use diesel::result::QueryResult;
use portfolio_domain::ports::PortError;
use tokio::time::timeout;

use super::gate::Place;
use super::{Asked, AttemptError, Database, Engine};

/// How many batches of a kind are asked at a time. With as many as there are connections nothing would wait, and every
/// question would be a batch of its own.
const TURNS: usize = 1;
/// When something waits and no batch was begun for so long, another one is, whatever the others wait for: nobody stands
/// behind a connection that hangs.
const PATIENCE: Duration = Duration::from_millis(5);
/// How many are asked together at most.
const MOST: usize = 64;

/// Asks for all `K` at once, and answers them in their order.
type Together<E, K, V> = fn(&mut <E as Engine>::Connection, &[K]) -> QueryResult<Vec<V>>;

/// Where questions of one kind wait.
pub(crate) struct Batch<E: Engine, K, V>(Arc<Shared<E, K, V>>);

// Derived, it would ask for `E: Clone`.
impl<E: Engine, K, V> Clone for Batch<E, K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

struct Shared<E: Engine, K, V> {
    database: Database<E>,
    attempts: u32,
    together: Together<E, K, V>,
    queue: Mutex<Queue<K, V>>,
}

struct Queue<K, V> {
    waiting: VecDeque<Question<K, V>>,
    /// How many threads are asking, or about to.
    turns: usize,
    /// When one of them took what waited last.
    taken: Instant,
}

struct Question<K, V> {
    key: K,
    asked: Asked<V>,
}

impl<E, K, V> Batch<E, K, V>
where
    E: Engine,
    K: Send + 'static,
    V: Send + 'static,
{
    /// Of questions that change nothing. When their connection turns out to be lost, they are asked once more on a fresh
    /// one.
    pub(crate) fn of_reads(database: Database<E>, together: Together<E, K, V>) -> Self {
        Self::new(database, 2, together)
    }

    /// Of questions that may change something: `together` MUST have changed nothing when it fails, or the connection is
    /// lost.
    pub(crate) fn of_writes(database: Database<E>, together: Together<E, K, V>) -> Self {
        Self::new(database, 1, together)
    }

    fn new(database: Database<E>, attempts: u32, together: Together<E, K, V>) -> Self {
        let queue = Queue { waiting: VecDeque::new(), turns: 0, taken: Instant::now() };
        Self(Arc::new(Shared { database, attempts, together, queue: Mutex::new(queue) }))
    }

    /// Asks with those that wait.
    ///
    /// # Errors
    ///
    /// As [`Database::read`] and [`Database::write`].
    pub(crate) async fn ask(&self, key: K) -> Result<V, PortError> {
        self.ask_from(Place::Later, key).await
    }

    /// The same for the first question of a request.
    ///
    /// # Errors
    ///
    /// As [`Database::read_first`].
    pub(crate) async fn ask_first(&self, key: K) -> Result<V, PortError> {
        self.ask_from(Place::First, key).await
    }

    async fn ask_from(&self, place: Place, key: K) -> Result<V, PortError> {
        let enqueue = |asked| {
            self.0.enqueue(Question { key, asked });
            Ok(())
        };
        let mut answer = pin!(self.0.database.ask(place, enqueue));
        loop {
            match timeout(PATIENCE, &mut answer).await {
                Ok(answer) => return answer,
                Err(_) => self.0.hasten(),
            }
        }
    }
}

impl<E, K, V> Shared<E, K, V>
where
    E: Engine,
    K: Send + 'static,
    V: Send + 'static,
{
    fn queue(&self) -> MutexGuard<'_, Queue<K, V>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enqueue(self: &Arc<Self>, question: Question<K, V>) {
        let mut queue = self.queue();
        queue.waiting.push_back(question);
        if queue.turns < TURNS {
            self.begin(queue);
        }
    }

    /// Begins another turn, where those that there are take nothing.
    fn hasten(self: &Arc<Self>) {
        let queue = self.queue();
        if !queue.waiting.is_empty() && queue.taken.elapsed() >= PATIENCE {
            self.begin(queue);
        }
    }

    fn begin(self: &Arc<Self>, mut queue: MutexGuard<'_, Queue<K, V>>) {
        queue.turns += 1;
        queue.taken = Instant::now();
        // A turn that no thread takes is dropped, and looks into the queue then.
        drop(queue);
        let turn = Turn { shared: self.clone(), ended: false };
        if let Err(error) = self.database.on_its_thread(move || turn.run()) {
            // There is no thread at all, so that nobody is asking.
            let waiting = std::mem::take(&mut self.queue().waiting);
            for Question { asked, .. } in waiting {
                asked.answer(Err(error.clone()));
            }
        }
    }

    /// Asks `batch`, and answers it.
    fn answer(&self, batch: Vec<Question<K, V>>) {
        let (keys, askers): (Vec<K>, Vec<Asked<V>>) =
            batch.into_iter().map(|Question { key, asked }| (key, asked)).unzip();
        match self.attempt(&keys) {
            Ok(answers) => {
                for (asked, answer) in askers.into_iter().zip(answers) {
                    asked.answer(Ok(answer));
                }
            }
            // What the database refuses may be one's own fault: then each is asked alone, and fails alone.
            Err(AttemptError::Refused(_)) if keys.len() > 1 => {
                for (key, asked) in keys.chunks(1).zip(askers) {
                    if !asked.is_abandoned() {
                        self.attempt_alone(key, asked);
                    }
                }
            }
            Err(error) => {
                let error = PortError::from(error);
                for asked in askers {
                    asked.answer(Err(error.clone()));
                }
            }
        }
    }

    fn attempt_alone(&self, key: &[K], asked: Asked<V>) {
        match self.attempt(key).map(|mut answers| answers.pop()) {
            Ok(Some(answer)) => asked.answer(Ok(answer)),
            // Dropped, it says that the job ended without an answer.
            Ok(None) => {}
            Err(error) => asked.answer(Err(error.into())),
        }
    }

    fn attempt(&self, keys: &[K]) -> Result<Vec<V>, AttemptError> {
        let mut job = |connection: &mut E::Connection| (self.together)(connection, keys);
        self.database.attempt(&mut None, self.attempts, &mut job, &|| false)
    }
}

/// One thread that asks for as long as something waits.
struct Turn<E: Engine, K: Send + 'static, V: Send + 'static> {
    shared: Arc<Shared<E, K, V>>,
    ended: bool,
}

impl<E, K, V> Turn<E, K, V>
where
    E: Engine,
    K: Send + 'static,
    V: Send + 'static,
{
    fn run(mut self) {
        while let Some(batch) = self.take() {
            self.shared.answer(batch);
        }
    }

    /// Those that wait, and whose answer is still waited for; when there are none, the turn ends.
    fn take(&mut self) -> Option<Vec<Question<K, V>>> {
        let mut queue = self.shared.queue();
        let mut batch = Vec::new();
        while batch.len() < MOST
            && let Some(question) = queue.waiting.pop_front()
        {
            if !question.asked.is_abandoned() {
                batch.push(question);
            }
        }
        queue.taken = Instant::now();
        if batch.is_empty() {
            queue.turns -= 1;
            self.ended = true;
            return None;
        }
        Some(batch)
    }
}

impl<E, K, V> Drop for Turn<E, K, V>
where
    E: Engine,
    K: Send + 'static,
    V: Send + 'static,
{
    /// One that panicked, or that no thread took, has not ended by itself.
    fn drop(&mut self) {
        if !self.ended {
            self.shared.queue().turns -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::sync::mpsc;

    use diesel::Connection as _;
    use diesel::result::{DatabaseErrorKind, Error as DieselError};
    use diesel::sqlite::SqliteConnection;
    use futures_util::FutureExt as _;
    use futures_util::future::join_all;

    use super::*;

    /// Connections of which some are lost.
    struct Memory;

    impl Engine for Memory {
        type Connection = SqliteConnection;

        fn connect(&self) -> Result<SqliteConnection, String> {
            SqliteConnection::establish(":memory:").map_err(|error| error.to_string())
        }

        fn is_lost(_: &mut SqliteConnection, error: &DieselError) -> bool {
            matches!(error, DieselError::BrokenTransactionManager)
        }

        fn is_full(_: &DieselError) -> bool {
            false
        }
    }

    fn lost() -> DieselError {
        DieselError::BrokenTransactionManager
    }

    fn refused() -> DieselError {
        DieselError::DatabaseError(DatabaseErrorKind::CheckViolation, Box::new("out of range".to_owned()))
    }

    /// What is to come of one question, and where it is written down how many are asked together.
    struct Key {
        asked_together: Arc<Mutex<Vec<usize>>>,
        act: Act,
    }

    type Act = Box<dyn Fn() -> QueryResult<i32> + Send + Sync>;

    fn together(_: &mut SqliteConnection, keys: &[Key]) -> QueryResult<Vec<i32>> {
        if let Some(key) = keys.first() {
            key.asked_together.lock().unwrap().push(keys.len());
        }
        keys.iter().map(|key| (key.act)()).collect()
    }

    struct Fixture {
        batch: Batch<Memory, Key, i32>,
        asked_together: Arc<Mutex<Vec<usize>>>,
    }

    impl Fixture {
        fn reads() -> Self {
            Self { batch: Batch::of_reads(database(), together), asked_together: Arc::default() }
        }

        fn writes() -> Self {
            Self { batch: Batch::of_writes(database(), together), ..Self::reads() }
        }

        fn key(&self, act: impl Fn() -> QueryResult<i32> + Send + Sync + 'static) -> Key {
            Key { asked_together: self.asked_together.clone(), act: Box::new(act) }
        }

        async fn ask(
            &self,
            act: impl Fn() -> QueryResult<i32> + Send + Sync + 'static,
        ) -> Result<i32, PortError> {
            self.batch.ask(self.key(act)).await
        }

        /// A question that is being asked, and ends when it is told to.
        fn hanging(&self) -> (Pin<Box<impl Future<Output = Result<i32, PortError>>>>, mpsc::Sender<()>) {
            let (report, begun) = mpsc::channel();
            let (go, gone) = mpsc::channel();
            let gone = Mutex::new(gone);
            let mut first = Box::pin(self.ask(move || {
                report.send(()).unwrap();
                gone.lock().unwrap().recv().unwrap();
                Ok(0)
            }));
            assert!(first.as_mut().now_or_never().is_none());
            begun.recv().unwrap();
            (first, go)
        }

        /// Asks all of these while another one is being asked, which does not end before they wait.
        async fn while_one_is_asked(&self, acts: Vec<Act>) -> Vec<Result<i32, PortError>> {
            let (first, go) = self.hanging();
            let mut others = pin!(join_all(acts.into_iter().map(|act| self.batch.ask(self.key(act)))));
            assert!(others.as_mut().now_or_never().is_none());
            go.send(()).unwrap();
            let (first, others) = tokio::join!(first, others);
            assert_eq!(first, Ok(0));
            others
        }

        fn asked_together(&self) -> Vec<usize> {
            self.asked_together.lock().unwrap().clone()
        }
    }

    fn database() -> Database<Memory> {
        Database::new("memory", Memory, 2, 1)
    }

    #[tokio::test]
    async fn those_that_wait_are_asked_together_in_their_order() {
        let fixture = Fixture::reads();
        let answers = fixture
            .while_one_is_asked((1..=20).map(|number| Box::new(move || Ok(number)) as _).collect())
            .await;
        assert_eq!(answers, (1..=20).map(Ok).collect::<Vec<_>>());
        assert_eq!(fixture.asked_together(), [1, 20]);
    }

    #[tokio::test]
    async fn what_the_database_refuses_harms_nobody_beside_it() {
        let fixture = Fixture::writes();
        let acts: Vec<Act> = vec![Box::new(|| Ok(1)), Box::new(|| Err(refused())), Box::new(|| Ok(3))];
        let mut answers = fixture.while_one_is_asked(acts).await;
        let failed = answers.remove(1);
        assert!(matches!(failed, Err(PortError::Internal(_))), "{failed:?}");
        assert_eq!(answers, [Ok(1), Ok(3)]);
        assert_eq!(fixture.asked_together(), [1, 3, 1, 1, 1]);
    }

    #[tokio::test]
    async fn after_a_lost_connection_reads_are_asked_once_more_and_writes_are_not() {
        for (fixture, answers) in [(Fixture::reads(), vec![Ok(1), Ok(2)]), (Fixture::writes(), vec![])] {
            let seen = Mutex::new(false);
            let acts: Vec<Act> = vec![
                Box::new(|| Ok(1)),
                Box::new(move || {
                    if std::mem::replace(&mut *seen.lock().unwrap(), true) { Ok(2) } else { Err(lost()) }
                }),
            ];
            let asked = fixture.while_one_is_asked(acts).await;
            if answers.is_empty() {
                assert!(
                    asked.iter().all(|answer| matches!(answer, Err(PortError::Unavailable(_)))),
                    "{asked:?}"
                );
                assert_eq!(fixture.asked_together(), [1, 2]);
            } else {
                assert_eq!(asked, answers);
                assert_eq!(fixture.asked_together(), [1, 2, 2]);
            }
        }
    }

    #[tokio::test]
    async fn one_that_panics_ends_nothing_but_its_batch() {
        let fixture = Fixture::reads();
        let asked = fixture.while_one_is_asked(vec![Box::new(|| panic!("on purpose"))]).await;
        assert!(matches!(asked[..], [Err(PortError::Internal(_))]), "{asked:?}");
        assert_eq!(fixture.ask(|| Ok(1)).await, Ok(1));
    }

    #[tokio::test]
    async fn nobody_stands_behind_one_that_hangs() {
        let fixture = Fixture::reads();
        let (hangs, go) = fixture.hanging();
        assert_eq!(fixture.ask(|| Ok(2)).await, Ok(2));
        go.send(()).unwrap();
        assert_eq!(hangs.await, Ok(0));
        assert_eq!(fixture.ask(|| Ok(3)).await, Ok(3));
    }

    #[tokio::test]
    async fn one_that_nobody_waits_for_is_not_asked() {
        let fixture = Fixture::reads();
        let (first, go) = fixture.hanging();
        {
            let mut second = pin!(fixture.ask(|| Ok(2)));
            assert!(second.as_mut().now_or_never().is_none());
        }
        let mut third = pin!(fixture.ask(|| Ok(3)));
        assert!(third.as_mut().now_or_never().is_none());
        go.send(()).unwrap();
        let (first, third) = tokio::join!(first, third);
        assert_eq!((first, third), (Ok(0), Ok(3)));
        assert_eq!(fixture.asked_together(), [1, 1]);
    }
}
