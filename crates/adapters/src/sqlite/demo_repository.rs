use async_trait::async_trait;
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use portfolio_domain::employer::Description;
use portfolio_domain::image::Image;
use portfolio_domain::ports::{Demo, DemoRepository, Planted, PortError};

use super::schema::{employers, images, marks, staff, thumbnails};
use super::{SqliteDatabase, staff_repository};
use crate::rows::Time;

const MARK: &str = "demo";

/// The example data in SQLite.
#[derive(Clone)]
pub struct SqliteDemoRepository {
    database: SqliteDatabase,
}

impl SqliteDemoRepository {
    /// Over `database`.
    #[must_use]
    pub fn new(database: SqliteDatabase) -> Self {
        Self { database }
    }
}

#[async_trait]
impl DemoRepository for SqliteDemoRepository {
    async fn may_plant(&self) -> Result<bool, PortError> {
        self.database.readers.read(may_plant).await
    }

    async fn plant(&self, demo: &Demo) -> Result<Planted, PortError> {
        let demo = demo.clone();
        self.database.writer.write(move |connection| plant(connection, &demo)).await
    }
}

fn may_plant(connection: &mut SqliteConnection) -> QueryResult<bool> {
    let (marked, users, images, employers): (bool, bool, bool, bool) = diesel::select((
        exists(marks::table.find(MARK)),
        exists(staff::table.select(staff::id)),
        exists(images::table.select(images::id)),
        exists(employers::table.select(employers::id)),
    ))
    .get_result(connection)?;
    Ok(marked || !(users || images || employers))
}

fn plant(connection: &mut SqliteConnection, demo: &Demo) -> QueryResult<Planted> {
    if !may_plant(connection)? {
        return Ok(Planted::RealData);
    }
    diesel::insert_into(marks::table)
        .values(marks::name.eq(MARK))
        .on_conflict_do_nothing()
        .execute(connection)?;
    staff_repository::insert(connection, &demo.staff)?;
    for image in &demo.images {
        plant_image(connection, image, demo)?;
    }
    for employer in &demo.employers {
        diesel::insert_into(employers::table)
            .values((
                employers::id.eq(employer.id.0),
                employers::name.eq(employer.name.as_str()),
                employers::search_key.eq(employer.name.search_key().as_str()),
                employers::image_id.eq(employer.image.as_ref().map(|image| image.id.0)),
                employers::description.eq(employer.description.as_ref().map(Description::as_str)),
                employers::created_at.eq(Time(employer.created_at)),
                employers::updated_at.eq(Time(employer.updated_at)),
                employers::version.eq(employer.version.0),
            ))
            .on_conflict_do_nothing()
            .execute(connection)?;
    }
    // AUTOINCREMENT gives out only ids above all that were ever there.
    Ok(Planted::Done)
}

fn plant_image(connection: &mut SqliteConnection, image: &Image, demo: &Demo) -> QueryResult<()> {
    let out_of_range = |error| diesel::result::Error::SerializationError(Box::new(error));
    let planted = diesel::insert_into(images::table)
        .values((
            images::id.eq(image.id.0),
            images::name.eq(image.name.as_str()),
            images::search_key.eq(image.name.search_key().as_str()),
            images::path.eq(&image.path.0),
            images::size_bytes.eq(i64::try_from(image.size.0).map_err(out_of_range)?),
            images::width.eq(i32::try_from(image.width).map_err(out_of_range)?),
            images::height.eq(i32::try_from(image.height).map_err(out_of_range)?),
            images::mode.eq(&image.mode),
            images::created_at.eq(Time(demo.now)),
            images::version.eq(image.version.0),
        ))
        .on_conflict_do_nothing()
        .execute(connection)?;
    // One that is there may have got other thumbnails since.
    if planted == 0 {
        return Ok(());
    }
    for thumbnail in image.thumbnails() {
        diesel::insert_into(thumbnails::table)
            .values((
                thumbnails::id.eq(thumbnail.id),
                thumbnails::image_id.eq(image.id.0),
                thumbnails::path.eq(&thumbnail.path.0),
                thumbnails::box_side.eq(thumbnail.box_side),
            ))
            .on_conflict_do_nothing()
            .execute(connection)?;
    }
    Ok(())
}
