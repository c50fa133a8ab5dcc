//! [`EmployerRepository`](portfolio_domain::ports::EmployerRepository): many callers at a time, through
//! two instances of the service, and what an answered change outlives.

use std::sync::Arc;

use chrono::TimeDelta;
use portfolio_adapters::sqlite::{self, SqliteEmployerRepository};
use portfolio_domain::employer::{Description, Employer, EmployerId, Precondition, Version};
use portfolio_domain::employer_patch::{EmployerPatch, Patch};
use portfolio_domain::image::ImageId;
use portfolio_domain::ports::{EmployerRepository, PortError};
use portfolio_domain::testing::fixtures;
use portfolio_testkit::{Cluster, Kind, TestDatabase};
use rstest::rstest;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::fixture::{
    Base, Fixture, apple, changed, describe, eventually, is_unavailable, name, rename, show,
};

type Patched = Result<Option<Employer>, PortError>;

/// A patch of this employer under this precondition.
type Job = (i64, EmployerPatch, Precondition);

/// Makes all `jobs` at the same time, every other one through another instance; answers what became
/// of them, in their order.
async fn at_once(fixture: &Fixture, jobs: Vec<Job>) -> Vec<Patched> {
    let instances = [fixture.ports.employers.clone(), fixture.base.open().employers];
    let start = Arc::new(Barrier::new(jobs.len()));
    let mut tasks = JoinSet::new();
    for (index, (id, patch, precondition)) in jobs.into_iter().enumerate() {
        let (employers, start) = (instances[index % 2].clone(), start.clone());
        tasks.spawn(async move {
            start.wait().await;
            (index, employers.patch(EmployerId(id), &patch, &precondition, fixtures::now()).await)
        });
    }
    let mut patched = tasks.join_all().await;
    patched.sort_by_key(|(index, _)| *index);
    patched.into_iter().map(|(_, patched)| patched).collect()
}

