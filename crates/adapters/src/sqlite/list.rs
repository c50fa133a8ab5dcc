//! One page of the list.
//!
//! The ids of a page are found first, so that what is skipped and what is not asked for costs no more
//! than its place in an index; then their employers with images, then these images' thumbnails: four
//! queries at most, however long the page.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};
use portfolio_domain::employer_list::{EmployerFilter, EmployerPage, EmployerQuery, OrderKey};
use portfolio_domain::list::OrderBy;
use portfolio_domain::search::{Gram, SearchKey};

use super::schema::{EMPLOYER, IMAGE, THUMBNAIL, employers, images, thumbnails};
use crate::rows::{self, Time};

/// Reads a page, all of it as it was at one moment.
pub(super) fn page(connection: &mut SqliteConnection, query: &EmployerQuery) -> QueryResult<EmployerPage> {
    connection.transaction(|connection| read(connection, query))
}

fn read(connection: &mut SqliteConnection, query: &EmployerQuery) -> QueryResult<EmployerPage> {
    let EmployerQuery { filter, ordering, page } = query;
    let (limit, offset) = (i64::from(page.limit), i64::try_from(page.offset).unwrap_or(i64::MAX));
    let mut in_order = matching(filter).select(employers::id).limit(limit).offset(offset);
    // Without statistics, SQLite would rather walk the index of an order past everything that a range
    // of another column leaves out than sort the few that it leaves: `+` hides the index.
    let (created, updated) = (filter.created.is_open(), filter.updated.is_open());
    for OrderBy { key, descending } in ordering.keys() {
        in_order = match (key, descending) {
            (OrderKey::Name, false) if !(created && updated) => {
                in_order.then_order_by(sql::<Text>("+name ASC"))
            }
            (OrderKey::Name, true) if !(created && updated) => {
                in_order.then_order_by(sql::<Text>("+name DESC"))
            }
            (OrderKey::CreatedAt, false) if !updated => {
                in_order.then_order_by(sql::<BigInt>("+created_at ASC"))
            }
            (OrderKey::CreatedAt, true) if !updated => {
                in_order.then_order_by(sql::<BigInt>("+created_at DESC"))
            }
            (OrderKey::UpdatedAt, false) if !created => {
                in_order.then_order_by(sql::<BigInt>("+updated_at ASC"))
            }
            (OrderKey::UpdatedAt, true) if !created => {
                in_order.then_order_by(sql::<BigInt>("+updated_at DESC"))
            }
            (OrderKey::Id, false) => in_order.then_order_by(employers::id.asc()),
            (OrderKey::Id, true) => in_order.then_order_by(employers::id.desc()),
            (OrderKey::Name, false) => in_order.then_order_by(employers::name.asc()),
            (OrderKey::Name, true) => in_order.then_order_by(employers::name.desc()),
            (OrderKey::CreatedAt, false) => in_order.then_order_by(employers::created_at.asc()),
            (OrderKey::CreatedAt, true) => in_order.then_order_by(employers::created_at.desc()),
            (OrderKey::UpdatedAt, false) => in_order.then_order_by(employers::updated_at.asc()),
            (OrderKey::UpdatedAt, true) => in_order.then_order_by(employers::updated_at.desc()),
        };
    }
    let ids: Vec<i64> = in_order.load(connection)?;
    let count = match page.count_if_last(ids.len()) {
        Some(count) => count,
        None => matching(filter).count().get_result::<i64>(connection)?.try_into().unwrap_or_default(),
    };
    let rows: Vec<(rows::EmployerRow, Option<rows::ImageRow>)> = employers::table
        .left_join(images::table)
        .filter(employers::id.eq_any(&ids))
        .select((EMPLOYER, IMAGE.nullable()))
        .load(connection)?;
    let thumbnails = thumbnails::table
        .filter(thumbnails::image_id.eq_any(rows::images_of(&rows)))
        .select((thumbnails::image_id, THUMBNAIL))
        .load(connection)?;
    let employers = rows::employers(&ids, rows, thumbnails)?;
    Ok(EmployerPage { count, employers })
}

/// Those that pass the filter.
///
/// A piece of SQL among the conditions keeps diesel from caching the statement: there are as many as
/// there are ways to ask.
fn matching(filter: &EmployerFilter) -> employers::BoxedQuery<'static, Sqlite> {
    let mut query = employers::table.filter(sql::<Bool>("TRUE")).into_boxed();
    for word in filter.search.words() {
        // No employer has a negative id.
        let id = word.id.map_or(-1, |id| id.0);
        let candidates =
            sql::<Bool>("employers.id IN (SELECT rowid FROM employer_search WHERE employer_search MATCH ")
                .bind::<Text, _>(match_expression(&word.key))
                .sql(" UNION ALL SELECT ")
                .bind::<BigInt, _>(id)
                .sql(") AND (instr(search_key, ")
                .bind::<Text, _>(word.key.as_str().to_owned())
                .sql(") > 0 OR employers.id = ")
                .bind::<BigInt, _>(id)
                .sql(")");
        query = query.filter(candidates);
    }
    if let Some(min) = filter.id_min {
        query = query.filter(employers::id.ge(min));
    }
    if let Some(max) = filter.id_max {
        query = query.filter(employers::id.le(max));
    }
    if let Some(from) = filter.created.from {
        query = query.filter(employers::created_at.ge(Time(from)));
    }
    if let Some(before) = filter.created.before {
        query = query.filter(employers::created_at.lt(Time(before)));
    }
    if let Some(from) = filter.updated.from {
        query = query.filter(employers::updated_at.ge(Time(from)));
    }
    if let Some(before) = filter.updated.before {
        query = query.filter(employers::updated_at.lt(Time(before)));
    }
    if let Some(has) = filter.has_image {
        query = query.filter(employers::has_image.eq(has));
    }
    if let Some(has) = filter.has_description {
        query = query.filter(employers::has_description.eq(has));
    }
    query
}

/// Asks the index for what a key consists of.
fn match_expression(key: &SearchKey) -> String {
    let term = |gram: &Gram| gram.hex() + if gram.is_whole() { "" } else { "*" };
    key.grams().iter().map(term).collect::<Vec<_>>().join(" AND ")
}
