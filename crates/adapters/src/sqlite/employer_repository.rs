use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;
use portfolio_domain::employer::{Description, Employer, EmployerId, EmployerName, Precondition, Version};
use portfolio_domain::employer_patch::EmployerPatch;
use portfolio_domain::ports::{Diagnosis, EmployerRepository, PortError};

use super::SqliteDatabase;
use super::schema::{employers, images, thumbnails};
use crate::rows::{self, Time};

/// Employers in SQLite.
#[derive(Clone)]
pub struct SqliteEmployerRepository {
    database: SqliteDatabase,
}

impl SqliteEmployerRepository {
    /// Over `database`.
    #[must_use]
    pub fn new(database: SqliteDatabase) -> Self {
        Self { database }
    }
}

#[diesel::declare_sql_function]
extern "SQL" {
    /// The greater of two integers.
    #[sql_name = "max"]
    fn greatest(one: BigInt, other: BigInt) -> BigInt;
}

#[async_trait]
impl EmployerRepository for SqliteEmployerRepository {
    async fn find(&self, id: EmployerId) -> Result<Option<Employer>, PortError> {
        self.database.readers.read(move |connection| find(connection, id)).await
    }

    async fn patch(
        &self,
        id: EmployerId,
        patch: &EmployerPatch,
        precondition: &Precondition,
        now: DateTime<Utc>,
    ) -> Result<Option<Employer>, PortError> {
        let (patch, precondition) = (patch.clone(), precondition.clone());
        let job = move |connection: &mut SqliteConnection| {
            // Begun as a reader, it could not become the writer while another is.
            connection.immediate_transaction(|connection| {
                match update(connection, id, &patch, &precondition, now)? {
                    0 => Ok(None),
                    _ => find(connection, id),
                }
            })
        };
        let job = move |connection: &mut SqliteConnection| match job(connection) {
            Err(DieselError::DatabaseError(
                DatabaseErrorKind::UniqueViolation | DatabaseErrorKind::ForeignKeyViolation,
                _,
            )) => Ok(None),
            patched => patched,
        };
        self.database.writer.write(job).await
    }

    async fn diagnose(&self, id: EmployerId, patch: &EmployerPatch) -> Result<Diagnosis, PortError> {
        let name = patch.name.as_ref().map(|name| name.as_str().to_owned());
        let image = patch.image.value().map(|image| image.0);
        let job = move |connection: &mut SqliteConnection| {
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
        self.database.readers.read(job).await
    }
}

fn update(
    connection: &mut SqliteConnection,
    id: EmployerId,
    patch: &EmployerPatch,
    precondition: &Precondition,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    let named = (
        patch.name.as_ref().map(|name| employers::name.eq(EmployerName::as_str(name))),
        (!patch.image.is_keep()).then(|| employers::image_id.eq(patch.image.value().map(|image| image.0))),
        (!patch.description.is_keep())
            .then(|| employers::description.eq(patch.description.value().map(Description::as_str))),
    );
    let always = (
        employers::updated_at.eq(greatest(Time(now), employers::updated_at + 1_i64)),
        employers::version.eq(employers::version + 1_i64),
    );
    let employer = employers::table.filter(employers::id.eq(id.0));
    match precondition {
        Precondition::None => diesel::update(employer).set((named, always)).execute(connection),
        Precondition::VersionIn(versions) => diesel::update(employer)
            .filter(employers::version.eq_any(versions.iter().map(|version| version.0)))
            .set((named, always))
            .execute(connection),
    }
}

fn find(connection: &mut SqliteConnection, id: EmployerId) -> QueryResult<Option<Employer>> {
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
