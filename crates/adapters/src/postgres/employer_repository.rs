use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::dsl::exists;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use portfolio_domain::employer::{Employer, EmployerId, Precondition, Version};
use portfolio_domain::employer_patch::EmployerPatch;
use portfolio_domain::ports::{Diagnosis, EmployerRepository, PortError};

use super::PostgresDatabase;
use super::patch_statement::PatchStatement;
use super::schema::{employers, images, thumbnails};
use crate::rows::{self, EmployerJoin};

/// Employers in PostgreSQL.
#[derive(Clone)]
pub struct PostgresEmployerRepository {
    database: PostgresDatabase,
}

impl PostgresEmployerRepository {
    /// Over `database`.
    #[must_use]
    pub fn new(database: PostgresDatabase) -> Self {
        Self { database }
    }
}

#[async_trait]
impl EmployerRepository for PostgresEmployerRepository {
    async fn find(&self, id: EmployerId) -> Result<Option<Employer>, PortError> {
        self.database.read(move |connection| find(connection, id)).await
    }

    async fn patch(
        &self,
        id: EmployerId,
        patch: &EmployerPatch,
        precondition: &Precondition,
        now: DateTime<Utc>,
    ) -> Result<Option<Employer>, PortError> {
        let (patch, precondition) = (patch.clone(), precondition.clone());
        let job = move |connection: &mut PgConnection| {
            let statement = PatchStatement::new(id, &patch, &precondition, now);
            let rows = match run(connection, &statement) {
                Err(DieselError::DatabaseError(
                    DatabaseErrorKind::UniqueViolation | DatabaseErrorKind::ForeignKeyViolation,
                    _,
                )) => return Ok(None),
                rows => rows?,
            };
            // The image may have been added while the statement waited for its row: the foreign key
            // sees it then, the statement's own snapshot does not.
            if rows.iter().any(|(employer, image, _)| employer.image_id.is_some() && image.is_none()) {
                return find(connection, id);
            }
            rows::employer(rows)
        };
        self.database.write(job).await
    }

    async fn diagnose(&self, id: EmployerId, patch: &EmployerPatch) -> Result<Diagnosis, PortError> {
        let name = patch.name.as_ref().map(|name| name.as_str().to_owned());
        let image = patch.image.value().map(|image| image.0);
        let job = move |connection: &mut PgConnection| {
            // Compared with NULL, nothing is equal: a patch that sets no name finds none.
            let namesake =
                employers::table.filter(employers::name.nullable().eq(&name)).filter(employers::id.ne(id.0));
            let (version, name_taken, image_there): (Option<i64>, bool, bool) = diesel::select((
                employers::table.filter(employers::id.eq(id.0)).select(employers::version).single_value(),
                exists(namesake),
                exists(images::table.filter(images::id.nullable().eq(image))),
            ))
            .get_result(connection)?;
            let image_unknown = image.is_some() && !image_there;
            Ok(Diagnosis { version: version.map(Version), name_taken, image_unknown })
        };
        self.database.read(job).await
    }
}

/// Runs `statement` until it is no victim of a deadlock any more: two changes that swap two names wait
/// for each other. PostgreSQL has taken a victim's change back wholly, so it may be made again.
fn run(connection: &mut PgConnection, statement: &PatchStatement<'_>) -> QueryResult<Vec<EmployerJoin>> {
    const TRIES: usize = 3;
    for _ in 1..TRIES {
        match statement.load(connection) {
            Err(DieselError::DatabaseError(DatabaseErrorKind::Unknown, error))
                if error.message().contains("deadlock detected") => {}
            rows => return rows,
        }
    }
    statement.load(connection)
}

fn find(connection: &mut PgConnection, id: EmployerId) -> QueryResult<Option<Employer>> {
    let image = (
        images::id,
        images::name,
        images::path,
        images::size_bytes,
        images::width,
        images::height,
        images::mode,
    );
    let thumbnail = (thumbnails::id, thumbnails::path, thumbnails::box_side);
    let rows = employers::table
        .left_join(images::table.left_join(thumbnails::table))
        .filter(employers::id.eq(id.0))
        .select((employers::all_columns, image.nullable(), thumbnail.nullable()))
        .load(connection)?;
    rows::employer(rows)
}
