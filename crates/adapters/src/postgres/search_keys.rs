//! The search keys of names that were stored without: by the release before, or by hand.

use diesel::dsl::exists;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text};
use portfolio_domain::search::SearchKey;

use super::schema::{employers, images};

/// Whether there are employers or images without one. An index of just these makes it cheap.
pub(super) fn are_missing(connection: &mut PgConnection) -> QueryResult<bool> {
    let employers = exists(employers::table.filter(employers::search_key.is_null()));
    let images = exists(images::table.filter(images::search_key.is_null()));
    diesel::select(employers.or(images)).get_result(connection)
}

/// Gives one to each that lacks it.
pub(super) fn fill(connection: &mut PgConnection) -> QueryResult<()> {
    let employers = employers::table
        .filter(employers::search_key.is_null())
        .order(employers::id)
        .limit(BATCH)
        .select((employers::id, employers::name));
    fill_table(connection, "employers", |connection| employers.load(connection))?;
    let images = images::table
        .filter(images::search_key.is_null())
        .order(images::id)
        .limit(BATCH)
        .select((images::id, images::name));
    fill_table(connection, "images", |connection| images.load(connection))
}

const BATCH: i64 = 5_000;

/// Fills `table` in, which has `id`, `name` and `search_key`, by batches of what lacks one.
fn fill_table(
    connection: &mut PgConnection,
    table: &str,
    missing: impl Fn(&mut PgConnection) -> QueryResult<Vec<(i64, String)>>,
) -> QueryResult<()> {
    loop {
        let batch = missing(connection)?;
        if batch.is_empty() {
            return Ok(());
        }
        let keys: Vec<String> = batch.iter().map(|(_, name)| SearchKey::of(name).into()).collect();
        let (ids, names): (Vec<i64>, Vec<String>) = batch.into_iter().unzip();
        // One that is renamed meanwhile gets its key from whoever renames it.
        diesel::sql_query(format!(
            "UPDATE {table} SET search_key = missing.key \
             FROM unnest($1, $2, $3) AS missing (id, name, key) \
             WHERE {table}.id = missing.id AND {table}.name = missing.name"
        ))
        .bind::<Array<BigInt>, _>(ids)
        .bind::<Array<Text>, _>(names)
        .bind::<Array<Text>, _>(keys)
        .execute(connection)?;
    }
}
