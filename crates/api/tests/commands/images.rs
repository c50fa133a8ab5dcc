use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use portfolio_testkit::{Kind, Site};
use rstest::rstest;

use crate::{PROGRAM, complaint};

/// Stores a file that is as many minutes old.
fn store(site: &Site, path: &str, minutes: u64) {
    let place = site.folder().join("data/media").join(path);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(&place, "0123456789").unwrap();
    let time = SystemTime::now() - Duration::from_secs(60 * minutes);
    File::options().write(true).open(place).unwrap().set_modified(time).unwrap();
}

#[rstest]
fn gc_leaves_the_files_of_the_rows_and_what_may_get_one(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let site = Site::new(PROGRAM, kind).demo();
    let of_rows = site.lines("SELECT path AS line FROM images UNION ALL SELECT path FROM thumbnails");
    for path in &of_rows {
        store(&site, path, 100);
    }
    store(&site, "core_media/2026/01/13/old.png", 61);
    store(&site, "core_media/2026/01/13/.upload-0123", 61);
    store(&site, "core_media/2026/01/13/new.png", 58);
    let there = |path: &str| site.folder().join("data/media").join(path).exists();
    let last = format!("2 of {} files", of_rows.len() + 3);
    let said = site.ok(&["images", "gc", "--dry-run"]);
    assert!(said.contains("core_media/2026/01/13/old.png\n"), "{said}");
    assert!(said.trim_end().ends_with(&format!("{last} would be deleted, 20.00 B")), "{said}");
    assert!(there("core_media/2026/01/13/old.png"));
    let said = site.ok(&["images", "gc"]);
    assert!(said.trim_end().ends_with(&format!("{last} deleted, 20.00 B")), "{said}");
    assert!(!there("core_media/2026/01/13/old.png") && !there("core_media/2026/01/13/.upload-0123"));
    assert!(there("core_media/2026/01/13/new.png") && of_rows.iter().all(|path| there(path)));
    assert!(site.ok(&["images", "gc"]).starts_with("0 of "));
}

#[test]
fn gc_needs_a_database_that_is_up_to_date() {
    let site = Site::new(PROGRAM, Kind::Sqlite);
    store(&site, "core_media/2026/01/13/old.png", 61);
    let said = complaint(&site.run(&["images", "gc"]));
    assert!(said.contains("migrations"), "{said}");
    assert!(site.folder().join("data/media/core_media/2026/01/13/old.png").exists());
}
