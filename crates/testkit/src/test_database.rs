use std::env;
use std::sync::atomic::{AtomicU32, Ordering};

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};
use tempfile::TempDir;

/// A kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The embedded default.
    Sqlite,
    /// A server.
    Postgres,
}

/// A database of its own for one test, empty, and gone when this is dropped.
#[derive(Debug)]
pub struct TestDatabase {
    url: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Folder(#[expect(dead_code, reason = "removes the folder when dropped")] TempDir),
    Server { server: String, name: String },
}

impl TestDatabase {
    /// A database of this kind. PostgreSQL's lies on the server that `TEST_POSTGRES_URL` names, which
    /// `make test` starts.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        match kind {
            Kind::Sqlite => {
                let folder = tempfile::tempdir().expect("a temporary folder");
                let url = format!("sqlite://{}/portfolio.db", folder.path().display());
                Self { url, place: Place::Folder(folder) }
            }
            Kind::Postgres => Self::on(
                &env::var("TEST_POSTGRES_URL").expect("TEST_POSTGRES_URL: run the tests with `make test`"),
            ),
        }
    }

    /// A database on the PostgreSQL server of which `server` is any database.
    #[must_use]
    pub fn on(server: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", std::process::id());
        execute(server, &format!("CREATE DATABASE {name}"));
        let (address, _) = server.rsplit_once('/').expect("an address with a database");
        let url = format!("{address}/{name}");
        Self { url, place: Place::Server { server: server.to_owned(), name } }
    }

    /// What `DATABASE_URL` is to be.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if let Place::Server { server, name } = &self.place {
            // The server may be gone already, killed by the test.
            if let Ok(mut connection) = PgConnection::establish(server) {
                let _ = connection.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)"));
            }
        }
    }
}

fn execute(server: &str, statement: &str) {
    let mut connection = PgConnection::establish(server).expect("the PostgreSQL server of the tests");
    connection.batch_execute(statement).expect(statement);
}
