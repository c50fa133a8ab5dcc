//! The migrations of both databases, and how they are applied.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use portfolio_adapters::migrations::MigrateError;
use portfolio_testkit::{Cluster, Kind, TestDatabase};
use rstest::rstest;

use crate::fixture::{Base, Raw};

/// What the database is made of, but for the list of what was applied.
fn schema(raw: &mut Raw) -> Vec<String> {
    let query = match raw {
        Raw::Sqlite(_) => {
            "SELECT type || ' ' || name || ': ' || coalesce(sql, '') AS value FROM sqlite_master \
             WHERE tbl_name NOT IN ('__diesel_schema_migrations', 'sqlite_sequence') ORDER BY value"
        }
        Raw::Postgres(_) => {
            "SELECT value FROM (
                 SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable
                        || ' ' || coalesce(collation_name, '') || ' ' || is_identity AS value
                 FROM information_schema.columns WHERE table_schema = 'public'
                 UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
                 UNION ALL SELECT conname || ': ' || pg_get_constraintdef(oid) FROM pg_constraint
                           WHERE connamespace = 'public'::regnamespace
                 UNION ALL SELECT relname || ' ' || relkind::text || ' ' || coalesce(reloptions::text, '')
                           FROM pg_class WHERE relnamespace = 'public'::regnamespace
                 UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
                 UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
             ) AS parts WHERE value NOT LIKE '%diesel_schema_migrations%' ORDER BY value"
        }
    };
    raw.lines(query)
}

fn applied(raw: &mut Raw) -> i64 {
    raw.count("__diesel_schema_migrations")
}

#[rstest]
fn everything_goes_up_and_down_and_up_again(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let base = Base::new(kind);
    let all = base.pending().unwrap();
    assert!(!all.is_empty());
    assert_eq!(base.migrate(), Ok(all.clone()));
    assert_eq!(base.pending(), Ok(vec![]));
    let wanted = schema(&mut base.raw());
    assert!(wanted.iter().any(|part| part.contains("employers")));

    // With rows in it, as down there in the wild.
    base.raw().insert_employer("Apple");
    base.raw().insert_image(None, "apple.png");
    for left in (0..all.len()).rev() {
        assert_eq!(base.revert(), Ok(true));
        assert_eq!(base.pending(), Ok(all[left..].to_vec()));
    }
    assert_eq!(base.revert(), Ok(false));
    assert_eq!(schema(&mut base.raw()), [""; 0]);

    assert_eq!(base.migrate(), Ok(all));
    assert_eq!(base.pending(), Ok(vec![]));
    assert_eq!(schema(&mut base.raw()), wanted);
}

#[rstest]
fn a_second_time_nothing_is_applied_and_nothing_changes(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let base = Base::new(kind);
    let all = base.migrate().unwrap();
    let id = base.raw().insert_employer("Apple");
    for _ in 0..2 {
        assert_eq!(base.migrate(), Ok(vec![]));
    }
    let mut raw = base.raw();
    assert_eq!(applied(&mut raw), i64::try_from(all.len()).unwrap());
    assert_eq!(raw.number("SELECT id AS value FROM employers"), id);
}

#[rstest]
fn of_several_that_migrate_at_once_all_succeed_and_each_migration_is_applied_once(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    const MIGRATORS: usize = 5;
    let all = Base::new(kind).pending().unwrap();
    // It is a new file or database that they fall out over.
    for _ in 0..5 {
        let base = Base::new(kind);
        let start = Arc::new(Barrier::new(MIGRATORS));
        let mut done: Vec<String> = thread::scope(|scope| {
            let migrators: Vec<_> = (0..MIGRATORS)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        base.migrate().unwrap()
                    })
                })
                .collect();
            migrators.into_iter().flat_map(|migrator| migrator.join().unwrap()).collect()
        });
        done.sort_unstable();
        assert_eq!(done, all);
        assert_eq!(applied(&mut base.raw()), i64::try_from(all.len()).unwrap());
    }
}

#[rstest]
fn asking_what_is_pending_writes_nothing(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let base = Base::new(kind);
    let pending = base.pending().unwrap();
    assert!(pending.is_sorted());
    match kind {
        Kind::Sqlite => {
            assert!(!base.file().exists());
        }
        Kind::Postgres => {
            let tables = "pg_tables WHERE schemaname = 'public'";
            assert_eq!(base.raw().count(tables), 0);
        }
    }
}

