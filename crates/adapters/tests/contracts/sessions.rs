//! [`Sessions`]: several reads in one go.

use std::sync::Arc;

use portfolio_adapters::blocking::{Sessions, in_one_session};
use portfolio_adapters::database_url::DatabaseUrl;
use portfolio_adapters::postgres::{self, PostgresEmployerRepository};
use portfolio_adapters::sqlite::{self, SqliteEmployerRepository};
use portfolio_domain::employer::EmployerId;
use portfolio_domain::ports::{EmployerRepository, PortError};
use portfolio_testkit::Kind;
use rstest::rstest;

use crate::fixture::Fixture;

/// Employers over one connection, so that whoever asks for a second one waits in vain.
fn over_one_connection(fixture: &Fixture) -> (Arc<dyn Sessions>, Arc<dyn EmployerRepository>) {
    match DatabaseUrl::parse(fixture.base.address()).unwrap() {
        DatabaseUrl::Sqlite(path) => {
            let database = sqlite::open(&path, 1);
            (Arc::new(database.clone()), Arc::new(SqliteEmployerRepository::new(database)))
        }
        DatabaseUrl::Postgres(url) => {
            let database = postgres::open(url, 1);
            (Arc::new(postgres::sessions(&database)), Arc::new(PostgresEmployerRepository::new(database)))
        }
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn all_reads_of_a_session_use_its_connection(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let fixture = Fixture::with_fruit(kind).await;
    let (sessions, employers) = over_one_connection(&fixture);
    for _ in 0..3 {
        let employers = employers.clone();
        let work = async move { (employers.find(EmployerId(4)).await, employers.find(EmployerId(5)).await) };
        let (apple, pear) = in_one_session(&*sessions, work).await.unwrap();
        assert_eq!((apple.unwrap(), pear.unwrap()), (fixture.find(4).await, fixture.find(5).await));
    }
    assert!(employers.find(EmployerId(4)).await.unwrap().is_some(), "the connection was not given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_connection_is_lost_goes_on_with_another() {
    let fixture = Fixture::with_fruit(Kind::Postgres).await;
    let (sessions, employers) = over_one_connection(&fixture);
    let mut raw = fixture.raw();
    let work = async move {
        let before = employers.find(EmployerId(4)).await;
        raw.run(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
        (before, employers.find(EmployerId(4)).await)
    };
    let (before, after) = in_one_session(&*sessions, work).await.unwrap();
    assert_eq!(before.unwrap(), after.unwrap());
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_panics_is_an_error_and_the_next_one_works(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let fixture = Fixture::with_fruit(kind).await;
    let (sessions, employers) = over_one_connection(&fixture);
    let read = employers.clone();
    let work = async move {
        read.find(EmployerId(4)).await.unwrap();
        std::panic::panic_any("on purpose");
    };
    let done: Result<(), _> = in_one_session(&*sessions, work).await;
    assert!(matches!(done, Err(PortError::Internal(_))), "{done:?}");
    let work = async move { employers.find(EmployerId(4)).await };
    assert!(in_one_session(&*sessions, work).await.unwrap().unwrap().is_some());
}
