//! The adapters for PostgreSQL: for more than one instance of the service.

mod access_control;
mod create_statement;
mod demo_repository;
mod employer_repository;
mod examination;
mod grant_statement;
mod image_repository;
mod list;
mod patch_statement;
mod patch_together;
mod row_counts;
mod schema;
mod search_keys;
mod staff_repository;
mod statements;
mod token_repository;
mod whole_rows;

pub use access_control::PostgresAccessControl;
pub use demo_repository::PostgresDemoRepository;
pub use employer_repository::PostgresEmployerRepository;
pub use examination::examine;
pub use image_repository::PostgresImageRepository;
pub use staff_repository::PostgresStaffRepository;
pub use token_repository::PostgresTokenRepository;

use async_trait::async_trait;
use diesel::connection::SimpleConnection as _;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::sql_types::Text;
use portfolio_domain::ports::{PortError, Probe};

use crate::blocking::{Database, Engine, Sessions, Works};
use crate::database_url::PostgresUrl;
use crate::migrations::{self, MigrateError, one_line};

/// A PostgreSQL server, through a pool.
pub type PostgresDatabase = Database<Postgres>;

/// Opens a pool of up to `size` connections. The server may be away.
#[must_use]
pub fn open(url: PostgresUrl, size: u32) -> PostgresDatabase {
    Database::new("postgres", Postgres { url }, size, 2)
}

/// How connections to PostgreSQL are made.
pub struct Postgres {
    url: PostgresUrl,
}

/// What every session of the service is set to, of what the server knows. A commit is answered only
/// when it is on disk; a setting that waits for a standby as well is stronger, and stays. Deadlocks are
/// looked for after a second (a setting of the server), so waiting for a lock must last longer.
const SESSION: &str = "
    SELECT set_config(name, wanted, false)
    FROM (VALUES ('statement_timeout', '2s'),
                 ('lock_timeout', '1500ms'),
                 ('idle_in_transaction_session_timeout', '5s'),
                 ('transaction_timeout', '5s'),
                 ('synchronous_commit', 'on')) AS session (name, wanted)
    JOIN pg_settings USING (name)
    WHERE name <> 'synchronous_commit' OR setting NOT IN ('on', 'remote_apply')";

/// What a prepared statement says for ever once a migration has changed what its columns are, as that of the next
/// release does to the one that serves (PostgreSQL's plancache.c; diesel keeps statements as long as the connection).
const STALE_STATEMENT: &str = "cached plan must not change result type";

impl Engine for Postgres {
    type Connection = PgConnection;

    fn connect(&self) -> Result<PgConnection, String> {
        let mut connection = PgConnection::establish(self.url.expose()).map_err(|error| one_line(&error))?;
        connection.batch_execute(SESSION).map_err(|error| one_line(&error))?;
        Ok(connection)
    }

    /// A server that has become a standby refuses writes: another one of the address may take them.
    fn is_lost(connection: &mut PgConnection, error: &DieselError) -> bool {
        match error {
            DieselError::DatabaseError(
                DatabaseErrorKind::ClosedConnection
                | DatabaseErrorKind::UnableToSendCommand
                | DatabaseErrorKind::ReadOnlyTransaction,
                _,
            )
            | DieselError::BrokenTransactionManager => true,
            // A server that shuts down says so first and closes then, which shows only at the next call.
            DieselError::DatabaseError(DatabaseErrorKind::Unknown, told) => {
                told.message() == STALE_STATEMENT || connection.batch_execute("SELECT 1").is_err()
            }
            _ => false,
        }
    }

    /// A full disk of the server is the server's own trouble: 503 (contract, section 3).
    fn is_full(_: &DieselError) -> bool {
        false
    }
}

/// Where several reads are done in one go, with those of others.
#[must_use]
pub fn sessions(database: &PostgresDatabase) -> impl Sessions + use<> {
    Works::new(database.clone())
}

