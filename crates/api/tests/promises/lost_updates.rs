//! Two changes of different members of one employer both last (contract, section 8).

use std::sync::atomic::{AtomicUsize, Ordering};

use portfolio_testkit::{Answer, Kind, Server, Site};
use rstest::rstest;
use serde_json::{Value, json};

use crate::history::version;
use crate::seed::seed;
use crate::{PROGRAM, alone};

const CLIENTS: usize = 64;
/// How many changes are made on each database; before a release it is worth while to make it 10,000.
const REQUESTS: usize = 2_000;

/// A change that was answered: what it asked for, and what it was told.
struct Change {
    version: i64,
    asked: Value,
    told: Value,
}

#[rstest]
fn sixty_four_clients_at_once_undo_nothing_of_each_other(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let _alone = alone();
    let site = Site::new(PROGRAM, kind);
    let key = seed(&site, 1);
    let server = site.serve();
    let before = server.patch(1, &key, "{}").json();
    let mut changes = change_at_once(&server, &key);
    changes.sort_by_key(|change| change.version);

    // Each change made one version, and each version is one change's.
    let versions: Vec<_> = changes.iter().map(|change| change.version).collect();
    let expected: Vec<_> = (2..).take(REQUESTS).collect();
    assert_eq!(versions, expected);

    // A version is the one before it but for what its change named.
    let mut last = before;
    for Change { asked, told, .. } in changes {
        let mut expected = last.clone();
        for (member, value) in asked.as_object().unwrap() {
            expected[member] = value.clone();
        }
        // All timestamps are of one shape, so they order as text.
        assert!(told["updated_at"].as_str() > last["updated_at"].as_str(), "{told} after {last}");
        expected["updated_at"] = told["updated_at"].clone();
        assert_eq!(told, expected);
        last = told;
    }
    assert_eq!(server.patch(1, &key, "{}").json(), last);
}

fn change_at_once(server: &Server, key: &str) -> Vec<Change> {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    let client = server.client();
                    let mut changes = Vec::new();
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= REQUESTS {
                            return changes;
                        }
                        let member = ["name", "description"][number % 2];
                        let asked = json!({ member: format!("{member} {number}") });
                        let answer: Answer = client.patch(1, key, &asked.to_string(), &[]).unwrap();
                        assert_eq!(answer.status, 200, "{answer:?}");
                        changes.push(Change { version: version(&answer), asked, told: answer.json() });
                    }
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    })
}
