//! A fresh database of either kind with every port over it, and the entities that the suites share.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use portfolio_adapters::database_url::DatabaseUrl;
use portfolio_adapters::migrations::MigrateError;
use portfolio_adapters::{postgres, sqlite};
use portfolio_domain::employer::{Description, Employer, EmployerId, EmployerName, Precondition, Version};
use portfolio_domain::employer_patch::{EmployerPatch, Patch};
use portfolio_domain::image::{Image, ImageId};
use portfolio_domain::permission::Permission;
use portfolio_domain::ports::{
    AccessControl, Demo, DemoRepository, EmployerRepository, ImageRepository, PortError, Probe,
    StaffRepository, TokenRepository,
};
use portfolio_domain::staff::{NewStaff, StaffName, Standing};
use portfolio_domain::testing::fixtures;
use portfolio_domain::token::{NewToken, Token};
use portfolio_testkit::{Kind, TestDatabase};

/// The ports of one instance of the service: pools and memories of its own.
#[derive(Clone)]
pub(crate) struct Ports {
    pub(crate) employers: Arc<dyn EmployerRepository>,
    pub(crate) images: Arc<dyn ImageRepository>,
    pub(crate) access: Arc<dyn AccessControl>,
    pub(crate) staff: Arc<dyn StaffRepository>,
    pub(crate) tokens: Arc<dyn TokenRepository>,
    pub(crate) demo: Arc<dyn DemoRepository>,
    pub(crate) probe: Arc<dyn Probe>,
}

impl Ports {
    fn open(url: &DatabaseUrl) -> Self {
        match url {
            DatabaseUrl::Sqlite(path) => {
                let database = sqlite::open(path, 4);
                Self {
                    employers: Arc::new(sqlite::SqliteEmployerRepository::new(database.clone())),
                    images: Arc::new(sqlite::SqliteImageRepository::new(database.clone())),
                    access: Arc::new(sqlite::SqliteAccessControl::new(database.clone())),
                    staff: Arc::new(sqlite::SqliteStaffRepository::new(database.clone())),
                    tokens: Arc::new(sqlite::SqliteTokenRepository::new(database.clone())),
                    demo: Arc::new(sqlite::SqliteDemoRepository::new(database.clone())),
                    probe: Arc::new(database),
                }
            }
            DatabaseUrl::Postgres(url) => {
                let database = postgres::open(url.clone(), 8);
                Self {
                    employers: Arc::new(postgres::PostgresEmployerRepository::new(database.clone())),
                    images: Arc::new(postgres::PostgresImageRepository::new(database.clone())),
                    access: Arc::new(postgres::PostgresAccessControl::new(database.clone())),
                    staff: Arc::new(postgres::PostgresStaffRepository::new(database.clone())),
                    tokens: Arc::new(postgres::PostgresTokenRepository::new(database.clone())),
                    demo: Arc::new(postgres::PostgresDemoRepository::new(database.clone())),
                    probe: Arc::new(database),
                }
            }
        }
    }
}

/// A migrated database, and the ports over it.
pub(crate) struct Fixture {
    pub(crate) kind: Kind,
    pub(crate) ports: Ports,
    // Dropped last: the pools are gone by then.
    pub(crate) base: Base,
}

impl Fixture {
    /// Over a database of its own.
    pub(crate) fn new(kind: Kind) -> Self {
        Self::over(kind, Base::new(kind))
    }

    /// Over `base`, which may be empty still.
    pub(crate) fn over(kind: Kind, base: Base) -> Self {
        base.migrate().unwrap();
        Self { kind, ports: base.open(), base }
    }

    /// Over a database that holds these and a user.
    pub(crate) async fn with(kind: Kind, images: Vec<Image>, employers: Vec<Employer>) -> Self {
        let fixture = Self::new(kind);
        fixture.ports.demo.plant(&demo(images, employers)).await.unwrap();
        fixture
    }

    /// Over a database with [`apple`], [`pear`], and the images 6 and 7.
    pub(crate) async fn with_fruit(kind: Kind) -> Self {
        Self::with(kind, vec![fixtures::image(6), fixtures::image(7)], vec![apple(), pear()]).await
    }

    /// The employer with this id, if there is one.
    pub(crate) async fn find(&self, id: i64) -> Option<Employer> {
        self.ports.employers.find(EmployerId(id)).await.unwrap()
    }

