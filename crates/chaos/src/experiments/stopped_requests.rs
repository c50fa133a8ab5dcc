//! E21: the service is told to stop in the middle of an upload of ten megabytes and of a slow change.

use std::time::{Duration, Instant};

use portfolio_testkit::Client;

use super::{proxied, signal, site};
use crate::experiment::{Context, Experiment, Outcome, World, ms, send};
use crate::proxy::{Fault, Proxy};
use crate::upload::upload;

pub(crate) const E21: Experiment = Experiment {
    id: "E21",
    promise: "told to stop, the service finishes an upload of 10 MB and a request of 800 ms, and ends with 0 within 30 s",
    sabotage: "it is told to stop twice, and so cuts off what is under way",
    measure,
};

/// What an upload may be at most, but for the picture itself.
const MEGABYTES_10: usize = 9_900_000;
/// How long the database's answers take in each direction: the two statements of a change then take 800 ms.
const DELAY: Duration = Duration::from_millis(200);
/// How many bytes of the upload come in a second: it outlasts the time in which clients are waited for.
const RATE: usize = 4_000_000;
const STOP: Duration = Duration::from_secs(30);

fn measure(cx: &Context, world: World) -> Outcome {
    let rounds = if world.is_sabotaged() { 1 } else { cx.size(10, 1) };
    let (mut uploads, mut changes, mut ended_well, mut kept) = (0, 0, 0, 0);
    let (mut slow, mut longest) = (Duration::MAX, Duration::ZERO);
    for _ in 0..rounds {
        let site = site(cx);
        let key = cx.seed(&site, 1);
        let (database, url) = proxied(&site, &[]);
        let mut server = cx.serve(&site, Some(&url));
        database.set(Fault::Delay(DELAY));
        let narrow = Proxy::start(server.address());
        narrow.set(Fault::Throttle(RATE));
        let (uploaded, patched) = std::thread::scope(|scope| {
            let (upload_client, client, key) = (Client::new(&narrow.address()), server.client(), &key);
            let upload =
                scope.spawn(move || upload(&upload_client, key, MEGABYTES_10).map(|answer| answer.status));
            // The upload is on its way before the change begins, and both before it is told to stop.
            std::thread::sleep(DELAY);
            let change = scope.spawn(move || {
                let start = Instant::now();
                let path = "/api/portfolios/employers/1";
                let answer = send(&client, "PATCH", path, key, Some(r#"{"name":"changed"}"#));
                (answer.map(|answer| answer.status), start.elapsed())
            });
            std::thread::sleep(DELAY);
            assert!(!upload.is_finished() && !change.is_finished(), "they are under way");
            let told = Instant::now();
            signal(&server, "-TERM");
            if world.is_sabotaged() {
                signal(&server, "-INT");
            }
            let (patched, took) = change.join().expect("a client");
            slow = slow.min(took);
            // The statements of an upload are more than its time is enough for at that pace.
            database.set(Fault::None);
            ended_well += usize::from(server.wait() == Some(0));
            longest = longest.max(told.elapsed());
            (upload.join().expect("a client"), patched)
        });
        uploads += usize::from(uploaded == Ok(201));
        changes += usize::from(patched == Ok(200));
        let there = "SELECT name AS line FROM employers WHERE name = 'changed' \
                     UNION ALL SELECT 'image' FROM images";
        kept += usize::from(site.lines(there).len() == 2);
    }
    let mut outcome = Outcome::default();
    outcome.must(uploads == rounds, format!("{uploads} of {rounds} uploads answered 201"));
    outcome.must(changes == rounds, format!("{changes} of {rounds} changes answered 200"));
    outcome.figure(format!("the change took {}", ms(slow)));
    outcome.must(kept == rounds, format!("both are in the database {kept} of {rounds}"));
    outcome.must(
        ended_well == rounds && longest <= STOP,
        format!("ended with 0 {ended_well} of {rounds}, within {}", ms(longest)),
    );
    outcome
}
