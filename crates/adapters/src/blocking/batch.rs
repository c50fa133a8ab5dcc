//! Questions of one kind that wait are asked together, in one statement.
//!
//! Most of what a small statement costs is its way to the server and back, and that is the same for thirty of them. A
//! question is never asked before it came: what it sees is no older than it is.

use std::any::Any;
use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::result::QueryResult;
use portfolio_domain::ports::PortError;

use super::gate::Place;
use super::line::{Line, Waiting};
use super::{Answered, Asked, AttemptError, Database, Engine, unanswered};

/// Within what time a refusal is no timeout's (the shortest is the 1.5 s of a lock).
const AT_ONCE: Duration = Duration::from_millis(500);

/// Asks for all `K` at once, and answers them in their order.
type Together<E, K, V> = fn(&mut <E as Engine>::Connection, &[K]) -> QueryResult<Vec<V>>;

/// Where questions of one kind wait.
pub(crate) struct Batch<E: Engine, K, V> {
    asker: Arc<Asker<E, K, V>>,
    line: Line<E, K, V>,
}

// Derived, it would ask for `E: Clone`.
impl<E: Engine, K, V> Clone for Batch<E, K, V> {
    fn clone(&self) -> Self {
        Self { asker: self.asker.clone(), line: self.line.clone() }
    }
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

    /// Of questions that may change something. `together` MUST NOT fail once it has changed something, but for a connection
    /// that is lost: what is refused is asked again, each by itself.
    pub(crate) fn of_writes(database: Database<E>, together: Together<E, K, V>) -> Self {
        Self::new(database, 1, together)
    }

    fn new(database: Database<E>, attempts: u32, together: Together<E, K, V>) -> Self {
        let asker = Arc::new(Asker { database: database.clone(), attempts, together });
        let asks = asker.clone();
        Self { asker, line: Line::new(database, Box::new(move |questions| asks.ask(questions))) }
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
        match Round::join(&self.asker, key) {
            Ok(answered) => answered.await.unwrap_or_else(|_| Err(unanswered())),
            Err(key) => self.line.wait(place, key).await,
        }
    }
}

/// What asks a batch.
struct Asker<E: Engine, K, V> {
    database: Database<E>,
    attempts: u32,
    together: Together<E, K, V>,
}

