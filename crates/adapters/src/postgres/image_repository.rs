use std::collections::HashSet;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel::sql_types::{BigInt, Bool, Text};
use portfolio_domain::employer::EmployerId;
use portfolio_domain::image::{Image, ImageId, ImageName, MediaPath};
use portfolio_domain::image_library::{ImageOrderKey, ImagePage, ImageQuery, NewImage, NewThumbnail};
use portfolio_domain::list::OrderBy;
use portfolio_domain::ports::{ImageRemoval, ImageRepository, PortError};
use portfolio_domain::search::Search;

use super::schema::{employers, images, thumbnails};
use super::whole_rows::{find_image, find_images};
use super::{Postgres, PostgresDatabase, row_counts, search_keys};
use crate::blocking::{Batch, refused_is_none};
use crate::rows::Time;

/// Images in PostgreSQL.
#[derive(Clone)]
pub struct PostgresImageRepository {
    database: PostgresDatabase,
    /// What is asked for at the same time is asked for together.
    found: Batch<Postgres, ImageId, Option<Image>>,
}

impl PostgresImageRepository {
    /// Over `database`.
    #[must_use]
    pub fn new(database: PostgresDatabase) -> Self {
        let found = Batch::of_reads(database.clone(), find_images);
        Self { database, found }
    }
}

#[async_trait]
impl ImageRepository for PostgresImageRepository {
    async fn find(&self, id: ImageId) -> Result<Option<Image>, PortError> {
        self.found.ask(id).await
    }

    async fn list(&self, query: &ImageQuery) -> Result<ImagePage, PortError> {
        let searches = !query.search.words().is_empty();
        if searches && self.database.read_first(search_keys::are_missing).await? {
            self.database.write(search_keys::fill).await?;
        }
        let query = query.clone();
        let job = move |connection: &mut PgConnection| {
            connection
                .build_transaction()
                .read_only()
                .repeatable_read()
                .run(|connection| page(connection, &query))
        };
        self.database.read_first(job).await
    }

    async fn list_after(&self, after: Option<ImageId>, limit: u32) -> Result<Vec<Image>, PortError> {
        let job = move |connection: &mut PgConnection| {
            connection
                .build_transaction()
                .read_only()
                .repeatable_read()
                .run(|connection| following(connection, after, limit))
        };
        self.database.read(job).await
    }

    async fn create(&self, new: &NewImage, now: DateTime<Utc>) -> Result<Option<Image>, PortError> {
        let new = new.clone();
        let job = move |connection: &mut PgConnection| {
            connection.transaction(|connection| {
                let id = insert(connection, &new, now)?;
                insert_thumbnails(connection, id, &new.thumbnails)?;
                find_image(connection, id)
            })
        };
        self.database.write(move |connection| refused_is_none(job(connection))).await
    }

    async fn rename(&self, id: ImageId, name: &ImageName) -> Result<Option<Image>, PortError> {
        let name = name.clone();
        let job = move |connection: &mut PgConnection| {
            connection.transaction(|connection| {
                if !touch(connection, id)? {
                    return Ok(None);
                }
                diesel::update(images::table.find(id.0))
                    .set((images::name.eq(name.as_str()), images::search_key.eq(name.search_key().as_str())))
                    .execute(connection)?;
                find_image(connection, id)
            })
        };
        self.database.write(job).await
    }

    async fn replace_thumbnails(
        &self,
        id: ImageId,
        thumbnails: &[NewThumbnail],
    ) -> Result<Option<Vec<MediaPath>>, PortError> {
        let thumbnails = thumbnails.to_vec();
        let job = move |connection: &mut PgConnection| {
            connection.transaction(|connection| {
                if !touch(connection, id)? {
                    return Ok(None);
                }
                let replaced = delete_thumbnails(connection, id)?;
                insert_thumbnails(connection, id, &thumbnails)?;
                Ok(Some(replaced))
            })
        };
        self.database.write(move |connection| refused_is_none(job(connection))).await
    }

    async fn remove(&self, id: ImageId) -> Result<ImageRemoval, PortError> {
        let job =
            move |connection: &mut PgConnection| connection.transaction(|connection| remove(connection, id));
        self.database.write(job).await
    }

    async fn known_paths(&self, paths: &[MediaPath]) -> Result<HashSet<MediaPath>, PortError> {
        let paths: Vec<String> = paths.iter().map(|path| path.0.clone()).collect();
        let job = move |connection: &mut PgConnection| {
            let of_images: Vec<String> =
                images::table.filter(images::path.eq_any(&paths)).select(images::path).load(connection)?;
            let of_thumbnails: Vec<String> = thumbnails::table
                .filter(thumbnails::path.eq_any(&paths))
                .select(thumbnails::path)
                .load(connection)?;
            Ok(of_images.into_iter().chain(of_thumbnails).map(MediaPath).collect())
        };
        self.database.read(job).await
    }
}

/// Reads a page: two queries, and the count.
fn page(connection: &mut PgConnection, query: &ImageQuery) -> QueryResult<ImagePage> {
    let ImageQuery { search, ordering, page } = query;
    let (limit, offset) = (i64::from(page.limit), i64::try_from(page.offset).unwrap_or(i64::MAX));
    let mut in_order = matching(search).select(images::id).limit(limit).offset(offset);
    for OrderBy { key, descending } in ordering.keys() {
        in_order = match (key, descending) {
            (ImageOrderKey::Id, false) => in_order.then_order_by(images::id.asc()),
            (ImageOrderKey::Id, true) => in_order.then_order_by(images::id.desc()),
            (ImageOrderKey::Name, false) => in_order.then_order_by(images::name.asc()),
            (ImageOrderKey::Name, true) => in_order.then_order_by(images::name.desc()),
            (ImageOrderKey::CreatedAt, false) => in_order.then_order_by(images::created_at.asc()),
            (ImageOrderKey::CreatedAt, true) => in_order.then_order_by(images::created_at.desc()),
        };
    }
    let ids = in_order.load(connection)?;
    let count = if search.words().is_empty() {
        row_counts::of(connection, row_counts::IMAGES)?
    } else {
        matching(search).count().get_result::<i64>(connection)?.try_into().unwrap_or_default()
    };
    Ok(ImagePage { count, images: whole(connection, ids)? })
}

