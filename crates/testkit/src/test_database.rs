use std::env;
use std::sync::atomic::{AtomicU32, Ordering};

use diesel::connection::SimpleConnection as _;
use diesel::sql_types::Text;
use diesel::{Connection as _, PgConnection, QueryableByName, RunQueryDsl as _, SqliteConnection};
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

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
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

    /// Asks the database itself; answers the column `line` of each row, which is text.
    #[must_use]
    pub fn lines(&self, query: &str) -> Vec<String> {
        match &self.place {
            Place::Folder(_) => texts(diesel::sql_query(query).load(&mut self.sqlite()).unwrap()),
            Place::Server { .. } => lines(&self.url, query),
        }
    }

    /// Runs statements on the database itself.
    pub fn execute(&self, statements: &str) {
        match &self.place {
            Place::Folder(_) => self.sqlite().batch_execute(statements).unwrap(),
            Place::Server { .. } => execute(&self.url, statements),
        }
    }

    fn sqlite(&self) -> SqliteConnection {
        let mut connection =
            SqliteConnection::establish(self.url.strip_prefix("sqlite://").unwrap()).unwrap();
        // A server beside it writes, too.
        connection.batch_execute("PRAGMA busy_timeout = 5000;").unwrap();
        connection
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

/// What a query of a PostgreSQL server answers: the column `line` of each row, which is text.
pub(crate) fn lines(server: &str, query: &str) -> Vec<String> {
    let mut connection = PgConnection::establish(server).expect("the PostgreSQL server of the tests");
    texts(diesel::sql_query(query).load(&mut connection).expect(query))
}

fn texts(rows: Vec<Line>) -> Vec<String> {
    rows.into_iter().map(|row| row.line).collect()
}

pub(crate) fn execute(server: &str, statement: &str) {
    let mut connection = PgConnection::establish(server).expect("the PostgreSQL server of the tests");
    connection.batch_execute(statement).expect(statement);
}
