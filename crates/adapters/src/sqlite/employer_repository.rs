use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use portfolio_domain::employer::{Description, Employer, EmployerId, Precondition, Version};
use portfolio_domain::employer_list::{EmployerPage, EmployerQuery};
use portfolio_domain::employer_patch::{EmployerPatch, NewEmployer};
use portfolio_domain::ports::{Diagnosis, EmployerRepository, PortError};

use super::patch_statement::PatchStatement;
use super::schema::{EMPLOYER, IMAGE, THUMBNAIL, employers, images, thumbnails};
use super::{SqliteDatabase, at_one_moment, list, search_keys};
use crate::blocking::refused_is_none;
use crate::rows::{self, EmployerRow, ImageRow, ThumbnailRow, Time};

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

#[async_trait]
impl EmployerRepository for SqliteEmployerRepository {
    async fn find(&self, id: EmployerId) -> Result<Option<Employer>, PortError> {
        let job = move |connection: &mut SqliteConnection| {
            at_one_moment(connection, |connection| find(connection, id))
        };
        self.database.readers.read(job).await
    }

    async fn list(&self, query: &EmployerQuery) -> Result<EmployerPage, PortError> {
        let searches = !query.filter.search.words().is_empty();
        if searches && self.database.readers.read(search_keys::are_missing).await? {
            self.database.writer.write_alone(search_keys::fill).await?;
        }
        let query = query.clone();
        self.database.readers.read(move |connection| list::page(connection, &query)).await
    }

    async fn create(&self, new: &NewEmployer, now: DateTime<Utc>) -> Result<Option<Employer>, PortError> {
        let new = new.clone();
        let job = move |connection: &mut SqliteConnection| match insert(connection, &new, now)? {
            Some(id) => find(connection, id),
            None => Ok(None),
        };
        self.database.writer.write_judged(job, refused_is_none).await
    }

    async fn patch(
        &self,
        id: EmployerId,
        patch: &EmployerPatch,
        precondition: &Precondition,
        now: DateTime<Utc>,
    ) -> Result<Option<Employer>, PortError> {
        let (patch, precondition) = (patch.clone(), precondition.clone());
        let job = move |connection: &mut SqliteConnection| match PatchStatement::new(
            id,
            &patch,
            &precondition,
            now,
        )
        .execute(connection)?
        {
            0 => Ok(None),
            _ => find(connection, id),
        };
        self.database.writer.write_judged(job, refused_is_none).await
    }

    async fn delete(&self, id: EmployerId, precondition: &Precondition) -> Result<bool, PortError> {
        let precondition = precondition.clone();
        let job = move |connection: &mut SqliteConnection| {
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
        self.database.writer.write(job).await
    }

    async fn diagnose(&self, id: Option<EmployerId>, patch: &EmployerPatch) -> Result<Diagnosis, PortError> {
        let id = id.map(|id| id.0);
        let name = patch.name.as_ref().map(|name| name.as_str().to_owned());
        let image = patch.image.value().map(|image| image.0);
        let job = move |connection: &mut SqliteConnection| {
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
        self.database.readers.read(job).await
    }
}

/// Stores an employer; `None` when the name is taken.
fn insert(
    connection: &mut SqliteConnection,
    new: &NewEmployer,
    now: DateTime<Utc>,
) -> QueryResult<Option<EmployerId>> {
    diesel::insert_into(employers::table)
        .values((
            employers::name.eq(new.name.as_str()),
            employers::search_key.eq(new.name.search_key().as_str()),
            employers::image_id.eq(new.image.map(|image| image.0)),
            employers::description.eq(new.description.as_ref().map(Description::as_str)),
            // Else the trigger that keeps it would change the row, and the index, again.
            employers::has_description
                .eq(new.description.as_ref().is_some_and(|text| !text.as_str().is_empty())),
            employers::created_at.eq(Time(now)),
            employers::updated_at.eq(Time(now)),
        ))
        .on_conflict(employers::name)
        .do_nothing()
        .returning(employers::id)
        .get_result(connection)
        .optional()
        .map(|id| id.map(EmployerId))
}

/// Reads an employer, with two statements: inside of a transaction, both see the same. One that joins the thumbnails, too,
/// reads the employer and its image again with each of them.
pub(super) fn find(connection: &mut SqliteConnection, id: EmployerId) -> QueryResult<Option<Employer>> {
    let found: Option<(EmployerRow, Option<ImageRow>)> = employers::table
        .left_join(images::table)
        .filter(employers::id.eq(id.0))
        .select((EMPLOYER, IMAGE.nullable()))
        .get_result(connection)
        .optional()?;
    let Some((employer, image)) = found else { return Ok(None) };
    let thumbnails: Vec<ThumbnailRow> = match &image {
        Some(image) => {
            thumbnails::table.filter(thumbnails::image_id.eq(image.id)).select(THUMBNAIL).load(connection)?
        }
        None => Vec::new(),
    };
    rows::with_image(employer, image, thumbnails.into_iter()).map(Some)
}
