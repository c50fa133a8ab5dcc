//! One page of the list.
//!
//! The ids of a page are found first, so that what is skipped and what is not asked for costs no more
//! than its place in an index; then their employers with images, then these images' thumbnails: four
//! queries at most, however long the page.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};
use portfolio_domain::employer_list::{EmployerFilter, EmployerPage, EmployerQuery, OrderKey};
use portfolio_domain::list::OrderBy;
use portfolio_domain::search::{Gram, SearchWord};

use super::schema::{EMPLOYER, IMAGE, THUMBNAIL, employers, images, thumbnails};
use super::{at_one_moment, row_counts};
use crate::list_plan::{Plan, Slice, is_decided_by_index};
use crate::rows;

/// Reads a page, all of it as it was at one moment.
pub(super) fn page(connection: &mut SqliteConnection, query: &EmployerQuery) -> QueryResult<EmployerPage> {
    at_one_moment(connection, |connection| read(connection, query))
}

fn read(connection: &mut SqliteConnection, query: &EmployerQuery) -> QueryResult<EmployerPage> {
    let EmployerQuery { filter, ordering, page } = query;
    let total = row_counts::of(connection, row_counts::EMPLOYERS)?;
    let is_common = is_common(connection, filter, total)?;
    let gathered = || if is_common { scanned(filter) } else { gathered(filter) };
    let count = if *filter == EmployerFilter::default() {
        total
    } else {
        gathered().count().get_result::<i64>(connection)?.try_into().unwrap_or_default()
    };
    let Some(slice) = Slice::of(*page, count) else {
        return Ok(EmployerPage { count, employers: Vec::new() });
    };
    let order = slice.order(ordering);
    let Some(first) = order.first() else { return Ok(EmployerPage { count, employers: Vec::new() }) };
    let walk = |reach| in_order(walked(filter, *first, reach), |key| indexed(filter, key), &order, slice);
    let mut ids: Vec<i64> = match Plan::of(filter, first.key, slice, count, total) {
        Plan::Sort => Vec::new(),
        Plan::Walk => walk(None).load(connection)?,
        Plan::WalkUpTo(reach) => walk(Some(reach)).load(connection)?,
    };
    if (ids.len() as u64) < slice.limit {
        let sorted = |key| format!("{HIDDEN}employers.{}", column(key));
        ids = in_order(gathered(), sorted, &order, slice).load(connection)?;
    }
    if slice.from_end {
        ids.reverse();
    }
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

type Employers = employers::BoxedQuery<'static, Sqlite>;

/// Before a column, it keeps SQLite from using an index of it.
const HIDDEN: &str = "+";

/// The ids of a slice, in an order by what is `written` for each key.
fn in_order(
    query: Employers,
    written: impl Fn(OrderKey) -> String,
    order: &[OrderBy<OrderKey>],
    slice: Slice,
) -> employers::BoxedQuery<'static, Sqlite, BigInt> {
    let mut query = query.select(employers::id).limit(signed(slice.limit)).offset(signed(slice.offset));
    for OrderBy { key, descending } in order {
        let by = format!("{} {}", written(*key), direction(*descending));
        query = query.then_order_by(sql::<Text>(&by));
        // No two have one name. A column more would keep SQLite from the index of names and their keys.
        if *key == OrderKey::Name {
            break;
        }
    }
    query
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn column(key: OrderKey) -> &'static str {
    match key {
        OrderKey::Id => "id",
        OrderKey::Name => "name",
        OrderKey::CreatedAt => "created_at",
        OrderKey::UpdatedAt => "updated_at",
    }
}

fn direction(descending: bool) -> &'static str {
    if descending { "DESC" } else { "ASC" }
}

/// How the index writes a key that is walked by. That of names and their keys has an expression in place of the name: the
/// planner would take the index of names alone, and fetch the row of each for what is searched.
fn indexed(filter: &EmployerFilter, key: OrderKey) -> String {
    if key == OrderKey::Name && !filter.search.words().is_empty() {
        return "CAST(employers.name AS TEXT)".to_owned();
    }
    format!("employers.{}", column(key))
}

/// Those that pass the filter, as an index of the order by `first` comes past them, if there is a `reach` no further
/// than among so many.
fn walked(filter: &EmployerFilter, first: OrderBy<OrderKey>, reach: Option<u64>) -> Employers {
    let of_first = column(first.key);
    let decided = is_decided_by_index(filter, first.key);
    let sign = |column: &str| if decided || column == of_first { "" } else { HIDDEN };
    let query = matching(filter, sign);
    let Some(reach) = reach else { return query };
    let mut edge = format!(
        "{} {} (SELECT {of_first} FROM employers WHERE TRUE",
        indexed(filter, first.key),
        if first.descending { ">=" } else { "<=" }
    );
    for (column, comparison, value) in conditions(filter) {
        if column == of_first {
            // Writing to a string can't fail.
            let _ = write!(edge, " AND {column} {comparison} {value}");
        }
    }
    let _ = write!(edge, " ORDER BY {of_first} {} LIMIT 1 OFFSET {reach})", direction(first.descending));
    query.filter(sql::<Bool>(&edge))
}

