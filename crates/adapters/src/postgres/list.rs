//! One page of the list.
//!
//! The ids of a page are found first, so that what is skipped and what is not asked for costs no more
//! than its place in an index; then their employers, whole: a few queries, however long the page.

use std::collections::HashMap;

use diesel::connection::{DefaultLoadingMode, SimpleConnection as _};
use diesel::dsl::sql;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Text, Timestamptz};
use portfolio_domain::employer::EmployerId;
use portfolio_domain::employer_list::{EmployerFilter, EmployerPage, EmployerQuery, OrderKey};
use portfolio_domain::list::OrderBy;
use portfolio_domain::search::{Gram, SearchWord};

use super::row_counts;
use super::schema::employers;
use super::whole_rows::find_employers;
use crate::list_plan::{Plan, Slice};
use crate::rows::Time;

/// Reads a page, all of it as it was at one moment.
pub(super) fn page(connection: &mut PgConnection, query: &EmployerQuery) -> QueryResult<EmployerPage> {
    connection.build_transaction().read_only().repeatable_read().run(|connection| read(connection, query))
}

/// What the planner may do. It is told, since it can't know how many match, or where in an order they are; it would
/// compile what it was all but forbidden, for a fifth of a second, and start other processes to find a few hundred rows,
/// for a fiftieth of one.
///
/// Walk the index of an order; find rows by their ids.
const WALK: &str = "SET LOCAL enable_indexscan = on; SET LOCAL enable_indexonlyscan = on; \
                    SET LOCAL enable_bitmapscan = off; SET LOCAL enable_seqscan = off; \
                    SET LOCAL enable_sort = off; SET LOCAL jit = off; \
                    SET LOCAL max_parallel_workers_per_gather = 0;";
/// Find what matches, and sort it.
const SORT: &str = "SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; \
                    SET LOCAL enable_bitmapscan = on; SET LOCAL enable_seqscan = on; \
                    SET LOCAL enable_sort = on; SET LOCAL jit = off; \
                    SET LOCAL max_parallel_workers_per_gather = 0;";
/// The same of a search. Of the ways to find a word, only the index knows the grams; every other makes them anew for
/// each row that holds the word, and so does a bitmap that has no room to tell the rows of a page apart.
const SEARCH: &str = "SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; \
                      SET LOCAL enable_bitmapscan = on; SET LOCAL enable_seqscan = off; \
                      SET LOCAL enable_sort = on; SET LOCAL jit = off; \
                      SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL work_mem = '32MB';";

fn read(connection: &mut PgConnection, query: &EmployerQuery) -> QueryResult<EmployerPage> {
    let EmployerQuery { filter, ordering, page } = query;
    let total = row_counts::of(connection, row_counts::EMPLOYERS)?;
    let by_grams = !filter.search.words().is_empty() && !is_common(connection, filter, total)?;
    let gathered = || if by_grams { gathered(filter) } else { matching(filter) };
    let count = if *filter == EmployerFilter::default() {
        total
    } else {
        if by_grams {
            connection.batch_execute(SEARCH)?;
        }
        gathered().count().get_result::<i64>(connection)?.try_into().unwrap_or_default()
    };
    let Some(slice) = Slice::of(*page, count) else {
        return Ok(EmployerPage { count, employers: Vec::new() });
    };
    let order = slice.order(ordering);
    let Some(first) = order.first() else { return Ok(EmployerPage { count, employers: Vec::new() }) };
    let mut ids: Vec<i64> = match Plan::of(filter, first.key, slice, count, total) {
        Plan::Sort => Vec::new(),
        plan => {
            connection.batch_execute(WALK)?;
            let walked = match plan {
                Plan::WalkUpTo(reach) => up_to(matching(filter), filter, *first, reach),
                _ => matching(filter),
            };
            if first.key == OrderKey::Name && count == total {
                by_names(connection, first.descending, slice)?
            } else {
                in_order(walked, &order, slice).load(connection)?
            }
        }
    };
    if (ids.len() as u64) < slice.limit {
        connection.batch_execute(if by_grams { SEARCH } else { SORT })?;
        ids = in_order(gathered(), &order, slice).load(connection)?;
        connection.batch_execute(WALK)?;
    }
    if slice.from_end {
        ids.reverse();
    }
    let ids: Vec<EmployerId> = ids.into_iter().map(EmployerId).collect();
    let employers = find_employers(connection, &ids)?.into_iter().flatten().collect();
    Ok(EmployerPage { count, employers })
}