#[test]
fn both_databases_have_the_same_migrations() {
    let [sqlite, postgres] = [Kind::Sqlite, Kind::Postgres].map(|kind| Base::new(kind).pending().unwrap());
    assert_eq!(sqlite, postgres);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let base = Base::new(Kind::Sqlite);
    let path = base.file();
    let text = "no database at all, but a letter to a friend. ".repeat(100);
    std::fs::write(&path, &text).unwrap();
    for error in [base.migrate().unwrap_err(), base.pending().unwrap_err()] {
        assert!(matches!(error, MigrateError::Refused(_)), "{error:?}");
        assert_eq!(error.to_string().lines().count(), 1);
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_folder_in_the_place_of_the_file_is_refused() {
    let base = Base::new(Kind::Sqlite);
    std::fs::create_dir(base.file()).unwrap();
    assert!(matches!(base.migrate(), Err(MigrateError::Refused(_))));
}

#[test]
fn a_file_that_another_holds_can_not_be_reached_until_it_lets_go() {
    let base = Base::new(Kind::Sqlite);
    let mut lock = base.raw();
    lock.run("BEGIN EXCLUSIVE");
    for error in [base.migrate().unwrap_err(), base.pending().unwrap_err()] {
        assert!(matches!(error, MigrateError::Unreachable(_)), "{error:?}");
    }
    lock.run("ROLLBACK");
    assert_ne!(base.migrate(), Ok(vec![]));
}

#[test]
fn a_new_file_that_another_writes_is_waited_for() {
    let base = Base::new(Kind::Sqlite);
    let mut writer = base.raw();
    writer.run("CREATE TABLE other (id INTEGER); BEGIN IMMEDIATE");
    let migrated = thread::scope(|scope| {
        let migrating = scope.spawn(|| base.migrate());
        // Who waits can't be seen to; who does not is done long before this is over.
        let start = Instant::now();
        while !migrating.is_finished() && start.elapsed() < Duration::from_millis(300) {
            thread::yield_now();
        }
        writer.run("ROLLBACK");
        migrating.join().unwrap()
    });
    assert_ne!(migrated.unwrap(), [""; 0]);
}

/// Who waits for a table stands before everybody who comes later.
#[test]
fn a_migration_that_meets_a_long_transaction_lets_readers_by_and_is_tried_again() {
    let base = Base::new(Kind::Postgres);
    base.migrate().unwrap();
    // It wants both tables for itself.
    let reverted = base.revert_from("list_at_scale");
    let mut reader = base.raw();
    // Should the migration wait for it after all, it ends: the test shall fail, and not hang.
    reader.run("SET idle_in_transaction_session_timeout = '20s'");
    reader.run("BEGIN; SELECT count(*) FROM employers; SELECT count(*) FROM images");
    let refused = thread::scope(|scope| {
        let migrating = scope.spawn(|| base.migrate());
        let mut others = base.raw();
        others.run("SET statement_timeout = '10s'");
        while !migrating.is_finished() {
            others.run("SELECT count(*) FROM employers; SELECT count(*) FROM images");
        }
        migrating.join().unwrap()
    });
    assert!(matches!(refused, Err(MigrateError::Unreachable(_))), "{refused:?}");
    reader.run("COMMIT");
    assert_eq!(base.migrate(), Ok(reverted));
}

#[test]
fn a_database_that_is_gone_from_its_server_is_refused() {
    let base = Base::new(Kind::Postgres);
    let Some((_, name)) = base.address().rsplit_once('/') else { panic!("an address with a database") };
    Base::new(Kind::Postgres).raw().run(&format!("DROP DATABASE {name}"));
    for error in [base.migrate().unwrap_err(), base.pending().unwrap_err()] {
        assert!(matches!(error, MigrateError::Refused(_)), "{error:?}");
    }
}

#[test]
fn a_server_that_is_down_can_not_be_reached_until_it_is_up() {
    let cluster = Cluster::start();
    let base = Base::of(TestDatabase::on(cluster.url()));
    cluster.kill();
    for error in [base.migrate().unwrap_err(), base.pending().unwrap_err()] {
        assert!(matches!(error, MigrateError::Unreachable(_)), "{error:?}");
    }
    cluster.restart();
    assert_ne!(base.migrate(), Ok(vec![]));
    assert_eq!(base.pending(), Ok(vec![]));
}

#[test]
fn a_database_in_another_encoding_is_refused() {
    let base = Base::new(Kind::Postgres);
    let Some((_, name)) = base.address().rsplit_once('/') else { panic!("an address with a database") };
    let other = Base::new(Kind::Postgres);
    let mut raw = other.raw();
    raw.run(&format!("DROP DATABASE {name}"));
    raw.run(&format!("CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"));
    assert!(matches!(base.migrate(), Err(MigrateError::Refused(_))));
}
