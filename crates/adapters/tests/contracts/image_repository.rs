//! [`ImageRepository`](portfolio_domain::ports::ImageRepository).

use std::collections::HashSet;
use std::sync::Arc;

use chrono::TimeDelta;
use portfolio_domain::employer::{EmployerId, Precondition};
use portfolio_domain::image::{FileSize, Image, ImageId, ImageName, ImageVersion, MediaPath};
use portfolio_domain::image_library::{ImageOrderKey, ImageQuery, NewImage, NewThumbnail};
use portfolio_domain::list::{OrderBy, Ordering, Page};
use portfolio_domain::ports::ImageRemoval;
use portfolio_domain::search::Search;
use portfolio_domain::testing::fixtures;
use portfolio_testkit::Kind;
use rstest::rstest;
use tokio::sync::Barrier;

use crate::fixture::{Fixture, show};

fn image_name(text: &str) -> ImageName {
    ImageName::from_stored(text.to_owned())
}

fn path(text: &str) -> MediaPath {
    MediaPath(text.to_owned())
}

fn thumbnails(stem: &str) -> Vec<NewThumbnail> {
    [128, 64]
        .map(|box_side| NewThumbnail { path: path(&format!("t/{stem}_{box_side}.png")), box_side })
        .into()
}

/// An image with two thumbnails, of files that are called after it.
fn new_image(name: &str) -> NewImage {
    NewImage {
        name: image_name(name),
        path: path(&format!("{name}.png")),
        size: FileSize(5_000_000_000),
        width: 8192,
        height: 1,
        mode: "I;16".to_owned(),
        thumbnails: thumbnails(name),
    }
}

impl Fixture {
    async fn add(&self, new: &NewImage) -> Image {
        self.ports.images.create(new, fixtures::now()).await.unwrap().unwrap()
    }

    async fn image(&self, id: ImageId) -> Option<Image> {
        self.ports.images.find(id).await.unwrap()
    }

    /// The names that a query finds, and how many there are in all.
    async fn names(&self, search: &str, keys: &[(ImageOrderKey, bool)], page: Page) -> (Vec<String>, u64) {
        let by = keys.iter().map(|(key, descending)| OrderBy { key: *key, descending: *descending });
        let search = Search::parse(search).unwrap();
        let query = ImageQuery { search, ordering: Ordering::by(by), page };
        let found = self.ports.images.list(&query).await.unwrap();
        (found.images.iter().map(|image| image.name.as_str().to_owned()).collect(), found.count)
    }
}

#[rstest]
#[tokio::test]
async fn what_is_added_is_found_as_it_was_given(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let fixture = Fixture::new(kind);
    let new = new_image("سیب");
    let added = fixture.add(&new).await;
    assert_eq!(fixture.image(added.id).await.as_ref(), Some(&added));
    assert_eq!((&added.name, &added.path, added.size), (&new.name, &new.path, new.size));
    assert_eq!((added.width, added.height, added.mode.as_str()), (8192, 1, "I;16"));
    assert_eq!(added.version, ImageVersion(1));
    let boxes: Vec<_> =
        added.thumbnails().iter().map(|thumbnail| (thumbnail.box_side, &thumbnail.path)).collect();
    assert_eq!(boxes, [(Some(64), &new.thumbnails[1].path), (Some(128), &new.thumbnails[0].path)]);
    assert_eq!(fixture.image(ImageId(added.id.0 + 1)).await, None);
    assert_eq!(fixture.image(ImageId(-1)).await, None);
}

#[rstest]
#[tokio::test]
async fn a_path_that_is_taken_adds_nothing(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let fixture = Fixture::new(kind);
    let first = new_image("one");
    fixture.add(&first).await;
    let same_file = NewImage { path: first.path.clone(), ..new_image("two") };
    let same_thumbnail = NewImage { thumbnails: first.thumbnails.clone(), ..new_image("three") };
    for taken in [same_file, same_thumbnail] {
        assert_eq!(fixture.ports.images.create(&taken, fixtures::now()).await.unwrap(), None);
    }
    assert_eq!((fixture.raw().count("images"), fixture.raw().count("thumbnails")), (1, 2));
    fixture.add(&NewImage { name: first.name.clone(), ..new_image("a name need not be free") }).await;
}

#[rstest]
#[tokio::test]
async fn the_id_of_a_removed_image_is_given_to_no_other(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let fixture = Fixture::new(kind);
    let first = fixture.add(&new_image("one")).await;
    fixture.ports.images.remove(first.id).await.unwrap();
    assert!(fixture.add(&new_image("two")).await.id > first.id);
}

