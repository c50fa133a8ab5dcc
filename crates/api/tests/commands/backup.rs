//! Backups of the embedded database and the files of its images (experiment E35): what was there at one moment comes
//! back, or nothing does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use portfolio_testkit::{Answer, Client, Kind, S3Server, Site};
use rstest::rstest;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tar::{Archive, Builder, EntryType, Header};

use crate::{PROGRAM, complaint, in_bucket, migrated};

const LOGO: &[u8] = include_bytes!("../http/images/logo.png");
const LOGO_PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http/images/logo.png");

/// The entries of an archive, in their order.
type Entries = Vec<(String, Vec<u8>)>;

fn unpack(archive: &Path) -> Entries {
    let mut archive = Archive::new(File::open(archive).unwrap());
    let entry = |entry: std::io::Result<tar::Entry<'_, File>>| {
        let mut entry = entry.unwrap();
        assert_eq!(entry.header().entry_type(), EntryType::Regular);
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        (String::from_utf8(entry.path_bytes().into_owned()).unwrap(), content)
    };
    archive.entries().unwrap().map(entry).collect()
}

fn header(kind: EntryType, name: &str, size: usize) -> Header {
    let mut header = Header::new_gnu();
    // Not by `set_path`, which refuses what the service must refuse.
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o600);
    header.set_size(size as u64);
    header
}

/// An archive whose manifest says of its entries what is true.
fn pack(entries: &[(String, Vec<u8>)], link: Option<&str>) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    let mut sums = BTreeMap::new();
    let mut append = |mut header: Header, content: &[u8]| {
        header.set_cksum();
        tar.append(&header, content).unwrap();
    };
    let sum = |content: &[u8]| {
        let hash =
            Sha256::digest(content).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        json!({ "size": content.len(), "sha256": hash })
    };
    for (name, content) in entries.iter().filter(|(name, _)| name != "manifest.json") {
        append(header(EntryType::Regular, name, content.len()), content);
        sums.insert(name.clone(), sum(content));
    }
    if let Some(name) = link {
        let mut header = header(EntryType::Symlink, name, 0);
        header.set_link_name("/etc/hostname").unwrap();
        append(header, b"");
        sums.insert(name.to_owned(), sum(b""));
    }
    let manifest = json!({ "format": 1, "entries": sums }).to_string();
    append(header(EntryType::Regular, "manifest.json", manifest.len()), manifest.as_bytes());
    tar.into_inner().unwrap()
}

/// Every row of every table, as SQL would write it.
fn rows(site: &Site) -> BTreeMap<String, Vec<String>> {
    let tables = site.lines(
        "SELECT name AS line FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'employer_search%'",
    );
    let row = |table: &String| {
        let columns = site.lines(&format!("SELECT name AS line FROM pragma_table_info('{table}')"));
        let columns: Vec<_> = columns.iter().map(|column| format!("quote({column})")).collect();
        let mut rows = site.lines(&format!("SELECT {} AS line FROM {table}", columns.join(" || ',' || ")));
        rows.sort_unstable();
        (table.clone(), rows)
    };
    tables.iter().map(row).collect()
}

fn media(site: &Site) -> PathBuf {
    site.folder().join("data/media")
}

fn database(site: &Site) -> PathBuf {
    site.database_url().strip_prefix("sqlite://").unwrap().into()
}

/// The paths of all files below a folder.
fn paths(folder: &Path) -> BTreeSet<String> {
    let (mut found, mut folders) = (BTreeSet::new(), vec![folder.to_owned()]);
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(inner).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().display().to_string());
            }
        }
    }
    found
}

/// Every file below a folder, by its path there.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    paths(folder).into_iter().map(|path| (path.clone(), fs::read(folder.join(path)).unwrap())).collect()
}

fn restore(site: &Site, archive: &Path) -> Output {
    site.run(&["restore", archive.to_str().unwrap()])
}

/// Nothing of a restore is there.
#[track_caller]
fn assert_untouched(site: &Site) {
    let beside = fs::read_dir(database(site).parent().unwrap()).unwrap().count();
    assert_eq!((beside, fs::read_dir(site.folder()).unwrap().count()), (0, 0));
}