#[async_trait]
impl Probe for PostgresDatabase {
    fn name(&self) -> &'static str {
        "database"
    }

    async fn check(&self) -> Result<(), PortError> {
        self.read(|connection| connection.batch_execute("SELECT 1")).await
    }
}

/// Whoever applies migrations holds this lock of the database. The number is the service's own.
const MIGRATION_LOCK: &str = "SELECT pg_advisory_lock(4223001)";

/// For that lock it waits as long as it takes; for a table that others use, no longer than this: behind a
/// migration that waits, everybody waits who would only read, and the release that serves gives up after a second and
/// a half.
const MIGRATION_PATIENCE: &str = "SET lock_timeout = '700ms'";

/// Lists the migrations that are pending, in their order. It writes nothing, and needs no right to.
///
/// # Errors
///
/// [`MigrateError`] when they can't be listed.
pub fn pending_migrations(url: &PostgresUrl) -> Result<Vec<String>, MigrateError> {
    let mut connection = connect_for_migrations(url)?;
    // Behind whoever keeps a table to itself it would wait for ever.
    let pending = connection.batch_execute("SET lock_timeout = '2s'").and_then(|()| applied(&mut connection));
    let pending = pending.and_then(|applied| {
        let pending = migrations::pending::<Pg>(&migrations::POSTGRES, &applied)
            .map_err(|error| DieselError::QueryBuilderError(error.into()))?;
        if pending.is_empty() && search_keys::are_missing(&mut connection)? {
            return Ok(vec![migrations::SEARCH_KEYS.to_owned()]);
        }
        Ok(pending)
    });
    pending.map_err(|error| told_apart(&mut connection, MigrateError::Unreadable(one_line(&error))))
}

/// Applies the pending migrations, on a connection of its own, under a lock for which it waits.
/// Answers the names of those that it applied.
///
/// # Errors
///
/// [`MigrateError`]; of the migration that failed, nothing is kept. It is unreachable, too, when somebody's
/// transaction holds a table for longer than that takes.
pub fn migrate(url: &PostgresUrl) -> Result<Vec<String>, MigrateError> {
    let mut connection = connect_for_migrations(url)?;
    // The lock ends with the connection.
    connection
        .batch_execute(MIGRATION_LOCK)
        .and_then(|()| connection.batch_execute(MIGRATION_PATIENCE))
        .map_err(|error| MigrateError::Failed(one_line(&error)))
        .and_then(|()| migrations::apply::<Pg>(&mut connection, migrations::POSTGRES))
        .and_then(|applied| {
            search_keys::fill(&mut connection)
                .and_then(|()| row_counts::settle(&mut connection))
                .map(|()| applied)
                .map_err(|error| MigrateError::Failed(one_line(&error)))
        })
        .map_err(|error| told_apart(&mut connection, error))
}

/// Whether the schema that tables would be made in holds none yet.
///
/// # Errors
///
/// [`MigrateError`] when that can't be found out.
pub fn holds_nothing(url: &PostgresUrl) -> Result<bool, MigrateError> {
    let mut connection = connect_for_migrations(url)?;
    let tables = "NOT EXISTS (SELECT FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f') \
                  AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()))";
    diesel::select(diesel::dsl::sql::<diesel::sql_types::Bool>(tables))
        .get_result(&mut connection)
        .map_err(|error| MigrateError::Unreadable(one_line(&error)))
}

/// Takes back the newest migration; answers whether there was one. For tests.
///
/// # Errors
///
/// [`MigrateError`] when it can't be taken back.
pub fn revert_migration(url: &PostgresUrl) -> Result<bool, MigrateError> {
    migrations::revert::<Pg>(&mut connect_for_migrations(url)?, migrations::POSTGRES)
}