fn following(connection: &mut PgConnection, after: Option<ImageId>, limit: u32) -> QueryResult<Vec<Image>> {
    let ids = images::table
        .filter(images::id.gt(after.map_or(i64::MIN, |id| id.0)))
        .order(images::id)
        .limit(i64::from(limit))
        .select(images::id)
        .load(connection)?;
    whole(connection, ids)
}

fn whole(connection: &mut PgConnection, ids: Vec<i64>) -> QueryResult<Vec<Image>> {
    let ids: Vec<ImageId> = ids.into_iter().map(ImageId).collect();
    Ok(find_images(connection, &ids)?.into_iter().flatten().collect())
}

/// Those in which every word is found. A library of logos is small beside what it costs to look through
/// its names, so no index is kept of what they consist of.
///
/// A piece of SQL among the conditions keeps diesel from caching the statement: there are as many as
/// there are words.
fn matching(search: &Search) -> images::BoxedQuery<'static, Pg> {
    let mut query = images::table.filter(sql::<Bool>("TRUE")).into_boxed();
    for word in search.words() {
        // No image has a negative id.
        let found = sql::<Bool>("(strpos(search_key, ")
            .bind::<Text, _>(word.key.as_str().to_owned())
            .sql(") > 0 OR images.id = ")
            .bind::<BigInt, _>(word.id.unwrap_or(-1))
            .sql(")");
        query = query.filter(found);
    }
    query
}

fn insert(connection: &mut PgConnection, new: &NewImage, now: DateTime<Utc>) -> QueryResult<ImageId> {
    diesel::insert_into(images::table)
        .values((
            images::name.eq(new.name.as_str()),
            images::search_key.eq(new.name.search_key().as_str()),
            images::path.eq(&new.path.0),
            images::size_bytes.eq(i64::try_from(new.size.0).map_err(too_great)?),
            images::width.eq(i32::try_from(new.width).map_err(too_great)?),
            images::height.eq(i32::try_from(new.height).map_err(too_great)?),
            images::mode.eq(&new.mode),
            images::created_at.eq(Time(now)),
        ))
        .returning(images::id)
        .get_result(connection)
        .map(ImageId)
}

fn insert_thumbnails(connection: &mut PgConnection, id: ImageId, new: &[NewThumbnail]) -> QueryResult<()> {
    for thumbnail in new {
        diesel::insert_into(thumbnails::table)
            .values((
                thumbnails::image_id.eq(id.0),
                thumbnails::path.eq(&thumbnail.path.0),
                thumbnails::box_side.eq(i32::try_from(thumbnail.box_side).map_err(too_great)?),
            ))
            .execute(connection)?;
    }
    Ok(())
}

/// Deletes the thumbnails of an image, and answers where they lay.
fn delete_thumbnails(connection: &mut PgConnection, id: ImageId) -> QueryResult<Vec<MediaPath>> {
    let paths: Vec<String> = diesel::delete(thumbnails::table.filter(thumbnails::image_id.eq(id.0)))
        .returning(thumbnails::path)
        .load(connection)?;
    Ok(paths.into_iter().map(MediaPath).collect())
}

/// Counts a change of the image, for itself and for every employer that shows it; answers whether it is there.
///
/// An employer that is just being given this image is not seen here. Its own change has made it another
/// version, and what its `ETag` tells of the image is what was read of it.
fn touch(connection: &mut PgConnection, id: ImageId) -> QueryResult<bool> {
    let found = diesel::update(images::table.find(id.0))
        .set(images::version.eq(images::version + 1_i64))
        .execute(connection)?;
    diesel::update(employers::table.filter(employers::image_id.eq(id.0)))
        .set(employers::version.eq(employers::version + 1_i64))
        .execute(connection)?;
    Ok(found > 0)
}

fn remove(connection: &mut PgConnection, id: ImageId) -> QueryResult<ImageRemoval> {
    // Whoever lets an employer show the image shares a lock on it: one waits for the other.
    let image = images::table.find(id.0).for_update().select(images::path);
    let Some(path) = image.first::<String>(connection).optional()? else {
        return Ok(ImageRemoval::NotFound);
    };
    let users: Vec<i64> = employers::table
        .filter(employers::image_id.eq(id.0))
        .order(employers::id)
        .limit(i64::try_from(ImageRemoval::MAX_USERS).unwrap_or(i64::MAX))
        .select(employers::id)
        .load(connection)?;
    if !users.is_empty() {
        return Ok(ImageRemoval::InUse(users.into_iter().map(EmployerId).collect()));
    }
    let mut paths = delete_thumbnails(connection, id)?;
    diesel::delete(images::table.find(id.0)).execute(connection)?;
    paths.push(MediaPath(path));
    Ok(ImageRemoval::Removed(paths))
}

/// What no column holds was made by no upload.
fn too_great(error: std::num::TryFromIntError) -> DieselError {
    DieselError::SerializationError(Box::new(error))
}
