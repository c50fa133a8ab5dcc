use std::collections::HashSet;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};
use portfolio_domain::employer::EmployerId;
use portfolio_domain::image::{Image, ImageId, ImageName, MediaPath};
use portfolio_domain::image_library::{ImageOrderKey, ImagePage, ImageQuery, NewImage, NewThumbnail};
use portfolio_domain::list::OrderBy;
use portfolio_domain::ports::{ImageRemoval, ImageRepository, PortError};
use portfolio_domain::search::Search;

use super::schema::{IMAGE, THUMBNAIL, employers, images, thumbnails};
use super::{SqliteDatabase, at_one_moment, row_counts, search_keys};
use crate::blocking::refused_is_none;
use crate::rows::{self, Time};

/// Images in SQLite.
#[derive(Clone)]
pub struct SqliteImageRepository {
    database: SqliteDatabase,
}

impl SqliteImageRepository {
    /// Over `database`.
    #[must_use]
    pub fn new(database: SqliteDatabase) -> Self {
        Self { database }
    }
}

#[async_trait]
impl ImageRepository for SqliteImageRepository {
    async fn find(&self, id: ImageId) -> Result<Option<Image>, PortError> {
        self.database.readers.read(move |connection| find(connection, id)).await
    }

    async fn list(&self, query: &ImageQuery) -> Result<ImagePage, PortError> {
        let searches = !query.search.words().is_empty();
        if searches && self.database.readers.read(search_keys::are_missing).await? {
            self.database.writer.write_alone(search_keys::fill).await?;
        }
        let query = query.clone();
        let job = move |connection: &mut SqliteConnection| {
            at_one_moment(connection, |connection| page(connection, &query))
        };
        self.database.readers.read(job).await
    }

    async fn list_after(&self, after: Option<ImageId>, limit: u32) -> Result<Vec<Image>, PortError> {
        let job = move |connection: &mut SqliteConnection| {
            at_one_moment(connection, |connection| following(connection, after, limit))
        };
        self.database.readers.read(job).await
    }

    async fn create(&self, new: &NewImage, now: DateTime<Utc>) -> Result<Option<Image>, PortError> {
        let new = new.clone();
        let job = move |connection: &mut SqliteConnection| {
            let id = insert(connection, &new, now)?;
            insert_thumbnails(connection, id, &new.thumbnails)?;
            find(connection, id)
        };
        self.database.writer.write_judged(job, refused_is_none).await
    }

    async fn rename(&self, id: ImageId, name: &ImageName) -> Result<Option<Image>, PortError> {
        let name = name.clone();
        let job = move |connection: &mut SqliteConnection| {
            if !touch(connection, id)? {
                return Ok(None);
            }
            diesel::update(images::table.find(id.0))
                .set((images::name.eq(name.as_str()), images::search_key.eq(name.search_key().as_str())))
                .execute(connection)?;
            find(connection, id)
        };
        self.database.writer.write(job).await
    }

    async fn replace_thumbnails(
        &self,
        id: ImageId,
        thumbnails: &[NewThumbnail],
    ) -> Result<Option<Vec<MediaPath>>, PortError> {
        let thumbnails = thumbnails.to_vec();
        let job = move |connection: &mut SqliteConnection| {
            if !touch(connection, id)? {
                return Ok(None);
            }
            let replaced = delete_thumbnails(connection, id)?;
            insert_thumbnails(connection, id, &thumbnails)?;
            Ok(Some(replaced))
        };
        self.database.writer.write_judged(job, refused_is_none).await
    }

    async fn remove(&self, id: ImageId) -> Result<ImageRemoval, PortError> {
        self.database.writer.write(move |connection| remove(connection, id)).await
    }

    async fn known_paths(&self, paths: &[MediaPath]) -> Result<HashSet<MediaPath>, PortError> {
        let paths: Vec<String> = paths.iter().map(|path| path.0.clone()).collect();
        let job = move |connection: &mut SqliteConnection| {
            let of_images: Vec<String> =
                images::table.filter(images::path.eq_any(&paths)).select(images::path).load(connection)?;
            let of_thumbnails: Vec<String> = thumbnails::table
                .filter(thumbnails::path.eq_any(&paths))
                .select(thumbnails::path)
                .load(connection)?;
            Ok(of_images.into_iter().chain(of_thumbnails).map(MediaPath).collect())
        };
        self.database.readers.read(job).await
    }
}

