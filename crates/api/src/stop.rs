//! How the service stops, so that nobody's request is lost: it says that it is unready and asks clients to go,
//! but goes on serving until they have; then it listens no more.

use std::time::Duration;

use actix_web::dev::ServerHandle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout};

use crate::connections::Connections;
use crate::readiness::Readiness;

/// For how long clients still come, whether or not a connection is open: a load balancer must have asked
/// `/readyz`, and whoever sends a request now and then must have been told with the answer.
const SHORTEST: Duration = Duration::from_millis(1_500);
/// How long a client may take to ask again, and to be told so.
const LONGEST: Duration = Duration::from_secs(15);
/// How long requests under way have in all to be finished.
const REQUESTS: Duration = Duration::from_secs(30);

/// How long clients are waited for: a connection that is idle for `keep_alive` is closed anyway.
fn drain_time(keep_alive: Duration) -> Duration {
    keep_alive.clamp(SHORTEST, LONGEST)
}

/// Whether a connection that is idle for `keep_alive` is waited for, so that no request on it is lost.
#[must_use]
pub fn waits_for_idle(keep_alive: Duration) -> bool {
    keep_alive <= LONGEST
}

/// How many seconds requests have when the clients were waited for: in all, it is 30 from the signal on.
#[must_use]
pub fn time_after_drain(keep_alive: Duration) -> u64 {
    REQUESTS.saturating_sub(drain_time(keep_alive)).as_secs()
}

/// Waits until clients have gone, then stops the server, which finishes what it has begun.
pub async fn stop(
    server: &ServerHandle,
    readiness: &Readiness,
    connections: &Connections,
    keep_alive: Duration,
) {
    // A service that never was ready has no clients that rely on it.
    let longest = if readiness.started().is_ok() { drain_time(keep_alive) } else { SHORTEST };
    readiness.stop();
    connections.close_with_the_next_answer();
    tracing::info!("stopping");
    let gone = async { tokio::join!(sleep(SHORTEST), connections.all_closed()) };
    if timeout(longest, gone).await.is_err() {
        tracing::debug!("some clients keep their connections");
    }
    server.stop(true).await;
}

/// Ends when the process has got SIGTERM or SIGINT so many times, counted from now.
///
/// # Errors
///
/// When signals can't be heard.
pub fn told(times: usize) -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        for _ in 0..times {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_stop_takes_as_long_as_requests_have() {
        for (keep_alive, after) in [(1, 28), (5, 25), (15, 15), (75, 15)] {
            assert_eq!(time_after_drain(Duration::from_secs(keep_alive)), after, "{keep_alive}");
        }
    }
}
