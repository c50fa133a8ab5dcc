//! The search keys of names that were stored without: by the release before, or by hand.

use diesel::dsl::exists;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use portfolio_domain::search::SearchKey;

use super::schema::{employers, images};

/// Whether there are employers or images without one. An index of just these makes it cheap.
pub(super) fn are_missing(connection: &mut SqliteConnection) -> QueryResult<bool> {
    let employers = exists(employers::table.filter(employers::search_key.is_null()));
    let images = exists(images::table.filter(images::search_key.is_null()));
    diesel::select(employers.or(images)).get_result(connection)
}

/// Gives one to each that lacks it.
pub(super) fn fill(connection: &mut SqliteConnection) -> QueryResult<()> {
    fill_employers(connection)?;
    fill_images(connection)
}

const BATCH: i64 = 5_000;

fn fill_employers(connection: &mut SqliteConnection) -> QueryResult<()> {
    loop {
        let batch: Vec<(i64, String)> = employers::table
            .filter(employers::search_key.is_null())
            .order(employers::id)
            .limit(BATCH)
            .select((employers::id, employers::name))
            .load(connection)?;
        if batch.is_empty() {
            return Ok(());
        }
        connection.transaction(|connection| {
            for (id, name) in &batch {
                // One that is renamed meanwhile gets its key from whoever renames it.
                diesel::update(employers::table.find(id).filter(employers::name.eq(name)))
                    .set(employers::search_key.eq(SearchKey::of(name).as_str()))
                    .execute(connection)?;
            }
            QueryResult::Ok(())
        })?;
    }
}

fn fill_images(connection: &mut SqliteConnection) -> QueryResult<()> {
    loop {
        let batch: Vec<(i64, String)> = images::table
            .filter(images::search_key.is_null())
            .order(images::id)
            .limit(BATCH)
            .select((images::id, images::name))
            .load(connection)?;
        if batch.is_empty() {
            return Ok(());
        }
        connection.transaction(|connection| {
            for (id, name) in &batch {
                diesel::update(images::table.find(id).filter(images::name.eq(name)))
                    .set(images::search_key.eq(SearchKey::of(name).as_str()))
                    .execute(connection)?;
            }
            QueryResult::Ok(())
        })?;
    }
}
