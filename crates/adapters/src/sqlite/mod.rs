//! The adapters for SQLite: the embedded default, one file and no server.
//!
//! SQLite knows one writer at a time. A pool of one connection writes, so that writers wait at an
//! async gate rather than in the engine, and share a commit; a pool of others reads beside it (WAL).

mod access_control;
mod demo_repository;
mod employer_repository;
mod examination;
mod group_commit;
mod image_repository;
mod list;
mod patch_statement;
mod row_counts;
mod schema;
mod search_keys;
mod snapshot;
mod staff_repository;
#[cfg(test)]
mod testing;
mod token_repository;

pub use access_control::SqliteAccessControl;
pub use demo_repository::SqliteDemoRepository;
pub use employer_repository::SqliteEmployerRepository;
pub use examination::examine;
pub use image_repository::SqliteImageRepository;
pub use snapshot::{Snapshot, SnapshotError};
pub use staff_repository::SqliteStaffRepository;
pub use token_repository::SqliteTokenRepository;

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::{Sqlite as SqliteBackend, SqliteConnection};
use futures_util::future::BoxFuture;
use portfolio_domain::ports::{PortError, Probe};
use url::Url;

use self::group_commit::Writer;
use crate::blocking::{Database, Engine, PoolStatus, Sessions};
use crate::migrations::{self, MigrateError, one_line};

/// A SQLite file, through two pools.
#[derive(Clone)]
pub struct SqliteDatabase {
    path: PathBuf,
    /// The device and the number of the file, as first seen.
    file: Arc<OnceLock<(u64, u64)>>,
    writer: Writer,
    readers: Database<Sqlite>,
}

/// Opens the file at `path`, which is made when it is not there, for one writer and up to `readers`
/// readers at a time.
#[must_use]
pub fn open(path: &Path, readers: u32) -> SqliteDatabase {
    let engine = |read_only| Sqlite { path: path.to_owned(), read_only };
    SqliteDatabase {
        path: path.to_owned(),
        file: Arc::default(),
        writer: Writer::new(Database::new("sqlite writer", engine(false), 1, 1)),
        readers: Database::new("sqlite readers", engine(true), readers, 1),
    }
}

impl SqliteDatabase {
    /// How its pools are at this moment.
    #[must_use]
    pub fn status(&self) -> [PoolStatus; 2] {
        [self.writer.status(), self.readers.status()]
    }
}

#[async_trait]
impl Sessions for SqliteDatabase {
    async fn hold(&self, work: BoxFuture<'static, ()>) -> Result<(), PortError> {
        self.readers.hold(work).await
    }
}

/// How connections to SQLite are made.
pub struct Sqlite {
    path: PathBuf,
    read_only: bool,
}

/// What every connection is set to. A commit is answered only when it is on disk: `synchronous=FULL`
/// syncs the log at each (`NORMAL` never does, measured). Another process that writes, such as the
/// command line, is waited for no longer than a caller waits.
const SESSION: &str = "
    PRAGMA busy_timeout = 2000;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;";

/// What a connection that reads is set to beside. What its own megabyte of pages does not hold, the kernel's does.
const READER: &str = "
    PRAGMA query_only = ON;
    PRAGMA cache_size = -1024;";

impl Engine for Sqlite {
    type Connection = SqliteConnection;

    /// Makes the file and its folder where they are not there.
    fn connect(&self) -> Result<SqliteConnection, String> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        create(&self.path).map_err(|error| format!("{}: {error}", self.path.display()))?;
        let mut connection =
            SqliteConnection::establish(&self.path.to_string_lossy()).map_err(|error| one_line(&error))?;
        connection.batch_execute(SESSION).map_err(|error| one_line(&error))?;
        turn_on_log(&mut connection).map_err(|error| one_line(&error))?;
        if self.read_only {
            connection.batch_execute(READER).map_err(|error| one_line(&error))?;
        }
        Ok(connection)
    }

    /// A file does not go away as a server does.
    fn is_lost(_: &mut SqliteConnection, error: &DieselError) -> bool {
        matches!(error, DieselError::BrokenTransactionManager | DieselError::RollbackErrorOnCommit { .. })
    }

    fn is_full(error: &DieselError) -> bool {
        // diesel tells SQLITE_FULL by its text alone, which SQLite never translates.
        matches!(error, DieselError::DatabaseError(DatabaseErrorKind::Unknown, error)
            if error.message().contains("database or disk is full"))
    }
}

/// Reads all of `read` as it is at one moment.
///
/// # Errors
///
/// That of `read`. Of a file that can't be read SQLite ends the transaction by itself, and diesel would tell of that alone.
fn at_one_moment<T>(
    connection: &mut SqliteConnection,
    read: impl FnOnce(&mut SqliteConnection) -> QueryResult<T>,
) -> QueryResult<T> {
    let mut why = None;
    let done = connection.transaction(|connection| {
        read(connection).map_err(|error| {
            why = Some(error);
            DieselError::RollbackTransaction
        })
    });
    why.map_or(done, Err)
}