/// Whether so many of `total` may hold the words of `filter` that reading all of them takes less time than finding
/// each (a fifth of it, measured).
fn is_common(connection: &mut SqliteConnection, filter: &EmployerFilter, total: u64) -> QueryResult<bool> {
    let words = filter.search.words();
    let (many, few) = (total / 8, 1_000);
    if words.is_empty() || many < few {
        return Ok(false);
    }
    let candidates =
        sql::<BigInt>("(SELECT count(*) FROM (SELECT 1 FROM employer_search WHERE employer_search MATCH ")
            .bind::<Text, _>(match_expression(words))
            .sql(" LIMIT ")
            .bind::<BigInt, _>(signed(many))
            .sql("))");
    let found: i64 = diesel::select(candidates).get_result(connection)?;
    Ok(found >= signed(many))
}

/// Those that pass the filter, found by looking at all: by the index of one half of them it takes longer.
fn scanned(filter: &EmployerFilter) -> Employers {
    matching(filter, |column| if column.starts_with("has_") { HIDDEN } else { "" })
}

/// Those that pass the filter, found by the index of grams where it searches.
fn gathered(filter: &EmployerFilter) -> Employers {
    let words = filter.search.words();
    if words.is_empty() {
        return matching(filter, |_| "");
    }
    // The index is asked once for all words: the rarest of what they consist of decides how much of it
    // is read. A word that is an id need not be in the name.
    let ids: Vec<String> = words.iter().filter_map(|word| word.id).map(|id| id.to_string()).collect();
    let candidates =
        sql::<Bool>("employers.id IN (SELECT rowid FROM employer_search WHERE employer_search MATCH ")
            .bind::<Text, _>(match_expression(words))
            .sql(" UNION ALL SELECT value FROM json_each(")
            .bind::<Text, _>(format!("[{}]", ids.join(",")))
            .sql("))");
    scanned(filter).filter(candidates)
}

/// Those that pass the filter, which asks for each column with its `sign`.
///
/// A piece of SQL among the conditions keeps diesel from caching the statement: there are as many as
/// there are ways to ask.
fn matching(filter: &EmployerFilter, sign: impl Fn(&str) -> &'static str) -> Employers {
    let mut query = employers::table.filter(sql::<Bool>("TRUE")).into_boxed();
    for word in filter.search.words() {
        // No employer has a negative id.
        let found = sql::<Bool>("(instr(search_key, ")
            .bind::<Text, _>(word.key.as_str().to_owned())
            .sql(") > 0 OR +employers.id = ")
            .bind::<BigInt, _>(word.id.unwrap_or(-1))
            .sql(")");
        query = query.filter(found);
    }
    for (column, comparison, value) in conditions(filter) {
        query =
            query.filter(sql::<Bool>(&format!("{}employers.{column} {comparison} {value}", sign(column))));
    }
    query
}

/// What the filter says of columns: all of them are integers.
fn conditions(filter: &EmployerFilter) -> Vec<(&'static str, &'static str, i64)> {
    let micros = |time: DateTime<Utc>| time.timestamp_micros();
    let EmployerFilter { search: _, id_min, id_max, created, updated, has_image, has_description } = filter;
    [
        ("id", ">=", *id_min),
        ("id", "<=", *id_max),
        ("created_at", ">=", created.from.map(micros)),
        ("created_at", "<", created.before.map(micros)),
        ("updated_at", ">=", updated.from.map(micros)),
        ("updated_at", "<", updated.before.map(micros)),
        ("has_image", "=", has_image.map(i64::from)),
        ("has_description", "=", has_description.map(i64::from)),
    ]
    .into_iter()
    .filter_map(|(column, comparison, value)| Some((column, comparison, value?)))
    .collect()
}

/// Asks the index for what all the words consist of.
fn match_expression(words: &[SearchWord]) -> String {
    let term = |gram: Gram| gram.hex() + if gram.is_whole() { "" } else { "*" };
    words.iter().flat_map(|word| word.key.grams()).map(term).collect::<Vec<_>>().join(" AND ")
}

#[cfg(test)]
mod tests {
    use diesel::debug_query;
    use portfolio_domain::list::Page;
    use portfolio_domain::search::Search;

    use super::*;
    use crate::sqlite::testing::plan;
    use crate::sqlite::{connect_for_migrations, migrate};

    /// Else the row of each name that the walk comes past would be fetched for what is searched.
    #[test]
    fn a_search_in_the_order_of_names_walks_the_index_of_names_and_their_keys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        migrate(&path).unwrap();
        let mut connection = connect_for_migrations(&path).unwrap();
        let slice = Slice::of(Page { limit: 10, offset: 0 }, 1_000).unwrap();
        for descending in [false, true] {
            let first = OrderBy { key: OrderKey::Name, descending };
            for has_image in [None, Some(true)] {
                let search = Search::parse("word").unwrap();
                let filter = EmployerFilter { search, has_image, ..EmployerFilter::default() };
                for reach in [None, Some(100)] {
                    let query =
                        in_order(walked(&filter, first, reach), |key| indexed(&filter, key), &[first], slice);
                    let asked = debug_query::<Sqlite, _>(&query).to_string();
                    let how = plan(&mut connection, &asked);
                    let walks = match reach {
                        None => how[0].starts_with("SCAN employers USING"),
                        Some(_) => how[0].starts_with("SEARCH employers USING"),
                    };
                    assert!(walks && how[0].contains("INDEX employers_name"), "{asked}: {how:?}");
                    assert!(!how.iter().any(|step| step.contains("TEMP B-TREE")), "{asked}: {how:?}");
                }
            }
        }
    }
}