fn find(connection: &mut SqliteConnection, id: ImageId) -> QueryResult<Option<Image>> {
    let rows: Vec<(rows::ImageRow, Option<rows::ThumbnailRow>)> = images::table
        .left_join(thumbnails::table)
        .filter(images::id.eq(id.0))
        .select((IMAGE, THUMBNAIL.nullable()))
        .load(connection)?;
    rows::image(rows)
}

/// Reads a page: three queries at most, and the count.
fn page(connection: &mut SqliteConnection, query: &ImageQuery) -> QueryResult<ImagePage> {
    let ImageQuery { search, ordering, page } = query;
    let (limit, offset) = (i64::from(page.limit), i64::try_from(page.offset).unwrap_or(i64::MAX));
    let mut in_order = matching(search).select(IMAGE).limit(limit).offset(offset);
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
    let rows: Vec<rows::ImageRow> = in_order.load(connection)?;
    let count = if search.words().is_empty() {
        row_counts::of(connection, row_counts::IMAGES)?
    } else {
        matching(search).count().get_result::<i64>(connection)?.try_into().unwrap_or_default()
    };
    Ok(ImagePage { count, images: with_thumbnails(connection, rows)? })
}

fn following(
    connection: &mut SqliteConnection,
    after: Option<ImageId>,
    limit: u32,
) -> QueryResult<Vec<Image>> {
    let rows = images::table
        .filter(images::id.gt(after.map_or(i64::MIN, |id| id.0)))
        .order(images::id)
        .limit(i64::from(limit))
        .select(IMAGE)
        .load(connection)?;
    with_thumbnails(connection, rows)
}

fn with_thumbnails(connection: &mut SqliteConnection, rows: Vec<rows::ImageRow>) -> QueryResult<Vec<Image>> {
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let thumbnails = thumbnails::table
        .filter(thumbnails::image_id.eq_any(ids))
        .select((thumbnails::image_id, THUMBNAIL))
        .load(connection)?;
    rows::images(rows, thumbnails)
}

/// Those in which every word is found. A library of logos is small beside what it costs to look through
/// its names, so no index is kept of what they consist of.
///
/// A piece of SQL among the conditions keeps diesel from caching the statement: there are as many as
/// there are words.
fn matching(search: &Search) -> images::BoxedQuery<'static, Sqlite> {
    let mut query = images::table.filter(sql::<Bool>("TRUE")).into_boxed();
    for word in search.words() {
        // No image has a negative id.
        let found = sql::<Bool>("(instr(search_key, ")
            .bind::<Text, _>(word.key.as_str().to_owned())
            .sql(") > 0 OR images.id = ")
            .bind::<BigInt, _>(word.id.unwrap_or(-1))
            .sql(")");
        query = query.filter(found);
    }
    query
}

fn insert(connection: &mut SqliteConnection, new: &NewImage, now: DateTime<Utc>) -> QueryResult<ImageId> {
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

fn insert_thumbnails(
    connection: &mut SqliteConnection,
    id: ImageId,
    new: &[NewThumbnail],
) -> QueryResult<()> {
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
fn delete_thumbnails(connection: &mut SqliteConnection, id: ImageId) -> QueryResult<Vec<MediaPath>> {
    let paths: Vec<String> = diesel::delete(thumbnails::table.filter(thumbnails::image_id.eq(id.0)))
        .returning(thumbnails::path)
        .load(connection)?;
    Ok(paths.into_iter().map(MediaPath).collect())
}

/// Counts a change of the image, for itself and for every employer that shows it; answers whether it is there.
fn touch(connection: &mut SqliteConnection, id: ImageId) -> QueryResult<bool> {
    let found = diesel::update(images::table.find(id.0))
        .set(images::version.eq(images::version + 1_i64))
        .execute(connection)?;
    diesel::update(employers::table.filter(employers::image_id.eq(id.0)))
        .set(employers::version.eq(employers::version + 1_i64))
        .execute(connection)?;
    Ok(found > 0)
}

fn remove(connection: &mut SqliteConnection, id: ImageId) -> QueryResult<ImageRemoval> {
    let image = images::table.find(id.0).select(images::path);
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
