use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use crate::ports::{Clock, Issued, PortError, RandomSource, TokenRepository};
use crate::staff::StaffName;
use crate::token::{NewToken, Token, TokenId};

/// Why no key was issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueTokenError {
    /// There is no such user.
    #[error("there is no user {0}")]
    UnknownOwner(StaffName),
    /// Somebody has this very key, or had it.
    #[error("this key is in use already, or was")]
    KeyInUse,
    /// The time of expiry lies beyond what a calendar can hold.
    #[error("the time of expiry is too far away")]
    ExpiryOutOfRange,
    /// It could not be done now.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// A key that was issued.
#[derive(Debug, Clone)]
pub struct IssuedToken {
    /// What identifies it.
    pub id: TokenId,
    /// The key.
    pub token: Token,
}

/// Gives a user a key: a new one, or one that it has from elsewhere.
#[derive(Clone)]
pub struct IssueToken {
    tokens: Arc<dyn TokenRepository>,
    random: Arc<dyn RandomSource>,
    clock: Arc<dyn Clock>,
}

impl IssueToken {
    /// The use case, over stored keys.
    #[must_use]
    pub fn new(
        tokens: Arc<dyn TokenRepository>,
        random: Arc<dyn RandomSource>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { tokens, random, clock }
    }

    /// Issues `adopted`, or else a new key, to `owner`, and answers it: this is the only time that it
    /// can be seen. `lifetime` counts from now; without one it never expires.
    ///
    /// # Errors
    ///
    /// [`IssueTokenError`]; no key was stored then.
    pub async fn execute(
        &self,
        owner: StaffName,
        label: String,
        lifetime: Option<Duration>,
        adopted: Option<Token>,
    ) -> Result<IssuedToken, IssueTokenError> {
        let created_at = self.clock.now();
        let expires_at = lifetime
            .map(|lifetime| {
                let lifetime = TimeDelta::from_std(lifetime).ok();
                lifetime
                    .and_then(|lifetime| created_at.checked_add_signed(lifetime))
                    .ok_or(IssueTokenError::ExpiryOutOfRange)
            })
            .transpose()?;
        let token = adopted.map_or_else(|| Token::mint(self.random.as_ref()), Ok)?;
        let new = NewToken { token, owner, label, created_at, expires_at };
        match self.tokens.issue(&new).await? {
            Issued::Stored(id) => Ok(IssuedToken { id, token: new.token }),
            Issued::UnknownOwner => Err(IssueTokenError::UnknownOwner(new.owner)),
            Issued::KeyInUse => Err(IssueTokenError::KeyInUse),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FixedClock, MockRandomSource, MockTokenRepository, fixtures};

    const DAY: Duration = Duration::from_secs(86_400);

    async fn issue(
        tokens: MockTokenRepository,
        lifetime: Option<Duration>,
        adopted: Option<Token>,
    ) -> Result<IssuedToken, IssueTokenError> {
        let mut random = MockRandomSource::new();
        random.expect_fill().returning(|bytes| {
            bytes.fill(0);
            Ok(())
        });
        let clock = FixedClock::at(fixtures::now());
        IssueToken::new(Arc::new(tokens), Arc::new(random), Arc::new(clock))
            .execute(StaffName::parse("maryam").unwrap(), "laptop".into(), lifetime, adopted)
            .await
    }

    #[tokio::test]
    async fn a_new_key_is_minted_and_expires_when_asked() {
        let mut tokens = MockTokenRepository::new();
        tokens
            .expect_issue()
            .withf(|new| {
                new.expires_at == Some(fixtures::now() + TimeDelta::days(90))
                    && new.label == "laptop"
                    && new.owner.as_str() == "maryam"
            })
            .once()
            .returning(|_| Ok(Issued::Stored(TokenId(1))));
        let token = issue(tokens, Some(90 * DAY), None).await.unwrap();
        assert!(token.token.expose().starts_with("pf_000"));
    }

    #[tokio::test]
    async fn an_adopted_key_is_kept_and_never_expires_unless_asked() {
        let mut tokens = MockTokenRepository::new();
        tokens
            .expect_issue()
            .withf(|new| new.expires_at.is_none() && new.token.expose() == "3".repeat(40))
            .once()
            .returning(|_| Ok(Issued::Stored(TokenId(1))));
        let adopted = Token::adopt(&"3".repeat(40)).unwrap();
        assert_eq!(issue(tokens, None, Some(adopted)).await.unwrap().token.expose(), "3".repeat(40));
    }

    #[tokio::test]
    async fn an_unknown_owner_and_a_key_in_use_are_refused() {
        let mut tokens = MockTokenRepository::new();
        tokens.expect_issue().returning(|_| Ok(Issued::UnknownOwner));
        assert!(matches!(issue(tokens, None, None).await, Err(IssueTokenError::UnknownOwner(_))));
        let mut tokens = MockTokenRepository::new();
        tokens.expect_issue().returning(|_| Ok(Issued::KeyInUse));
        assert!(matches!(issue(tokens, None, None).await, Err(IssueTokenError::KeyInUse)));
    }

    #[tokio::test]
    async fn an_expiry_beyond_the_calendar_is_refused() {
        let answer = issue(MockTokenRepository::new(), Some(Duration::MAX), None).await;
        assert!(matches!(answer, Err(IssueTokenError::ExpiryOutOfRange)));
    }
}