/// `updated_at` is the employer's own.
#[rstest]
#[tokio::test]
async fn a_new_name_makes_every_employer_that_shows_it_another_version(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let fixture = Fixture::with_fruit(kind).await;
    let (apple, pear) = (fixture.find(4).await.unwrap(), fixture.find(5).await.unwrap());
    let renamed = fixture.ports.images.rename(ImageId(6), &image_name("نشان")).await.unwrap().unwrap();
    assert_eq!((renamed.name.as_str(), renamed.version), ("نشان", ImageVersion(2)));
    assert_eq!(fixture.image(ImageId(6)).await.as_ref(), Some(&renamed));
    let shown = fixture.find(4).await.unwrap();
    assert_eq!((shown.image.as_ref(), shown.version.0), (Some(&renamed), apple.version.0 + 1));
    assert_eq!((shown.updated_at, &shown.name), (apple.updated_at, &apple.name));
    assert_eq!(fixture.find(5).await.unwrap(), pear);
    assert_eq!(fixture.ports.images.rename(ImageId(99), &image_name("x")).await.unwrap(), None);
    assert_eq!(fixture.names("نشان", &[], Page::default()).await.1, 1);
}

#[rstest]
#[tokio::test]
async fn new_thumbnails_take_the_place_of_the_old_ones(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let fixture = Fixture::with_fruit(kind).await;
    let (before, apple) = (fixture.image(ImageId(6)).await.unwrap(), fixture.find(4).await.unwrap());
    let replaced = fixture.ports.images.replace_thumbnails(ImageId(6), &thumbnails("new")).await.unwrap();
    let replaced: HashSet<_> = replaced.unwrap().into_iter().collect();
    assert_eq!(replaced, before.thumbnails().iter().map(|thumbnail| thumbnail.path.clone()).collect());
    let after = fixture.find(4).await.unwrap();
    assert_eq!((after.version.0, after.updated_at), (apple.version.0 + 1, apple.updated_at));
    let image = after.image.unwrap();
    assert_eq!((image.version, image.thumbnails().len()), (ImageVersion(2), 2));
    // Of another image, or of none: nothing changes.
    fixture.add(&new_image("taken")).await;
    for (id, stem) in [(6, "taken"), (99, "free")] {
        let refused = fixture.ports.images.replace_thumbnails(ImageId(id), &thumbnails(stem)).await.unwrap();
        assert_eq!(refused, None);
    }
    assert_eq!(fixture.image(ImageId(6)).await, Some(image));
}

#[rstest]
#[tokio::test]
async fn only_an_image_that_nobody_shows_is_removed(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let fixture = Fixture::with_fruit(kind).await;
    let images = fixture.ports.images.clone();
    fixture.patch(5, &show(6)).await.unwrap();
    let in_use = ImageRemoval::InUse(vec![EmployerId(4), EmployerId(5)]);
    assert_eq!(images.remove(ImageId(6)).await.unwrap(), in_use);
    assert!(fixture.image(ImageId(6)).await.is_some());
    let image = fixture.image(ImageId(7)).await.unwrap();
    let ImageRemoval::Removed(paths) = images.remove(ImageId(7)).await.unwrap() else { panic!("it stays") };
    let all: HashSet<_> =
        image.thumbnails().iter().map(|thumbnail| &thumbnail.path).chain([&image.path]).collect();
    assert_eq!(paths.iter().collect::<HashSet<_>>(), all);
    assert_eq!(fixture.image(ImageId(7)).await, None);
    assert_eq!(fixture.raw().number("SELECT count(*) AS value FROM thumbnails WHERE image_id = 7"), 0);
    assert_eq!(images.remove(ImageId(7)).await.unwrap(), ImageRemoval::NotFound);
}

/// Whoever comes second is refused: the employer then shows the image, or the image is gone.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_not_removed_from_under_whoever_picks_it(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let fixture = Fixture::with_fruit(kind).await;
    let other = fixture.base.open();
    for round in 0..20 {
        let id = fixture.add(&new_image(&format!("round{round}"))).await.id;
        let start = Arc::new(Barrier::new(2));
        let removal = tokio::spawn({
            let (images, start) = (other.images.clone(), start.clone());
            async move {
                start.wait().await;
                images.remove(id).await.unwrap()
            }
        });
        start.wait().await;
        let picked = fixture.patch(5, &show(id.0)).await;
        match removal.await.unwrap() {
            ImageRemoval::InUse(users) => {
                assert_eq!(users, [EmployerId(5)]);
                assert_eq!(picked.unwrap().image, fixture.image(id).await);
            }
            ImageRemoval::Removed(_) => {
                assert_eq!((picked, fixture.image(id).await), (None, None));
            }
            ImageRemoval::NotFound => panic!("nobody else removes it"),
        }
    }
}

