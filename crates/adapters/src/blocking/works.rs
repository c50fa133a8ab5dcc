//! Works that wait are done together: what they ask is asked in rounds.
//!
//! A thread does all of them as far as they come; what they then wait to have asked is asked together, of all of them,
//! and so on. Two small reads of thirty requests are two statements, and wake one thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use futures_util::future::{BoxFuture, Either, select};
use portfolio_domain::ports::PortError;
use tokio::runtime::Handle;

use super::batch::Round;
use super::gate::Place;
use super::line::{Line, Waiting};
use super::{Database, Engine, Sessions};

/// Where works wait.
pub(crate) struct Works<E: Engine>(Line<E, Work, ()>);

impl<E: Engine> Works<E> {
    /// Done on the threads of `database`.
    pub(crate) fn new(database: Database<E>) -> Self {
        let threads = database.clone();
        let take = move |works: Vec<Waiting<Work, ()>>| {
            do_rounds(&threads, works.into_iter().filter_map(go_on).collect());
        };
        Self(Line::new(database, Box::new(take)))
    }
}

#[async_trait]
impl<E: Engine> Sessions for Works<E> {
    async fn hold(&self, work: BoxFuture<'static, ()>) -> Result<(), PortError> {
        self.0.wait(Place::First, Work { work, runtime: Handle::current() }).await
    }
}

/// A work, and its caller's runtime: what it spawns or waits for is that one's.
struct Work {
    work: BoxFuture<'static, ()>,
    runtime: Handle,
}

impl Work {
    /// Does it as far as it comes without waiting.
    fn go_on(&mut self) -> Progress {
        let _runtime = self.runtime.enter();
        // What it waits for is answered before it is looked at again.
        let mut context = Context::from_waker(Waker::noop());
        match catch_unwind(AssertUnwindSafe(|| self.work.as_mut().poll(&mut context))) {
            Ok(Poll::Ready(())) => Progress::Done,
            Ok(Poll::Pending) => Progress::Waits,
            Err(_) => Progress::Panicked,
        }
    }
}

enum Progress {
    Done,
    Waits,
    Panicked,
}

/// A work, and what it waits to have asked.
type Asking = (Waiting<Work, ()>, Round);

/// Asks what works wait for, and goes on with them, until none asks for anything.
fn do_rounds<E: Engine>(database: &Database<E>, mut asking: Vec<Asking>) {
    while let Some(kind) = asking.first().map(|(_, round)| round.kind()) {
        let (same, others): (Vec<_>, Vec<_>) =
            asking.into_iter().partition(|(_, round)| round.kind() == kind);
        if !others.is_empty() {
            // What those ask may be answered at once, and what these ask may not, as of a table that is locked.
            let threads = database.clone();
            // Where there is no thread they are dropped, and told that they ended without an answer.
            let _ = database.on_its_thread(move || do_rounds(&threads, others));
        }
        let mut all = Round::default();
        let mut works = Vec::with_capacity(same.len());
        for (work, round) in same {
            all.add(round);
            works.push(work);
        }
        all.ask();
        asking = works.into_iter().filter_map(go_on).collect();
    }
}

/// A work that now waits for an answer, and somebody for it.
fn go_on(mut waiting: Waiting<Work, ()>) -> Option<Asking> {
    if waiting.asked.is_abandoned() {
        return None;
    }
    let (progress, round) = Round::gather(|| waiting.what.go_on());
    match progress {
        Progress::Waits if round.kind().is_some() => return Some((waiting, round)),
        // Nobody should wait for what it waits for.
        Progress::Waits => go_on_elsewhere(waiting),
        Progress::Done => waiting.asked.answer(Ok(())),
        // Dropped, it says that the job ended without an answer.
        Progress::Panicked => {}
    }
    None
}

