//! Puts concrete adapters behind the ports: the only place that names them.

use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;

use anyhow::Context as _;
use portfolio_adapters::blocking::PoolStatus;
pub use portfolio_adapters::blocking::{Sessions, in_one_session};
use portfolio_adapters::database_url::DatabaseUrl;
pub use portfolio_adapters::disk::port_error as disk_error;
pub use portfolio_adapters::file_system::{may_make, mode as rights_of, others_may_reach};
use portfolio_adapters::media_store::{LocalMediaStore, S3MediaStore};
pub use portfolio_adapters::media_store::{examine_folder, examine_temporary_folder};
use portfolio_adapters::migrations::MigrateError;
pub use portfolio_adapters::new_file::NewFile;
use portfolio_adapters::postgres::{
    self, PostgresAccessControl, PostgresDemoRepository, PostgresEmployerRepository, PostgresImageRepository,
    PostgresStaffRepository, PostgresTokenRepository,
};
use portfolio_adapters::scratch::{self, TemporaryFolder};
pub use portfolio_adapters::sqlite::Snapshot;
use portfolio_adapters::sqlite::{
    self, SqliteAccessControl, SqliteDemoRepository, SqliteEmployerRepository, SqliteImageRepository,
    SqliteStaffRepository, SqliteTokenRepository,
};
use portfolio_adapters::system::{SystemClock, SystemRandom};
use portfolio_adapters::thumbnails::PooledThumbnailer;
use portfolio_domain::finding::Finding;
use portfolio_domain::local_file::LocalFile;
use portfolio_domain::ports::{
    AccessControl, Clock, DemoRepository, EmployerRepository, ImageRepository, MediaStore, Probe,
    RandomSource, Scratch, StaffRepository, TokenRepository,
};

use crate::config::MediaStoreUrl;
use crate::metrics::Gauges;

/// How many connections to PostgreSQL an instance opens at most, unless it is told otherwise.
const POSTGRES_POOL: u32 = 8;

/// How many connections read SQLite at a time, unless it is told otherwise: its statements are work of this process, and
/// each connection keeps pages in memory of its own.
fn sqlite_readers() -> u32 {
    let cores = available_parallelism().map_or(2, NonZero::get);
    u32::try_from(cores).unwrap_or(u32::MAX).clamp(2, 8)
}

/// Every port that a database stands behind.
#[derive(Clone)]
pub struct Storage {
    /// Employers.
    pub employers: Arc<dyn EmployerRepository>,
    /// Images, without their files.
    pub images: Arc<dyn ImageRepository>,
    /// What the access rule asks.
    pub access: Arc<dyn AccessControl>,
    /// Users.
    pub staff: Arc<dyn StaffRepository>,
    /// Keys.
    pub tokens: Arc<dyn TokenRepository>,
    /// The example data.
    pub demo: Arc<dyn DemoRepository>,
    /// Whether the database works.
    pub probe: Arc<dyn Probe>,
    /// Where several reads are done in one go.
    pub sessions: Arc<dyn Sessions>,
    /// How its pools are at the moment.
    pub pools: Arc<dyn Fn() -> Vec<PoolStatus> + Send + Sync>,
}

impl Storage {
    /// The ports over the database at `url`, which may be away, with up to `size` connections, or as
    /// many as suit it.
    #[must_use]
    pub fn open(url: &DatabaseUrl, size: Option<u32>) -> Self {
        match url {
            DatabaseUrl::Postgres(url) => {
                let database = postgres::open(url.clone(), size.unwrap_or(POSTGRES_POOL));
                Self {
                    employers: Arc::new(PostgresEmployerRepository::new(database.clone())),
                    images: Arc::new(PostgresImageRepository::new(database.clone())),
                    access: Arc::new(PostgresAccessControl::new(database.clone())),
                    staff: Arc::new(PostgresStaffRepository::new(database.clone())),
                    tokens: Arc::new(PostgresTokenRepository::new(database.clone())),
                    demo: Arc::new(PostgresDemoRepository::new(database.clone())),
                    probe: Arc::new(database.clone()),
                    sessions: Arc::new(postgres::sessions(&database)),
                    pools: Arc::new(move || vec![database.status()]),
                }
            }
            DatabaseUrl::Sqlite(path) => {
                let database = sqlite::open(path, size.unwrap_or_else(sqlite_readers));
                Self {
                    employers: Arc::new(SqliteEmployerRepository::new(database.clone())),
                    images: Arc::new(SqliteImageRepository::new(database.clone())),
                    access: Arc::new(SqliteAccessControl::new(database.clone())),
                    staff: Arc::new(SqliteStaffRepository::new(database.clone())),
                    tokens: Arc::new(SqliteTokenRepository::new(database.clone())),
                    demo: Arc::new(SqliteDemoRepository::new(database.clone())),
                    probe: Arc::new(database.clone()),
                    sessions: Arc::new(database.clone()),
                    pools: Arc::new(move || database.status().into()),
                }
            }
        }
    }
}

