//! [`Probe`](portfolio_domain::ports::Probe): the databases and the media store.

use portfolio_adapters::media_store::LocalMediaStore;
use portfolio_domain::ports::Probe;
use portfolio_testkit::{Cluster, Kind, TestDatabase};
use rstest::rstest;

use crate::fixture::{Base, Fixture, eventually, is_unavailable};

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_works_says_so(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let fixture = Fixture::new(kind);
    assert_eq!(fixture.ports.probe.name(), "database");
    for _ in 0..3 {
        assert_eq!(fixture.ports.probe.check().await, Ok(()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_went_is_unavailable_and_comes_back() {
    let cluster = Cluster::start();
    let fixture = Fixture::over(Kind::Postgres, Base::of(TestDatabase::on(cluster.url())));
    let probe: &dyn Probe = &*fixture.ports.probe;
    assert_eq!(probe.check().await, Ok(()));
    cluster.kill();
    let checked = probe.check().await;
    assert!(is_unavailable(&checked), "{checked:?}");
    cluster.restart();
    eventually("the server is back", async || probe.check().await.ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_is_unavailable_until_it_goes_on() {
    let cluster = Cluster::start();
    let fixture = Fixture::over(Kind::Postgres, Base::of(TestDatabase::on(cluster.url())));
    let probe: &dyn Probe = &*fixture.ports.probe;
    assert_eq!(probe.check().await, Ok(()));
    cluster.freeze();
    let checked = probe.check().await;
    cluster.thaw();
    assert!(is_unavailable(&checked), "{checked:?}");
    eventually("the server goes on", async || probe.check().await.ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_media_that_went_is_unavailable_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("data/media");
    let store = LocalMediaStore::open(&root).unwrap();
    let probe: &dyn Probe = &store;
    assert_eq!((probe.name(), probe.check().await), ("media store", Ok(())));
    std::fs::remove_dir(&root).unwrap();
    assert!(is_unavailable(&probe.check().await));
    std::fs::write(&root, "a file in its place").unwrap();
    assert!(is_unavailable(&probe.check().await));
    std::fs::remove_file(&root).unwrap();
    std::fs::create_dir(&root).unwrap();
    assert_eq!(probe.check().await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_deleted_is_unavailable() {
    let fixture = Fixture::new(Kind::Sqlite);
    assert_eq!(fixture.ports.probe.check().await, Ok(()));
    std::fs::remove_file(fixture.base.file()).unwrap();
    assert!(is_unavailable(&fixture.ports.probe.check().await));
}
