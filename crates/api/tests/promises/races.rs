//! Of many who want the same thing at the same moment, one gets it and the others are told why not.

use std::sync::Barrier;

use portfolio_testkit::{Answer, Kind, Server, Site};
use rstest::rstest;
use serde_json::json;

use crate::seed::seed;
use crate::{PROGRAM, alone};

const CLIENTS: i64 = 50;

/// Sends one request for each client at the same moment; answers those that won, and the others.
fn race(server: &Server, send: impl Fn(i64, &Server) -> Answer + Sync) -> (Vec<Answer>, Vec<Answer>) {
    let start = Barrier::new(usize::try_from(CLIENTS).unwrap());
    let answers: Vec<_> = std::thread::scope(|scope| {
        let clients: Vec<_> = (1..=CLIENTS)
            .map(|client| {
                let (start, send) = (&start, &send);
                scope.spawn(move || {
                    start.wait();
                    send(client, server)
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    answers.into_iter().partition(|answer| answer.status == 200)
}

#[rstest]
fn of_fifty_who_want_one_name_one_gets_it(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let _alone = alone();
    let site = Site::new(PROGRAM, kind);
    let key = seed(&site, CLIENTS);
    let server = site.serve();
    for name in ["Apple", "Globex", "Initech"] {
        let body = json!({ "name": name }).to_string();
        let (won, lost) = race(&server, |client, server| server.patch(client, &key, &body));
        assert_eq!(won.len(), 1, "{won:?}");
        for answer in lost {
            answer.assert(400, &json!({ "name": ["employer with this name already exists."] }));
        }
    }
}

#[rstest]
fn of_fifty_who_saw_the_same_version_one_changes_it(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let _alone = alone();
    let site = Site::new(PROGRAM, kind);
    let key = seed(&site, 1);
    let server = site.serve();
    for _ in 0..3 {
        let seen = server.patch(1, &key, "{}");
        let tag = [("if-match", seen.header("etag").unwrap().as_bytes())];
        let (won, lost) = race(&server, |client, server| {
            server.patch_with(1, &key, &json!({ "description": client.to_string() }).to_string(), &tag)
        });
        assert_eq!(won.len(), 1, "{won:?}");
        for answer in lost {
            answer.assert(412, &json!({ "detail": "Precondition failed." }));
        }
        assert_eq!(server.patch(1, &key, "{}").json(), won[0].json());
    }
}
