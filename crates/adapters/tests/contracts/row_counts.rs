//! The counts of the lists: kept by triggers, and always those of the rows.

use chrono::TimeDelta;
use portfolio_domain::employer::Precondition;
use portfolio_domain::employer_list::{EmployerFilter, EmployerQuery};
use portfolio_domain::employer_patch::NewEmployer;
use portfolio_domain::image_library::ImageQuery;
use portfolio_domain::list::{Ordering, Page};
use portfolio_domain::search::Search;
use portfolio_domain::testing::fixtures;
use portfolio_testkit::Kind;
use rstest::rstest;

use crate::fixture::{Base, Fixture, Ports, Raw, name};

/// What the lists of employers and of images say, of all there are.
async fn counts(ports: &Ports) -> (u64, u64) {
    let (filter, search) = (EmployerFilter::default(), Search::default());
    let page = Page { limit: 1, offset: 0 };
    let employers = EmployerQuery { filter, ordering: Ordering::default(), page };
    let images = ImageQuery { search, ordering: Ordering::default(), page };
    let employers = ports.employers.list(&employers).await.unwrap();
    (employers.count, ports.images.list(&images).await.unwrap().count)
}

fn rows(raw: &mut Raw) -> (u64, u64) {
    (raw.count("employers").try_into().unwrap(), raw.count("images").try_into().unwrap())
}

fn new(text: &str) -> NewEmployer {
    NewEmployer { name: name(text), image: None, description: None }
}

