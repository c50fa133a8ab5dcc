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
use portfolio_domain::search::{Gram, SearchWord};

use super::schema::{EMPLOYER, IMAGE, THUMBNAIL, employers, images, thumbnails};
use crate::rows::{self, Time};

/// Reads a page, all of it as it was at one moment.
pub(super) fn page(connection: &mut SqliteConnection, query: &EmployerQuery) -> QueryResult<EmployerPage> {
    connection.transaction(|connection| read(connection, query))
}

fn read(connection: &mut SqliteConnection, query: &EmployerQuery) -> QueryResult<EmployerPage> {
    let EmployerQuery { filter, ordering, page } = query;
    let (limit, offset) = (i64::from(page.limit), i64::try_from(page.offset).unwrap_or(i64::MAX));
    let count = matching(filter).count().get_result::<i64>(connection)?.try_into().unwrap_or_default();
    // Few that match are sorted: the index of an order would be walked past all others. `+` hides it.
    let few = *filter != EmployerFilter::default() && count <= FEW;
    let hidden = if few { "+" } else { "" };
    let mut in_order = matching(filter).select(employers::id).limit(limit).offset(offset);
    for OrderBy { key, descending } in ordering.keys() {
        let column = match key {
            OrderKey::Id => "id",
            OrderKey::Name => "name",
            OrderKey::CreatedAt => "created_at",
            OrderKey::UpdatedAt => "updated_at",
        };
        let direction = if *descending { "DESC" } else { "ASC" };
        in_order = in_order.then_order_by(sql::<Text>(&format!("{hidden}{column} {direction}")));
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

/// Those that pass the filter.
///
/// A piece of SQL among the conditions keeps diesel from caching the statement: there are as many as
/// there are ways to ask.
fn matching(filter: &EmployerFilter) -> employers::BoxedQuery<'static, Sqlite> {
    let mut query = employers::table.filter(sql::<Bool>("TRUE")).into_boxed();
    let words = filter.search.words();
    if !words.is_empty() {
        // The index is asked once for all words: the rarest of what they consist of decides how much of it
        // is read. A word that is an id need not be in the name.
        let ids: Vec<String> = words.iter().filter_map(|word| word.id).map(|id| id.to_string()).collect();
        let candidates =
            sql::<Bool>("employers.id IN (SELECT rowid FROM employer_search WHERE employer_search MATCH ")
                .bind::<Text, _>(match_expression(words))
                .sql(" UNION ALL SELECT value FROM json_each(")
                .bind::<Text, _>(format!("[{}]", ids.join(",")))
                .sql("))");
        query = query.filter(candidates);
    }
    for word in words {
        // No employer has a negative id.
        let found = sql::<Bool>("(instr(search_key, ")
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

/// Asks the index for what all the words consist of.
fn match_expression(words: &[SearchWord]) -> String {
    let term = |gram: Gram| gram.hex() + if gram.is_whole() { "" } else { "*" };
    words.iter().flat_map(|word| word.key.grams()).map(term).collect::<Vec<_>>().join(" AND ")
}
