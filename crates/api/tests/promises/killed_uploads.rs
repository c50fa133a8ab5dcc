//! An upload survives `kill -9` of the service: answered, it is there with all its files; not answered, it is there
//! with all of them or leaves nothing that `images gc` would not find (contract, section 8). The same of thumbnails that
//! are made anew.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, SystemTime};

use portfolio_testkit::{Client, Kind, Site};
use rstest::rstest;
use serde_json::Value;

use crate::{PROGRAM, alone};

const CLIENTS: usize = 4;
/// How often the service is killed; twenty times take 200 uploads.
const ROUNDS: usize = 5;
/// How many uploads of a round are answered before that.
const UPLOADS: usize = 10;
/// How many microseconds after: at some moment of the uploads that are under way by then.
const MOMENT: Range<u64> = 0..40_000;
/// Whatever waits longer hangs.
const PATIENCE: Duration = Duration::from_secs(30);

const LOGO: &[u8] = include_bytes!("../http/images/logo.png");

/// Where the files of an upload lie that was answered.
type Answered = Vec<String>;

fn upload(client: &Client, key: &str) -> Result<Answered, String> {
    let head = "--limit\r\nContent-Disposition: form-data; name=\"f\"; filename=\"logo.png\"\r\n\r\n";
    let form = [head.as_bytes(), LOGO, b"\r\n--limit--\r\n"].concat();
    let token = format!("Token {key}");
    let headers =
        [("authorization", token.as_bytes()), ("content-type", b"multipart/form-data; boundary=limit")];
    let answer = client.send("POST", "/api/images", &headers, Some(&form))?;
    assert_eq!(answer.status, 201, "{answer:?}");
    let image = answer.json();
    let path = |f: &Value| f.as_str().unwrap().split_once("/media/").unwrap().1.to_owned();
    let thumbnails = image["thumbnails"].as_array().unwrap();
    Ok([&image["f"]]
        .into_iter()
        .chain(thumbnails.iter().map(|thumbnail| &thumbnail["f"]))
        .map(path)
        .collect())
}

/// Uploads until the service is gone.
fn work(client: &Client, key: &str, answered: &Sender<Answered>) {
    while let Ok(paths) = upload(client, key) {
        answered.send(paths).unwrap();
    }
}

/// The paths of all rows; each must be that of a whole file.
fn rows(site: &Site, media: &Path) -> BTreeSet<String> {
    let originals = site.lines("SELECT path AS line FROM images");
    for path in &originals {
        assert!(fs::read(media.join(path)).is_ok_and(|file| file == LOGO), "a row without its file: {path}");
    }
    let thumbnails = site.lines("SELECT path AS line FROM thumbnails");
    assert_eq!(thumbnails.len(), 4 * originals.len());
    for path in &thumbnails {
        let whole = fs::read(media.join(path)).is_ok_and(|file| file.ends_with(b"IEND\xae\x42\x60\x82"));
        assert!(whole, "a thumbnail without its file: {path}");
    }
    originals.into_iter().chain(thumbnails).collect()
}

fn files(media: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![media.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

#[rstest]
fn a_service_killed_during_uploads_has_lost_none_and_no_row_lacks_a_file(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let _alone = alone();
    let site = Site::new(PROGRAM, kind);
    site.ok(&["migrate"]);
    let key = site.key("maryam", &["--admin"]);
    let media = site.folder().join("data/media");
    let mut answered = Vec::new();
    let mut of_rows = BTreeSet::new();
    for _ in 0..ROUNDS {
        let server = site.serve();
        let (sender, receiver) = mpsc::channel();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (client, key, sender) = (server.client(), key.clone(), sender.clone());
                std::thread::spawn(move || work(&client, &key, &sender))
            })
            .collect();
        drop(sender);
        answered.extend((0..UPLOADS).map(|_| receiver.recv_timeout(PATIENCE).unwrap()));
        // Nothing is waited for: this is when it is killed.
        std::thread::sleep(Duration::from_micros(rand::random_range(MOMENT)));
        drop(server);
        answered.extend(receiver);
        for client in clients {
            client.join().unwrap();
        }
        of_rows = rows(&site, &media);
        for upload in &answered {
            assert!(
                upload.iter().all(|path| of_rows.contains(path)),
                "an answered upload is lost: {upload:?}"
            );
        }
    }

    let [before, nobodys] = collect(&site, &media, &of_rows);
    eprintln!(
        "{kind:?}: {ROUNDS} kills, {} uploads answered, {nobodys} of {before} files were nobody's",
        answered.len()
    );
}

/// Lets `images gc` find what is nobody's, however new it is: the files of the rows are left, and no others. Answers
/// how many files there were, and how many of them went.
fn collect(site: &Site, media: &Path, of_rows: &BTreeSet<String>) -> [usize; 2] {
    let before = files(media);
    for path in &before {
        let long_ago = SystemTime::now() - Duration::from_secs(2 * 60 * 60);
        File::options().write(true).open(path).unwrap().set_modified(long_ago).unwrap();
    }
    site.ok(&["images", "gc"]);
    let after: BTreeSet<_> =
        files(media).iter().map(|path| path.strip_prefix(media).unwrap().display().to_string()).collect();
    assert_eq!(&after, of_rows);
    [before.len(), before.len() - after.len()]
}

#[rstest]
fn a_rebuild_of_thumbnails_that_is_killed_leaves_every_image_whole_and_can_be_begun_again(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    const IMAGES: usize = 24;
    let site = Site::new(PROGRAM, kind);
    site.ok(&["migrate"]);
    let logo = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http/images/logo.png");
    site.ok(&[&["images", "add"][..], &[logo; IMAGES]].concat());
    let media = site.folder().join("data/media");
    let first = rows(&site, &media);
    let mut left = 0;
    for _ in 0..ROUNDS {
        let before = site.lines("SELECT path AS line FROM thumbnails");
        let mut rebuild = site.command(&["images", "rebuild-thumbnails"]).spawn().unwrap();
        // It is at work once an image has new ones; some moment after that it is killed.
        while site.lines("SELECT path AS line FROM thumbnails").iter().all(|path| before.contains(path)) {
            assert_eq!(rebuild.try_wait().unwrap(), None, "it ended before it did anything");
        }
        std::thread::sleep(Duration::from_micros(rand::random_range(MOMENT)));
        rebuild.kill().unwrap();
        rebuild.wait().unwrap();
        let of_rows = rows(&site, &media);
        left += collect(&site, &media, &of_rows)[1];
    }
    let done = site.ok(&["images", "rebuild-thumbnails"]);
    assert_eq!(done, format!("{IMAGES} images have new thumbnails, 0 were skipped\n"));
    let last = rows(&site, &media);
    assert_eq!((last.len(), last.intersection(&first).count()), (5 * IMAGES, IMAGES), "the originals stay");
    assert_eq!(collect(&site, &media, &last)[1], 0);
    eprintln!("{kind:?}: {ROUNDS} kills, {left} files were nobody's");
}