type Employers = employers::BoxedQuery<'static, Pg>;

/// The ids of a slice.
fn in_order(
    query: Employers,
    order: &[OrderBy<OrderKey>],
    slice: Slice,
) -> employers::BoxedQuery<'static, Pg, BigInt> {
    let mut query = query.select(employers::id).limit(signed(slice.limit)).offset(signed(slice.offset));
    for OrderBy { key, descending } in order {
        query = match (key, descending) {
            (OrderKey::Id, false) => query.then_order_by(employers::id.asc()),
            (OrderKey::Id, true) => query.then_order_by(employers::id.desc()),
            (OrderKey::Name, false) => query.then_order_by(employers::name.asc()),
            (OrderKey::Name, true) => query.then_order_by(employers::name.desc()),
            (OrderKey::CreatedAt, false) => query.then_order_by(employers::created_at.asc()),
            (OrderKey::CreatedAt, true) => query.then_order_by(employers::created_at.desc()),
            // The hour has an index, and orders as the time itself does.
            (OrderKey::UpdatedAt, false) => {
                query.then_order_by(employers::updated_hour.asc()).then_order_by(employers::updated_at.asc())
            }
            (OrderKey::UpdatedAt, true) => query
                .then_order_by(employers::updated_hour.desc())
                .then_order_by(employers::updated_at.desc()),
        };
    }
    query
}

/// The ids of a slice of all by their names. The index of names does not hold ids: for them, every row that is skipped
/// would be fetched (fourteen times the time, measured).
fn by_names(connection: &mut PgConnection, descending: bool, slice: Slice) -> QueryResult<Vec<i64>> {
    let names =
        employers::table.select(employers::name).limit(signed(slice.limit)).offset(signed(slice.offset));
    let names: Vec<String> = if descending {
        names.order(employers::name.desc()).load(connection)?
    } else {
        names.order(employers::name.asc()).load(connection)?
    };
    let ids: HashMap<String, i64> = employers::table
        .filter(employers::name.eq_any(&names))
        .select((employers::name, employers::id))
        .load_iter::<(String, i64), DefaultLoadingMode>(connection)?
        .collect::<QueryResult<_>>()?;
    Ok(names.iter().filter_map(|name| ids.get(name).copied()).collect())
}