/// Makes the file where there is none: its owner's alone, since it holds what keys hash to. SQLite gives its log
/// and index the same rights.
///
/// A file that is there is not opened. To close it again would end every lock that this process holds on it (POSIX
/// has it so), those of SQLite's connections included: another process that comes and goes would take the service
/// for gone, and delete the log that answered changes are in.
fn create(path: &Path) -> std::io::Result<()> {
    /// Nobody connects between the making of the file and its closing.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        done => done.map(drop),
    }
}

/// Turns the log on, which takes a new file as a whole. For that alone SQLite does not wait until others
/// let go of it: of five that opened one at once, one in twenty was refused.
fn turn_on_log(connection: &mut SqliteConnection) -> QueryResult<()> {
    const TRIES: usize = 10;
    for _ in 1..TRIES {
        match connection.batch_execute("PRAGMA journal_mode = WAL;") {
            Err(error) if is_locked(&error.to_string()) => {
                connection.batch_execute("BEGIN EXCLUSIVE; COMMIT;")?;
            }
            done => return done,
        }
    }
    connection.batch_execute("PRAGMA journal_mode = WAL;")
}

/// Whether SQLite says that somebody else is at the file. diesel tells it by the text alone.
fn is_locked(error: &str) -> bool {
    error.contains("database is locked")
}

#[async_trait]
impl Probe for SqliteDatabase {
    fn name(&self) -> &'static str {
        "database"
    }

    async fn check(&self) -> Result<(), PortError> {
        // A file that was deleted or replaced can still be written to, and what is written is lost with
        // the process.
        let (path, first) = (self.path.clone(), self.file.clone());
        let read = move |connection: &mut SqliteConnection| {
            let now = path.metadata().ok().map(|file| (file.dev(), file.ino()));
            if now.is_none_or(|now| now != *first.get_or_init(|| now)) {
                let gone = format!("{} is gone", path.display());
                return Err(DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(gone)));
            }
            // `SELECT 1` would read no page of it.
            applied(connection).map(drop)
        };
        self.readers.read(read).await
    }
}

/// Lists the migrations that are pending, in their order. It changes nothing.
///
/// # Errors
///
/// [`MigrateError`] when they can't be listed.
pub fn pending_migrations(path: &Path) -> Result<Vec<String>, MigrateError> {
    if !path.try_exists().map_err(|error| refused(path, error))? {
        return migrations::pending::<SqliteBackend>(&migrations::SQLITE, &[]);
    }
    let mut connection = connect_to_look(path)?;
    let applied = applied(&mut connection).map_err(|error| refused(path, error))?;
    let pending = migrations::pending::<SqliteBackend>(&migrations::SQLITE, &applied)?;
    if pending.is_empty()
        && search_keys::are_missing(&mut connection).map_err(|error| refused(path, error))?
    {
        return Ok(vec![migrations::SEARCH_KEYS.to_owned()]);
    }
    Ok(pending)
}

/// Applies the pending migrations, all of them in one transaction that no other process enters.
/// Answers the names of those that it applied.
///
/// # Errors
///
/// [`MigrateError`]; nothing is kept then.
pub fn migrate(path: &Path) -> Result<Vec<String>, MigrateError> {
    let mut connection = connect_for_migrations(path)?;
    let mut outcome = Ok(Vec::new());
    let done = connection.exclusive_transaction(|connection| {
        outcome = migrations::apply::<SqliteBackend>(connection, migrations::SQLITE);
        if outcome.is_err() {
            return Err(DieselError::RollbackTransaction);
        }
        search_keys::fill(connection)?;
        row_counts::settle(connection)
    });
    match done {
        Ok(()) | Err(DieselError::RollbackTransaction) => outcome,
        Err(error) if is_locked(&error.to_string()) => Err(MigrateError::Unreachable(one_line(&error))),
        Err(error) => Err(MigrateError::Failed(one_line(&error))),
    }
}

/// Whether the file holds no table yet.
///
/// # Errors
///
/// [`MigrateError`] when that can't be found out.
pub fn holds_nothing(path: &Path) -> Result<bool, MigrateError> {
    let mut connection = connect_for_migrations(path)?;
    diesel::select(diesel::dsl::sql::<diesel::sql_types::Bool>("NOT EXISTS (SELECT 1 FROM sqlite_master)"))
        .get_result(&mut connection)
        .map_err(|error| refused(path, error))
}

/// Takes back the newest migration; answers whether there was one. For tests.
///
/// # Errors
///
/// [`MigrateError`] when it can't be taken back.
pub fn revert_migration(path: &Path) -> Result<bool, MigrateError> {
    migrations::revert::<SqliteBackend>(&mut connect_for_migrations(path)?, migrations::SQLITE)
}

