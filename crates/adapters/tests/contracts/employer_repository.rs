//! [`EmployerRepository`](portfolio_domain::ports::EmployerRepository): one caller at a time.
//! `employer_races.rs` has many.

use chrono::TimeDelta;
use portfolio_domain::employer::{Description, Employer, EmployerId, Precondition, Version};
use portfolio_domain::employer_patch::{EmployerPatch, Patch};
use portfolio_domain::image::{ImageId, MediaPath, Thumbnail};
use portfolio_domain::ports::{Diagnosis, EmployerRepository};
use portfolio_domain::testing::fixtures;
use portfolio_testkit::Kind;
use rstest::rstest;

use crate::fixture::{Fixture, apple, changed, describe, name, pear, rename, show};

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_employer_is_found_with_its_image_and_all_its_thumbnails(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let fixture = Fixture::with_fruit(kind).await;
    assert_eq!(fixture.find(4).await, Some(apple()));
    assert_eq!(fixture.find(5).await, Some(pear()));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_employer_that_is_not_there_is_not_found(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
    #[values(6, 0, -4, i64::MAX, i64::MIN)] id: i64,
) {
    assert_eq!(Fixture::with_fruit(kind).await.find(id).await, None);
}

/// What is written most, and synced.
#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_another_description_writes_its_row_and_the_index_of_times_alone() {
    const HEADER: u64 = 32;
    const FRAME: u64 = 24 + 4096;
    let fixture = Fixture::with_fruit(Kind::Sqlite).await;
    let mut raw = fixture.raw();
    raw.run("PRAGMA wal_checkpoint(TRUNCATE)");
    fixture.patch(4, &describe("another")).await.unwrap();
    let frames = (fixture.base.log().metadata().unwrap().len() - HEADER) / FRAME;
    assert_eq!(frames, 2);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn thumbnails_come_by_box_then_id_and_those_of_unknown_box_last(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let thumbnail = |id, box_side| Thumbnail { id, path: MediaPath(format!("{id}.png")), box_side };
    let image = fixtures::image(6).with_thumbnails(vec![
        thumbnail(1, None),
        thumbnail(2, Some(1080)),
        thumbnail(9, Some(64)),
        thumbnail(5, Some(512)),
        thumbnail(8, Some(64)),
    ]);
    let fixture = Fixture::with(kind, vec![image], vec![pear()]).await;
    let patched = fixture.patch(5, &show(6)).await;
    let found = fixture.find(5).await;
    for employer in [patched, found] {
        let image = employer.unwrap().image.unwrap();
        let ids: Vec<_> = image.thumbnails().iter().map(|thumbnail| thumbnail.id).collect();
        assert_eq!(ids, [8, 9, 5, 2, 1]);
    }
}

#[rstest]
#[case::a_new_name(rename("Plum"), Employer { name: name("Plum"), ..apple() })]
#[case::the_name_it_has(rename("Apple"), apple())]
#[case::another_image(show(7), Employer { image: Some(fixtures::image(7)), ..apple() })]
#[case::the_image_it_has(show(6), apple())]
#[case::no_image(
    EmployerPatch { image: Patch::Clear, ..EmployerPatch::default() },
    Employer { image: None, ..apple() },
)]
#[case::another_description(
    describe("makes telephones"),
    Employer { description: Some(Description::from_stored("makes telephones".into())), ..apple() },
)]
#[case::an_empty_description(
    describe(""),
    Employer { description: Some(Description::from_stored(String::new())), ..apple() },
)]
#[case::no_description(
    EmployerPatch { description: Patch::Clear, ..EmployerPatch::default() },
    Employer { description: None, ..apple() },
)]
#[case::all_at_once(
    EmployerPatch { name: Some(name("Plum")), image: Patch::Clear, ..describe("fruit") },
    Employer {
        name: name("Plum"),
        image: None,
        description: Some(Description::from_stored("fruit".into())),
        ..apple()
    },
)]
#[tokio::test(flavor = "multi_thread")]
async fn a_patch_changes_what_it_names_and_keeps_the_rest(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
    #[case] patch: EmployerPatch,
    #[case] wanted: Employer,
) {
    let fixture = Fixture::with_fruit(kind).await;
    let later = fixtures::now() + TimeDelta::microseconds(123_457);
    let patched = fixture.ports.employers.patch(EmployerId(4), &patch, &Precondition::None, later).await;
    let wanted = Some(changed(wanted, later));
    assert_eq!(patched.unwrap(), wanted);
    assert_eq!(fixture.find(4).await, wanted);
    assert_eq!(fixture.find(5).await, Some(pear()), "another employer changed");
}

