//! [`EmployerRepository`](portfolio_domain::ports::EmployerRepository): lists, additions and removals.

use chrono::{DateTime, TimeDelta, Utc};
use portfolio_domain::employer::{Description, Employer, Precondition, Version};
use portfolio_domain::employer_list::{EmployerFilter, EmployerQuery, OrderKey, TimeRange};
use portfolio_domain::employer_patch::{EmployerPatch, NewEmployer, Patch};
use portfolio_domain::image::ImageId;
use portfolio_domain::list::{OrderBy, Ordering, Page};
use portfolio_domain::ports::Diagnosis;
use portfolio_domain::search::Search;
use portfolio_domain::testing::fixtures;
use portfolio_testkit::Kind;
use rstest::rstest;

use crate::fixture::{Fixture, apple, describe, name, rename};

fn at(seconds: i64) -> DateTime<Utc> {
    fixtures::now() + TimeDelta::seconds(seconds)
}

/// Employers 1 to n with these names, made a second after another and changed an hour after another.
async fn named(kind: Kind, names: &[&str]) -> Fixture {
    let employers = (1..).zip(names).map(|(id, text)| Employer {
        created_at: at(id),
        updated_at: at(3600 * id),
        ..fixtures::employer(id, text)
    });
    Fixture::with(kind, vec![], employers.collect()).await
}

async fn list(fixture: &Fixture, query: EmployerQuery) -> (u64, Vec<i64>) {
    let page = fixture.ports.employers.list(&query).await.unwrap();
    (page.count, page.employers.iter().map(|employer| employer.id.0).collect())
}

/// The first thousand by id.
fn by_id(filter: EmployerFilter) -> EmployerQuery {
    EmployerQuery {
        filter,
        ordering: Ordering::by([OrderBy { key: OrderKey::Id, descending: false }]),
        page: Page { limit: 1000, offset: 0 },
    }
}