fn connect_for_migrations(path: &Path) -> Result<SqliteConnection, MigrateError> {
    let engine = Sqlite { path: path.to_owned(), read_only: false };
    let mut connection = engine.connect().map_err(|error| refused(path, error))?;
    // Whoever else migrates is waited for.
    connection.batch_execute("PRAGMA busy_timeout = 60000;").map_err(|error| refused(path, error))?;
    Ok(connection)
}

/// Opens the file at `path`, which is there, and changes nothing: neither how its log is kept, as a connection of the
/// service does, nor which files lie beside it.
///
/// Where there is a log, SQLite would write it into the file when the last connection ends, unless that may only read;
/// where there is none, one that may only read would leave an empty one.
fn connect_to_look(path: &Path) -> Result<SqliteConnection, MigrateError> {
    // The log lies beside the file itself.
    let file = path.canonicalize().map_err(|error| refused(path, error))?;
    let log = beside(&file, "-wal").try_exists().map_err(|error| refused(path, error))?;
    let mut url = Url::from_file_path(&file).map_err(|()| refused(path, "no absolute path"))?;
    url.set_query(Some(if log { "mode=ro" } else { "mode=rw" }));
    let mut connection = SqliteConnection::establish(url.as_str()).map_err(|error| refused(path, error))?;
    connection
        .batch_execute("PRAGMA busy_timeout = 2000; PRAGMA query_only = ON;")
        .map_err(|error| refused(path, error))?;
    Ok(connection)
}

/// What SQLite keeps beside the file at `path`.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut file = path.as_os_str().to_owned();
    file.push(suffix);
    file.into()
}

/// Why the file at `path` can't be used: others hold it, or waiting cures nothing.
fn refused(path: &Path, error: impl std::fmt::Display) -> MigrateError {
    let text = format!("{}: {}", path.display(), one_line(&error));
    if is_locked(&text) { MigrateError::Unreachable(text) } else { MigrateError::Refused(text) }
}

fn applied(connection: &mut SqliteConnection) -> QueryResult<Vec<String>> {
    let table = "SELECT count(*) AS number FROM sqlite_master WHERE name = '__diesel_schema_migrations'";
    if diesel::sql_query(table).get_result::<Count>(connection)?.number == 0 {
        return Ok(Vec::new());
    }
    let versions = "SELECT version FROM __diesel_schema_migrations";
    let rows = diesel::sql_query(versions).load::<Applied>(connection)?;
    Ok(rows.into_iter().map(|row| row.version).collect())
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

#[derive(QueryableByName)]
struct Applied {
    #[diesel(sql_type = Text)]
    version: String,
}

#[cfg(test)]
mod tests {
    use diesel::connection::InstrumentationEvent;
    use portfolio_domain::employer::EmployerId;

    use super::testing::plan;
    use super::*;

    #[test]
    fn a_read_that_sqlite_itself_rolls_back_fails_with_what_went_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Sqlite { path: folder.path().join("a.db"), read_only: true };
        let mut connection = engine.connect().unwrap();
        let failed = at_one_moment(&mut connection, |connection| {
            connection.batch_execute("ROLLBACK")?;
            connection.batch_execute("SELECT no_such_function()")
        });
        let failed = failed.unwrap_err().to_string();
        assert!(failed.contains("no_such_function"), "{failed}");
    }

    /// What each request asks must not take longer the more there is.
    #[test]
    fn an_employer_and_a_key_are_found_without_reading_any_table_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        migrate(&path).unwrap();
        let image = "INSERT INTO images (name, path, size_bytes, width, height, mode, created_at) \
                     VALUES ('a', 'a.png', 1, 1, 1, 'L', 0);
                     INSERT INTO employers (name, image_id, created_at, updated_at) VALUES ('a', 1, 0, 0)";
        connect_for_migrations(&path).unwrap().batch_execute(image).unwrap();
        let mut connection = Sqlite { path, read_only: true }.connect().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let asks = asked.clone();
        connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event {
                asks.lock().unwrap().push(query.to_string());
            }
        });
        assert!(employer_repository::find(&mut connection, EmployerId(1)).unwrap().is_some());
        access_control::find(&mut connection, &[0; 32]).unwrap();
        let asked = std::mem::take(&mut *asked.lock().unwrap());
        assert_eq!(asked.len(), 3);
        for query in asked {
            let how = plan(&mut connection, &query);
            assert!(how.iter().all(|step| step.starts_with("SEARCH ")), "{query}: {how:?}");
            let of_thumbnails = how.iter().any(|step| step.starts_with("SEARCH thumbnails"));
            assert!(
                !of_thumbnails
                    || how == ["SEARCH thumbnails USING COVERING INDEX thumbnails_image_id (image_id=?)"]
            );
        }
    }
}
