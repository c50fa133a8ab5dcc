//! How employers and images are read whole: one row each, with the thumbnails in arrays. A row a thumbnail would have all
//! else in it as often.

use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text, Timestamptz};
use portfolio_domain::employer::{Employer, EmployerId};
use portfolio_domain::image::{Image, ImageId};

use super::statements::{prepared_once, push_unseen};
use crate::rows::{self, EmployerRow, ImageRow, ThumbnailRow};

/// What is read of an employer `e`.
const EMPLOYER: &str = "e.id, e.name, e.image_id, e.description, e.created_at, e.updated_at, e.version, ";
/// What is read of an image `i` and its thumbnails `t`.
const IMAGE: &str =
    "i.id, i.name, i.path, i.size_bytes, i.width, i.height, i.mode, i.version, t.ids, t.paths, t.box_sides";
/// Joins its image to an employer.
const IMAGE_OF: &str = " e LEFT JOIN images i ON i.id = e.image_id";
/// Joins its thumbnails to an image.
const THUMBNAILS_OF: &str = " LEFT JOIN LATERAL (SELECT array_agg(id) AS ids, array_agg(path) AS paths, \
     array_agg(box_side) AS box_sides FROM thumbnails WHERE image_id = i.id) t ON TRUE";

type EmployerColumns = (BigInt, Text, Nullable<BigInt>, Nullable<Text>, Timestamptz, Timestamptz, BigInt);
type ImageColumns = (BigInt, Text, Text, BigInt, Integer, Integer, Text, BigInt);
type ThumbnailColumns = (Array<BigInt>, Array<Text>, Array<Nullable<Integer>>);

/// The ids, the paths and the sides of the boxes of an image's thumbnails; `None` when it has none.
type Thumbnails = Option<(Vec<i64>, Vec<String>, Vec<Option<i32>>)>;

/// The columns of [`WholeEmployer`].
pub(super) type WholeEmployerColumns = (EmployerColumns, Nullable<ImageColumns>, Nullable<ThumbnailColumns>);

/// An employer, its image and the image's thumbnails.
pub(super) type WholeEmployer = (EmployerRow, Option<ImageRow>, Thumbnails);

/// Reads whole employers from `source`, which has the columns of their table.
pub(super) fn push_whole_employers(out: &mut AstPass<'_, '_, Pg>, source: &str) {
    for sql in ["SELECT ", EMPLOYER, IMAGE, " FROM ", source, IMAGE_OF, THUMBNAILS_OF] {
        out.push_sql(sql);
    }
}

/// The employer in a row of a change. It may show an image that was added while the change waited for the row: the
/// foreign key sees it then, the statement's own snapshot does not.
pub(super) fn changed(connection: &mut PgConnection, row: WholeEmployer) -> QueryResult<Option<Employer>> {
    let (changed, image, _) = &row;
    if changed.image_id.is_some() && image.is_none() {
        return find_employer(connection, changed.id());
    }
    employer(row).map(Some)
}

fn employer((employer, image, thumbnails): WholeEmployer) -> QueryResult<Employer> {
    rows::with_image(employer, image, thumbnail_rows(thumbnails))
}

fn thumbnail_rows(thumbnails: Thumbnails) -> impl Iterator<Item = ThumbnailRow> {
    let (ids, paths, box_sides) = thumbnails.unwrap_or_default();
    let rows = ids.into_iter().zip(paths).zip(box_sides);
    rows.map(|((id, path), box_side)| ThumbnailRow { id, path, box_side })
}

/// Finds each of `ids`, in their order.
pub(super) fn find_employers(
    connection: &mut PgConnection,
    ids: &[EmployerId],
) -> QueryResult<Vec<Option<Employer>>> {
    let numbers: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows: Vec<WholeEmployer> = (&FindEmployers(&numbers)).load(connection)?;
    let found = rows.into_iter().map(employer).collect::<QueryResult<_>>()?;
    Ok(rows::in_order_of(ids, found, |employer| employer.id))
}

/// Finds one.
pub(super) fn find_employer(connection: &mut PgConnection, id: EmployerId) -> QueryResult<Option<Employer>> {
    find_employers(connection, &[id]).map(|mut found| found.pop().flatten())
}

/// Finds each of `ids`, in their order.
pub(super) fn find_images(connection: &mut PgConnection, ids: &[ImageId]) -> QueryResult<Vec<Option<Image>>> {
    let numbers: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows: Vec<(ImageRow, Thumbnails)> = (&FindImages(&numbers)).load(connection)?;
    let images =
        rows.into_iter().map(|(image, thumbnails)| rows::image_of(image, thumbnail_rows(thumbnails)));
    Ok(rows::in_order_of(ids, images.collect::<QueryResult<_>>()?, |image| image.id))
}

/// Finds one.
pub(super) fn find_image(connection: &mut PgConnection, id: ImageId) -> QueryResult<Option<Image>> {
    find_images(connection, &[id]).map(|mut found| found.pop().flatten())
}

#[derive(Debug)]
struct FindEmployers<'a>(&'a [i64]);

impl QueryFragment<Pg> for FindEmployers<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_whole_employers(&mut out, "employers");
        out.push_sql(" WHERE e.id = ANY (");
        push_unseen::<Array<BigInt>, _>(&mut out, self.0, "bigint[]")?;
        out.push_sql(")");
        Ok(())
    }
}

prepared_once!(FindEmployers: WholeEmployerColumns);

#[derive(Debug)]
struct FindImages<'a>(&'a [i64]);

impl QueryFragment<Pg> for FindImages<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        for sql in ["SELECT ", IMAGE, " FROM images i", THUMBNAILS_OF, " WHERE i.id = ANY ("] {
            out.push_sql(sql);
        }
        push_unseen::<Array<BigInt>, _>(&mut out, self.0, "bigint[]")?;
        out.push_sql(")");
        Ok(())
    }
}

prepared_once!(FindImages: (ImageColumns, Nullable<ThumbnailColumns>));