fn connect_for_migrations(url: &PostgresUrl) -> Result<PgConnection, MigrateError> {
    let mut connection = PgConnection::establish(url.expose()).map_err(|error| {
        let text = one_line(&error);
        if will_not_pass(&text, url.names_several_hosts()) {
            MigrateError::Refused(text)
        } else {
            MigrateError::Unreachable(text)
        }
    })?;
    let encoding = diesel::select(diesel::dsl::sql::<Text>("current_setting('server_encoding')"))
        .get_result::<String>(&mut connection)
        .map_err(|error| MigrateError::Unreachable(one_line(&error)))?;
    if encoding != "UTF8" {
        return Err(MigrateError::Refused(format!("the database's encoding is {encoding}; it must be UTF8")));
    }
    Ok(connection)
}

/// Whether what libpq says of a failed connection to a host, or to the `several` of an address, is cured by no waiting.
/// libpq gives no code.
fn will_not_pass(text: &str, several: bool) -> bool {
    /// What is a host's own, while users, passwords and databases are the same on all.
    const OF_A_HOST: [&str; 2] = ["no pg_hba.conf entry", "certificate verify failed"];
    const OF_ALL: [&str; 12] = [
        "authentication failed",
        "no password supplied",
        "does not exist",
        "permission denied for database",
        "invalid connection option",
        "invalid URI query parameter",
        "invalid port number",
        "invalid integer value",
        "invalid sslmode value",
        "invalid target_session_attrs value",
        "invalid load_balance_hosts value",
        "SSL support is not compiled in",
    ];
    let says = |text: &str, causes: &[&str]| causes.iter().any(|cause| text.contains(cause));
    // A standby that lets nobody in says nothing of a primary that is away for a moment.
    let mut hosts = text.split("connection to server ").filter(|host| !host.trim().is_empty());
    let by_all = if several { hosts.all(|host| says(host, &OF_A_HOST)) } else { says(text, &OF_A_HOST) };
    (says(text, &OF_ALL) || by_all) && !text.contains("No such file or directory")
}

/// A migration that failed because the connection went, or others use its table, is no fault of the
/// migration.
fn told_apart(connection: &mut PgConnection, error: MigrateError) -> MigrateError {
    match error {
        MigrateError::Failed(text) | MigrateError::Unreadable(text)
            if text.contains("due to lock timeout") || connection.batch_execute("SELECT 1").is_err() =>
        {
            MigrateError::Unreachable(text)
        }
        other => other,
    }
}

fn applied(connection: &mut PgConnection) -> QueryResult<Vec<String>> {
    let table = "SELECT to_regclass('__diesel_schema_migrations')::text AS version";
    let there = diesel::sql_query(table).get_result::<Applied>(connection)?.version.is_some();
    if !there {
        return Ok(Vec::new());
    }
    let versions = "SELECT version FROM __diesel_schema_migrations";
    let rows = diesel::sql_query(versions).load::<Applied>(connection)?;
    Ok(rows.into_iter().filter_map(|row| row.version).collect())
}

#[derive(QueryableByName)]
struct Applied {
    #[diesel(sql_type = diesel::sql_types::Nullable<Text>)]
    version: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_hosts_one_that_lets_nobody_in_is_waited_with() {
        let refused = "connection to server at \"a\" (192.0.2.1), port 5432 failed: Connection refused Is the server \
                       running on that host and accepting TCP/IP connections?";
        let shut = "connection to server at \"b\" (192.0.2.2), port 5432 failed: FATAL: no pg_hba.conf entry for host \
                    \"192.0.2.9\", user \"anna\", database \"site\", no encryption";
        let unknown = "could not translate host name \"a\" to address: Name or service not known";
        let password = "connection to server at \"b\" (192.0.2.2), port 5432 failed: FATAL: password authentication \
                        failed for user \"anna\"";
        for (text, several, ends) in [
            (shut.to_owned(), false, true),
            (format!("{refused} {shut}"), false, true),
            (format!("{refused} {shut}"), true, false),
            (format!("{unknown} {shut}"), true, false),
            (format!("{shut} {shut}"), true, true),
            (format!("{refused} {password}"), true, true),
            (refused.to_owned(), true, false),
            (String::new(), false, false),
        ] {
            assert_eq!(will_not_pass(&text, several), ends, "{several} {text}");
        }
    }
}
