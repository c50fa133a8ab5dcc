//! E8: many clients read one row and change it, each on condition that nobody else has.

use std::sync::atomic::{AtomicUsize, Ordering};

use portfolio_testkit::{Answer, Client};
use serde_json::json;

use super::site;
use crate::experiment::{Context, Experiment, Outcome, World, send};

pub(crate) const E8: Experiment = Experiment {
    id: "E8",
    promise: "of clients that read, add one and write with `If-Match`, none undoes another's change",
    sabotage: "the clients send no `If-Match`",
    measure,
};

const CLIENTS: usize = 32;

/// What became of the tries.
#[derive(Debug, Default)]
struct Counts {
    changed: AtomicUsize,
    refused: AtomicUsize,
    other: AtomicUsize,
}

fn measure(cx: &Context, world: World) -> Outcome {
    let tries = cx.size(10_000, 1_000);
    let site = site(cx);
    let key = cx.seed(&site, 1);
    let server = cx.serve(&site, None);
    assert_eq!(server.patch(1, &key, r#"{"description":"0"}"#).status, 200);
    let (left, counts) = (AtomicUsize::new(tries), Counts::default());
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let client = server.client();
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                    .is_ok()
                {
                    let status = add_one(&client, &key, world).status;
                    let count = match status {
                        200 => &counts.changed,
                        412 => &counts.refused,
                        _ => &counts.other,
                    };
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let last = counter(&read(&server.client(), &key));
    let Counts { changed, refused, other } = counts;
    let (changed, refused, other) = (changed.into_inner(), refused.into_inner(), other.into_inner());
    let mut outcome = Outcome::default();
    outcome.figure(format!("{tries} tries by {CLIENTS} clients"));
    outcome.must(last == changed, format!("{changed} answered 200, the counter is {last}"));
    outcome.figure(format!("{refused} answered 412"));
    outcome.must(other == 0, format!("{other} others"));
    outcome
}

fn add_one(client: &Client, key: &str, world: World) -> Answer {
    let seen = read(client, key);
    let tag = seen.header("etag").expect("an employer has an ETag").as_bytes();
    let body = json!({ "description": (counter(&seen) + 1).to_string() }).to_string();
    let condition: &[_] = if world.is_sabotaged() { &[] } else { &[("if-match", tag)] };
    client.patch(1, key, &body, condition).expect("an answer")
}

fn read(client: &Client, key: &str) -> Answer {
    send(client, "GET", "/api/portfolios/employers/1", key, None).expect("an answer")
}

fn counter(employer: &Answer) -> usize {
    employer.json()["description"].as_str().and_then(|text| text.parse().ok()).expect("the counter")
}