    /// Patches without a precondition at [`fixtures::now`].
    pub(crate) async fn patch(&self, id: i64, patch: &EmployerPatch) -> Option<Employer> {
        let now = fixtures::now();
        self.ports.employers.patch(EmployerId(id), patch, &Precondition::None, now).await.unwrap()
    }

    /// A connection that no port knows of.
    pub(crate) fn raw(&self) -> Raw {
        self.base.raw()
    }
}

/// A database that may not be migrated yet.
pub(crate) struct Base {
    url: DatabaseUrl,
    database: TestDatabase,
}

impl Base {
    /// Runs statements on the database itself.
    pub(crate) fn execute(&self, statements: &str) {
        self.database.execute(statements);
    }

    pub(crate) fn new(kind: Kind) -> Self {
        Self::of(TestDatabase::new(kind))
    }

    pub(crate) fn of(database: TestDatabase) -> Self {
        Self { url: DatabaseUrl::parse(database.url()).unwrap(), database }
    }

    /// The ports of one more instance over it.
    pub(crate) fn open(&self) -> Ports {
        Ports::open(&self.url)
    }

    /// SQLite's file.
    pub(crate) fn file(&self) -> PathBuf {
        match &self.url {
            DatabaseUrl::Sqlite(path) => path.clone(),
            DatabaseUrl::Postgres(_) => panic!("a server has no file"),
        }
    }

    /// SQLite's log, beside its file.
    pub(crate) fn log(&self) -> PathBuf {
        let mut log = self.file().into_os_string();
        log.push("-wal");
        log.into()
    }

    /// The whole address, as `DATABASE_URL` would have it.
    pub(crate) fn address(&self) -> &str {
        self.database.url()
    }

    pub(crate) fn migrate(&self) -> Result<Vec<String>, MigrateError> {
        match &self.url {
            DatabaseUrl::Sqlite(path) => sqlite::migrate(path),
            DatabaseUrl::Postgres(url) => postgres::migrate(url),
        }
    }

    pub(crate) fn pending(&self) -> Result<Vec<String>, MigrateError> {
        match &self.url {
            DatabaseUrl::Sqlite(path) => sqlite::pending_migrations(path),
            DatabaseUrl::Postgres(url) => postgres::pending_migrations(url),
        }
    }

    /// Takes back a migration and those after it; answers their names.
    pub(crate) fn revert_from(&self, name: &str) -> Vec<String> {
        loop {
            assert_eq!(self.revert(), Ok(true), "{name} was never applied");
            let pending = self.pending().unwrap();
            if pending.iter().any(|pending| pending.contains(name)) {
                return pending;
            }
        }
    }

    pub(crate) fn revert(&self) -> Result<bool, MigrateError> {
        match &self.url {
            DatabaseUrl::Sqlite(path) => sqlite::revert_migration(path),
            DatabaseUrl::Postgres(url) => postgres::revert_migration(url),
        }
    }

    pub(crate) fn raw(&self) -> Raw {
        match &self.url {
            DatabaseUrl::Sqlite(path) => {
                let mut connection = SqliteConnection::establish(&path.to_string_lossy()).unwrap();
                connection.batch_execute("PRAGMA busy_timeout = 10000; PRAGMA foreign_keys = ON;").unwrap();
                Raw::Sqlite(connection)
            }
            DatabaseUrl::Postgres(_) => Raw::Postgres(PgConnection::establish(self.database.url()).unwrap()),
        }
    }
}

/// A plain connection: what the tests do behind the ports' backs.
pub(crate) enum Raw {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    value: i64,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Nullable<Text>)]
    value: Option<String>,
}

impl Raw {
    /// Runs statements.
    pub(crate) fn run(&mut self, statements: &str) {
        match self {
            Self::Sqlite(connection) => connection.batch_execute(statements),
            Self::Postgres(connection) => connection.batch_execute(statements),
        }
        .unwrap();
    }

    /// The one number that `query` answers as `value`.
    pub(crate) fn number(&mut self, query: &str) -> i64 {
        let query = diesel::sql_query(query);
        match self {
            Self::Sqlite(connection) => query.get_result::<Number>(connection),
            Self::Postgres(connection) => query.get_result::<Number>(connection),
        }
        .unwrap()
        .value
    }