/// Of `query`, those that are among the first `reach` in the order of `first`.
fn up_to(query: Employers, filter: &EmployerFilter, first: OrderBy<OrderKey>, reach: u64) -> Employers {
    let edge = in_range(employers::table.into_boxed(), filter, first.key).offset(signed(reach));
    macro_rules! up_to_edge {
        ($column:expr) => {
            if first.descending {
                let edge = edge.order($column.desc()).select($column).single_value();
                query.filter($column.nullable().ge(edge))
            } else {
                let edge = edge.order($column.asc()).select($column).single_value();
                query.filter($column.nullable().le(edge))
            }
        };
    }
    match first.key {
        OrderKey::Id => up_to_edge!(employers::id),
        OrderKey::Name => up_to_edge!(employers::name),
        OrderKey::CreatedAt => up_to_edge!(employers::created_at),
        OrderKey::UpdatedAt => up_to_edge!(employers::updated_hour),
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Whether the planner, which keeps the most common grams, expects so many of `total` to hold all of those of the search
/// that reading every row takes less time than their index (a third of it, measured of a word of all).
fn is_common(connection: &mut PgConnection, filter: &EmployerFilter, total: u64) -> QueryResult<bool> {
    if total < MANY {
        return Ok(false);
    }
    // There is nothing in it but hexadecimal digits and operators.
    let words = tsquery(filter.search.words());
    let plan = diesel::sql_query(format!(
        "EXPLAIN SELECT FROM employers WHERE employer_grams(search_key) @@ '{words}'::tsquery"
    ));
    let steps: Vec<Step> = plan.load(connection)?;
    let expected =
        steps.first().and_then(|step| step.line.split_once("rows=")?.1.split(' ').next()?.parse().ok());
    Ok(expected.is_some_and(|expected: u64| expected >= total / 8))
}

/// Of how many it is worth asking.
const MANY: u64 = 100_000;

/// A line of a plan.
#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    line: String,
}

/// Those that pass the filter, found by the index of grams.
fn gathered(filter: &EmployerFilter) -> Employers {
    let words = filter.search.words();
    // The index is asked once for all words: what it has decided is then not asked again of every row, as a second
    // condition on it would be. A word that is an id need not be in the name.
    let ids: Vec<i64> = words.iter().filter_map(|word| word.id).collect();
    let candidates = sql::<Bool>("(employer_grams(search_key) @@ ")
        .bind::<Text, _>(tsquery(words))
        .sql("::tsquery OR employers.id = ANY (")
        .bind::<Array<BigInt>, _>(ids)
        .sql("))");
    matching(filter).filter(candidates)
}

/// Those that pass the filter.
///
/// A piece of SQL among the conditions keeps diesel from caching the statement: there are as many as
/// there are ways to ask, and each must be planned for the values that are asked for.
fn matching(filter: &EmployerFilter) -> Employers {
    let mut query = employers::table.filter(sql::<Bool>("TRUE")).into_boxed();
    for word in filter.search.words() {
        // No employer has a negative id.
        let found = sql::<Bool>("(strpos(search_key, ")
            .bind::<Text, _>(word.key.as_str().to_owned())
            .sql(") > 0 OR employers.id = ")
            .bind::<BigInt, _>(word.id.unwrap_or(-1))
            .sql(")");
        query = query.filter(found);
    }
    for key in [OrderKey::Id, OrderKey::CreatedAt, OrderKey::UpdatedAt] {
        query = in_range(query, filter, key);
    }
    match filter.has_image {
        Some(true) => query = query.filter(employers::image_id.is_not_null()),
        Some(false) => query = query.filter(employers::image_id.is_null()),
        None => {}
    }
    // As the indexes of those with and of those without say it.
    match filter.has_description {
        Some(true) => query = query.filter(sql::<Bool>("employers.has_description")),
        Some(false) => query = query.filter(sql::<Bool>("NOT employers.has_description")),
        None => {}
    }
    query
}

/// Of `query`, those that pass what the filter says of `key`.
fn in_range(mut query: Employers, filter: &EmployerFilter, key: OrderKey) -> Employers {
    match key {
        OrderKey::Id => {
            if let Some(min) = filter.id_min {
                query = query.filter(employers::id.ge(min));
            }
            if let Some(max) = filter.id_max {
                query = query.filter(employers::id.le(max));
            }
        }
        OrderKey::Name => {}
        OrderKey::CreatedAt => {
            if let Some(from) = filter.created.from {
                query = query.filter(employers::created_at.ge(Time(from)));
            }
            if let Some(before) = filter.created.before {
                query = query.filter(employers::created_at.lt(Time(before)));
            }
        }
        OrderKey::UpdatedAt => {
            if let Some(from) = filter.updated.from {
                let hour = sql::<Timestamptz>(HOUR).bind::<Timestamptz, _>(Time(from)).sql(HOUR_ORIGIN);
                query = query
                    .filter(employers::updated_at.ge(Time(from)))
                    .filter(employers::updated_hour.ge(hour));
            }
            if let Some(before) = filter.updated.before {
                query = query
                    .filter(employers::updated_at.lt(Time(before)))
                    .filter(employers::updated_hour.lt(Time(before)));
            }
        }
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