/// What is answered tells by its versions which of the names it shows, whoever renames meanwhile.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_employer_of_the_same_versions_shows_the_same_image(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let fixture = Fixture::with_fruit(kind).await;
    let other = fixture.base.open();
    let renaming = tokio::spawn(async move {
        for round in 0..60 {
            other.images.rename(ImageId(6), &image_name(&format!("name {round}"))).await.unwrap().unwrap();
        }
    });
    let mut seen = Vec::new();
    let mut at = fixtures::now();
    while !renaming.is_finished() {
        at += TimeDelta::seconds(1);
        for id in [6, 7] {
            let patch = show(id);
            let patched = fixture.ports.employers.patch(EmployerId(4), &patch, &Precondition::None, at).await;
            seen.push(patched.unwrap().unwrap());
        }
        seen.push(fixture.find(4).await.unwrap());
    }
    renaming.await.unwrap();
    seen.push(fixture.find(4).await.unwrap());
    let tag = |employer: &portfolio_domain::employer::Employer| {
        (employer.version, employer.image.as_ref().map(|image| image.version))
    };
    seen.sort_by_key(tag);
    for pair in seen.windows(2) {
        if tag(&pair[0]) == tag(&pair[1]) {
            assert_eq!(pair[0], pair[1]);
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_list_is_searched_ordered_and_paged(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let fixture = Fixture::new(kind);
    let mut ids = Vec::new();
    for (n, name) in ["b", "B", "Straße", "100%_\\", "b"].into_iter().enumerate() {
        let new = NewImage { name: image_name(name), ..new_image(&format!("file{n}")) };
        let at = fixtures::now() + TimeDelta::seconds(i64::try_from(n % 2).unwrap());
        ids.push(fixture.ports.images.create(&new, at).await.unwrap().unwrap().id.0);
    }
    let all = Page::default();
    let (by_name, created) = (ImageOrderKey::Name, ImageOrderKey::CreatedAt);
    assert_eq!(fixture.names("", &[(by_name, false)], all).await.0, ["100%_\\", "B", "Straße", "b", "b"]);
    assert_eq!(fixture.names("", &[(by_name, true)], all).await.0, ["b", "b", "Straße", "B", "100%_\\"]);
    let newest = fixture.names("", &[(created, true)], all).await.0;
    assert_eq!(newest, ["B", "100%_\\", "b", "Straße", "b"]);
    assert_eq!(
        fixture.names("", &[], Page { limit: 2, offset: 3 }).await,
        (vec!["100%_\\".into(), "b".into()], 5)
    );
    assert_eq!(fixture.names("", &[], Page { limit: 2, offset: 9 }).await, (vec![], 5));
    for (search, found) in [("STRASSE", 1), ("%", 1), ("_", 1), ("\\", 1), ("b", 3), ("b c", 0)] {
        assert_eq!(fixture.names(search, &[], all).await.1, found, "{search}");
    }
    let id = ids[2].to_string();
    assert!(fixture.names(&id, &[], all).await.0.contains(&"Straße".to_owned()));
}

/// As the release before stores them, and whoever writes SQL.
#[rstest]
#[tokio::test]
async fn a_name_stored_without_a_search_key_is_found(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let fixture = Fixture::new(kind);
    fixture.raw().insert_image(None, "late.png");
    assert_eq!(fixture.names("LATE", &[], Page::default()).await.1, 1);
}

#[rstest]
#[tokio::test]
async fn paths_of_images_and_thumbnails_are_known(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let fixture = Fixture::new(kind);
    let new = new_image("one");
    fixture.add(&new).await;
    let known = HashSet::from([new.path.clone(), new.thumbnails[0].path.clone()]);
    let mut asked: Vec<_> = known.iter().cloned().collect();
    asked.extend((0..2000).map(|n| path(&format!("nobody's/{n}.png"))));
    assert_eq!(fixture.ports.images.known_paths(&asked).await.unwrap(), known);
    assert!(fixture.ports.images.known_paths(&[]).await.unwrap().is_empty());
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn every_image_comes_once_in_the_order_of_the_ids_whatever_goes_and_comes_meanwhile(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let fixture = Fixture::new(kind);
    let images = &fixture.ports.images;
    assert_eq!(images.list_after(None, 2).await.unwrap(), []);
    let mut added = Vec::new();
    for name in ["e", "d", "c", "b", "a"] {
        added.push(fixture.add(&new_image(name)).await);
    }
    let page = images.list_after(None, 2).await.unwrap();
    assert_eq!(page, added[..2], "with their thumbnails");
    for gone in [&added[0], &added[1], &added[3]] {
        assert!(matches!(images.remove(gone.id).await.unwrap(), ImageRemoval::Removed(_)));
    }
    let page = images.list_after(Some(added[1].id), 2).await.unwrap();
    assert_eq!(page, [added[2].clone(), added[4].clone()]);
    let new = fixture.add(&new_image("f")).await;
    let last = added[4].id;
    assert_eq!(images.list_after(Some(last), 2).await.unwrap(), std::slice::from_ref(&new));
    assert_eq!(images.list_after(Some(new.id), 2).await.unwrap(), []);
}
