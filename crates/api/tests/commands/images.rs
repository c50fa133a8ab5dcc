use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use portfolio_testkit::{Kind, S3Server, Site};
use rstest::rstest;
use serde_json::{Value, json};

use crate::{PROGRAM, complaint, in_bucket, migrated, misuse};

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
    let files = of_rows.len() + 3;
    let last = format!("2 of {files} files");
    let garbage = [
        json!({ "path": "core_media/2026/01/13/.upload-0123", "size": 10 }),
        json!({ "path": "core_media/2026/01/13/old.png", "size": 10 }),
    ];
    let told = |dry_run| {
        let arguments =
            [&["images", "gc", "--json"][..], if dry_run { &["--dry-run"][..] } else { &[] }].concat();
        let mut told: Value = serde_json::from_str(&site.ok(&arguments)).unwrap();
        told["garbage"].as_array_mut().unwrap().sort_by_key(|file| file["path"].to_string());
        told
    };
    assert_eq!(told(true), json!({ "dry_run": true, "files": files, "size": 20, "garbage": garbage }));
    let said = site.ok(&["images", "gc", "--dry-run"]);
    assert!(said.contains("core_media/2026/01/13/old.png\n"), "{said}");
    assert!(said.trim_end().ends_with(&format!("{last} would be deleted, 20.00 B")), "{said}");
    assert!(there("core_media/2026/01/13/old.png"));
    let said = site.ok(&["images", "gc"]);
    assert!(said.trim_end().ends_with(&format!("{last} deleted, 20.00 B")), "{said}");
    assert!(!there("core_media/2026/01/13/old.png") && !there("core_media/2026/01/13/.upload-0123"));
    assert!(there("core_media/2026/01/13/new.png") && of_rows.iter().all(|path| there(path)));
    assert!(site.ok(&["images", "gc"]).starts_with("0 of "));
    store(&site, "core_media/2026/01/13/old.png", 61);
    let deleted = json!({ "dry_run": false, "files": files - 1, "size": 10, "garbage": garbage[1..] });
    assert_eq!(told(false), deleted);
    assert!(!there("core_media/2026/01/13/old.png"));
}

#[test]
fn gc_needs_a_database_that_is_up_to_date() {
    let site = Site::new(PROGRAM, Kind::Sqlite);
    store(&site, "core_media/2026/01/13/old.png", 61);
    let said = complaint(&site.run(&["images", "gc"]));
    assert!(said.contains("migrations"), "{said}");
    assert!(site.folder().join("data/media/core_media/2026/01/13/old.png").exists());
}

const LOGO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http/images/logo.png");
const PHOTO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http/images/photo.jpg");

