//! An answered write survives `kill -9` of the service (contract, section 8).

use std::fs::File;
use std::time::Instant;

use portfolio_testkit::{Kind, Site};
use rstest::rstest;
use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;

use crate::history::{History, Sample, stored};
use crate::load::Load;
use crate::seed::seed;
use crate::{PROGRAM, alone};

const CLIENTS: i64 = 16;
const ROUNDS: usize = 5;
/// How many changes are answered before the service is killed.
const CHANGES: usize = 150;

#[rstest]
fn a_service_killed_under_load_has_lost_nothing_it_answered(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let _alone = alone();
    let site = Site::new(PROGRAM, kind);
    let key = seed(&site, CLIENTS);
    let mut history = History::default();
    let mut server = site.serve();
    for round in 1..=ROUNDS {
        let load = Load::start(&server, &key, CLIENTS);
        load.wait_until(|samples| samples.iter().filter(|sample| sample.is_change()).count() >= CHANGES);
        // Kills it while all clients wait for answers.
        drop(server);
        load.end(&mut history);
        if kind == Kind::Sqlite {
            let judged = site.lines("SELECT integrity_check AS line FROM pragma_integrity_check");
            assert_eq!(judged, ["ok"]);
        }
        let start = Instant::now();
        server = site.serve();
        eprintln!("{kind:?}, round {round}: {} answered, ready in {:?}", history.answered(), start.elapsed());
        assert_eq!(history.lost(&stored(&server.client(), &key, CLIENTS)), 0);
    }
}

/// Others read the file, too, with whichever SQLite they have. One that can lock all of it takes the service for gone
/// when it has read, and deletes the log that answered changes are in.
#[test]
fn while_the_service_has_a_file_no_other_process_can_lock_it() {
    let site = Site::new(PROGRAM, Kind::Sqlite).demo();
    let key = site.key("maryam", &["--admin"]);
    let path = site.database_url().strip_prefix("sqlite://").unwrap();
    let taken = || {
        let file = File::options().read(true).write(true).open(path).unwrap();
        fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::AGAIN)
    };
    assert!(!taken());
    let server = site.serve();
    // A reader says who asks, and the writer makes the change.
    assert_eq!(server.patch(4, &key, r#"{"description": "answered"}"#).status, 200);
    assert!(taken());
}

/// The twin of the first test: what it promises is broken on purpose, and it is found.
#[rstest]
fn a_change_that_is_undone_is_found(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let site = Site::new(PROGRAM, kind);
    let key = seed(&site, CLIENTS);
    let server = site.serve();
    let mut history = History::default();
    let load = Load::start(&server, &key, CLIENTS);
    load.wait_for_each(Instant::now(), Sample::is_change);
    load.end(&mut history);
    assert_eq!(history.lost(&stored(&server.client(), &key, CLIENTS)), 0);
    site.execute("UPDATE employers SET description = 'undone' WHERE id = 7");
    assert_eq!(history.lost(&stored(&server.client(), &key, CLIENTS)), 1);
}
