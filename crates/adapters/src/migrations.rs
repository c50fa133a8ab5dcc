//! The migrations, embedded in the binary, and how they are applied: by one instance at a time.

use diesel::backend::Backend;
use diesel::migration::{Migration, MigrationSource, MigrationVersion};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

pub(crate) const POSTGRES: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");
pub(crate) const SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

/// What is pending when names were stored without what they are searched by. It is filled in by code:
/// SQL knows neither case folding nor, in SQLite, normalisation.
pub(crate) const SEARCH_KEYS: &str = "search-keys";

/// Why migrations were not applied, or could not be listed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MigrateError {
    /// The database is away, or held by others; waiting may cure it.
    #[error("the database can't be reached: {0}")]
    Unreachable(String),
    /// Waiting cures nothing: a wrong password, no such database, a file that is no database.
    #[error("{0}")]
    Refused(String),
    /// The database answers, but not what was asked of it, as where a right is lacking. No migration was tried.
    #[error("can't look into the database: {0}")]
    Unreadable(String),
    /// A migration failed; nothing of it was kept.
    #[error("migration failed: {0}")]
    Failed(String),
}

/// The names of the migrations of `source` that are not among `applied`, in their order.
pub(crate) fn pending<DB: Backend>(
    source: &EmbeddedMigrations,
    applied: &[String],
) -> Result<Vec<String>, MigrateError>
where
    EmbeddedMigrations: MigrationSource<DB>,
{
    let migrations =
        MigrationSource::<DB>::migrations(source).map_err(|error| MigrateError::Failed(error.to_string()))?;
    let mut names: Vec<_> = migrations
        .iter()
        .filter(|migration| !applied.contains(&migration.name().version().to_string()))
        .map(|migration| migration.name().to_string())
        .collect();
    names.sort_unstable();
    Ok(names)
}

/// Applies what is pending. The caller holds the lock.
pub(crate) fn apply<DB: Backend>(
    connection: &mut impl MigrationHarness<DB>,
    source: EmbeddedMigrations,
) -> Result<Vec<String>, MigrateError>
where
    EmbeddedMigrations: MigrationSource<DB>,
{
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| MigrateError::Failed(one_line(&*error));
    let pending: Vec<Box<dyn Migration<DB>>> = connection.pending_migrations(source).map_err(failed)?;
    for migration in &pending {
        connection
            .run_migration(migration)
            .map_err(|error| MigrateError::Failed(format!("{}: {}", migration.name(), one_line(&*error))))?;
    }
    Ok(pending.iter().map(|migration| migration.name().to_string()).collect())
}

/// Takes back the newest migration; answers whether there was one.
pub(crate) fn revert<DB: Backend>(
    connection: &mut impl MigrationHarness<DB>,
    source: EmbeddedMigrations,
) -> Result<bool, MigrateError>
where
    EmbeddedMigrations: MigrationSource<DB>,
{
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| MigrateError::Failed(one_line(&*error));
    let applied: Vec<MigrationVersion<'static>> = connection.applied_migrations().map_err(failed)?;
    if applied.is_empty() {
        return Ok(false);
    }
    connection.revert_last_migration(source).map(|_| true).map_err(failed)
}

/// Errors are told in one line.
pub(crate) fn one_line(error: &(impl std::fmt::Display + ?Sized)) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