impl<E: Engine, K, V> Asker<E, K, V> {
    /// Asks all of these, and answers them.
    fn ask(&self, questions: Vec<Waiting<K, V>>) {
        let (mut keys, mut askers): (Vec<K>, Vec<Asked<V>>) =
            questions.into_iter().map(|Waiting { what, asked }| (what, asked)).unzip();
        let mut begun = Instant::now();
        let asked = self.attempt(|connection| {
            // It may have taken a while to get the connection.
            let asking = keys.drain(..).zip(askers.drain(..));
            (keys, askers) = asking.filter(|(_, asked)| !asked.is_abandoned()).unzip();
            begun = Instant::now();
            if keys.is_empty() { Ok(Vec::new()) } else { (self.together)(connection, &keys) }
        });
        match asked {
            Ok(answers) => {
                for (asked, answer) in askers.into_iter().zip(answers) {
                    asked.answer(Ok(answer));
                }
            }
            // What the database refuses may be one's own fault: then each is asked alone, and fails alone. Not so what it
            // took long to refuse, for a lock or for too much work: each would take as long again.
            Err(AttemptError::Refused(_)) if keys.len() > 1 && begun.elapsed() < AT_ONCE => {
                for (key, asked) in keys.into_iter().zip(askers) {
                    self.ask(vec![Waiting { what: key, asked }]);
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

    fn attempt(
        &self,
        mut job: impl FnMut(&mut E::Connection) -> QueryResult<Vec<V>>,
    ) -> Result<Vec<V>, AttemptError> {
        self.database.attempt(&mut None, self.attempts, &mut job, &|| false)
    }
}

thread_local! {
    static ROUND: RefCell<Option<Round>> = const { RefCell::new(None) };
}

/// Questions that wait on this thread, where all that several works ask is gathered before any of it is asked.
#[derive(Default)]
pub(super) struct Round(Vec<Box<dyn Questions>>);

/// Those of one batch.
trait Questions: Send {
    /// Which batch that is.
    fn kind(&self) -> usize;

    /// Adds those of `others`, which are of the same batch.
    fn add(&mut self, others: Box<dyn Questions>);

    fn ask(self: Box<Self>);

    fn as_any(&mut self) -> &mut dyn Any;

    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

struct QuestionsOf<E: Engine, K, V> {
    asker: Arc<Asker<E, K, V>>,
    questions: Vec<Waiting<K, V>>,
}

impl<E: Engine, K: Send + 'static, V: Send + 'static> Questions for QuestionsOf<E, K, V> {
    fn kind(&self) -> usize {
        Arc::as_ptr(&self.asker) as usize
    }

    fn add(&mut self, others: Box<dyn Questions>) {
        if let Ok(others) = others.into_any().downcast::<Self>() {
            self.questions.extend(others.questions);
        }
    }

    fn ask(self: Box<Self>) {
        self.asker.ask(self.questions);
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl Round {
    /// Gathers what `work` asks.
    pub(super) fn gather<T>(work: impl FnOnce() -> T) -> (T, Self) {
        ROUND.set(Some(Self::default()));
        let done = work();
        (done, ROUND.take().unwrap_or_default())
    }

    /// Which batch its first question is of; `None` when it has none.
    pub(super) fn kind(&self) -> Option<usize> {
        self.0.first().map(|questions| questions.kind())
    }

    pub(super) fn add(&mut self, others: Self) {
        for others in others.0 {
            match self.of(others.kind()) {
                Some(same) => same.add(others),
                None => self.0.push(others),
            }
        }
    }

    /// Asks all, those of a batch together.
    pub(super) fn ask(self) {
        for questions in self.0 {
            questions.ask();
        }
    }

    fn of(&mut self, kind: usize) -> Option<&mut Box<dyn Questions>> {
        self.0.iter_mut().find(|questions| questions.kind() == kind)
    }

    /// Adds a question to what this thread gathers; where it gathers nothing, the key is given back.
    fn join<E: Engine, K: Send + 'static, V: Send + 'static>(
        to: &Arc<Asker<E, K, V>>,
        what: K,
    ) -> Result<Answered<V>, K> {
        ROUND.with_borrow_mut(|round| {
            let Some(round) = round else { return Err(what) };
            let (asked, answered) = Asked::without_place();
            let question = Waiting { what, asked };
            let same =
                round.of(Arc::as_ptr(to) as usize).and_then(|questions| questions.as_any().downcast_mut());
            if let Some(QuestionsOf::<E, K, V> { questions, .. }) = same {
                questions.push(question);
            } else {
                let questions = QuestionsOf { asker: to.clone(), questions: vec![question] };
                round.0.push(Box::new(questions));
            }
            Ok(answered)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::sync::{Mutex, mpsc};

    use futures_util::FutureExt as _;
    use futures_util::future::join_all;

    use super::*;
    use crate::blocking::testing::{Act, AskedTogether, Key, Memory, database, lost, refused, together};

    struct Fixture {
        batch: Batch<Memory, Key, i32>,
        asked_together: AskedTogether,
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
    async fn a_turn_lets_by_what_waits_for_its_thread() {
        let database = Database::new("memory", Memory, 1, 1);
        let fixture = Fixture { batch: Batch::of_reads(database.clone(), together), ..Fixture::reads() };
        let order = Arc::new(Mutex::new(Vec::new()));
        let note = |what| {
            let order = order.clone();
            move || {
                order.lock().unwrap().push(what);
                Ok(0)
            }
        };
        let (first, go) = fixture.hanging();
        let job = note("another job");
        let mut job = pin!(database.read(move |_| job()));
        let mut question = pin!(fixture.ask(note("a question")));
        assert!(job.as_mut().now_or_never().is_none() && question.as_mut().now_or_never().is_none());
        go.send(()).unwrap();
        let done = tokio::join!(first, job, question);
        assert_eq!(done, (Ok(0), Ok(0), Ok(0)));
        assert_eq!(*order.lock().unwrap(), ["another job", "a question"]);
    }

    #[tokio::test]
    async fn of_a_batch_that_hangs_one_keeps_its_place() {
        let fixture = Fixture::reads();
        let database = fixture.batch.asker.database.clone();
        let places = database.gate.free();
        let (first, go) = fixture.hanging();
        let (report, begun) = mpsc::channel();
        let (on, gone) = mpsc::channel::<()>();
        let gone = Mutex::new(gone);
        let hangs = move || {
            report.send(()).unwrap();
            gone.lock().unwrap().recv().unwrap();
            Ok(1)
        };
        let acts: Vec<Act> = vec![Box::new(|| Ok(0)), Box::new(|| Ok(0)), Box::new(hangs)];
        let mut batch = pin!(join_all(acts.into_iter().map(|act| fixture.batch.ask(fixture.key(act)))));
        assert!(batch.as_mut().now_or_never().is_none());
        assert_eq!(database.gate.free(), places - 4);
        go.send(()).unwrap();
        begun.recv().unwrap();
        assert_eq!(database.gate.free(), places - 1);
        on.send(()).unwrap();
        assert_eq!(tokio::join!(first, batch), (Ok(0), vec![Ok(0), Ok(0), Ok(1)]));
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