/// `number` employers by one statement.
fn many(kind: Kind, prefix: &str, number: u32) -> String {
    let at = match kind {
        Kind::Sqlite => "0",
        Kind::Postgres => "now()",
    };
    format!(
        "INSERT INTO employers (name, created_at, updated_at) \
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {number}) \
         SELECT '{prefix}' || i, {at}, {at} FROM n WHERE TRUE"
    )
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn whoever_adds_and_removes_rows_is_counted(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let fixture = Fixture::with_fruit(kind).await;
    let mut raw = fixture.raw();
    assert_eq!(counts(&fixture.ports).await, (2, 2));
    let steps = [
        many(kind, "a", 1000),
        "DELETE FROM employers WHERE name LIKE 'a1%'".to_owned(),
        // Some of them are there.
        format!("{} ON CONFLICT DO NOTHING", many(kind, "a", 30)),
        format!("{} ON CONFLICT (name) DO UPDATE SET version = 7", many(kind, "a", 40)),
        "DELETE FROM employers WHERE id < 0".to_owned(),
        "UPDATE employers SET version = version + 1".to_owned(),
        format!("BEGIN; {}; DELETE FROM employers WHERE name = 'b3'; COMMIT", many(kind, "b", 5)),
        format!("BEGIN; {}; DELETE FROM employers; ROLLBACK", many(kind, "c", 5)),
        format!(
            "BEGIN; {}; SAVEPOINT s; {}; DELETE FROM employers WHERE name = 'd1'; ROLLBACK TO s; COMMIT",
            many(kind, "d", 5),
            many(kind, "e", 5)
        ),
        "DELETE FROM employers WHERE id <> 4".to_owned(),
        "DELETE FROM employers".to_owned(),
        "DELETE FROM images WHERE id = 6".to_owned(),
        many(kind, "f", 3),
    ];
    for step in steps {
        raw.run(&step);
        assert_eq!(counts(&fixture.ports).await, rows(&mut raw), "{step}");
    }
    assert_eq!(rows(&mut raw), (3, 1));
    raw.insert_image(None, "one more.png");
    let added = fixture.ports.employers.create(&new("Plum"), fixtures::now()).await.unwrap().unwrap();
    assert_eq!(fixture.ports.employers.create(&new("Plum"), fixtures::now()).await, Ok(None));
    assert_eq!(counts(&fixture.ports).await, (4, 2));
    assert!(fixture.ports.employers.delete(added.id, &Precondition::None).await.unwrap());
    assert_eq!(counts(&fixture.ports).await, (3, 2));
}

// SQLite has no TRUNCATE, and one writer.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_truncated_counts_nothing() {
    let fixture = Fixture::with_fruit(Kind::Postgres).await;
    let mut raw = fixture.raw();
    raw.run("BEGIN; TRUNCATE employers; ROLLBACK");
    assert_eq!(counts(&fixture.ports).await, (2, 2));
    raw.run(&many(Kind::Postgres, "a", 3));
    // The employers with them.
    raw.run("TRUNCATE images CASCADE");
    assert_eq!(counts(&fixture.ports).await, (0, 0));
    raw.run(&many(Kind::Postgres, "a", 3));
    assert_eq!(counts(&fixture.ports).await, (3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_the_end_of_anothers_transaction() {
    let fixture = Fixture::with_fruit(Kind::Postgres).await;
    let mut open: Vec<Raw> = (0..3).map(|_| fixture.raw()).collect();
    for (number, raw) in open.iter_mut().enumerate() {
        raw.run(&format!("BEGIN; {}", many(Kind::Postgres, &format!("{number}-"), 10)));
    }
    // The service waits for a lock for a second and a half, and is unavailable then.
    let added = fixture.ports.employers.create(&new("Plum"), fixtures::now()).await.unwrap().unwrap();
    assert_eq!(counts(&fixture.ports).await, (3, 2));
    open[0].run("COMMIT");
    open[1].run("ROLLBACK");
    assert_eq!(counts(&fixture.ports).await, (13, 2));
    assert!(fixture.ports.employers.delete(added.id, &Precondition::None).await.unwrap());
    open[2].run("COMMIT");
    assert_eq!(counts(&fixture.ports).await, (22, 2));
    assert_eq!(rows(&mut fixture.raw()), (22, 2));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_add_and_remove_at_once_each_is_counted(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let fixture = Fixture::with_fruit(kind).await;
    // Two instances of the service.
    let instances = [fixture.ports.clone(), fixture.base.open()];
    let clients: Vec<_> = (0..16_u32)
        .map(|client| {
            let employers = instances[client as usize % 2].employers.clone();
            tokio::spawn(async move {
                for round in 0..12 {
                    // Every other name is somebody else's, too.
                    let text = if round % 2 == 0 { format!("{client} {round}") } else { format!("{round}") };
                    let now = fixtures::now() + TimeDelta::seconds(i64::from(round));
                    let added = employers.create(&new(&text), now).await.unwrap();
                    if let Some(added) = added.filter(|_| round % 3 == 0) {
                        assert!(employers.delete(added.id, &Precondition::None).await.unwrap());
                    }
                }
            })
        })
        .collect();
    while !clients.iter().all(tokio::task::JoinHandle::is_finished) {
        // Of the list and its rows, one moment each: a page of all shows both.
        let query = EmployerQuery {
            filter: EmployerFilter::default(),
            ordering: Ordering::default(),
            page: Page { limit: 1000, offset: 0 },
        };
        let page = fixture.ports.employers.list(&query).await.unwrap();
        assert_eq!(usize::try_from(page.count), Ok(page.employers.len()));
    }
    for client in clients {
        client.await.unwrap();
    }
    let mut raw = fixture.raw();
    assert!(rows(&mut raw).0 > 16 * 4);
    assert_eq!(counts(&fixture.ports).await, rows(&mut raw));
    if kind == Kind::Postgres {
        // As many numbers as wrote at once, at most.
        let numbers = raw.number("SELECT count(*) AS value FROM row_counts WHERE relation = 'employers'");
        assert!((1..=17).contains(&numbers), "{numbers}");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_migration_counts_what_is_there_and_what_came_past_the_triggers(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let base = Base::new(kind);
    base.migrate().unwrap();
    let reverted = base.revert_from("list_at_scale");
    let mut raw = base.raw();
    raw.run(&many(kind, "a", 30));
    raw.insert_image(None, "apple.png");
    assert_eq!(base.migrate(), Ok(reverted));
    let ports = base.open();
    assert_eq!(counts(&ports).await, (30, 1));
    raw.run(match kind {
        Kind::Sqlite => {
            "INSERT OR REPLACE INTO employers (id, name, created_at, updated_at) SELECT id, name, 0, 0 FROM employers"
        }
        // As pg_restore --data-only --disable-triggers does.
        Kind::Postgres => {
            "ALTER TABLE employers DISABLE TRIGGER ALL; DELETE FROM employers WHERE name = 'a1'; \
             ALTER TABLE employers ENABLE TRIGGER ALL"
        }
    });
    assert_eq!(base.migrate(), Ok(vec![]));
    assert_eq!(counts(&ports).await, rows(&mut raw));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_release_before_counts_without_knowing_or_any_right_of_its_own() {
    let base = Base::new(Kind::Postgres);
    base.migrate().unwrap();
    base.revert_from("list_at_scale");
    let mut raw = base.raw();
    let database = raw.lines("SELECT current_database()::text AS value").remove(0);
    let (changer, reader) = (format!("changer_of_{database}"), format!("reader_of_{database}"));
    raw.run(&format!("CREATE ROLE {changer}; CREATE ROLE {reader}"));
    raw.run(&format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {changer}"));
    raw.run(&format!("GRANT SELECT ON employers TO {reader}"));
    base.migrate().unwrap();
    // A session of pg_restore has no search path.
    raw.run(&format!(
        "SET ROLE {changer}; SET search_path = ''; \
         INSERT INTO public.employers (name, created_at, updated_at) VALUES ('a', now(), now()), ('b', now(), now()); \
         DELETE FROM public.employers WHERE name = 'b'; RESET search_path; RESET ROLE; SET ROLE {reader}"
    ));
    let seen = raw.number("SELECT sum(number)::bigint AS value FROM row_counts WHERE relation = 'employers'");
    raw.run(&format!("RESET ROLE; DROP OWNED BY {changer}, {reader}; DROP ROLE {changer}, {reader}"));
    assert_eq!(seen, 1);
    assert_eq!(counts(&base.open()).await, (1, 0));
}
