use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::sqlite::{Sqlite, SqliteConnection};
use portfolio_domain::ports::{Issued, PortError, Revoked, TokenRepository};
use portfolio_domain::staff::StaffName;
use portfolio_domain::token::{NewToken, TokenId, TokenRecord};

use super::SqliteDatabase;
use super::schema::{staff, tokens};
use crate::rows::{self, Time, TokenRow};

/// Keys in SQLite.
#[derive(Clone)]
pub struct SqliteTokenRepository {
    database: SqliteDatabase,
}

impl SqliteTokenRepository {
    /// Over `database`.
    #[must_use]
    pub fn new(database: SqliteDatabase) -> Self {
        Self { database }
    }
}

#[async_trait]
impl TokenRepository for SqliteTokenRepository {
    async fn issue(&self, new: &NewToken) -> Result<Issued, PortError> {
        let (hash, new) = (rows::key_hash(&new.token), new.clone());
        let job = move |connection: &mut SqliteConnection| {
            let owner = staff::table.filter(staff::name.eq(new.owner.as_str())).select(staff::id);
            let Some(owner) = owner.get_result::<i64>(connection).optional()? else {
                return Ok(Issued::UnknownOwner);
            };
            diesel::insert_into(tokens::table)
                .values((
                    tokens::staff_id.eq(owner),
                    tokens::key_hash.eq(hash.as_slice()),
                    tokens::prefix.eq(new.token.prefix()),
                    tokens::label.eq(&new.label),
                    tokens::created_at.eq(Time(new.created_at)),
                    tokens::expires_at.eq(new.expires_at.map(Time)),
                ))
                .returning(tokens::id)
                .get_result(connection)
                .map(|id| Issued::Stored(TokenId(id)))
        };
        let judge = |issued| match issued {
            Err(DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => Ok(Issued::KeyInUse),
            issued => issued,
        };
        self.database.writer.write_judged(job, judge).await
    }

    async fn list(&self, owner: Option<StaffName>) -> Result<Vec<TokenRecord>, PortError> {
        self.database.readers.read(move |connection| records(connection, owner.as_ref(), None)).await
    }

    async fn revoke(&self, id: TokenId, now: DateTime<Utc>) -> Result<Option<Revoked>, PortError> {
        self.database
            .writer
            .write(move |connection| {
                let revoked = diesel::update(tokens::table.find(id.0))
                    .filter(tokens::revoked_at.is_null())
                    .set(tokens::revoked_at.eq(Time(now)))
                    .execute(connection)?;
                let record = records(connection, None, Some(id))?.pop();
                Ok(record.map(|record| Revoked { record, newly: revoked > 0 }))
            })
            .await
    }
}

/// Keys with their owners' names, by id: all, or those that `owner` and `id` leave.
fn records(
    connection: &mut SqliteConnection,
    owner: Option<&StaffName>,
    id: Option<TokenId>,
) -> QueryResult<Vec<TokenRecord>> {
    let columns = (
        tokens::id,
        staff::name,
        tokens::prefix,
        tokens::label,
        tokens::created_at,
        tokens::last_used_at,
        tokens::expires_at,
        tokens::revoked_at,
    );
    let all = tokens::table.inner_join(staff::table).order(tokens::id).select(columns);
    let mut query = all.into_boxed::<Sqlite>();
    if let Some(owner) = owner {
        query = query.filter(staff::name.eq(owner.as_str()));
    }
    if let Some(id) = id {
        query = query.filter(tokens::id.eq(id.0));
    }
    let rows: Vec<TokenRow> = query.load(connection)?;
    Ok(rows.into_iter().map(Into::into).collect())
}