    /// The texts that `query` answers as `value`; a null is an empty one.
    pub(crate) fn lines(&mut self, query: &str) -> Vec<String> {
        let query = diesel::sql_query(query);
        let lines: Vec<Line> = match self {
            Self::Sqlite(connection) => query.load(connection),
            Self::Postgres(connection) => query.load(connection),
        }
        .unwrap();
        lines.into_iter().map(|line| line.value.unwrap_or_default()).collect()
    }

    /// How many rows `table` has.
    pub(crate) fn count(&mut self, table: &str) -> i64 {
        self.number(&format!("SELECT count(*) AS value FROM {table}"))
    }

    /// Stores an employer without naming its id; answers the id it got.
    pub(crate) fn insert_employer(&mut self, name: &str) -> i64 {
        let at = self.some_time();
        self.number(&format!(
            "INSERT INTO employers (name, created_at, updated_at) VALUES ('{name}', {at}, {at}) \
             RETURNING id AS value"
        ))
    }

    /// Stores an image, with this id or with the next one; answers its id.
    pub(crate) fn insert_image(&mut self, id: Option<i64>, path: &str) -> i64 {
        let at = self.some_time();
        let (column, id) = id.map_or_else(Default::default, |id| ("id, ", format!("{id}, ")));
        self.number(&format!(
            "INSERT INTO images ({column}name, path, size_bytes, width, height, mode, created_at) \
             VALUES ({id}'late', '{path}', 1, 1, 1, 'L', {at}) RETURNING id AS value"
        ))
    }

    /// A time, as this database writes it.
    fn some_time(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "1768298100750306",
            Self::Postgres(_) => "'2026-01-13T09:55:00.750306Z'",
        }
    }
}

/// Asks until `answer` has one. It waits for what another thread or process does soon, and gives up
/// after so long that only a fault can be the cause.
pub(crate) async fn eventually<T>(what: &str, mut answer: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = answer().await {
            return value;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "still waiting: {what}");
        tokio::task::yield_now().await;
    }
}

/// 4, `Apple`, with image 6 and a description.
pub(crate) fn apple() -> Employer {
    Employer {
        image: Some(fixtures::image(6)),
        description: Some(Description::from_stored("makes computers".to_owned())),
        ..fixtures::employer(4, "Apple")
    }
}

/// 5, `Pear`, with nothing.
pub(crate) fn pear() -> Employer {
    fixtures::employer(5, "Pear")
}

pub(crate) fn demo(images: Vec<Image>, employers: Vec<Employer>) -> Demo {
    Demo { staff: new_staff("gardener", &[]), images, employers, now: fixtures::now() }
}

/// `employer` after one more patch at `at`.
pub(crate) fn changed(employer: Employer, at: DateTime<Utc>) -> Employer {
    Employer { version: Version(employer.version.0 + 1), updated_at: at, ..employer }
}

pub(crate) fn name(text: &str) -> EmployerName {
    EmployerName::from_stored(text.to_owned())
}

pub(crate) fn rename(text: &str) -> EmployerPatch {
    EmployerPatch { name: Some(name(text)), ..EmployerPatch::default() }
}

pub(crate) fn show(image: i64) -> EmployerPatch {
    EmployerPatch { image: Patch::Set(ImageId(image)), ..EmployerPatch::default() }
}

pub(crate) fn describe(text: &str) -> EmployerPatch {
    let description = Patch::Set(Description::from_stored(text.to_owned()));
    EmployerPatch { description, ..EmployerPatch::default() }
}

/// An active user, staff, with these permissions.
pub(crate) fn new_staff(name: &str, permissions: &[Permission]) -> NewStaff {
    NewStaff {
        name: staff_name(name),
        standing: Standing { active: true, staff: true, admin: false },
        permissions: set(permissions),
    }
}

pub(crate) fn staff_name(text: &str) -> StaffName {
    StaffName::from_stored(text.to_owned())
}

pub(crate) fn set(permissions: &[Permission]) -> BTreeSet<Permission> {
    permissions.iter().copied().collect()
}

/// `key` for `owner`, without a label, for ever.
pub(crate) fn new_token(owner: &str, key: &str) -> NewToken {
    NewToken {
        token: Token::presented(key),
        owner: staff_name(owner),
        label: String::new(),
        created_at: fixtures::now(),
        expires_at: None,
    }
}

/// Whether `error` says that the database is away or overloaded.
pub(crate) fn is_unavailable<T>(result: &Result<T, PortError>) -> bool {
    matches!(result, Err(PortError::Unavailable(_)))
}
