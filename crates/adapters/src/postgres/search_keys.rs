//! The search keys of names that were stored without: by the release before, or by hand.

use diesel::dsl::exists;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text};
use portfolio_domain::search::SearchKey;

use super::schema::employers;

/// Whether there are employers without one. An index of just these makes it cheap.
pub(super) fn are_missing(connection: &mut PgConnection) -> QueryResult<bool> {
    diesel::select(exists(employers::table.filter(employers::search_key.is_null()))).get_result(connection)
}

/// Gives one to each that lacks it.
pub(super) fn fill(connection: &mut PgConnection) -> QueryResult<()> {
    loop {
        let batch: Vec<(i64, String)> = employers::table
            .filter(employers::search_key.is_null())
            .order(employers::id)
            .limit(5_000)
            .select((employers::id, employers::name))
            .load(connection)?;
        if batch.is_empty() {
            return Ok(());
        }
        let keys: Vec<String> = batch.iter().map(|(_, name)| SearchKey::of(name).into()).collect();
        let (ids, names): (Vec<i64>, Vec<String>) = batch.into_iter().unzip();
        // One that is renamed meanwhile gets its key from whoever renames it.
        diesel::sql_query(
            "UPDATE employers SET search_key = missing.key \
             FROM unnest($1, $2, $3) AS missing (id, name, key) \
             WHERE employers.id = missing.id AND employers.name = missing.name",
        )
        .bind::<Array<BigInt>, _>(ids)
        .bind::<Array<Text>, _>(names)
        .bind::<Array<Text>, _>(keys)
        .execute(connection)?;
    }
}
