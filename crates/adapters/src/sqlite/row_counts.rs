//! How many rows a table of a list has, as triggers keep it (`migrations/sqlite/2026-11-26-000004_list_at_scale`).

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::schema::row_counts;

/// The employers.
pub(super) const EMPLOYERS: &str = "employers";
/// The images.
pub(super) const IMAGES: &str = "images";

/// How many rows `relation` has, exactly, as the transaction sees them.
pub(super) fn of(connection: &mut SqliteConnection, relation: &str) -> QueryResult<u64> {
    let number: i64 = row_counts::table
        .filter(row_counts::relation.eq(relation))
        .select(row_counts::number)
        .first(connection)?;
    Ok(number.try_into().unwrap_or_default())
}

/// Counts the rows of each, and keeps that where it is another number: somebody replaced rows (`INSERT OR REPLACE`),
/// for whose removal SQLite fires no trigger unless it is told to.
pub(super) fn settle(connection: &mut SqliteConnection) -> QueryResult<()> {
    for relation in [EMPLOYERS, IMAGES] {
        connection.batch_execute(&format!(
            "INSERT INTO row_counts (relation, number) SELECT '{relation}', count(*) FROM {relation} WHERE TRUE \
             ON CONFLICT DO UPDATE SET number = excluded.number WHERE number <> excluded.number;"
        ))?;
    }
    Ok(())
}