/// Uploads what is copied last, so that it may be gone by then.
fn upload(client: &Client, token: &str) -> Answer {
    let head = "--limit\r\nContent-Disposition: form-data; name=\"f\"; filename=\"zebra.png\"\r\n\r\n";
    let form = [head.as_bytes(), LOGO, b"\r\n--limit--\r\n"].concat();
    let headers =
        [("authorization", token.as_bytes()), ("content-type", &b"multipart/form-data; boundary=limit"[..])];
    client.send("POST", "/api/images", &headers, Some(&form)).unwrap()
}

#[test]
fn a_backup_under_load_is_one_moment_and_comes_back_whole() {
    const BACKUPS: usize = 5;
    let site = Site::new(PROGRAM, Kind::Sqlite).demo();
    // So many that images are removed while files are copied.
    site.ok(&[&["images", "add"][..], &[LOGO_PATH; 40]].concat());
    let key = site.key("maryam", &["--admin"]);
    let token = format!("Token {key}");
    let server = site.serve();
    let (stop, done) = (AtomicBool::new(false), [const { AtomicU64::new(0) }; 3]);
    let archives: Vec<PathBuf> = (0..BACKUPS).map(|n| site.folder().join(format!("{n}.backup"))).collect();
    std::thread::scope(|scope| {
        let (stop, done, token, key, server) = (&stop, &done, &token, &key, &server);
        scope.spawn(move || {
            let client = server.client();
            for number in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let both =
                    json!({ "name": format!("Apple {number}"), "description": format!("Apple {number}") });
                assert_eq!(client.patch(4, key, &both.to_string(), &[]).unwrap().status, 200);
                done[0].fetch_add(1, Ordering::Relaxed);
            }
        });
        for _ in 0..2 {
            scope.spawn(move || {
                let client = server.client();
                let mut ids = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let answer = upload(&client, token);
                    assert_eq!(answer.status, 201, "{answer:?}");
                    ids.push(answer.json()["id"].as_i64().unwrap());
                    done[1].fetch_add(1, Ordering::Relaxed);
                    if ids.len() > 3 {
                        let path = format!("/api/images/{}", ids.remove(0));
                        let headers = [("authorization", token.as_bytes())];
                        assert_eq!(client.send("DELETE", &path, &headers, None).unwrap().status, 204);
                        done[2].fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        for archive in &archives {
            // Each begins when all three kinds of change have gone on.
            let before: Vec<u64> = done.iter().map(|count| count.load(Ordering::Relaxed)).collect();
            while done.iter().zip(&before).any(|(count, before)| count.load(Ordering::Relaxed) == *before) {
                std::thread::yield_now();
            }
            let output = site.run(&["backup", archive.to_str().unwrap()]);
            if !output.status.success() {
                stop.store(true, Ordering::Relaxed);
                panic!("{}", String::from_utf8_lossy(&output.stderr));
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    let [patches, uploads, deletions] = done.map(AtomicU64::into_inner);
    eprintln!("{BACKUPS} backups beside {patches} patches, {uploads} uploads, {deletions} deletions");

    for archive in &archives {
        assert_eq!(fs::metadata(archive).unwrap().permissions().mode() & 0o777, 0o600);
        let entries: BTreeMap<_, _> = unpack(archive).into_iter().collect();
        let restored = Site::new(PROGRAM, Kind::Sqlite);
        let said = restore(&restored, archive);
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));

        let of_archive = Site::new(PROGRAM, Kind::Sqlite);
        fs::write(database(&of_archive), &entries["portfolio.db"]).unwrap();
        assert_eq!(fs::read(database(&restored)).unwrap(), entries["portfolio.db"]);
        assert_eq!(rows(&restored), rows(&of_archive));
        let paths = restored.lines("SELECT path AS line FROM images UNION SELECT path FROM thumbnails");
        let files = files(&media(&restored));
        assert!(files.keys().eq(&paths), "the files are those of the rows: {:?} {paths:?}", files.keys());
        for (path, content) in &files {
            assert!(content == &entries[&format!("media/{path}")], "{path}");
        }

        let server = restored.serve();
        let headers = [("authorization", token.as_bytes())];
        let employer = server.send("GET", "/api/portfolios/employers/4", &headers, None);
        assert_eq!(employer.status, 200, "{employer:?}");
        let employer = employer.json();
        assert_eq!(employer["name"], employer["description"], "one moment: {employer}");
        let path = paths.last().unwrap();
        assert_eq!(server.send("HEAD", &format!("/media/{path}"), &[], None).status, 200);
        assert_eq!(server.patch(4, &key, r#"{"name":"Restored"}"#).status, 200);
        let found = server.send("GET", "/api/portfolios/employers?search=restored", &headers, None);
        assert_eq!(found.json()["count"], 1);
        assert!(restored.ok(&["images", "gc"]).starts_with("0 of "));
    }
    let left: Vec<_> = fs::read_dir(site.folder()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), BACKUPS + 1, "{left:?}");
}

/// A site with images and its backup.
fn backed_up(images: usize) -> (Site, PathBuf) {
    let site = migrated(Kind::Sqlite);
    site.ok(&[&["images", "add"][..], &vec![LOGO_PATH; images]].concat());
    let archive = site.folder().join("site.backup");
    let said = site.ok(&["backup", "site.backup"]);
    assert!(said.starts_with(&format!("site.backup: the database and {} files, ", 5 * images)), "{said}");
    (site, archive)
}

#[test]
fn a_backup_that_is_not_whole_changes_nothing() {
    let (site, archive) = backed_up(1);
    let whole = fs::read(&archive).unwrap();
    let entries = unpack(&archive);
    assert_eq!(entries.last().unwrap().0, "manifest.json");
    let manifest: Value = serde_json::from_slice(&entries.last().unwrap().1).unwrap();
    assert_eq!((manifest["format"].as_i64(), manifest["entries"].as_object().unwrap().len()), (Some(1), 6));
    let place = |text: &[u8]| whole.windows(text.len()).position(|window| window == text).unwrap();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let without = |name: &str| -> Entries {
        let is_it = |(other, _): &&(String, Vec<u8>)| other.starts_with(name);
        entries.iter().filter(|entry| !is_it(entry)).cloned().collect()
    };
    let with = |name: &str| [&entries[..], &[(name.to_owned(), b"x".to_vec())]].concat();
    let image = site.lines("SELECT path AS line FROM images").remove(0);
    let mut damaged_database = entries.clone();
    for (name, content) in &mut damaged_database {
        if name == "portfolio.db" {
            let half = content.len() / 2;
            content[half..].fill(0xff);
        }
    }
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("a byte of a file", flipped(512 + 100), "is damaged"),
        ("a byte of the database", flipped(place(b"SQLite format 3") + 3000), "is damaged"),
        ("a byte of a name", flipped(place(b"media/")), "damaged"),
        ("a byte of the manifest", flipped(place(b"\"sha256\":\"") + 12), "is damaged"),
        ("cut in the middle", whole[..whole.len() / 2].to_vec(), "damaged"),
        ("cut before the manifest", whole[..place(b"manifest.json")].to_vec(), "cut short"),
        ("empty", Vec::new(), "no manifest"),
        ("no tar", LOGO.to_vec(), "damaged"),
        ("no database", pack(&without("portfolio.db"), None), "no database"),
        ("a file of a row is missing", pack(&without(&format!("media/{image}")), None), "is missing"),
        ("a damaged database", pack(&damaged_database, None), "the database in it"),
        ("a path that leads out", pack(&with("media/../x"), None), "nothing that a backup has"),
        ("a path of the system", pack(&with("/tmp/x"), None), "nothing that a backup has"),
        ("a link", pack(&entries, Some("media/link")), "no regular file"),
        ("a file twice", pack(&with(&format!("media/{image}")), None), "twice"),
    ];
    let fresh = Site::new(PROGRAM, Kind::Sqlite);
    let changed = site.folder().join("changed.backup");
    for (what, bytes, why) in cases {
        fs::write(&changed, bytes).unwrap();
        let said = complaint(&restore(&fresh, &changed));
        assert!(said.contains(why), "{what}: {said}");
        assert_untouched(&fresh);
    }
    fs::write(&changed, pack(&entries, None)).unwrap();
    assert!(restore(&fresh, &changed).status.success(), "what the others differ from is good");
}

#[test]
fn nothing_is_replaced() {
    let (site, archive) = backed_up(1);
    let before = (fs::read(&archive).unwrap(), rows(&site), files(&media(&site)));
    let said = complaint(&site.run(&["backup", "site.backup"]));
    assert!(said.contains("already"), "{said}");
    let said = complaint(&restore(&site, &archive));
    assert!(said.contains("DATABASE_URL") && said.contains("already"), "{said}");
    assert_eq!((fs::read(&archive).unwrap(), rows(&site), files(&media(&site))), before);

    for suffix in ["-wal", "-shm"] {
        let fresh = Site::new(PROGRAM, Kind::Sqlite);
        let beside = format!("{}{suffix}", database(&fresh).display());
        fs::write(&beside, "of another database").unwrap();
        let said = complaint(&restore(&fresh, &archive));
        assert!(said.contains(suffix), "{said}");
        assert!(!database(&fresh).exists() && !media(&fresh).exists());
    }
    let fresh = Site::new(PROGRAM, Kind::Sqlite);
    fs::create_dir_all(media(&fresh).join("core_media")).unwrap();
    fs::write(media(&fresh).join("core_media/other.png"), "other").unwrap();
    let said = complaint(&restore(&fresh, &archive));
    assert!(said.contains("MEDIA_STORE"), "{said}");
    assert!(!database(&fresh).exists());
    assert_eq!(files(&media(&fresh)).len(), 1);
}

#[test]
fn a_backup_tells_what_is_not_there_and_leaves_no_file() {
    let site = Site::new(PROGRAM, Kind::Sqlite);
    let said = complaint(&site.run(&["backup", "site.backup"]));
    assert!(said.contains("DATABASE_URL"), "{said}");
    assert!(!database(&site).exists(), "it makes none");
    site.ok(&["migrate"]);
    site.ok(&["images", "add", LOGO_PATH]);
    let image = site.lines("SELECT path AS line FROM images").remove(0);
    fs::remove_file(media(&site).join(&image)).unwrap();
    let said = complaint(&site.run(&["backup", "site.backup"]));
    assert!(said.contains(&image) && said.contains("rebuild-thumbnails"), "{said}");
    let left: Vec<_> = fs::read_dir(site.folder()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["data"]);
}

#[test]
fn a_restore_that_is_killed_leaves_no_database_and_can_be_begun_again() {
    let (_site, archive) = backed_up(40);
    let fresh = Site::new(PROGRAM, Kind::Sqlite);
    for wanted in [1, 50, 100] {
        let mut child = fresh.command(&["restore", archive.to_str().unwrap()]).spawn().unwrap();
        while paths(&media(&fresh)).len() < wanted {
            assert_eq!(child.try_wait().unwrap(), None, "it ended before it was killed");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!database(&fresh).exists());
        let said = complaint(&restore(&fresh, &archive));
        assert!(said.contains("MEDIA_STORE"), "half of it is taken for nothing whole: {said}");
        fs::remove_dir_all(media(&fresh)).unwrap();
    }
    assert!(restore(&fresh, &archive).status.success());
    assert_eq!(paths(&media(&fresh)).len(), 200);
}

#[rstest]
#[case("backup")]
#[case("restore")]
fn other_stores_are_told_where_to_read(#[case] command: &str) {
    let site = Site::new(PROGRAM, Kind::Sqlite);
    let heading = "Backups on PostgreSQL or S3";
    let readme = include_str!("../../../../README.md");
    assert!(readme.contains(&format!("### {heading}\n")));
    let mut postgres = site.command(&[command, "site.backup"]);
    postgres.env("DATABASE_URL", "postgres://127.0.0.1:1/none");
    let s3 = S3Server::start();
    for mut elsewhere in [postgres, in_bucket(&site, &s3, &[command, "site.backup"])] {
        let said = complaint(&elsewhere.output().unwrap());
        assert!(said.contains(heading), "{said}");
    }
    assert_untouched(&site);
}
