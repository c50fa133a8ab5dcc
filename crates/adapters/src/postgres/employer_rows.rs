//! How an employer is read with its image and thumbnails: one row each, with the thumbnails in arrays.
//!
//! The hot statements are written out: their texts never change, so that each is prepared once a connection (diesel
//! prepares `sql_query` anew at each call, which halves the throughput), and its query language has neither
//! data-modifying `WITH` nor `LATERAL`. A row a thumbnail would have all else in it as often.

use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text, Timestamptz};
use portfolio_domain::employer::{Employer, EmployerId};

use crate::rows::{self, EmployerRow, ImageRow, ThumbnailRow};

/// What is read of an employer `e`, an image `i` and its thumbnails `t`: a [`FullRow`].
pub(super) const COLUMNS: &str = "e.id, e.name, e.image_id, e.description, e.created_at, e.updated_at, e.version, \
     i.id, i.name, i.path, i.size_bytes, i.width, i.height, i.mode, i.version, t.ids, t.paths, t.box_sides";

/// Joins them to an employer `e`.
pub(super) const JOINED: &str = " LEFT JOIN images i ON i.id = e.image_id \
     LEFT JOIN LATERAL (SELECT array_agg(id) AS ids, array_agg(path) AS paths, array_agg(box_side) AS box_sides \
     FROM thumbnails WHERE image_id = i.id) t ON TRUE";

type EmployerColumns = (BigInt, Text, Nullable<BigInt>, Nullable<Text>, Timestamptz, Timestamptz, BigInt);
type ImageColumns = (BigInt, Text, Text, BigInt, Integer, Integer, Text, BigInt);
type ThumbnailColumns = (Array<BigInt>, Array<Text>, Array<Nullable<Integer>>);

/// The types of [`COLUMNS`].
pub(super) type FullColumns = (EmployerColumns, Nullable<ImageColumns>, Nullable<ThumbnailColumns>);

/// An employer, its image, and of the image's thumbnails the ids, the paths and the sides of their boxes.
pub(super) type FullRow = (EmployerRow, Option<ImageRow>, Option<(Vec<i64>, Vec<String>, Vec<Option<i32>>)>);

/// The employer in a row.
pub(super) fn employer((employer, image, thumbnails): FullRow) -> QueryResult<Employer> {
    let (ids, paths, box_sides) = thumbnails.unwrap_or_default();
    let thumbnails = ids.into_iter().zip(paths).zip(box_sides);
    let thumbnails = thumbnails.map(|((id, path), box_side)| ThumbnailRow { id, path, box_side });
    rows::with_image(employer, image, thumbnails)
}

/// The employer in a row of a change. It may show an image that was added while the change waited for the row: the
/// foreign key sees it then, the statement's own snapshot does not.
pub(super) fn changed(connection: &mut PgConnection, row: FullRow) -> QueryResult<Option<Employer>> {
    let (changed, image, _) = &row;
    if changed.image_id.is_some() && image.is_none() {
        return find(connection, changed.id());
    }
    employer(row).map(Some)
}

/// Finds employers by their ids.
#[derive(Debug)]
struct FindStatement<'a>(&'a [i64]);

impl QueryFragment<Pg> for FindStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT ");
        out.push_sql(COLUMNS);
        out.push_sql(" FROM employers e");
        out.push_sql(JOINED);
        // Of an array that it can see, PostgreSQL counts what is in it, and plans anew at each call because of that.
        out.push_sql(" WHERE e.id = ANY ((SELECT ");
        out.push_bind_param::<Array<BigInt>, _>(&self.0)?;
        out.push_sql("::bigint[])::bigint[])");
        Ok(())
    }
}

impl QueryId for FindStatement<'_> {
    type QueryId = FindStatement<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Query for FindStatement<'_> {
    type SqlType = FullColumns;
}

impl RunQueryDsl<PgConnection> for &FindStatement<'_> {}

/// Finds each of `ids`, in their order.
pub(super) fn find_each(
    connection: &mut PgConnection,
    ids: &[EmployerId],
) -> QueryResult<Vec<Option<Employer>>> {
    let numbers: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows: Vec<FullRow> = (&FindStatement(&numbers)).load(connection)?;
    let found = rows.into_iter().map(employer).collect::<QueryResult<_>>()?;
    Ok(rows::in_order_of(ids, found, |employer| employer.id))
}

/// Finds one.
pub(super) fn find(connection: &mut PgConnection, id: EmployerId) -> QueryResult<Option<Employer>> {
    find_each(connection, &[id]).map(|mut found| found.pop().flatten())
}