async fn found(fixture: &Fixture, text: &str) -> Vec<i64> {
    let filter = EmployerFilter { search: Search::parse(text).unwrap(), ..EmployerFilter::default() };
    let (count, ids) = list(fixture, by_id(filter)).await;
    assert_eq!(usize::try_from(count), Ok(ids.len()), "{text}");
    ids
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_search_finds_words_in_every_script(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let names = [
        "Apple Inc.",
        "\u{647}\u{645}\u{6a9}\u{627}\u{631}\u{627}\u{646} \u{633}\u{6cc}\u{633}\u{62a}\u{645}",
        "ΟΔΟΣ",
        "Straße",
        "100% C++_\\",
        "\u{65e5}\u{672c}",
        "\"quoted\", 5",
        "🍎",
    ];
    let fixture = named(kind, &names).await;
    for (text, ids) in [
        ("", &[1, 2, 3, 4, 5, 6, 7, 8][..]),
        ("APP", &[1]),
        ("inc. ppl", &[1]),
        ("apple pear", &[]),
        // Arabic kaf and yeh, and a zero-width non-joiner.
        ("\u{647}\u{645}\u{643}\u{627}\u{631}", &[2]),
        ("\u{633}\u{64a}\u{200c}\u{633}", &[2]),
        ("οδος", &[3]),
        ("STRASSE", &[4]),
        ("%", &[5]),
        ("_", &[5]),
        ("\\", &[5]),
        ("c++", &[5]),
        ("\u{672c}", &[6]),
        ("\u{65e5}\u{672c}", &[6]),
        ("\"quoted\",", &[7]),
        ("🍎", &[8]),
        ("e", &[1, 4, 7]),
        // An id, or in a name.
        ("5", &[5, 7]),
        ("05", &[]),
        ("1", &[1, 5]),
        ("1 apple", &[1]),
        ("9999999999", &[]),
        ("' OR 1=1 --", &[]),
        ("nothing", &[]),
        ("applepie", &[]),
    ] {
        assert_eq!(found(&fixture, text).await, ids, "{text}");
    }
    let long = "x".repeat(5000);
    assert!(found(&fixture, &long).await.is_empty());
    let many: Vec<_> = (0..Search::MAX_WORDS).map(|i| format!("w{i}")).collect();
    assert!(found(&fixture, &many.join(" ")).await.is_empty());
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_search_follows_every_change(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let fixture = named(kind, &["Apple", "Pear"]).await;
    fixture.patch(1, &rename("Quince")).await.unwrap();
    assert_eq!(found(&fixture, "quince").await, [1]);
    assert!(found(&fixture, "apple").await.is_empty());
    fixture.patch(1, &rename("QUINCE")).await.unwrap();
    assert_eq!(found(&fixture, "quin").await, [1]);
    let new = NewEmployer { name: name("Quinoa"), image: None, description: None };
    let added = fixture.ports.employers.create(&new, at(0)).await.unwrap().unwrap();
    assert_eq!(found(&fixture, "quin").await, [1, added.id.0]);
    assert!(fixture.ports.employers.delete(added.id, &Precondition::None).await.unwrap());
    assert_eq!(found(&fixture, "quin").await, [1]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_name_stored_by_hand_is_found(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let fixture = named(kind, &["Apple", "Pear"]).await;
    fixture.base.execute("UPDATE employers SET name = 'ÉCOLE', search_key = NULL WHERE id = 2");
    assert_eq!(found(&fixture, "école").await, [2]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn every_filter_leaves_what_it_says(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let employers = vec![
        Employer { created_at: at(10), updated_at: at(20), ..apple() },
        Employer { description: Some(Description::from_stored(String::new())), ..fixtures::employer(5, "b") },
        Employer {
            description: Some(Description::from_stored("d".into())),
            created_at: at(-10),
            updated_at: at(7200),
            ..fixtures::employer(6, "c")
        },
    ];
    let fixture = Fixture::with(kind, vec![fixtures::image(6), fixtures::image(7)], employers).await;
    let all = EmployerFilter::default;
    let range =
        |from: Option<i64>, before: Option<i64>| TimeRange { from: from.map(at), before: before.map(at) };
    let described = apple().description.is_some();
    for (filter, ids) in [
        (EmployerFilter { has_image: Some(true), ..all() }, vec![4]),
        (EmployerFilter { has_image: Some(false), ..all() }, vec![5, 6]),
        (
            EmployerFilter { has_description: Some(true), ..all() },
            if described { vec![4, 6] } else { vec![6] },
        ),
        (
            EmployerFilter { has_description: Some(false), ..all() },
            if described { vec![5] } else { vec![4, 5] },
        ),
        (EmployerFilter { id_min: Some(5), ..all() }, vec![5, 6]),
        (EmployerFilter { id_max: Some(5), ..all() }, vec![4, 5]),
        (EmployerFilter { id_min: Some(i64::MAX), ..all() }, vec![]),
        (EmployerFilter { id_max: Some(i64::MIN), ..all() }, vec![]),
        (EmployerFilter { created: range(Some(10), None), ..all() }, vec![4]),
        (EmployerFilter { created: range(None, Some(10)), ..all() }, vec![5, 6]),
        (EmployerFilter { created: range(Some(-10), Some(1)), ..all() }, vec![5, 6]),
        (EmployerFilter { updated: range(Some(20), Some(21)), ..all() }, vec![4]),
        (EmployerFilter { updated: range(Some(7200), None), ..all() }, vec![6]),
        (EmployerFilter { updated: range(None, Some(7200)), ..all() }, vec![4, 5]),
        (EmployerFilter { updated: range(Some(0), None), has_image: Some(false), ..all() }, vec![5, 6]),
    ] {
        let shown = format!("{filter:?}");
        assert_eq!(list(&fixture, by_id(filter)).await.1, ids, "{shown}");
    }
}

/// SQLite keeps whether there is one, in a column that triggers see to.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn whether_there_is_a_description_follows_every_change(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let fixture = named(kind, &["a", "b", "c", "d"]).await;
    let described = async |ids: &[i64]| {
        let filter = |has_description| EmployerFilter { has_description, ..EmployerFilter::default() };
        assert_eq!(list(&fixture, by_id(filter(Some(true)))).await.1, ids);
        let (all, of_them) = (list(&fixture, by_id(filter(None))).await.1, ids);
        let others: Vec<i64> = all.into_iter().filter(|id| !of_them.contains(id)).collect();
        assert_eq!(list(&fixture, by_id(filter(Some(false)))).await.1, others);
    };
    described(&[]).await;
    for id in [1, 2, 3] {
        fixture.patch(id, &describe("d")).await.unwrap();
    }
    described(&[1, 2, 3]).await;
    fixture.patch(1, &describe("another")).await.unwrap();
    fixture.patch(2, &describe("")).await.unwrap();
    let none = EmployerPatch { description: Patch::Clear, ..EmployerPatch::default() };
    fixture.patch(3, &none).await.unwrap();
    described(&[1]).await;

    for text in ["", "d"] {
        let description = Some(Description::from_stored(text.to_owned()));
        let new = NewEmployer { name: name(&format!("new {text}")), image: None, description };
        fixture.ports.employers.create(&new, at(0)).await.unwrap().unwrap();
    }
    described(&[1, 6]).await;

    // By hand.
    fixture.base.execute("UPDATE employers SET description = 'd' WHERE id IN (2, 4)");
    fixture.base.execute("UPDATE employers SET description = NULL WHERE id IN (1, 4)");
    let id = fixture.raw().insert_employer("by hand");
    fixture.base.execute(&format!("UPDATE employers SET description = 'd' WHERE id = {id}"));
    described(&[2, 6, id]).await;
    if kind == Kind::Sqlite {
        fixture.base.execute("UPDATE employers SET has_description = 1 - has_description");
        described(&[2, 6, id]).await;
        // Before that column was kept.
        let reverted = fixture.base.revert_from("descriptions");
        described(&[2, 6, id]).await;
        fixture.base.execute("UPDATE employers SET description = 'd' WHERE id = 3");
        assert_eq!(fixture.base.migrate(), Ok(reverted));
        described(&[2, 3, 6, id]).await;
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn orders_are_total_and_pages_are_parts_of_them(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let fixture = named(kind, &["b", "a", "é", "Z", "z"]).await;
    // 2 and 4 are as old as each other.
    fixture.base.execute(
        "UPDATE employers SET created_at = (SELECT created_at FROM employers WHERE id = 2) WHERE id = 4",
    );
    let by = |key, descending| OrderBy { key, descending };
    for (order, ids) in [
        (Ordering::default(), [5, 3, 2, 4, 1]),
        (Ordering::by([by(OrderKey::CreatedAt, false)]), [1, 2, 4, 3, 5]),
        (Ordering::by([by(OrderKey::CreatedAt, false), by(OrderKey::Id, true)]), [1, 4, 2, 3, 5]),
        (Ordering::by([by(OrderKey::Name, false)]), [4, 2, 1, 5, 3]),
        (Ordering::by([by(OrderKey::Name, true)]), [3, 5, 1, 2, 4]),
        (Ordering::by([by(OrderKey::UpdatedAt, false)]), [1, 2, 3, 4, 5]),
        (Ordering::by([by(OrderKey::UpdatedAt, true)]), [5, 4, 3, 2, 1]),
        (Ordering::by([by(OrderKey::Id, true)]), [5, 4, 3, 2, 1]),
    ] {
        for limit in [1, 2, 5, 6] {
            let mut seen = Vec::new();
            for offset in (0..7).step_by(usize::try_from(limit).unwrap()) {
                let page = Page { limit, offset };
                let query =
                    EmployerQuery { filter: EmployerFilter::default(), ordering: order.clone(), page };
                let (count, part) = list(&fixture, query).await;
                assert_eq!(count, 5);
                seen.extend(part);
            }
            assert_eq!(seen, ids, "{order:?} by {limit}");
        }
    }
    let beyond = Page { limit: 1000, offset: u64::MAX };
    let query = EmployerQuery { page: beyond, ..by_id(EmployerFilter::default()) };
    assert_eq!(list(&fixture, query).await, (5, vec![]));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_listed_employer_is_whole(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let fixture = Fixture::with_fruit(kind).await;
    let page = fixture.ports.employers.list(&by_id(EmployerFilter::default())).await.unwrap();
    let one_by_one = [fixture.find(4).await.unwrap(), fixture.find(5).await.unwrap()];
    assert_eq!(page.employers, one_by_one);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_added_is_there_and_gets_an_id_nobody_had(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let fixture = Fixture::with_fruit(kind).await;
    let new = NewEmployer {
        name: name("Plum"),
        image: Some(ImageId(6)),
        description: Some(Description::from_stored(String::new())),
    };
    let added = fixture.ports.employers.create(&new, at(1)).await.unwrap().unwrap();
    assert_eq!((added.version, added.created_at, added.updated_at), (Version(1), at(1), at(1)));
    assert_eq!((&added.name, &added.description), (&new.name, &new.description));
    assert_eq!(added.image, Some(fixtures::image(6)));
    assert_eq!(fixture.find(added.id.0).await, Some(added.clone()));
    assert!(fixture.ports.employers.delete(added.id, &Precondition::None).await.unwrap());
    let again = fixture.ports.employers.create(&new, at(2)).await.unwrap().unwrap();
    assert!(again.id > added.id);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_cant_be_added_changes_nothing_and_is_diagnosed(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
    #[values("Apple", "Plum")] wanted: &str,
    #[values(None, Some(999))] image: Option<i64>,
) {
    let fixture = Fixture::with_fruit(kind).await;
    let taken = wanted == "Apple";
    let new = NewEmployer { name: name(wanted), image: image.map(ImageId), description: None };
    let added = fixture.ports.employers.create(&new, at(1)).await.unwrap();
    assert_eq!(added.is_none(), taken || image.is_some());
    let mut patch = rename(wanted);
    if let Some(image) = image {
        patch.image = Patch::Set(ImageId(image));
    }
    if added.is_none() {
        let diagnosis = fixture.ports.employers.diagnose(None, &patch).await.unwrap();
        let expected = Diagnosis { version: None, name_taken: taken, image_unknown: image.is_some() };
        assert_eq!(diagnosis, expected);
        assert_eq!(list(&fixture, by_id(EmployerFilter::default())).await.0, 2);
    }
    let nothing = fixture.ports.employers.diagnose(None, &EmployerPatch::default()).await.unwrap();
    assert_eq!(nothing, Diagnosis { version: None, name_taken: false, image_unknown: false });
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_add_one_name_at_once_one_does_and_the_others_change_nothing(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let fixture = Fixture::new(kind);
    let new = NewEmployer { name: name("Plum"), image: None, description: None };
    let racers: Vec<_> = (0..20)
        .map(|_| {
            let (employers, new) = (fixture.ports.employers.clone(), new.clone());
            tokio::spawn(async move { employers.create(&new, at(0)).await.unwrap() })
        })
        .collect();
    let mut added = Vec::new();
    for racer in racers {
        added.extend(racer.await.unwrap());
    }
    assert_eq!(added.len(), 1);
    let page = fixture.ports.employers.list(&by_id(EmployerFilter::default())).await.unwrap();
    assert_eq!((page.count, page.employers), (1, added));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn only_the_version_that_was_meant_is_removed_or_changed(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let fixture = Fixture::with_fruit(kind).await;
    let (id, current) = (apple().id, apple().version);
    let other = Version(current.0 + 1);
    let refusing = [
        Precondition::VersionIn(vec![]),
        Precondition::VersionIn(vec![other]),
        Precondition::VersionNotIn(vec![other, current]),
    ];
    for precondition in &refusing {
        assert!(!fixture.ports.employers.delete(id, precondition).await.unwrap(), "{precondition:?}");
        let patched = fixture.ports.employers.patch(id, &rename("x"), precondition, at(0)).await.unwrap();
        assert_eq!(patched, None, "{precondition:?}");
    }
    assert_eq!(fixture.find(4).await, Some(apple()));
    for elsewhere in [vec![other], vec![]] {
        let elsewhere = Precondition::VersionNotIn(elsewhere);
        assert!(fixture.ports.employers.patch(id, &rename("x"), &elsewhere, at(0)).await.unwrap().is_some());
    }
    assert!(
        fixture
            .ports
            .employers
            .delete(id, &Precondition::VersionIn(vec![Version(other.0 + 1), current]))
            .await
            .unwrap()
    );
    assert_eq!(fixture.find(4).await, None);
    assert!(!fixture.ports.employers.delete(id, &Precondition::None).await.unwrap());
}