/// The employers that `patched` answers, and every other answer is a refusal.
fn made(patched: Vec<Patched>) -> Vec<Employer> {
    patched.into_iter().filter_map(Result::unwrap).collect()
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn patches_of_different_members_at_once_all_last(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let fixture = Fixture::with_fruit(kind).await;
    for round in 1..=8 {
        let (text, image) = (format!("round {round}"), 6 + round % 2);
        let jobs = [rename(&text), show(image), describe(&text)].map(|patch| (4, patch, Precondition::None));
        assert_eq!(made(at_once(&fixture, jobs.into()).await).len(), 3);
        let employer = fixture.find(4).await.unwrap();
        assert_eq!(employer.version, Version(1 + 3 * round));
        assert_eq!((employer.name, employer.image), (name(&text), Some(fixtures::image(image))));
        assert_eq!(employer.description, Some(Description::from_stored(text)));
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn every_patch_gets_a_version_of_its_own_and_a_later_one_gets_a_later_time(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let fixture = Fixture::with_fruit(kind).await;
    let jobs = (0..30).map(|job| (4, describe(&format!("{job}")), Precondition::None)).collect();
    let mut employers = made(at_once(&fixture, jobs).await);
    employers.sort_by_key(|employer| employer.version);
    let versions: Vec<_> = employers.iter().map(|employer| employer.version.0).collect();
    assert_eq!(versions, (2..=31).collect::<Vec<_>>());
    assert!(employers.windows(2).all(|pair| pair[0].updated_at < pair[1].updated_at));
    assert_eq!(fixture.find(4).await.as_ref(), employers.last(), "an answer is the state it made");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_that_want_one_name_exactly_one_gets_it(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let before: Vec<_> = (1..=20).map(|id| fixtures::employer(id, &format!("no. {id}"))).collect();
    let fixture = Fixture::with(kind, vec![], before.clone()).await;
    let jobs = (1..=20).map(|id| (id, rename("Apple"), Precondition::None)).collect();
    let winners = made(at_once(&fixture, jobs).await);
    let [winner] = &winners[..] else { panic!("{} have it", winners.len()) };
    for loser in before.into_iter().filter(|employer| employer.id != winner.id) {
        assert_eq!(fixture.find(loser.id.0).await, Some(loser));
    }
    assert_eq!(fixture.find(winner.id.0).await.as_ref(), Some(winner));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_patches_of_one_version_exactly_one_is_made(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let fixture = Fixture::with_fruit(kind).await;
    for round in 1..=3 {
        let precondition = Precondition::VersionIn(vec![Version(round)]);
        let jobs = (0..20).map(|job| (4, describe(&format!("{round} {job}")), precondition.clone()));
        let winners = made(at_once(&fixture, jobs.collect()).await);
        assert_eq!(winners.len(), 1);
        assert_eq!(winners[0].version, Version(round + 1));
        assert_eq!(fixture.find(4).await.as_ref(), winners.first());
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn patches_that_swap_two_names_end_and_leave_them_unique(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let fixture = Fixture::with_fruit(kind).await;
    for _ in 0..4 {
        let jobs = [(4, "Pear"), (5, "Apple")].map(|(id, wanted)| (id, rename(wanted), Precondition::None));
        for patched in at_once(&fixture, jobs.into()).await {
            assert!(patched == Ok(None) || is_unavailable(&patched), "{patched:?}");
        }
    }
    // Neither name was ever free.
    let names = fixture.raw().lines("SELECT name AS value FROM employers ORDER BY id");
    assert_eq!(names, ["Apple", "Pear"]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_amidst_patches_is_for_ever(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let fixture = Fixture::with_fruit(kind).await;
    let mut raw = fixture.raw();
    let deleted = tokio::task::spawn_blocking(move || raw.run("DELETE FROM employers WHERE id = 4"));
    let jobs = (0..20).map(|job| (4, rename(&format!("{job}")), Precondition::None)).collect();
    made(at_once(&fixture, jobs).await);
    deleted.await.unwrap();
    assert_eq!(fixture.find(4).await, None);
    assert_eq!(fixture.raw().count("employers"), 1);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_employer_is_found_as_it_is_at_one_moment(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let fixture = Fixture::with_fruit(kind).await;
    let both =
        |image: i64| EmployerPatch { image: Patch::Set(ImageId(image)), ..describe(&format!("{image}")) };
    fixture.patch(4, &both(6)).await.unwrap();
    let employers = fixture.ports.employers.clone();
    let writer = tokio::spawn(async move {
        for round in 0..60 {
            let patch = both(6 + round % 2);
            employers.patch(EmployerId(4), &patch, &Precondition::None, fixtures::now()).await.unwrap();
        }
    });
    while !writer.is_finished() {
        let employer = fixture.find(4).await.unwrap();
        let image: i64 = employer.description.unwrap().as_str().parse().unwrap();
        assert_eq!(employer.image, Some(fixtures::image(image)));
    }
    writer.await.unwrap();
}

/// The processes of the PostgreSQL server that wait for a lock in this database.
const WAITING: &str = "SELECT pid::text AS value FROM pg_stat_activity \
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";

/// A patch of employer 4 that waits for a lock on it, and what holds the lock.
async fn waiting_patch(
    fixture: &Fixture,
    patch: EmployerPatch,
) -> (tokio::task::JoinHandle<Patched>, String) {
    let employers = fixture.ports.employers.clone();
    let patching = tokio::spawn(async move {
        employers.patch(EmployerId(4), &patch, &Precondition::None, fixtures::now()).await
    });
    let mut raw = fixture.raw();
    let pid = eventually("the patch waits for the lock", async || raw.lines(WAITING).pop()).await;
    (patching, pid)
}

// Only PostgreSQL lets others write while a patch is under way.
#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_was_added_while_the_patch_waited_is_in_the_answer() {
    let fixture = Fixture::with_fruit(Kind::Postgres).await;
    let mut lock = fixture.raw();
    lock.run("BEGIN; SELECT * FROM employers WHERE id = 4 FOR UPDATE");
    let (patching, _) = waiting_patch(&fixture, show(99)).await;
    fixture.raw().insert_image(Some(99), "late.png");
    lock.run("ROLLBACK");
    let patched = patching.await.unwrap().unwrap().unwrap();
    assert_eq!(patched.image.as_ref().unwrap().id, ImageId(99));
    assert_eq!(Some(patched), fixture.find(4).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_changed_while_the_patch_waited_is_kept() {
    let fixture = Fixture::with_fruit(Kind::Postgres).await;
    let mut lock = fixture.raw();
    let later = apple().updated_at + TimeDelta::seconds(5);
    lock.run(&format!(
        "BEGIN; UPDATE employers SET description = 'meanwhile', image_id = 7, version = 2, \
         updated_at = '{}' WHERE id = 4",
        later.to_rfc3339()
    ));
    let (patching, _) = waiting_patch(&fixture, rename("Plum")).await;
    lock.run("COMMIT");
    let wanted = Employer {
        name: name("Plum"),
        image: Some(fixtures::image(7)),
        description: Some(Description::from_stored("meanwhile".to_owned())),
        version: Version(2),
        ..apple()
    };
    let wanted = changed(wanted, later + TimeDelta::microseconds(1));
    assert_eq!(patching.await.unwrap(), Ok(Some(wanted)));
}

// What PostgreSQL makes together, it makes as each alone.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn patches_of_many_employers_at_once_are_each_made_as_it_is(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    const MANY: i64 = 24;
    let images = vec![fixtures::image(6)];
    let before = (1..=MANY).map(|id| Employer {
        image: Some(fixtures::image(6)),
        description: Some(Description::from_stored(format!("of {id}"))),
        ..fixtures::employer(id, &format!("no. {id}"))
    });
    let before: Vec<_> = before.collect();
    let fixture = Fixture::with(kind, images, before.clone()).await;
    let clear = || EmployerPatch { image: Patch::Clear, ..EmployerPatch::default() };
    let silence = || EmployerPatch { description: Patch::Clear, ..EmployerPatch::default() };
    let version = |number| Precondition::VersionIn(vec![Version(number)]);
    let job = |id: i64| match id % 6 {
        0 => (id, describe(&format!("new of {id}")), Precondition::None),
        1 => (id, clear(), Precondition::None),
        2 => (id, silence(), version(1)),
        3 => (id, describe("too late"), version(7)),
        4 => (id + 100, describe("of nobody"), Precondition::None),
        _ => (id, EmployerPatch { image: Patch::Clear, ..describe("both") }, Precondition::None),
    };
    let patched = at_once(&fixture, (1..=MANY).map(job).collect()).await;
    for (employer, patched) in before.into_iter().zip(patched) {
        let id = employer.id.0;
        let description = |text: String| Some(Description::from_stored(text));
        let wanted = match id % 6 {
            0 => Employer { description: description(format!("new of {id}")), ..employer },
            1 => Employer { image: None, ..employer },
            2 => Employer { description: None, ..employer },
            3 | 4 => {
                assert_eq!((patched, fixture.find(id).await), (Ok(None), Some(employer)));
                continue;
            }
            _ => Employer { image: None, description: description("both".to_owned()), ..employer },
        };
        let wanted = changed(wanted, fixtures::now() + TimeDelta::microseconds(1));
        assert_eq!((patched, fixture.find(id).await), (Ok(Some(wanted.clone())), Some(wanted)));
    }
}

/// Makes ten patches of employer 4 and ten of employer 5 at the same time, each instance half of both; answers what became
/// of those of 4 and of those of 5.
async fn both_at_once(fixture: &Fixture) -> (Vec<Patched>, Vec<Patched>) {
    let is_of_5 = |job: i64| job / 2 % 2 == 1;
    let jobs = (0..20)
        .map(|job| (4 + i64::from(is_of_5(job)), describe(&format!("{job}")), Precondition::None))
        .collect();
    let (of_5, of_4): (Vec<_>, Vec<_>) =
        (0..).zip(at_once(fixture, jobs).await).partition(|(job, _)| is_of_5(*job));
    let patched = |of: Vec<(i64, Patched)>| of.into_iter().map(|(_, patched)| patched).collect();
    (patched(of_4), patched(of_5))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_does_not_wait_for_another_whose_employer_is_locked() {
    let fixture = Fixture::with_fruit(Kind::Postgres).await;
    let mut lock = fixture.raw();
    lock.run("BEGIN; SELECT * FROM employers WHERE id = 4 FOR UPDATE");
    let (locked, free) = both_at_once(&fixture).await;
    assert!(locked.iter().all(is_unavailable), "{locked:?}");
    assert_eq!(made(free).len(), 10);
    lock.run("ROLLBACK");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_that_the_database_refuses_harms_none_beside_it() {
    let fixture = Fixture::with_fruit(Kind::Postgres).await;
    // There is no version after this one.
    fixture.base.execute("UPDATE employers SET version = 9223372036854775807 WHERE id = 4");
    let (refused, others) = both_at_once(&fixture).await;
    assert!(refused.iter().all(is_unavailable), "{refused:?}");
    assert_eq!(made(others).len(), 10);
    assert_eq!(fixture.find(5).await.unwrap().version, Version(11));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_whose_answer_makes_no_sense_is_made_once_as_are_those_beside_it() {
    let fixture = Fixture::with_fruit(Kind::Postgres).await;
    fixture.base.execute("UPDATE employers SET created_at = 'infinity' WHERE id = 4");
    let (senseless, others) = both_at_once(&fixture).await;
    assert!(senseless.iter().all(|patched| matches!(patched, Err(PortError::Internal(_)))), "{senseless:?}");
    assert_eq!(made(others).len(), 10);
    let versions = fixture.raw().lines("SELECT version::text AS value FROM employers ORDER BY id");
    assert_eq!(versions, ["11", "11"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_whose_connection_was_lost_is_not_tried_again_silently() {
    let fixture = Fixture::with_fruit(Kind::Postgres).await;
    let mut lock = fixture.raw();
    lock.run("BEGIN; SELECT * FROM employers WHERE id = 4 FOR UPDATE");
    let (patching, pid) = waiting_patch(&fixture, rename("Plum")).await;
    fixture.raw().run(&format!("SELECT pg_terminate_backend({pid})"));
    // Free again, the employer is there for a second try.
    lock.run("ROLLBACK");
    let patched = patching.await.unwrap();
    assert!(is_unavailable(&patched), "{patched:?}");
    assert_eq!(fixture.find(4).await, Some(apple()));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_patch_that_can_not_get_at_its_employer_is_unavailable_and_changes_nothing(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let fixture = Fixture::with_fruit(kind).await;
    let mut lock = fixture.raw();
    lock.run(match kind {
        Kind::Sqlite => "BEGIN IMMEDIATE",
        Kind::Postgres => "BEGIN; SELECT * FROM employers WHERE id = 4 FOR UPDATE",
    });
    let employers: &dyn EmployerRepository = &*fixture.ports.employers;
    let patched = employers.patch(EmployerId(4), &rename("Plum"), &Precondition::None, fixtures::now()).await;
    assert!(is_unavailable(&patched), "{patched:?}");
    // Who only reads does not wait for writers.
    assert_eq!(fixture.find(4).await, Some(apple()));
    lock.run("ROLLBACK");
    assert_eq!(fixture.find(4).await, Some(apple()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answered_patch_outlives_a_crash_of_postgres_whatever_the_database_is_set_to() {
    let cluster = Cluster::start();
    let fixture = Fixture::over(Kind::Postgres, Base::of(TestDatabase::on(cluster.url())));
    // What the service's sessions must not take over.
    let mut raw = fixture.raw();
    let database = raw.lines("SELECT current_database()::text AS value").remove(0);
    raw.run(&format!("ALTER DATABASE {database} SET synchronous_commit = off"));
    let ids: Vec<_> = (0..20).map(|number| raw.insert_employer(&format!("no. {number}"))).collect();
    // Nor may the server's own habit of writing its log a little later save what was answered too soon.
    raw.run("ALTER SYSTEM SET wal_writer_delay = '10s'");
    raw.run("SELECT pg_reload_conf()");
    let employers = fixture.base.open().employers;
    let mut answered = Vec::new();
    for id in ids {
        let patch = describe("answered");
        let patched = employers.patch(EmployerId(id), &patch, &Precondition::None, fixtures::now()).await;
        answered.push(patched.unwrap().unwrap());
    }
    cluster.kill();
    cluster.restart();
    let employers = fixture.base.open().employers;
    for employer in answered {
        let found = eventually("the server is back", async || employers.find(employer.id).await.ok()).await;
        assert_eq!(found, Some(employer));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answered_patch_is_in_the_files_of_sqlite() {
    let fixture = Fixture::with_fruit(Kind::Sqlite).await;
    let patched = fixture.patch(4, &describe("answered")).await;
    // What a process that is killed now leaves behind: the file and its log.
    let kept = tempfile::tempdir().unwrap();
    let copy = kept.path().join("copy.db");
    std::fs::copy(fixture.base.file(), &copy).unwrap();
    std::fs::copy(fixture.base.log(), kept.path().join("copy.db-wal")).unwrap();
    let employers = SqliteEmployerRepository::new(sqlite::open(&copy, 1));
    assert_eq!(employers.find(EmployerId(4)).await.unwrap(), patched);
}