fn media(site: &Site, path: &str) -> PathBuf {
    site.folder().join("data/media").join(path)
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[rstest]
fn files_are_added_and_one_that_is_wrong_is_told(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let site = migrated(kind);
    let place = |name: &str, content: &[u8]| {
        let path = site.folder().join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let page = place("page.png", b"<html>");
    let empty = place("empty.png", b"");
    let long = place("long.png", &vec![0; 10 * 1024 * 1024 + 1]);
    let missing = site.folder().join("missing.png").display().to_string();
    let output = site.run(&["images", "add", LOGO, &page, &empty, &long, &missing, PHOTO]);
    assert_eq!(output.status.code(), Some(1));
    let added = said(&output.stdout);
    let lines: Vec<Vec<&str>> = added.lines().map(|line| line.split("  ").collect()).collect();
    assert_eq!((lines[0][1], lines[1][1], lines.len()), ("logo", "photo", 2), "{added}");
    for (line, original) in lines.iter().zip([LOGO, PHOTO]) {
        assert_eq!(fs::read(media(&site, line[2])).unwrap(), fs::read(original).unwrap());
        assert_eq!(site.lines(&format!("SELECT path AS line FROM images WHERE id = {}", line[0])), [line[2]]);
    }
    assert_eq!(site.lines("SELECT path AS line FROM thumbnails").len(), 8);
    let complaints = said(&output.stderr);
    let expected = [
        format!(
            "{page}: Upload a valid image. The file you uploaded was either not an image or a corrupted image."
        ),
        format!("{empty}: The submitted file is empty."),
        format!("{long}: Request body is too large."),
        format!("{missing}: No such file or directory (os error 2)"),
    ];
    let expected = expected.map(|line| format!("portfolio: {line}"));
    let complaints = complaints.lines().filter(|line| line.starts_with("portfolio: "));
    assert_eq!(complaints.collect::<Vec<_>>(), expected);
    for path in [&page, &empty, &long] {
        assert!(Path::new(path).exists(), "it is only read");
    }
}

#[test]
fn an_added_image_can_be_named_and_told_as_json() {
    let site = migrated(Kind::Sqlite);
    let added = site.ok(&["images", "add", LOGO, "--name", " نشان ", "--json"]);
    let added: Value = serde_json::from_str(&added).unwrap();
    let path = added[0]["path"].as_str().unwrap();
    assert_eq!((added[0]["id"].as_i64(), added[0]["name"].as_str()), (Some(1), Some("نشان")));
    assert!(path.ends_with("/logo.png") && media(&site, path).exists());
    let blank = site.run(&["images", "add", LOGO, "--name", " "]);
    let line = said(&blank.stderr);
    assert_eq!(line, format!("portfolio: {LOGO}: This field may not be blank.\n"));
    assert!(misuse(&site.run(&["images", "add", LOGO, PHOTO, "--name", "Logo"])).contains("--name"));
    misuse(&site.run(&["images", "add"]));
    assert_eq!(site.lines("SELECT name AS line FROM images"), ["نشان"]);
}

#[rstest]
fn thumbnails_are_made_anew_and_an_image_without_its_file_is_told(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let site = Site::new(PROGRAM, kind).demo();
    site.ok(&["images", "add", LOGO, PHOTO]);
    let server = site.serve();
    let paths = || site.lines("SELECT path AS line FROM thumbnails ORDER BY id");
    let before = paths();
    assert_eq!(site.ok(&["images", "rebuild-thumbnails"]), "5 images have new thumbnails, 0 were skipped\n");
    let after = paths();
    assert_eq!(after.len(), 20);
    assert!(before.iter().all(|path| !after.contains(path) && !media(&site, path).exists()));
    for path in &after {
        assert_eq!(server.send("HEAD", &format!("/media/{path}"), &[], None).status, 200, "{path}");
    }

    let originals = site.lines("SELECT path AS line FROM images ORDER BY id");
    fs::remove_file(media(&site, &originals[0])).unwrap();
    fs::write(media(&site, &originals[1]), "no image").unwrap();
    let output = site.run(&["images", "rebuild-thumbnails", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let told: Value = serde_json::from_str(&said(&output.stdout)).unwrap();
    assert_eq!((told["rebuilt"].as_u64(), told["skipped"].as_array().unwrap().len()), (Some(3), 2), "{told}");
    let complaints = said(&output.stderr);
    for (path, why) in originals.iter().zip(["its file is gone", "its file is damaged"]) {
        assert!(complaints.contains(&format!("{why}: {path}\n")), "{complaints}");
    }
    let of = |id: &str| site.lines(&format!("SELECT path AS line FROM thumbnails WHERE image_id = {id}"));
    let ids = site.lines("SELECT CAST(id AS TEXT) AS line FROM images ORDER BY id");
    for id in &ids[..2] {
        assert!(
            of(id).iter().all(|path| after.contains(path) && media(&site, path).exists()),
            "it keeps them"
        );
    }
    assert!(of(&ids[2]).iter().all(|path| !after.contains(path)));
}

#[test]
fn a_bucket_s_images_are_added_and_their_thumbnails_made_anew_too() {
    let s3 = S3Server::start();
    let site = migrated(Kind::Sqlite);
    let bucket = s3.bucket_folder().join("site");
    let ok = |arguments: &[&str]| {
        let output = in_bucket(&site, &s3, arguments).output().unwrap();
        assert!(output.status.success(), "{}", said(&output.stderr));
        said(&output.stdout)
    };
    ok(&["images", "add", LOGO, LOGO]);
    let before = site.lines("SELECT path AS line FROM thumbnails");
    assert_eq!(ok(&["images", "rebuild-thumbnails"]), "2 images have new thumbnails, 0 were skipped\n");
    let after = site.lines("SELECT path AS line FROM thumbnails");
    assert!(before.iter().all(|path| !after.contains(path) && !bucket.join(path).exists()));
    assert!(after.len() == 8 && after.iter().all(|path| bucket.join(path).exists()));
    assert!(!site.folder().join("data/media").exists());
}
