//! Changes run to their end, whatever becomes of their client: one that resets its connection has its
//! handler dropped where it stands, and what the database then still does would be in no audit log.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, Span};

/// The changes that are being made.
#[derive(Debug, Clone)]
pub struct Writes {
    runtime: Handle,
    under_way: TaskTracker,
}

impl Writes {
    /// Those that lose their client end on `runtime`, which must outlive the workers that serve.
    #[must_use]
    pub fn ending_on(runtime: Handle) -> Self {
        let under_way = TaskTracker::new();
        // It refuses nothing when it is closed, and can be waited for.
        under_way.close();
        Self { runtime, under_way }
    }

    /// Waits for `work`, which goes on when the waiting is given up. Until then it runs where it is waited
    /// for: a hop to another thread and back would cost every change.
    pub fn to_its_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> {
        let work = Box::pin(self.under_way.track_future(work));
        ToItsEnd { work: Some(work), runtime: self.runtime.clone(), span: Span::current() }
    }

    /// Waits until no change is under way.
    pub async fn all_ended(&self) {
        self.under_way.wait().await;
    }
}

struct ToItsEnd<T: Send + 'static> {
    /// Until it has ended, or panicked.
    work: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    runtime: Handle,
    span: Span,
}

impl<T: Send + 'static> Future for ToItsEnd<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        // What has ended or panicked is polled by nobody.
        let Some(mut work) = self.work.take() else { return Poll::Pending };
        // Its timers are those of the runtime that it may have to move to: a worker takes its own with it.
        let runtime = self.runtime.clone();
        let _entered = runtime.enter();
        let polled = work.as_mut().poll(context);
        if polled.is_pending() {
            self.work = Some(work);
        }
        polled
    }
}

impl<T: Send + 'static> Drop for ToItsEnd<T> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            self.runtime.spawn(work.instrument(self.span.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use tokio::sync::oneshot;
    use tokio::time::{sleep, timeout};

    use super::*;

    #[actix_web::test]
    async fn work_that_is_waited_for_answers() {
        let writes = Writes::ending_on(Handle::current());
        assert_eq!(writes.to_its_end(async { 7 }).await, 7);
        writes.all_ended().await;
    }

    /// Also the timers of it go on, on the runtime that is left.
    #[test]
    fn work_that_nobody_waits_for_goes_on_when_its_worker_has_ended() {
        let lasting =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        let writes = Writes::ending_on(lasting.handle().clone());
        let (go_on, told) = oneshot::channel::<()>();
        let (done, ended) = oneshot::channel();
        let worker = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        worker.block_on(async {
            let work = async move {
                let told = timeout(Duration::from_secs(60), told).await;
                sleep(Duration::from_millis(1)).await;
                done.send(told.is_ok()).unwrap();
            };
            let begun = writes.to_its_end(work).now_or_never();
            assert!(begun.is_none(), "given up while it waits");
        });
        drop(worker);
        go_on.send(()).unwrap();
        lasting.block_on(async {
            writes.all_ended().await;
            assert_eq!(ended.await, Ok(true));
        });
    }

    #[actix_web::test]
    async fn a_panic_is_the_callers_and_leaves_nothing_under_way() {
        let writes = Writes::ending_on(Handle::current());
        let work = writes.to_its_end(async { std::panic::panic_any("on purpose") });
        assert!(AssertUnwindSafe(work).catch_unwind().await.is_err());
        writes.all_ended().await;
    }
}
