//! [`MediaStore`]: a folder of the local disk, and a bucket on a server that speaks S3.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::Utc;
use futures_util::{StreamExt as _, TryStreamExt as _};
use portfolio_adapters::media_store::{LocalMediaStore, S3Location, S3MediaStore, S3Settings};
use portfolio_domain::image::FileSize;
use portfolio_domain::local_file::LocalFile;
use portfolio_domain::media_path::MediaPath;
use portfolio_domain::ports::{MediaEntry, MediaSource, MediaStore, PortError, Probe as _, PutError};
use portfolio_testkit::S3Server;
use rstest::rstest;
use tempfile::TempDir;

use crate::fixture::{eventually, is_unavailable};

/// Where a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Folder,
    Bucket,
    /// Below a prefix, beside which others have objects of theirs.
    PartOfABucket,
}

/// A store of its own, empty.
struct Fixture {
    store: Arc<dyn MediaStore>,
    folder: PathBuf,
    _base: Base,
}

enum Base {
    Folder(#[expect(dead_code, reason = "removes the folder when dropped")] TempDir),
    Server(#[expect(dead_code, reason = "stops the server when dropped")] S3Server),
}

impl Fixture {
    fn new(place: Place) -> Self {
        let (prefix, others) = match place {
            Place::Folder => {
                let base = tempfile::tempdir().unwrap();
                let folder = base.path().join("data/media");
                let store = Arc::new(LocalMediaStore::open(&folder).unwrap());
                std::fs::write(base.path().join("data/secret"), "of others").unwrap();
                return Self { store, folder, _base: Base::Folder(base) };
            }
            Place::Bucket => ("", None),
            Place::PartOfABucket => ("/site/media", Some("site/other.png")),
        };
        let server = S3Server::start();
        let store = Arc::new(S3MediaStore::open(&settings(&server.endpoint(), prefix)).unwrap());
        if let Some(others) = others {
            let file = server.bucket_folder().join(others);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "of others").unwrap();
        }
        let folder = server.bucket_folder().join(prefix.trim_start_matches('/'));
        Self { store, folder, _base: Base::Server(server) }
    }

    async fn put(&self, path: &str, bytes: &'static [u8]) -> Result<(), PutError> {
        self.store.put_new(&at(path), MediaSource::Bytes(Bytes::from_static(bytes))).await
    }

    /// The range and the bytes that the store answers; `None` for no file.
    async fn read(&self, path: &str, range: Option<Range<u64>>) -> Option<(Range<u64>, Vec<u8>)> {
        let file = self.store.read(&at(path), range).await.unwrap()?;
        let bytes = file.chunks.map_ok(|chunk| chunk.to_vec()).try_concat().await.unwrap();
        Some((file.range, bytes))
    }

    async fn whole(&self, path: &str) -> Option<Vec<u8>> {
        self.read(path, None).await.map(|(_, bytes)| bytes)
    }

    async fn list(&self) -> Vec<MediaEntry> {
        let mut found: Vec<_> = self.store.list().try_collect().await.unwrap();
        found.sort_by(|one, other| one.path.0.cmp(&other.path.0));
        found
    }

    async fn listed_paths(&self) -> Vec<String> {
        self.list().await.into_iter().map(|entry| entry.path.0).collect()
    }
}

fn settings(endpoint: &str, prefix: &str) -> S3Settings {
    S3Settings {
        location: S3Location::parse(&format!("s3://{}{prefix}", S3Server::BUCKET)).unwrap(),
        region: "us-east-1".to_owned(),
        endpoint: Some(endpoint.parse().unwrap()),
        virtual_hosted: false,
        access_key_id: S3Server::ACCESS_KEY_ID.to_owned(),
        secret_access_key: S3Server::SECRET_ACCESS_KEY.into(),
        session_token: None,
    }
}

fn at(path: &str) -> MediaPath {
    MediaPath(path.to_owned())
}

const LOGO: &str = "core_media/2026/01/13/logo.png";

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_is_read_byte_for_byte(
    #[values(Place::Folder, Place::Bucket, Place::PartOfABucket)] place: Place,
    #[values("logo.png", LOGO, "core_media/2026/01/13/همکاران_سیستم-1.2.png", "a b+c&d=e%20f.png")]
    path: &str,
) {
    let fixture = Fixture::new(place);
    let before = Utc::now();
    assert_eq!(fixture.put(path, b"bytes of a logo").await, Ok(()));
    let file = fixture.store.read(&at(path), None).await.unwrap().unwrap();
    assert_eq!((file.size, file.range.clone()), (FileSize(15), 0..15));
    let age = file.modified - before;
    assert!(age.num_seconds().abs() < 60, "{age}");
    let found = fixture.store.find(&at(path)).await.unwrap().unwrap();
    assert_eq!(found, MediaEntry { path: at(path), size: file.size, modified: file.modified });
    assert_eq!(fixture.whole(path).await.unwrap(), b"bytes of a logo");
    assert_eq!(fixture.list().await, [found]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_file_is_a_file(#[values(Place::Folder, Place::Bucket)] place: Place) {
    let fixture = Fixture::new(place);
    fixture.put(LOGO, b"").await.unwrap();
    assert_eq!(fixture.whole(LOGO).await.unwrap(), b"");
    assert_eq!(fixture.read(LOGO, Some(0..5)).await.unwrap(), (0..0, vec![]));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_ten_mebibytes_comes_from_disk_and_goes_in_pieces(
    #[values(Place::Folder, Place::Bucket)] place: Place,
) {
    let fixture = Fixture::new(place);
    let upload = tempfile::NamedTempFile::new().unwrap();
    let bytes: Vec<u8> = (0_u32..10 << 20).map(|i| (i ^ (i >> 8) ^ (i >> 16)).to_le_bytes()[0]).collect();
    std::fs::write(upload.path(), &bytes).unwrap();
    fixture.store.put_new(&at(LOGO), MediaSource::File(LocalFile::lasting(upload.path()))).await.unwrap();
    assert!(upload.path().exists(), "the source stays");
    let mut chunks = fixture.store.read(&at(LOGO), None).await.unwrap().unwrap().chunks;
    let mut read = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.unwrap();
        assert!(chunk.len() <= 1 << 20, "{} bytes at once", chunk.len());
        read.extend_from_slice(&chunk);
    }
    assert!(read == bytes);
    let (range, part) = fixture.read(LOGO, Some(5_000_000..6_000_000)).await.unwrap();
    assert_eq!(range, 5_000_000..6_000_000);
    assert!(part == bytes[5_000_000..6_000_000]);
}

#[rstest]
#[case::inside(2..5, 2..5, "cde")]
#[case::all(0..10, 0..10, "abcdefghij")]
#[case::one(9..10, 9..10, "j")]
#[case::over_the_end(8..100, 8..10, "ij")]
#[case::to_the_end_of_numbers(8..u64::MAX - 1, 8..10, "ij")]
#[case::at_the_end(10..12, 10..10, "")]
#[case::behind_the_end(11..12, 10..10, "")]
#[case::empty(3..3, 3..3, "")]
#[expect(clippy::reversed_empty_ranges, reason = "who asks for one gets nothing")]
#[case::reversed(5..2, 5..5, "")]
#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_answered_as_far_as_the_file_has_it(
    #[case] asked: Range<u64>,
    #[case] got: Range<u64>,
    #[case] bytes: &str,
) {
    for place in [Place::Folder, Place::Bucket] {
        let fixture = Fixture::new(place);
        fixture.put("a.png", b"abcdefghij").await.unwrap();
        let file = fixture.store.read(&at("a.png"), Some(asked.clone())).await.unwrap().unwrap();
        assert_eq!(file.size, FileSize(10), "of the whole, on {place:?}");
        assert_eq!(fixture.read("a.png", Some(asked.clone())).await.unwrap(), (got.clone(), bytes.into()));
        assert_eq!(fixture.read("b.png", Some(asked.clone())).await, None);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_taken_path_is_never_written_again(#[values(Place::Folder, Place::Bucket)] place: Place) {
    let fixture = Fixture::new(place);
    fixture.put(LOGO, b"first").await.unwrap();
    assert_eq!(fixture.put(LOGO, b"second").await, Err(PutError::Taken));
    assert_eq!(fixture.put(LOGO, b"first").await, Err(PutError::Taken), "not even with the same");
    assert_eq!(fixture.whole(LOGO).await.unwrap(), b"first");
    assert_eq!(fixture.listed_paths().await, [LOGO], "nothing is left behind");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_that_want_one_path_one_gets_it(#[values(Place::Folder, Place::Bucket)] place: Place) {
    const RACERS: u8 = 16;
    const LENGTH: usize = 300_000;
    for round in 0..5 {
        let fixture = Fixture::new(place);
        let start = Arc::new(tokio::sync::Barrier::new(RACERS.into()));
        let racers: Vec<_> = (0..RACERS)
            .map(|racer| {
                let (store, start) = (fixture.store.clone(), start.clone());
                tokio::spawn(async move {
                    start.wait().await;
                    store.put_new(&at(LOGO), MediaSource::Bytes(vec![racer; LENGTH].into())).await
                })
            })
            .collect();
        let mut winners = Vec::new();
        for (racer, put) in (0..RACERS).zip(racers) {
            match put.await.unwrap() {
                Ok(()) => winners.push(racer),
                Err(error) => assert_eq!(error, PutError::Taken),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}: {winners:?}");
        assert!(fixture.whole(LOGO).await.unwrap() == vec![winners[0]; LENGTH], "the winner's, and whole");
        assert_eq!(fixture.listed_paths().await, [LOGO]);
    }
}

/// Folders are made by whoever comes first, which must not trouble the others.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn files_of_one_new_day_are_all_stored(#[values(Place::Folder, Place::Bucket)] place: Place) {
    let fixture = Fixture::new(place);
    let puts = (0..16).map(|i| {
        let store = fixture.store.clone();
        let path = at(&format!("core_media/2027/03/0{}/{i:02}.png", i % 3));
        tokio::spawn(async move { store.put_new(&path, MediaSource::Bytes(Bytes::from_static(b"x"))).await })
    });
    for put in puts.collect::<Vec<_>>() {
        assert_eq!(put.await.unwrap(), Ok(()));
    }
    assert_eq!(fixture.list().await.len(), 16);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_file_is_gone_and_its_path_free(#[values(Place::Folder, Place::Bucket)] place: Place) {
    let fixture = Fixture::new(place);
    fixture.put(LOGO, b"first").await.unwrap();
    fixture.put("core_media/2026/01/13/other.png", b"other").await.unwrap();
    assert_eq!(fixture.store.delete(&at(LOGO)).await, Ok(()));
    assert_eq!(fixture.store.find(&at(LOGO)).await, Ok(None));
    assert_eq!(fixture.whole(LOGO).await, None);
    assert_eq!(fixture.listed_paths().await, ["core_media/2026/01/13/other.png"]);
    for _ in 0..2 {
        assert_eq!(fixture.store.delete(&at(LOGO)).await, Ok(()), "also when it was not there");
    }
    assert_eq!(fixture.put(LOGO, b"second").await, Ok(()));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn every_file_is_listed_however_many(#[values(Place::Folder, Place::PartOfABucket)] place: Place) {
    let fixture = Fixture::new(place);
    assert_eq!(fixture.list().await, []);
    // More than come at once: 256 of a folder, 1,000 of a bucket.
    let paths: Vec<String> =
        (0..1_100).map(|i| format!("core_media/2026/01/{:02}/{i:04}.png", i % 3)).collect();
    for path in &paths {
        let file = fixture.folder.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, path).unwrap();
    }
    let mut sorted = paths.clone();
    sorted.sort();
    let listed = fixture.list().await;
    assert_eq!(listed.iter().map(|entry| &*entry.path.0).collect::<Vec<_>>(), sorted);
    assert!(listed.iter().all(|entry| entry.size == FileSize(30)));
}

#[rstest]
#[case::absolute("/etc/passwd")]
#[case::outside("../secret")]
#[case::outside_from_within("core_media/../../secret")]
#[case::outside_a_prefix("../other.png")]
#[case::dots_alone("..")]
#[case::here(".")]
#[case::the_root("")]
#[case::slash("/")]
#[case::a_folder_with_slash("core_media/")]
#[case::not_normal("core_media/./logo.png")]
#[case::up_and_down_again("core_media/x/../logo.png")]
#[case::an_empty_segment("core_media//logo.png")]
#[case::below_a_file("core_media/logo.png/x")]
#[case::a_file_with_slash("core_media/logo.png/")]
#[case::nul("core_media/logo.png\0")]
#[case::nul_in_front("\0core_media/logo.png")]
#[case::backslashes("..\\secret")]
#[case::encoded_dots("%2e%2e/secret")]
#[case::encoded_slash("..%2fsecret")]
#[case::long_segment(&"x".repeat(256))]
#[case::long(&"x/".repeat(3_000))]
#[tokio::test(flavor = "multi_thread")]
async fn no_path_leads_outside_or_to_what_is_no_file(#[case] path: &str) {
    for place in [Place::Folder, Place::Bucket, Place::PartOfABucket] {
        let fixture = Fixture::new(place);
        fixture.put("core_media/logo.png", b"logo").await.unwrap();
        assert_eq!(fixture.store.find(&at(path)).await, Ok(None), "{place:?}");
        assert_eq!(fixture.whole(path).await, None, "{place:?}");
        assert_eq!(fixture.read(path, Some(0..4)).await, None, "{place:?}");
        assert_eq!(fixture.store.delete(&at(path)).await, Ok(()), "{place:?}");
        assert_eq!(fixture.whole("core_media/logo.png").await.unwrap(), b"logo", "nothing was deleted");
        if !at(path).is_servable() {
            let put = fixture.put(path, b"intruder").await;
            assert!(matches!(put, Err(PutError::Port(PortError::Internal(_)))), "{place:?}: {put:?}");
        }
        for others in ["../secret", "../other.png"] {
            let held = std::fs::read_to_string(fixture.folder.join(others));
            assert!(held.is_err() || held.unwrap() == "of others");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_symbolic_link_leads_nowhere_outside() {
    let fixture = Fixture::new(Place::Folder);
    fixture.put("core_media/logo.png", b"logo").await.unwrap();
    let link = |from: &str, to: &str| std::os::unix::fs::symlink(to, fixture.folder.join(from)).unwrap();
    link("absolute.png", "/etc/passwd");
    link("relative.png", "../secret");
    link("up", "..");
    link("etc", "/etc");
    link("round.png", "round.png");
    link("broken.png", "nowhere.png");
    for path in [
        "absolute.png",
        "relative.png",
        "up/secret",
        "up/media/core_media/logo.png",
        "etc/passwd",
        "round.png",
        "broken.png",
    ] {
        assert_eq!(fixture.store.find(&at(path)).await, Ok(None), "{path}");
        assert_eq!(fixture.whole(path).await, None, "{path}");
    }
    assert_eq!(fixture.store.delete(&at("up/secret")).await, Ok(()));
    assert!(fixture.folder.join("../secret").exists());
    assert!(fixture.put("up/intruder.png", b"intruder").await.is_err());
    assert!(!fixture.folder.join("../intruder.png").exists());
    assert_eq!(fixture.put("broken.png", b"intruder").await, Err(PutError::Taken));
    assert_eq!(fixture.listed_paths().await, ["core_media/logo.png"]);
}

/// A folder that an operator has put on another disk.
#[tokio::test(flavor = "multi_thread")]
async fn a_symbolic_link_that_stays_inside_is_followed() {
    let fixture = Fixture::new(Place::Folder);
    fixture.put("2025/logo.png", b"logo").await.unwrap();
    std::os::unix::fs::symlink("2025", fixture.folder.join("core_media")).unwrap();
    assert_eq!(fixture.whole("core_media/logo.png").await.unwrap(), b"logo");
    assert_eq!(fixture.listed_paths().await, ["2025/logo.png"], "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_plain_file_is_not_there() {
    let fixture = Fixture::new(Place::Folder);
    let _socket = std::os::unix::net::UnixListener::bind(fixture.folder.join("socket")).unwrap();
    make_pipe(&fixture.folder.join("pipe"));
    std::fs::create_dir(fixture.folder.join("folder")).unwrap();
    for path in ["socket", "pipe", "folder"] {
        assert_eq!(fixture.store.find(&at(path)).await, Ok(None));
        assert_eq!(fixture.whole(path).await, None);
    }
    assert_eq!(fixture.store.delete(&at("folder")).await, Ok(()));
    assert!(fixture.folder.join("folder").exists());
    assert_eq!(fixture.list().await, []);
}

fn make_pipe(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// The put that is in the middle reads from a pipe that brings no more: what lies there is what it would
/// leave if it were killed now.
#[tokio::test(flavor = "multi_thread")]
async fn a_half_written_file_is_listed_and_deletable_but_no_medium() {
    use std::io::Write as _;
    let fixture = Fixture::new(Place::Folder);
    let pipe = fixture.folder.join("../pipe");
    make_pipe(&pipe);
    let store = fixture.store.clone();
    let source = MediaSource::File(LocalFile::lasting(&pipe));
    let put = tokio::spawn(async move { store.put_new(&at(LOGO), source).await });
    let mut upload = tokio::task::spawn_blocking(move || {
        let mut upload = std::fs::OpenOptions::new().write(true).open(pipe).unwrap();
        upload.write_all(b"the first half").unwrap();
        upload
    })
    .await
    .unwrap();
    let half = eventually("the half is written", async || {
        let listed = fixture.list().await;
        listed.into_iter().find(|entry| entry.size == FileSize(14))
    })
    .await;
    assert!(half.path.0.starts_with("core_media/2026/01/13/."), "{half:?}");
    assert!((Utc::now() - half.modified).num_seconds() < 60, "gc goes by its age");
    assert_eq!(fixture.store.find(&at(LOGO)).await, Ok(None), "wholly or not at all");
    assert_eq!(fixture.store.find(&half.path).await, Ok(None));
    assert_eq!(fixture.whole(&half.path.0).await, None);
    upload.write_all(b", and the second").unwrap();
    drop(upload);
    assert_eq!(put.await.unwrap(), Ok(()));
    assert_eq!(fixture.whole(LOGO).await.unwrap(), b"the first half, and the second");
    assert_eq!(fixture.listed_paths().await, [LOGO]);

    let left = fixture.folder.join(&half.path.0);
    std::fs::write(&left, "left by a crash").unwrap();
    assert_eq!(fixture.listed_paths().await, [&*half.path.0, LOGO]);
    assert_eq!(fixture.store.delete(&half.path).await, Ok(()));
    assert!(!left.exists());
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_not_there_stores_nothing(#[values(Place::Folder, Place::Bucket)] place: Place) {
    let fixture = Fixture::new(place);
    let put =
        fixture.store.put_new(&at(LOGO), MediaSource::File(LocalFile::lasting("/nowhere/upload"))).await;
    assert!(matches!(put, Err(PutError::Port(PortError::Internal(_)))), "{put:?}");
    assert_eq!(fixture.list().await, []);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_works_says_so(
    #[values(Place::Folder, Place::Bucket, Place::PartOfABucket)] place: Place,
) {
    let fixture = Fixture::new(place);
    assert_eq!((fixture.store.name(), fixture.store.check().await), ("media store", Ok(())));
    fixture.put(LOGO, b"logo").await.unwrap();
    assert_eq!(fixture.store.check().await, Ok(()));
    assert_eq!(fixture.listed_paths().await, [LOGO], "asking leaves nothing behind");
}

/// Everything a store can be asked, and whether each answer was [`PortError::Unavailable`].
async fn asked_everything(store: &dyn MediaStore) -> Vec<(&'static str, bool)> {
    let put = store.put_new(&at(LOGO), MediaSource::Bytes(Bytes::from_static(b"x"))).await;
    vec![
        ("check", is_unavailable(&store.check().await)),
        ("put_new", matches!(put, Err(PutError::Port(PortError::Unavailable(_))))),
        ("find", is_unavailable(&store.find(&at(LOGO)).await)),
        ("read", matches!(store.read(&at(LOGO), None).await, Err(PortError::Unavailable(_)))),
        ("read a part", matches!(store.read(&at(LOGO), Some(0..1)).await, Err(PortError::Unavailable(_)))),
        ("delete", is_unavailable(&store.delete(&at(LOGO)).await)),
        ("list", is_unavailable(&store.list().try_collect::<Vec<_>>().await)),
    ]
}

fn assert_all_unavailable(answers: &[(&str, bool)]) {
    for (what, unavailable) in answers {
        assert!(unavailable, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_went_is_unavailable_rather_than_empty() {
    let fixture = Fixture::new(Place::Folder);
    std::fs::remove_dir(&fixture.folder).unwrap();
    assert_all_unavailable(&asked_everything(&*fixture.store).await);
    std::fs::create_dir(&fixture.folder).unwrap();
    assert_eq!(fixture.put(LOGO, b"logo").await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_unavailable() {
    let endpoint = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", free.local_addr().unwrap())
    };
    let store = S3MediaStore::open(&settings(&endpoint, "")).unwrap();
    let start = Instant::now();
    assert_all_unavailable(&asked_everything(&store).await);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_is_unavailable_within_seconds() {
    // Connections are made by the system, and nobody answers.
    let frozen = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", frozen.local_addr().unwrap());
    let store = S3MediaStore::open(&settings(&endpoint, "")).unwrap();
    let start = Instant::now();
    let put = async {
        let put = store.put_new(&at(LOGO), MediaSource::Bytes(Bytes::from_static(b"x"))).await;
        (put, start.elapsed())
    };
    let check = async { (store.check().await, start.elapsed()) };
    let read = async { (store.read(&at(LOGO), Some(0..1)).await.map(drop), start.elapsed()) };
    let delete = async { (store.delete(&at(LOGO)).await, start.elapsed()) };
    let list = async { (store.list().try_collect::<Vec<_>>().await.map(drop), start.elapsed()) };
    let ((put, put_took), check, read, delete, list) = tokio::join!(put, check, read, delete, list);
    assert!(matches!(put, Err(PutError::Port(PortError::Unavailable(_)))), "{put:?}");
    assert!(put_took < Duration::from_secs(15), "{put_took:?}");
    for (answer, took) in [check, read, delete] {
        assert!(is_unavailable(&answer), "{answer:?}");
        assert!(took < Duration::from_secs(4), "{took:?}");
    }
    assert!(is_unavailable(&list.0) && list.1 < Duration::from_secs(45), "{list:?}");
}

#[rstest]
#[case::wrong_secret(S3Settings { secret_access_key: "wrong".into(), ..settings("http://x", "") })]
#[case::wrong_key(S3Settings { access_key_id: "AKIAOTHER".to_owned(), ..settings("http://x", "") })]
#[case::no_bucket(S3Settings { location: S3Location::parse("s3://no-bucket").unwrap(), ..settings("http://x", "") })]
#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_may_not_be_used_is_unavailable_and_told_without_secrets(#[case] settings: S3Settings) {
    let server = S3Server::start();
    let endpoint = Some(server.endpoint().parse().unwrap());
    let store = S3MediaStore::open(&S3Settings { endpoint, ..settings }).unwrap();
    let PortError::Unavailable(told) = store.check().await.unwrap_err() else { panic!("unavailable") };
    eprintln!("{told}");
    assert!(!told.contains("wrong") && !told.contains("AKIA") && !told.contains('\n'), "{told}");
    let put = store.put_new(&at(LOGO), MediaSource::Bytes(Bytes::from_static(b"x"))).await;
    assert!(matches!(put, Err(PutError::Port(PortError::Unavailable(_)))), "{put:?}");
}
