use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use portfolio_domain::access::Grant;
use portfolio_domain::ports::{AccessControl, PortError};
use portfolio_domain::token::{Token, TokenId};

use super::SqliteDatabase;
use super::schema::{staff, staff_permissions, tokens};
use crate::rows::{self, GrantJoin, Time};
use crate::usage_notes::UsageNotes;

/// The token permission checker's data, in SQLite.
#[derive(Clone)]
pub struct SqliteAccessControl {
    database: SqliteDatabase,
    notes: UsageNotes,
}

impl SqliteAccessControl {
    /// Over `database`.
    #[must_use]
    pub fn new(database: SqliteDatabase) -> Self {
        Self { database, notes: UsageNotes::default() }
    }
}

/// The joins side by side, as those of an employer are: SQLite reads the whole of a table that is joined within
/// another join, at each call.
pub(super) fn find(connection: &mut SqliteConnection, hash: &[u8]) -> QueryResult<Option<Grant>> {
    let rows: Vec<GrantJoin> = tokens::table
        .inner_join(staff::table)
        .left_join(staff_permissions::table.on(staff_permissions::staff_id.eq(staff::id)))
        .filter(tokens::key_hash.eq(hash))
        .select((
            (tokens::id, tokens::revoked_at, tokens::expires_at, tokens::last_used_at),
            staff::all_columns,
            staff_permissions::code.nullable(),
        ))
        .load(connection)?;
    Ok(rows::grant(rows))
}

#[async_trait]
impl AccessControl for SqliteAccessControl {
    async fn find_grant(&self, token: &Token) -> Result<Option<Grant>, PortError> {
        let hash = rows::key_hash(token);
        self.database.readers.read_first(move |connection| find(connection, &hash)).await
    }

    fn note_use(&self, token: TokenId, now: DateTime<Utc>) {
        if !self.notes.is_due(token, now) {
            return;
        }
        let database = self.database.clone();
        tokio::spawn(async move {
            // Another instance may have noted it already.
            let a_minute_ago = Time(now - TimeDelta::minutes(1));
            let noted = database
                .writer
                .write(move |connection| {
                    diesel::update(tokens::table.find(token.0))
                        .filter(tokens::last_used_at.is_null().or(tokens::last_used_at.le(a_minute_ago)))
                        .set(tokens::last_used_at.eq(Time(now)))
                        .execute(connection)
                })
                .await;
            if let Err(error) = noted {
                tracing::debug!(%error, token = token.0, "a key's use was not noted");
            }
        });
    }
}
