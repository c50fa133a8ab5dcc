//! Where things of one kind wait, until a thread takes all of them at once.
//!
//! What comes meanwhile is taken next. One that comes alone waits for nobody, and none is taken before it came.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use portfolio_domain::ports::PortError;
use tokio::time::timeout;

use super::gate::Place;
use super::{Asked, Database, Engine};

/// How many threads take from a line at a time. With as many as there are connections nothing would wait, and everything
/// would be taken by itself.
const TURNS: usize = 1;
/// When something waits and nothing was taken for so long, another thread takes it, whatever the others wait for: nobody
/// stands behind a connection that hangs.
const PATIENCE: Duration = Duration::from_millis(5);
/// How many are taken at once at most.
const MOST: usize = 64;

/// What takes those that waited.
type Take<K, V> = Box<dyn Fn(Vec<Waiting<K, V>>) + Send + Sync>;

/// A line in front of the threads of a database.
pub(super) struct Line<E: Engine, K, V>(Arc<Shared<E, K, V>>);

// Derived, it would ask for `E: Clone`.
impl<E: Engine, K, V> Clone for Line<E, K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

struct Shared<E: Engine, K, V> {
    database: Database<E>,
    take: Take<K, V>,
    queue: Mutex<Queue<K, V>>,
}

struct Queue<K, V> {
    waiting: VecDeque<Waiting<K, V>>,
    /// How many threads are taking, or about to.
    turns: usize,
    /// When one of them took something last.
    taken: Instant,
}

/// One that waits.
pub(super) struct Waiting<K, V> {
    pub(super) what: K,
    pub(super) asked: Asked<V>,
}

impl<E, K, V> Line<E, K, V>
where
    E: Engine,
    K: Send + 'static,
    V: Send + 'static,
{
    pub(super) fn new(database: Database<E>, take: Take<K, V>) -> Self {
        let queue = Queue { waiting: VecDeque::new(), turns: 0, taken: Instant::now() };
        Self(Arc::new(Shared { database, take, queue: Mutex::new(queue) }))
    }

    /// Waits until it is taken, and answered.
    ///
    /// # Errors
    ///
    /// As [`Database::read`] or, at the first place, [`Database::read_first`], and those that it is answered with.
    pub(super) async fn wait(&self, place: Place, what: K) -> Result<V, PortError> {
        let enqueue = |asked| {
            self.0.enqueue(Waiting { what, asked });
            Ok(())
        };
        let mut answer = pin!(self.0.database.ask(place, enqueue));
        let mut patience = PATIENCE;
        loop {
            match timeout(patience, &mut answer).await {
                Ok(answer) => return answer,
                Err(_) => self.0.hasten(),
            }
            // Most probably it was taken, and takes its time.
            patience *= 2;
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

    fn enqueue(self: &Arc<Self>, waiting: Waiting<K, V>) {
        let mut queue = self.queue();
        queue.waiting.push_back(waiting);
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
            // There is no thread at all, so that nobody takes anything.
            let waiting = std::mem::take(&mut self.queue().waiting);
            for Waiting { asked, .. } in waiting {
                asked.answer(Err(error.clone()));
            }
        }
    }
}

/// One thread that takes for as long as something waits here, and nothing else for a thread.
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
        while let Some(taken) = self.next() {
            (self.shared.take)(taken);
            if self.shared.database.is_awaited() {
                // Behind those that wait.
                let shared = self.shared.clone();
                // There is a thread: this one. Should there be none, the turn is dropped.
                let _ = shared.database.on_its_thread(move || self.run());
                return;
            }
        }
    }

    /// Those that wait, and whose answer is still waited for; when there are none, the turn ends. One of them keeps its
    /// place: a batch takes no more room than any job, however long it takes.
    fn next(&mut self) -> Option<Vec<Waiting<K, V>>> {
        let mut queue = self.shared.queue();
        let mut taken = Vec::new();
        while taken.len() < MOST
            && let Some(mut waiting) = queue.waiting.pop_front()
        {
            if waiting.asked.is_abandoned() {
                continue;
            }
            if !taken.is_empty() {
                waiting.asked.leave_place();
            }
            taken.push(waiting);
        }
        queue.taken = Instant::now();
        if taken.is_empty() {
            queue.turns -= 1;
            self.ended = true;
            return None;
        }
        Some(taken)
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
