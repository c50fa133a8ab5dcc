//! [`DemoRepository`](portfolio_domain::ports::DemoRepository).

use portfolio_domain::employer::Employer;
use portfolio_domain::employer_patch::{EmployerPatch, Patch};
use portfolio_domain::permission::Permission;
use portfolio_domain::ports::{Demo, Planted};
use portfolio_domain::staff::{NewStaff, StaffChange};
use portfolio_domain::testing::fixtures;
use portfolio_testkit::Kind;
use rstest::rstest;
use tokio::task::JoinSet;

use crate::fixture::{Fixture, apple, demo, new_staff, pear, rename, set, staff_name};

const TABLES: [&str; 7] =
    ["employers", "images", "thumbnails", "staff", "staff_permissions", "tokens", "marks"];

/// [`apple`], [`pear`], two images with four thumbnails each, and a user who may do everything.
fn garden() -> Demo {
    Demo {
        staff: new_staff("gardener", &Permission::ALL),
        ..demo(vec![fixtures::image(6), fixtures::image(7)], vec![apple(), pear()])
    }
}

fn counts(fixture: &Fixture) -> [i64; 7] {
    let mut raw = fixture.raw();
    TABLES.map(|table| raw.count(table))
}

async fn plant(fixture: &Fixture, demo: &Demo) -> Planted {
    fixture.ports.demo.plant(demo).await.unwrap()
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_demo_is_planted_whole_and_twice_is_the_same_as_once(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let fixture = Fixture::new(kind);
    for _ in 0..3 {
        assert!(fixture.ports.demo.may_plant().await.unwrap());
        assert_eq!(plant(&fixture, &garden()).await, Planted::Done);
        assert_eq!(fixture.find(4).await, Some(apple()));
        assert_eq!(fixture.find(5).await, Some(pear()));
        let staff = fixture.ports.staff.list().await.unwrap();
        assert_eq!(staff.len(), 1);
        let NewStaff { name, standing, permissions } = garden().staff;
        assert_eq!(
            (&staff[0].name, staff[0].standing, &staff[0].permissions),
            (&name, standing, &permissions)
        );
        assert_eq!(counts(&fixture), [2, 2, 8, 1, 8, 0, 1]);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_meanwhile_stays(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let fixture = Fixture::new(kind);
    plant(&fixture, &garden()).await;
    let patch = EmployerPatch { image: Patch::Clear, ..rename("Plum") };
    let patched = fixture.patch(4, &patch).await;
    let disable = StaffChange {
        active: Some(false),
        withdraw: set(&[Permission::ChangeEmployers]),
        ..StaffChange::default()
    };
    let changed = fixture.ports.staff.change(&staff_name("gardener"), &disable).await.unwrap().unwrap();
    let added = fixture.ports.staff.add(&new_staff("maryam", &[])).await.unwrap().unwrap();
    fixture.raw().run("UPDATE images SET name = 'renamed' WHERE id = 7");
    fixture.raw().run("UPDATE thumbnails SET id = 9999, path = 'newer.png' WHERE id = 703");
    let id = fixture.raw().insert_employer("Quince");
    assert_eq!(plant(&fixture, &garden()).await, Planted::Done);
    assert_eq!(fixture.find(4).await, patched);
    assert_eq!(fixture.find(5).await, Some(pear()));
    assert_eq!(fixture.find(id).await.unwrap().name.as_str(), "Quince");
    assert_eq!(fixture.ports.staff.list().await.unwrap(), [changed, added]);
    assert_eq!(fixture.raw().lines("SELECT name AS value FROM images ORDER BY id"), ["logo6", "renamed"]);
    assert_eq!(counts(&fixture)[2], 8, "the thumbnails that an image had once stay away");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_planted_again(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let fixture = Fixture::new(kind);
    plant(&fixture, &garden()).await;
    fixture.raw().run("DELETE FROM employers; DELETE FROM images WHERE id = 6; DELETE FROM staff");
    assert_eq!(plant(&fixture, &garden()).await, Planted::Done);
    assert_eq!(counts(&fixture), [2, 2, 8, 1, 8, 0, 1]);
    assert_eq!(fixture.find(4).await, Some(apple()));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_employer_whose_name_another_has_by_now_is_left_out(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let fixture = Fixture::new(kind);
    plant(&fixture, &garden()).await;
    fixture.raw().run("DELETE FROM employers WHERE id = 5");
    let patched = fixture.patch(4, &rename("Pear")).await;
    assert_eq!(plant(&fixture, &garden()).await, Planted::Done);
    assert_eq!(fixture.find(4).await, patched);
    assert_eq!(fixture.find(5).await, None);
}

#[rstest]
#[case::a_user(
    "INSERT INTO staff (name, is_active, is_staff, is_admin) VALUES ('maryam', true, true, false)"
)]
#[case::an_employer("employer")]
#[case::an_image("image")]
#[tokio::test(flavor = "multi_thread")]
async fn real_data_are_left_alone(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind, #[case] what: &str) {
    let fixture = Fixture::new(kind);
    let mut raw = fixture.raw();
    match what {
        "employer" => drop(raw.insert_employer("Quince")),
        "image" => drop(raw.insert_image(None, "quince.png")),
        statement => raw.run(statement),
    }
    let before = counts(&fixture);
    assert_eq!(before.iter().sum::<i64>(), 1);
    for _ in 0..2 {
        assert!(!fixture.ports.demo.may_plant().await.unwrap());
        assert_eq!(plant(&fixture, &garden()).await, Planted::RealData);
        assert_eq!(counts(&fixture), before);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn ids_that_are_given_out_later_lie_above_those_of_the_demo(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
    #[values(1, 1_234, 5_000_000_000)] highest: i64,
) {
    let fixture = Fixture::new(kind);
    let employer = Employer { image: Some(fixtures::image(highest)), ..fixtures::employer(highest, "top") };
    let garden = demo(vec![fixtures::image(highest)], vec![employer]);
    plant(&fixture, &garden).await;
    let mut raw = fixture.raw();
    assert!(raw.insert_employer("Quince") > highest);
    assert!(raw.insert_image(None, "quince.png") > highest);
    let thumbnail = raw.number(&format!(
        "INSERT INTO thumbnails (image_id, path) VALUES ({highest}, 'quince_64.png') RETURNING id AS value"
    ));
    assert!(thumbnail > 100 * highest + 3);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_was_given_out_is_not_given_again_after_another_planting(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let fixture = Fixture::new(kind);
    plant(&fixture, &garden()).await;
    let mut raw = fixture.raw();
    let mut last = 0;
    for round in 0..3 {
        let id = raw.insert_employer(&format!("no. {round}"));
        assert!(id > last.max(5));
        last = id;
        raw.run(&format!("DELETE FROM employers WHERE id = {id}"));
        plant(&fixture, &garden()).await;
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_demo_is_planted_too(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let fixture = Fixture::new(kind);
    assert_eq!(plant(&fixture, &demo(vec![], vec![])).await, Planted::Done);
    assert_eq!(plant(&fixture, &garden()).await, Planted::Done);
    assert!(fixture.raw().insert_employer("Quince") > 5);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_demo_that_can_not_be_planted_whole_leaves_nothing(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let fixture = Fixture::new(kind);
    let torn = Demo { images: vec![fixtures::image(7)], ..garden() };
    assert!(fixture.ports.demo.plant(&torn).await.is_err());
    assert_eq!(counts(&fixture), [0; 7]);
    assert_eq!(plant(&fixture, &garden()).await, Planted::Done);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn several_plantings_at_once_make_one_garden(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let fixture = Fixture::new(kind);
    let instances = [fixture.ports.demo.clone(), fixture.base.open().demo];
    let mut tasks = JoinSet::new();
    for index in 0..8 {
        let demo = instances[index % 2].clone();
        tasks.spawn(async move { demo.plant(&garden()).await.unwrap() });
    }
    assert_eq!(tasks.join_all().await, [Planted::Done; 8]);
    assert_eq!(counts(&fixture), [2, 2, 8, 1, 8, 0, 1]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_demo_and_the_first_user_at_once_are_one_after_the_other(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let fixture = Fixture::new(kind);
    let other = fixture.base.open();
    let (first, maryam) = (garden(), new_staff("maryam", &[]));
    let (planted, added) = tokio::join!(fixture.ports.demo.plant(&first), other.staff.add(&maryam));
    added.unwrap().unwrap();
    let wanted = match planted.unwrap() {
        Planted::Done => [2, 2, 8, 2, 8, 0, 1],
        Planted::RealData => [0, 0, 0, 1, 0, 0, 0],
    };
    assert_eq!(counts(&fixture), wanted);
}