/// The migrations that the database at `url` lacks.
///
/// # Errors
///
/// [`MigrateError`] when they can't be listed.
pub fn pending_migrations(url: &DatabaseUrl) -> Result<Vec<String>, MigrateError> {
    match url {
        DatabaseUrl::Postgres(url) => postgres::pending_migrations(url),
        DatabaseUrl::Sqlite(path) => sqlite::pending_migrations(path),
    }
}

/// Whether the database at `url` holds no table of anybody's.
///
/// # Errors
///
/// [`MigrateError`] when it can't be reached.
pub fn holds_nothing(url: &DatabaseUrl) -> Result<bool, MigrateError> {
    match url {
        DatabaseUrl::Postgres(url) => postgres::holds_nothing(url),
        DatabaseUrl::Sqlite(path) => sqlite::holds_nothing(path),
    }
}

/// Applies the migrations that the database at `url` lacks, and answers their names.
///
/// # Errors
///
/// [`MigrateError`]; nothing is kept of the one that failed.
pub fn migrate(url: &DatabaseUrl) -> Result<Vec<String>, MigrateError> {
    match url {
        DatabaseUrl::Postgres(url) => postgres::migrate(url),
        DatabaseUrl::Sqlite(path) => sqlite::migrate(path),
    }
}

/// Which settings of the database at `url`, that `instances` with up to `size` connections each are to use, break what
/// the service promises.
///
/// # Errors
///
/// [`MigrateError`] when it can't be asked.
pub fn examine(url: &DatabaseUrl, size: Option<u32>, instances: u32) -> Result<Vec<Finding>, MigrateError> {
    match url {
        DatabaseUrl::Postgres(url) => {
            postgres::examine(url, size.unwrap_or(POSTGRES_POOL).saturating_mul(instances))
        }
        DatabaseUrl::Sqlite(path) => sqlite::examine(path),
    }
}

/// Opens the media store. A bucket may be away.
///
/// # Errors
///
/// When its folder can't be made, or no client for its bucket.
pub fn open_media_store(url: &MediaStoreUrl) -> anyhow::Result<Arc<dyn MediaStore>> {
    match url {
        MediaStoreUrl::Folder(folder) => {
            let store = LocalMediaStore::open(folder)
                .with_context(|| format!("MEDIA_STORE: can't use {}", folder.display()))?;
            Ok(Arc::new(store))
        }
        MediaStoreUrl::S3(settings) => {
            let store = S3MediaStore::open(settings)
                .with_context(|| format!("MEDIA_STORE: can't use {}", settings.location))?;
            Ok(Arc::new(store))
        }
    }
}

/// What makes thumbnails.
#[must_use]
pub fn thumbnailer() -> Arc<PooledThumbnailer> {
    Arc::new(PooledThumbnailer::new())
}

/// Room for files that are needed for a while.
#[must_use]
pub fn scratch() -> Arc<dyn Scratch> {
    Arc::new(TemporaryFolder)
}

/// A file to write to, and the same for whoever reads it; it goes with the last of these.
///
/// # Errors
///
/// When there is no room for one.
pub fn temporary_file() -> std::io::Result<(std::fs::File, LocalFile)> {
    scratch::temporary()
}

/// What metrics ask of these.
#[must_use]
pub fn gauges(storage: &Storage, thumbnailer: &Arc<PooledThumbnailer>) -> Gauges {
    let thumbnailer = thumbnailer.clone();
    Gauges { pools: storage.pools.clone(), images: Arc::new(move || thumbnailer.status()) }
}

/// The clock.
#[must_use]
pub fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// Randomness.
#[must_use]
pub fn random() -> Arc<dyn RandomSource> {
    Arc::new(SystemRandom)
}
