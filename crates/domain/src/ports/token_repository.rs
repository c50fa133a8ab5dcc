use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::ports::PortError;
use crate::staff::StaffName;
use crate::token::{NewToken, TokenId, TokenRecord};

/// What became of a key that was to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Issued {
    /// It is stored.
    Stored(TokenId),
    /// There is no such user; nothing was stored.
    UnknownOwner,
    /// The same key is stored already, revoked or not; nothing was stored.
    KeyInUse,
}

/// A key that is revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// What is stored of it now.
    pub record: TokenRecord,
    /// Whether it was not revoked before.
    pub newly: bool,
}

/// The keys that are stored, as SHA-256 only. One call is one transaction.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait TokenRepository: Send + Sync {
    /// Stores a key for a user. It MUST be stored in no way from which it could be told.
    ///
    /// # Errors
    ///
    /// [`PortError`]; the caller makes another key and tries again.
    async fn issue(&self, token: &NewToken) -> Result<Issued, PortError>;

    /// All keys, or those of one user, by id.
    ///
    /// # Errors
    ///
    /// [`PortError::Unavailable`]; the caller may ask again.
    async fn list(&self, owner: Option<StaffName>) -> Result<Vec<TokenRecord>, PortError>;

    /// Revokes a key, for ever; one that is revoked keeps the time of its first revocation. `None`
    /// when there is no such key.
    ///
    /// # Errors
    ///
    /// [`PortError`]; the caller revokes again, it is the same twice as once.
    async fn revoke(&self, id: TokenId, now: DateTime<Utc>) -> Result<Option<Revoked>, PortError>;
}
