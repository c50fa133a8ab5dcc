//! One page of the list.
//!
//! The ids of a page are found first, so that what is skipped and what is not asked for costs no more
//! than its place in an index; then their employers with images, then these images' thumbnails: four
//! queries at most, however long the page.

use diesel::connection::SimpleConnection as _;
use diesel::dsl::sql;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Text, Timestamptz};
use portfolio_domain::employer_list::{EmployerFilter, EmployerPage, EmployerQuery, OrderKey};
use portfolio_domain::list::OrderBy;
use portfolio_domain::search::{Gram, SearchWord};

use super::schema::{EMPLOYER, IMAGE, THUMBNAIL, employers, images, thumbnails};
use crate::rows::{self, Time};

/// Reads a page, all of it as it was at one moment.
pub(super) fn page(connection: &mut PgConnection, query: &EmployerQuery) -> QueryResult<EmployerPage> {
    connection.build_transaction().read_only().repeatable_read().run(|connection| {
        if !query.filter.search.words().is_empty() {
            connection.batch_execute(SEARCHING)?;
        }
        read(connection, query)
    })
}

/// Of the ways to find a word, only the index knows the grams; every other makes them anew for each row
/// that holds the word, which the planner takes for no dearer where most do.
const SEARCHING: &str = "SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off;";

fn read(connection: &mut PgConnection, query: &EmployerQuery) -> QueryResult<EmployerPage> {
    let EmployerQuery { filter, ordering, page } = query;
    let (limit, offset) = (i64::from(page.limit), i64::try_from(page.offset).unwrap_or(i64::MAX));
    let count = matching(filter).count().get_result::<i64>(connection)?.try_into().unwrap_or_default();
    if *filter != EmployerFilter::default() && count <= FEW {
        connection.batch_execute(SORTING)?;
    }
    let mut in_order = matching(filter).select(employers::id).limit(limit).offset(offset);
    for OrderBy { key, descending } in ordering.keys() {
        in_order = match (key, descending) {
            (OrderKey::Id, false) => in_order.then_order_by(employers::id.asc()),
            (OrderKey::Id, true) => in_order.then_order_by(employers::id.desc()),
            (OrderKey::Name, false) => in_order.then_order_by(employers::name.asc()),
            (OrderKey::Name, true) => in_order.then_order_by(employers::name.desc()),
            (OrderKey::CreatedAt, false) => in_order.then_order_by(employers::created_at.asc()),
            (OrderKey::CreatedAt, true) => in_order.then_order_by(employers::created_at.desc()),
            // The hour has an index, and orders as the time itself does.
            (OrderKey::UpdatedAt, false) => in_order
                .then_order_by(employers::updated_hour.asc())
                .then_order_by(employers::updated_at.asc()),
            (OrderKey::UpdatedAt, true) => in_order
                .then_order_by(employers::updated_hour.desc())
                .then_order_by(employers::updated_at.desc()),
        };
    }
    let ids: Vec<i64> = in_order.load(connection)?;
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

/// How many are sorted in a few milliseconds.
const FEW: u64 = 10_000;
/// Few that match are sorted. The planner would walk the index of an order, since it takes them to be spread
/// evenly; the last employers by name may well be the first by time.
const SORTING: &str = "SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off;";

/// Those that pass the filter.
///
/// A piece of SQL among the conditions keeps diesel from caching the statement: there are as many as
/// there are ways to ask, and each must be planned for the values that are asked for.
fn matching(filter: &EmployerFilter) -> employers::BoxedQuery<'static, Pg> {
    let mut query = employers::table.filter(sql::<Bool>("TRUE")).into_boxed();
    let words = filter.search.words();
    if !words.is_empty() {
        // The index is asked once for all words: what it has decided is then not asked again of every
        // row, as a second condition on it would be. A word that is an id need not be in the name.
        let ids: Vec<i64> = words.iter().filter_map(|word| word.id).collect();
        let candidates = sql::<Bool>("(employer_grams(search_key) @@ ")
            .bind::<Text, _>(tsquery(words))
            .sql("::tsquery OR employers.id = ANY (")
            .bind::<Array<BigInt>, _>(ids)
            .sql("))");
        query = query.filter(candidates);
    }
    for word in words {
        // No employer has a negative id.
        let found = sql::<Bool>("(strpos(search_key, ")
            .bind::<Text, _>(word.key.as_str().to_owned())
            .sql(") > 0 OR employers.id = ")
            .bind::<BigInt, _>(word.id.unwrap_or(-1))
            .sql(")");
        query = query.filter(found);
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
        let hour = sql::<Timestamptz>(HOUR).bind::<Timestamptz, _>(Time(from)).sql(HOUR_ORIGIN);
        query = query.filter(employers::updated_at.ge(Time(from))).filter(employers::updated_hour.ge(hour));
    }
    if let Some(before) = filter.updated.before {
        query = query
            .filter(employers::updated_at.lt(Time(before)))
            .filter(employers::updated_hour.lt(Time(before)));
    }
    match filter.has_image {
        Some(true) => query = query.filter(employers::image_id.is_not_null()),
        Some(false) => query = query.filter(employers::image_id.is_null()),
        None => {}
    }
    if let Some(has) = filter.has_description {
        query = query.filter(employers::has_description.eq(has));
    }
    query
}

/// How the migration makes `updated_hour`.
const HOUR: &str = "date_bin('1 hour', ";
const HOUR_ORIGIN: &str = ", timestamptz '2000-01-01 00:00:00+00')";

/// Asks the index for what all the words consist of.
fn tsquery(words: &[SearchWord]) -> String {
    let term = |gram: Gram| gram.hex() + if gram.is_whole() { "" } else { ":*" };
    words.iter().flat_map(|word| word.key.grams()).map(term).collect::<Vec<_>>().join(" & ")
}
