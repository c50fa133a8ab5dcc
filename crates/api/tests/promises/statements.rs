//! What a PATCH costs the database: two statements, one to let the caller through and one for the change,
//! each prepared once a connection. The server's own log tells.

use std::collections::BTreeMap;

use portfolio_testkit::{Cluster, Site, TestDatabase};
use serde_json::json;

use crate::PROGRAM;
use crate::seed::seed;

/// What a line of the log tells: the session, what it did, with which statement.
fn events(log: &str) -> Vec<(String, String, String)> {
    log.lines()
        .filter_map(|line| {
            let (session, rest) = line.split_once('[')?.1.split_once(']')?;
            let (_, rest) = rest.split_once(" ms  ")?;
            let (what, statement) = rest.split_once(": ")?;
            let what = what.split(' ').next()?;
            Some((session.to_owned(), what.to_owned(), statement.to_owned()))
        })
        .collect()
}

#[test]
fn a_change_costs_two_statements_that_are_prepared_once() {
    const CHANGES: usize = 100;
    let cluster = Cluster::start();
    let database = TestDatabase::on(cluster.url());
    let name = database.url().rsplit_once('/').unwrap().1.to_owned();
    let site = Site::on(PROGRAM, database);
    let key = seed(&site, 1);
    site.execute(&format!("ALTER DATABASE {name} SET log_min_duration_statement = 0"));
    let server = site.serve();
    // The first use of a key is noted, beside the request; afterwards none is for a minute.
    assert_eq!(server.patch(1, &key, r#"{"description":"first"}"#).status, 200);
    while !cluster.log().contains("UPDATE \"tokens\"") {
        std::thread::yield_now();
    }
    let before = cluster.log().len();
    for number in 0..CHANGES {
        let body = json!({ "description": number.to_string(), "name": format!("name {number}") });
        assert_eq!(server.patch(1, &key, &body.to_string()).status, 200);
    }
    let log = cluster.log();

    // Whatever else is done is a session's set-up.
    let mut executed = BTreeMap::<String, usize>::new();
    for (_, what, statement) in events(&log[before..]) {
        match what.as_str() {
            "execute" => *executed.entry(statement).or_default() += 1,
            "parse" | "bind" => {}
            _ => assert!(
                ["SET ", "SELECT set_config"].iter().any(|start| statement.trim_start().starts_with(start)),
                "{what}: {statement}"
            ),
        }
    }
    let counts: Vec<_> =
        executed.iter().map(|(text, count)| (text.split(' ').next().unwrap(), *count)).collect();
    assert_eq!(counts, [("SELECT", CHANGES), ("WITH", CHANGES)], "{executed:#?}");

    // Over all its life, a session prepares neither twice.
    let mut prepared = BTreeMap::<_, usize>::new();
    for (session, what, statement) in events(&log) {
        if what == "parse" && executed.contains_key(&statement) {
            *prepared.entry((session, statement)).or_default() += 1;
        }
    }
    assert!(prepared.len() >= 2, "the log shows what is prepared: {log}");
    assert!(prepared.values().all(|times| *times == 1), "{prepared:#?}");
}
