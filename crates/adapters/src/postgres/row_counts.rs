//! How many rows a table of a list has, as triggers keep it (`migrations/postgres/2026-11-26-000004_list_at_scale`).

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::schema::row_counts;

/// The employers.
pub(super) const EMPLOYERS: &str = "employers";
/// The images.
pub(super) const IMAGES: &str = "images";

/// How many rows `relation` has, exactly, as the transaction sees them.
pub(super) fn of(connection: &mut PgConnection, relation: &str) -> QueryResult<u64> {
    let numbers: Vec<i64> = row_counts::table
        .filter(row_counts::relation.eq(relation))
        .select(row_counts::number)
        .load(connection)?;
    Ok(numbers.iter().sum::<i64>().try_into().unwrap_or_default())
}

/// Counts the rows of each, and keeps that where it is another number: rows were written while the triggers were off,
/// as by a restore of data alone.
pub(super) fn settle(connection: &mut PgConnection) -> QueryResult<()> {
    for relation in [EMPLOYERS, IMAGES] {
        let is_right = connection.build_transaction().read_only().repeatable_read().run(|connection| {
            let rows: i64 =
                diesel::select(diesel::dsl::sql::<BigInt>(&format!("(SELECT count(*) FROM {relation})")))
                    .get_result(connection)?;
            let kept = of(connection, relation)?;
            QueryResult::Ok(u64::try_from(rows) == Ok(kept))
        })?;
        if !is_right {
            connection.transaction(|connection| {
                connection.batch_execute(&format!(
                    "LOCK TABLE {relation} IN SHARE ROW EXCLUSIVE MODE; \
                     DELETE FROM row_counts WHERE relation = '{relation}'; \
                     INSERT INTO row_counts (relation, number) SELECT '{relation}', count(*) FROM {relation};"
                ))
            })?;
        }
    }
    Ok(())
}