#[rstest]
#[case::the_same_moment(TimeDelta::zero())]
#[case::a_microsecond_ago(TimeDelta::microseconds(-1))]
#[case::an_hour_ago(TimeDelta::hours(-1))]
#[case::before_1970(TimeDelta::days(-40_000))]
#[tokio::test(flavor = "multi_thread")]
async fn updated_at_grows_by_a_microsecond_where_the_clock_is_not_ahead_of_it(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
    #[case] behind: TimeDelta,
) {
    let fixture = Fixture::with_fruit(kind).await;
    let employers = &fixture.ports.employers;
    let (now, mut wanted) = (apple().updated_at + behind, apple());
    for round in 1..=3 {
        let patch = describe(&format!("{round}"));
        let patched = employers.patch(EmployerId(4), &patch, &Precondition::None, now).await.unwrap();
        wanted.description = patch.description.value().cloned();
        wanted = changed(wanted, apple().updated_at + TimeDelta::microseconds(round));
        assert_eq!(patched.as_ref(), Some(&wanted));
    }
    // A clock that has caught up counts again.
    let later = apple().updated_at + TimeDelta::microseconds(4);
    let patched = employers.patch(EmployerId(4), &rename("Plum"), &Precondition::None, later).await;
    assert_eq!(patched.unwrap().unwrap().updated_at, later);
}

