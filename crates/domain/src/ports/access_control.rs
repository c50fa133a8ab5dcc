use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::access::Grant;
use crate::ports::PortError;
use crate::token::{Token, TokenId};

/// What is stored of keys and of the users they belong to, for the access rule.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait AccessControl: Send + Sync {
    /// Finds what is stored of `token` at this moment: a revocation, a disabled user or a withdrawn
    /// permission that was acknowledged before the call MUST show. `None` when nobody has this key.
    ///
    /// # Errors
    ///
    /// [`PortError::Unavailable`]; the caller may ask again.
    async fn find_grant(&self, token: &Token) -> Result<Option<Grant>, PortError>;

    /// Notes that `token` was used at `now`. It MUST return at once and write later; a note that gets
    /// lost is no error. Of several notes within a minute all but one MAY be dropped.
    fn note_use(&self, token: TokenId, now: DateTime<Utc>);
}
