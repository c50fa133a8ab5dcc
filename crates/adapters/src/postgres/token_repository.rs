use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use portfolio_domain::ports::{Issued, PortError, Revoked, TokenRepository};
use portfolio_domain::staff::StaffName;
use portfolio_domain::token::{NewToken, TokenId, TokenRecord};

use super::PostgresDatabase;
use super::schema::{staff, tokens};
use crate::rows::{self, Time, TokenRow};

/// Keys in PostgreSQL.
#[derive(Clone)]
pub struct PostgresTokenRepository {
    database: PostgresDatabase,
}

impl PostgresTokenRepository {
    /// Over `database`.
    #[must_use]
    pub fn new(database: PostgresDatabase) -> Self {
        Self { database }
    }
}

#[async_trait]
impl TokenRepository for PostgresTokenRepository {
    async fn issue(&self, new: &NewToken) -> Result<Issued, PortError> {
        let (hash, new) = (rows::key_hash(&new.token), new.clone());
        let job = move |connection: &mut PgConnection| {
            connection.transaction(|connection| {
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
            })
        };
        let job = move |connection: &mut PgConnection| match job(connection) {
            Err(DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => Ok(Issued::KeyInUse),
            issued => issued,
        };
        self.database.write(job).await
    }

    async fn list(&self, owner: Option<StaffName>) -> Result<Vec<TokenRecord>, PortError> {
        self.database.read(move |connection| records(connection, owner.as_ref(), None)).await
    }

    async fn revoke(&self, id: TokenId, now: DateTime<Utc>) -> Result<Option<Revoked>, PortError> {
        self.database
            .write(move |connection| {
                connection.transaction(|connection| {
                    let revoked = diesel::update(tokens::table.find(id.0))
                        .filter(tokens::revoked_at.is_null())
                        .set(tokens::revoked_at.eq(Time(now)))
                        .execute(connection)?;
                    let record = records(connection, None, Some(id))?.pop();
                    Ok(record.map(|record| Revoked { record, newly: revoked > 0 }))
                })
            })
            .await
    }
}

/// Keys with their owners' names, by id: all, or those that `owner` and `id` leave.
fn records(
    connection: &mut PgConnection,
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
    let mut query = all.into_boxed::<Pg>();
    if let Some(owner) = owner {
        query = query.filter(staff::name.eq(owner.as_str()));
    }
    if let Some(id) = id {
        query = query.filter(tokens::id.eq(id.0));
    }
    let rows: Vec<TokenRow> = query.load(connection)?;
    Ok(rows.into_iter().map(Into::into).collect())
}