/// `patch` under `precondition` must be refused with `None`, and nothing may change.
async fn refused(kind: Kind, id: i64, patch: &EmployerPatch, precondition: &Precondition) {
    let fixture = Fixture::with_fruit(kind).await;
    let employers = &fixture.ports.employers;
    let patched = employers.patch(EmployerId(id), patch, precondition, fixtures::now()).await.unwrap();
    assert_eq!(patched, None);
    assert_eq!(fixture.find(4).await, Some(apple()));
    assert_eq!(fixture.find(5).await, Some(pear()));
    assert_eq!(fixture.raw().count("employers"), 2);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_patch_of_an_employer_that_is_not_there_is_refused_and_nothing_changes(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
    #[values(6, 0, -4, i64::MAX, i64::MIN)] id: i64,
) {
    refused(kind, id, &rename("Plum"), &Precondition::None).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_taken_name_is_refused_and_nothing_changes(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let patch = EmployerPatch { name: Some(name("Pear")), image: Patch::Clear, ..describe("new") };
    refused(kind, 4, &patch, &Precondition::None).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_image_is_refused_and_nothing_changes(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
    #[values(8, 0, -6, i64::MAX, i64::MIN)] image: i64,
) {
    let patch = EmployerPatch { name: Some(name("Plum")), ..show(image) };
    refused(kind, 4, &patch, &Precondition::None).await;
}

#[rstest]
#[case::of_another_version(&[2])]
#[case::of_many_other_versions(&[0, 2, 3, -1, i64::MAX, i64::MIN])]
#[case::of_no_version(&[])]
#[tokio::test(flavor = "multi_thread")]
async fn a_precondition_that_does_not_hold_is_refused_and_nothing_changes(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
    #[case] versions: &[i64],
) {
    refused(kind, 4, &rename("Plum"), &version_in(versions)).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_patch_refused_for_several_reasons_changes_nothing(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let patch = EmployerPatch { name: Some(name("Pear")), ..show(8) };
    refused(kind, 4, &patch, &Precondition::None).await;
    refused(kind, 4, &patch, &version_in(&[2])).await;
    refused(kind, 9, &patch, &version_in(&[1])).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_precondition_is_held_against_the_version_that_is_replaced(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let fixture = Fixture::with_fruit(kind).await;
    let patch = async |text: &str, versions: &[i64]| {
        let (patch, precondition) = (describe(text), version_in(versions));
        let employers: &dyn EmployerRepository = &*fixture.ports.employers;
        employers.patch(EmployerId(4), &patch, &precondition, fixtures::now()).await.unwrap()
    };
    let version = |patched: Option<Employer>| patched.map(|employer| employer.version.0);
    assert_eq!(version(patch("one", &[1]).await), Some(2));
    assert_eq!(version(patch("two", &[1]).await), None);
    assert_eq!(version(patch("three", &[7, 2, 1]).await), Some(3));
    // As many as a client can write into one `If-Match`, and more.
    let many: Vec<_> = (3..5_003).rev().collect();
    assert_eq!(version(patch("four", &many).await), Some(4));
    assert_eq!(version(patch("five", &many[..4_990]).await), None);
}

fn version_in(versions: &[i64]) -> Precondition {
    Precondition::VersionIn(versions.iter().copied().map(Version).collect())
}

#[rstest]
#[case::nothing(4, EmployerPatch::default(), (Some(1), false, false))]
#[case::no_employer(9, EmployerPatch::default(), (None, false, false))]
#[case::a_free_name(4, rename("Plum"), (Some(1), false, false))]
#[case::its_own_name(4, rename("Apple"), (Some(1), false, false))]
#[case::a_taken_name(4, rename("Pear"), (Some(1), true, false))]
#[case::a_taken_name_and_no_employer(9, rename("Pear"), (None, true, false))]
#[case::a_known_image(4, show(7), (Some(1), false, false))]
#[case::an_unknown_image(4, show(8), (Some(1), false, true))]
#[case::an_unthinkable_image(4, show(i64::MIN), (Some(1), false, true))]
#[case::no_image(4, EmployerPatch { image: Patch::Clear, ..rename("Plum") }, (Some(1), false, false))]
#[case::a_description(4, describe("Pear"), (Some(1), false, false))]
#[case::everything(9, EmployerPatch { name: Some(name("Apple")), ..show(8) }, (None, true, true))]
#[tokio::test(flavor = "multi_thread")]
async fn a_diagnosis_tells_all_that_stands_in_the_way_and_changes_nothing(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
    #[case] id: i64,
    #[case] patch: EmployerPatch,
    #[case] (version, name_taken, image_unknown): (Option<i64>, bool, bool),
) {
    let fixture = Fixture::with_fruit(kind).await;
    let diagnosis = fixture.ports.employers.diagnose(Some(EmployerId(id)), &patch).await.unwrap();
    assert_eq!(diagnosis, Diagnosis { version: version.map(Version), name_taken, image_unknown });
    assert_eq!(fixture.find(4).await, Some(apple()));
    assert_eq!(fixture.find(5).await, Some(pear()));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_diagnosis_is_of_the_version_as_it_is(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let fixture = Fixture::with_fruit(kind).await;
    for version in 2..5 {
        fixture.patch(4, &describe("again")).await.unwrap();
        let diagnosis =
            fixture.ports.employers.diagnose(Some(EmployerId(4)), &EmployerPatch::default()).await;
        assert_eq!(diagnosis.unwrap().version, Some(Version(version)));
    }
}

/// Pairs that a collation, a case folding, a normalisation or a padding would take for one.
const LOOKALIKES: [&str; 18] = [
    "\u{e9}cole",
    "e\u{301}cole",
    "ecole",
    "Ecole",
    "\u{c9}cole",
    "ECOLE",
    "ecole ",
    " ecole",
    "ecole\t",
    "eco\u{200c}le",
    "stra\u{df}e",
    "strasse",
    "\u{6cc}\u{6a9}",
    "\u{64a}\u{643}",
    "\u{fb01}n",
    "fin",
    "\u{ff46}in",
    "f\u{131}n",
];

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn names_compare_by_code_point_and_are_kept_as_they_are(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let employers = (1..).zip(LOOKALIKES).map(|(id, _)| fixtures::employer(id, &format!("no. {id}")));
    let fixture = Fixture::with(kind, vec![], employers.collect()).await;
    for (id, text) in (1..).zip(LOOKALIKES) {
        let diagnosis = fixture.ports.employers.diagnose(Some(EmployerId(id)), &rename(text)).await.unwrap();
        assert!(!diagnosis.name_taken, "{text:?}");
        let patched = fixture.patch(id, &rename(text)).await.unwrap_or_else(|| panic!("{text:?} is taken"));
        assert_eq!(patched.name.as_str(), text);
    }
    for (id, text) in (1..).zip(LOOKALIKES) {
        assert_eq!(fixture.find(id).await.unwrap().name.as_str(), text);
    }
}

#[rstest]
#[case::latin("x")]
#[case::two_bytes("é")]
#[case::three_bytes("همک\u{200c}")]
#[case::four_bytes("😀")]
#[case::the_last_code_point("\u{10ffff}")]
#[tokio::test(flavor = "multi_thread")]
async fn the_longest_name_and_description_fit_whatever_their_characters(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
    #[case] pattern: &str,
) {
    let fixture = Fixture::with_fruit(kind).await;
    let longest = |chars| pattern.chars().cycle().take(chars).collect::<String>();
    let patch = EmployerPatch { name: Some(name(&longest(255))), ..describe(&longest(10_000)) };
    let patched = fixture.patch(4, &patch).await;
    assert_eq!(patched, fixture.find(4).await);
    let employer = patched.unwrap();
    assert_eq!(employer.name.as_str(), longest(255));
    assert_eq!(employer.description.unwrap().as_str(), longest(10_000));
    // It is found among the names, too.
    let diagnosis = fixture.ports.employers.diagnose(Some(EmployerId(5)), &patch).await.unwrap();
    assert!(diagnosis.name_taken);
}

#[rstest]
#[case::quotes(r#"'; DROP TABLE employers; -- " \ %s $1 ?1 :id"#)]
#[case::controls("a\u{1}\t\r\nb\u{7f}\u{85}c")]
#[case::separators("a\u{2028}b\u{2029}c")]
#[case::decomposed("e\u{301} and é")]
#[case::not_characters("\u{fffe}\u{ffff}\u{fdd0}x")]
#[case::right_to_left("\u{202e}شرکت\u{202c}")]
#[tokio::test(flavor = "multi_thread")]
async fn any_text_comes_back_as_it_was_given(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
    #[case] text: &str,
) {
    let fixture = Fixture::with_fruit(kind).await;
    let patch = EmployerPatch { name: Some(name(text)), ..describe(text) };
    let patched = fixture.patch(4, &patch).await;
    assert_eq!(patched, fixture.find(4).await);
    let employer = patched.unwrap();
    assert_eq!((employer.name.as_str(), employer.description.unwrap().as_str()), (text, text));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_patch_of_a_deleted_employer_brings_nothing_back(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let fixture = Fixture::with_fruit(kind).await;
    fixture.raw().run("DELETE FROM employers WHERE id = 4");
    let patch = EmployerPatch { name: Some(name("Apple")), ..show(6) };
    assert_eq!(fixture.patch(4, &patch).await, None);
    assert_eq!(fixture.find(4).await, None);
    assert_eq!(fixture.raw().count("employers"), 1);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_name_and_an_image_that_were_given_up_are_free_again(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let fixture = Fixture::with_fruit(kind).await;
    let leave = EmployerPatch { name: Some(name("Plum")), image: Patch::Clear, ..describe("") };
    fixture.patch(4, &leave).await.unwrap();
    let take = EmployerPatch { name: Some(name("Apple")), ..show(6) };
    let taken = fixture.patch(5, &take).await.unwrap();
    assert_eq!((taken.name.as_str(), taken.image.unwrap().id), ("Apple", ImageId(6)));
    // One image serves many.
    assert!(fixture.patch(4, &show(6)).await.is_some());
}
