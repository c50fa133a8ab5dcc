use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::dsl::exists;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use portfolio_domain::employer::{Employer, EmployerId, Precondition, Version};
use portfolio_domain::employer_list::{EmployerPage, EmployerQuery};
use portfolio_domain::employer_patch::{EmployerPatch, NewEmployer};
use portfolio_domain::ports::{Diagnosis, EmployerRepository, PortError};

use super::create_statement::CreateStatement;
use super::patch_statement::PatchStatement;
use super::patch_together::{Change, Made, Unknown, patch_each};
use super::schema::{employers, images};
use super::whole_rows::{self, WholeEmployer, find_employers};
use super::{Postgres, PostgresDatabase, list, search_keys};
use crate::blocking::{Batch, refused_is_none};

/// Employers in PostgreSQL.
#[derive(Clone)]
pub struct PostgresEmployerRepository {
    database: PostgresDatabase,
    /// What is asked for, or changed, at the same time is so together.
    found: Batch<Postgres, EmployerId, Option<Employer>>,
    changes: Batch<Postgres, Change, Made>,
}

impl PostgresEmployerRepository {
    /// Over `database`.
    #[must_use]
    pub fn new(database: PostgresDatabase) -> Self {
        let found = Batch::of_reads(database.clone(), find_employers);
        let changes = Batch::of_writes(database.clone(), patch_each);
        Self { database, found, changes }
    }
}

#[async_trait]
impl EmployerRepository for PostgresEmployerRepository {
    async fn find(&self, id: EmployerId) -> Result<Option<Employer>, PortError> {
        self.found.ask(id).await
    }

    async fn list(&self, query: &EmployerQuery) -> Result<EmployerPage, PortError> {
        let searches = !query.filter.search.words().is_empty();
        if searches && self.database.read_first(search_keys::are_missing).await? {
            self.database.write(search_keys::fill).await?;
        }
        let query = query.clone();
        self.database.read_first(move |connection| list::page(connection, &query)).await
    }

    async fn create(&self, new: &NewEmployer, now: DateTime<Utc>) -> Result<Option<Employer>, PortError> {
        let new = new.clone();
        let job = move |connection: &mut PgConnection| {
            let statement = CreateStatement::new(&new, now);
            match refused_is_none((&statement).get_result(connection).optional())? {
                // `None` would say that it was not added.
                Some(row) => whole_rows::changed(connection, row)?.ok_or_else(removed_at_once).map(Some),
                None => Ok(None),
            }
        };
        self.database.write(job).await
    }

    async fn patch(
        &self,
        id: EmployerId,
        patch: &EmployerPatch,
        precondition: &Precondition,
        now: DateTime<Utc>,
    ) -> Result<Option<Employer>, PortError> {
        if let Some(change) = Change::of(id, patch, precondition, now) {
            match self.changes.ask(change).await? {
                Ok(Some(employer)) => return Ok(Some(employer)),
                Ok(None) => {}
                Err(Unknown) => return Err(PortError::Internal("a changed employer makes no sense".into())),
            }
        }
        let (patch, precondition) = (patch.clone(), precondition.clone());
        let job = move |connection: &mut PgConnection| {
            let statement = PatchStatement::new(id, &patch, &precondition, now);
            match refused_is_none(run(connection, &statement))? {
                Some(row) => whole_rows::changed(connection, row),
                None => Ok(None),
            }
        };
        self.database.write(job).await
    }

    async fn delete(&self, id: EmployerId, precondition: &Precondition) -> Result<bool, PortError> {
        let precondition = precondition.clone();
        let job = move |connection: &mut PgConnection| {
            let employer = employers::table.filter(employers::id.eq(id.0));
            let deleted = match &precondition {
                Precondition::None => diesel::delete(employer).execute(connection),
                Precondition::VersionIn(versions) => diesel::delete(employer)
                    .filter(employers::version.eq_any(versions.iter().map(|version| version.0)))
                    .execute(connection),
                Precondition::VersionNotIn(versions) => diesel::delete(employer)
                    .filter(employers::version.ne_all(versions.iter().map(|version| version.0)))
                    .execute(connection),
            };
            deleted.map(|rows| rows > 0)
        };
        self.database.write(job).await
    }

    async fn diagnose(&self, id: Option<EmployerId>, patch: &EmployerPatch) -> Result<Diagnosis, PortError> {
        let id = id.map(|id| id.0);
        let name = patch.name.as_ref().map(|name| name.as_str().to_owned());
        let image = patch.image.value().map(|image| image.0);
        let job = move |connection: &mut PgConnection| {
            // Compared with NULL, nothing is equal: where none is wanted, none is found.
            let (version, namesake, image_there): (Option<i64>, Option<i64>, bool) = diesel::select((
                employers::table
                    .filter(employers::id.nullable().eq(id))
                    .select(employers::version)
                    .single_value(),
                employers::table
                    .filter(employers::name.nullable().eq(&name))
                    .select(employers::id)
                    .single_value(),
                exists(images::table.filter(images::id.nullable().eq(image))),
            ))
            .get_result(connection)?;
            let name_taken = namesake.is_some() && namesake != id;
            let image_unknown = image.is_some() && !image_there;
            Ok(Diagnosis { version: version.map(Version), name_taken, image_unknown })
        };
        self.database.read(job).await
    }
}

/// Another has removed what was just added.
fn removed_at_once() -> DieselError {
    DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new("it was removed at once".to_owned()))
}

/// Runs `statement` until it is no victim of a deadlock any more: two changes that swap two names wait
/// for each other. PostgreSQL has taken a victim's change back wholly, so it may be made again.
fn run(connection: &mut PgConnection, statement: &PatchStatement<'_>) -> QueryResult<Option<WholeEmployer>> {
    const TRIES: usize = 3;
    for _ in 1..TRIES {
        match statement.get_result(connection).optional() {
            Err(DieselError::DatabaseError(DatabaseErrorKind::Unknown, error))
                if error.message().contains("deadlock detected") => {}
            row => return row,
        }
    }
    statement.get_result(connection).optional()
}
