//! Clients that what befalls others is to be nothing to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use portfolio_testkit::Server;

use crate::experiment::send;

/// How their requests fared.
#[derive(Debug, Default)]
pub(crate) struct Bystanders {
    /// How long each took.
    pub(crate) times: Vec<Duration>,
    /// How many were not answered with 200.
    pub(crate) failed: usize,
}

/// Asks for `/healthz`, `/readyz` and images, over and over, while `meanwhile` runs.
pub(crate) fn bystanders<T>(server: &Server, key: &str, meanwhile: impl FnOnce() -> T) -> (Bystanders, T) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = ["/healthz", "/readyz", "/api/images"].map(|path| {
            let stop = &stop;
            scope.spawn(move || {
                let client = server.client();
                let mut own = Bystanders::default();
                while !stop.load(Ordering::Relaxed) {
                    let start = Instant::now();
                    let answer = send(&client, "GET", path, key, None);
                    own.times.push(start.elapsed());
                    own.failed += usize::from(!answer.is_ok_and(|answer| answer.status == 200));
                    std::thread::sleep(Duration::from_millis(5));
                }
                own
            })
        });
        let done = meanwhile();
        stop.store(true, Ordering::Relaxed);
        let mut all = Bystanders::default();
        for one in asking.map(|thread| thread.join().expect("a client")) {
            all.times.extend(one.times);
            all.failed += one.failed;
        }
        (all, done)
    })
}
