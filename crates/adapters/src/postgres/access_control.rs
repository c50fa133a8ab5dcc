use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use portfolio_domain::access::Grant;
use portfolio_domain::ports::{AccessControl, PortError};
use portfolio_domain::token::{Token, TokenId};

use super::schema::tokens;
use super::{Postgres, PostgresDatabase, grant_statement};
use crate::blocking::Batch;
use crate::rows::{self, KeyHash, Time};
use crate::usage_notes::UsageNotes;

/// The token permission checker's data, in PostgreSQL.
#[derive(Clone)]
pub struct PostgresAccessControl {
    database: PostgresDatabase,
    /// Keys that are shown at the same time are looked for together.
    grants: Batch<Postgres, KeyHash, Option<Grant>>,
    notes: UsageNotes,
}

impl PostgresAccessControl {
    /// Over `database`.
    #[must_use]
    pub fn new(database: PostgresDatabase) -> Self {
        let grants = Batch::of_reads(database.clone(), grant_statement::find_each);
        Self { database, grants, notes: UsageNotes::default() }
    }
}

#[async_trait]
impl AccessControl for PostgresAccessControl {
    async fn find_grant(&self, token: &Token) -> Result<Option<Grant>, PortError> {
        self.grants.ask_first(rows::key_hash(token)).await
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