fn go_on_elsewhere(Waiting { what: Work { work, runtime }, mut asked }: Waiting<Work, ()>) {
    // What it waits for may itself wait for a place.
    asked.leave_place();
    runtime.spawn(async move {
        // Where nobody waits any more, nothing more is done.
        let done = matches!(select(work, pin!(asked.abandoned())).await, Either::Left(_));
        if done {
            asked.answer(Ok(()));
        }
    });
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, mpsc};
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use futures_util::future::join_all;
    use tokio::sync::oneshot;
    use tokio::time::timeout;

    use super::*;
    use crate::blocking::testing::{AskedTogether, Key, Memory, database, together};
    use crate::blocking::{Batch, in_one_session};

    #[derive(Clone)]
    struct Fixture {
        database: Database<Memory>,
        works: Arc<Works<Memory>>,
        batch: Batch<Memory, Key, i32>,
        asked_together: AskedTogether,
    }

    impl Fixture {
        fn new() -> Self {
            Self::over(database())
        }

        fn over(database: Database<Memory>) -> Self {
            let works = Arc::new(Works::new(database.clone()));
            let batch = Batch::of_reads(database.clone(), together);
            Self { database, works, batch, asked_together: Arc::default() }
        }

        async fn ask(&self, answer: i32) -> i32 {
            let act = Box::new(move || Ok(answer));
            self.batch.ask(Key { asked_together: self.asked_together.clone(), act }).await.unwrap()
        }

        /// Does `works` while another one is being done, which does not end before they wait.
        async fn while_one_is_done<T: Send + 'static>(
            &self,
            works: Vec<BoxFuture<'static, T>>,
        ) -> Vec<Result<T, PortError>> {
            let (report, begun) = mpsc::channel();
            let (go, gone) = mpsc::channel::<()>();
            let mut first = pin!(in_one_session(&*self.works, async move {
                report.send(()).unwrap();
                gone.recv().unwrap();
            }));
            assert!(first.as_mut().now_or_never().is_none());
            begun.recv().unwrap();
            let mut others = pin!(join_all(works.into_iter().map(|work| in_one_session(&*self.works, work))));
            assert!(others.as_mut().now_or_never().is_none());
            go.send(()).unwrap();
            let (first, others) = tokio::join!(first, others);
            assert_eq!(first, Ok(()));
            others
        }
    }

    #[tokio::test]
    async fn what_works_ask_is_asked_in_rounds() {
        let fixture = Fixture::new();
        let works = (0..20).map(|number| {
            let fixture = fixture.clone();
            async move {
                let first = fixture.ask(number).await;
                // Those that are through do not hold up the others.
                if first < 5 { first } else { fixture.ask(100 + first).await }
            }
            .boxed()
        });
        let done = fixture.while_one_is_done(works.collect()).await;
        assert_eq!(
            done,
            (0..20).map(|number| Ok(if number < 5 { number } else { 100 + number })).collect::<Vec<_>>()
        );
        assert_eq!(*fixture.asked_together.lock().unwrap(), [20, 15]);
    }

    #[tokio::test]
    async fn what_one_work_asks_at_once_is_asked_together() {
        let fixture = Fixture::new();
        let asks = fixture.clone();
        let work = async move { tokio::join!(asks.ask(1), asks.ask(2)) };
        assert_eq!(in_one_session(&*fixture.works, work).await, Ok((1, 2)));
        assert_eq!(*fixture.asked_together.lock().unwrap(), [2]);
    }

    #[tokio::test]
    async fn nobody_waits_for_what_another_asks_of_something_else() {
        let fixture = Fixture::new();
        let (go, gone) = mpsc::channel::<()>();
        let gone = Mutex::new(gone);
        let locked = Batch::of_reads(fixture.database.clone(), together);
        let (asks, hangs) = (fixture.clone(), fixture.clone());
        // The one that is answered first lets the other go.
        let works = vec![
            async move {
                hangs.ask(1).await;
                let act = Box::new(move || {
                    gone.lock().unwrap().recv().unwrap();
                    Ok(2)
                });
                locked.ask(Key { asked_together: hangs.asked_together.clone(), act }).await.unwrap()
            }
            .boxed(),
            async move {
                let answers = (asks.ask(3).await, asks.ask(4).await);
                go.send(()).unwrap();
                answers.0 + answers.1
            }
            .boxed(),
        ];
        let done = fixture.while_one_is_done(works).await;
        assert_eq!(done, [Ok(2), Ok(7)]);
        assert_eq!(fixture.asked_together.lock().unwrap().first(), Some(&2));
    }

    #[tokio::test]
    async fn what_a_work_waits_for_elsewhere_costs_no_thread_and_no_place() {
        // With one thread.
        let fixture = Fixture::over(Database::new("memory", Memory, 1, 1));
        let places = fixture.database.gate.free();
        let (go, gone) = oneshot::channel::<()>();
        let asks = fixture.clone();
        let mut waits = pin!(in_one_session(&*fixture.works, async move {
            let first = asks.ask(1).await;
            gone.await.unwrap();
            (first, asks.ask(2).await)
        }));
        assert!(waits.as_mut().now_or_never().is_none());
        let asks = fixture.clone();
        assert_eq!(in_one_session(&*fixture.works, async move { asks.ask(3).await }).await, Ok(3));
        assert_eq!(fixture.database.gate.free(), places);
        go.send(()).unwrap();
        assert_eq!(waits.await, Ok((1, 2)));
    }

    #[tokio::test]
    async fn a_work_that_nobody_waits_for_is_not_gone_on_with_elsewhere() {
        let fixture = Fixture::new();
        let (held, mut dropped) = oneshot::channel::<()>();
        let asks = fixture.clone();
        {
            let mut waits = pin!(in_one_session(&*fixture.works, async move {
                asks.ask(1).await;
                let _held = held;
                std::future::pending::<()>().await;
            }));
            assert!(waits.as_mut().now_or_never().is_none());
            // Behind it: by then it has gone elsewhere.
            let asks = fixture.clone();
            assert_eq!(in_one_session(&*fixture.works, async move { asks.ask(2).await }).await, Ok(2));
            assert!(dropped.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Empty));
        }
        assert!(timeout(Duration::from_secs(5), dropped).await.unwrap().is_err());
    }

    /// Each of them has a place, and asks for another.
    #[tokio::test]
    async fn as_many_works_as_there_are_places_may_ask_for_one_each() {
        let fixture = Fixture::new();
        let places = fixture.database.gate.free();
        let works = (1..places).map(|_| {
            let database = fixture.database.clone();
            async move { database.read(|_| Ok(())).await }.boxed()
        });
        let done = fixture.while_one_is_done(works.collect()).await;
        assert_eq!(done, vec![Ok(Ok(())); places - 1]);
        assert_eq!(fixture.database.gate.free(), places);
    }

    #[tokio::test]
    async fn a_work_that_panics_harms_nobody() {
        let fixture = Fixture::new();
        let (asks, panics) = (fixture.clone(), fixture.clone());
        let works = vec![
            async move { asks.ask(1).await }.boxed(),
            async move {
                panics.ask(2).await;
                panic!("on purpose")
            }
            .boxed(),
        ];
        let done = fixture.while_one_is_done(works).await;
        assert!(matches!(done[..], [Ok(1), Err(PortError::Internal(_))]), "{done:?}");
        let asks = fixture.clone();
        assert_eq!(in_one_session(&*fixture.works, async move { asks.ask(3).await }).await, Ok(3));
    }
}
