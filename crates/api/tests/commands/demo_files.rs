//! The files of the example's images.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use portfolio_testkit::{Kind, S3Server, Site};
use rstest::rstest;

use crate::{PROGRAM, complaint, in_bucket};

const TECHNOLOGY: &str = "core_media/2025/12/02/technology.png";

/// Every file below `folder`, by its path.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

#[rstest]
fn the_files_are_those_of_the_rows_and_what_is_missing_comes_back(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let site = Site::new(PROGRAM, kind).demo();
    let media = site.folder().join("data/media");
    let first = files(&media);
    let mut of_rows = site.lines("SELECT path AS line FROM images UNION ALL SELECT path FROM thumbnails");
    of_rows.sort_unstable();
    assert_eq!(first.keys().collect::<Vec<_>>(), of_rows.iter().collect::<Vec<_>>());
    assert_eq!(first[TECHNOLOGY].len(), 5123);
    fs::remove_file(media.join(TECHNOLOGY)).unwrap();
    site.ok(&["demo"]);
    assert_eq!(files(&media), first);
}

#[rstest]
fn somebody_elses_file_in_the_place_of_one_stays_and_nothing_is_added(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let site = Site::new(PROGRAM, kind);
    let media = site.folder().join("data/media");
    fs::create_dir_all(media.join(TECHNOLOGY).parent().unwrap()).unwrap();
    fs::write(media.join(TECHNOLOGY), "somebody's").unwrap();
    let line = complaint(&site.run(&["demo"]));
    assert!(line.contains(TECHNOLOGY) && line.contains("nothing was changed"), "{line}");
    let left = files(&media);
    assert_eq!((left.len(), &left[TECHNOLOGY][..]), (1, &b"somebody's"[..]));
    assert_eq!(site.ok(&["staff", "list", "--json"]).trim(), "[]");
}

#[test]
fn real_data_get_no_files_either() {
    let site = Site::new(PROGRAM, Kind::Sqlite);
    site.ok(&["migrate"]);
    site.ok(&["staff", "add", "maryam"]);
    let line = complaint(&site.run(&["demo"]));
    assert!(line.contains("nothing was changed"), "{line}");
    assert_eq!(files(&site.folder().join("data/media")), BTreeMap::new());
}

#[test]
fn a_bucket_gets_them_too() {
    let s3 = S3Server::start();
    let site = Site::new(PROGRAM, Kind::Sqlite);
    for _ in 0..2 {
        let output = in_bucket(&site, &s3, &["demo"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let stored = fs::read(s3.bucket_folder().join("site").join(TECHNOLOGY)).unwrap();
        assert_eq!(stored.len(), 5123);
    }
    assert!(!site.folder().join("data/media").exists());
}
