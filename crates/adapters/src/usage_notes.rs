//! Which keys were noted as used of late, so that many requests at once cause one write.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use portfolio_domain::token::TokenId;

/// Keys that were noted within the last minute. It holds no more than the keys that are valid.
#[derive(Debug, Clone, Default)]
pub(crate) struct UsageNotes(Arc<Mutex<HashMap<TokenId, DateTime<Utc>>>>);

impl UsageNotes {
    /// Whether the use of `token` at `now` is to be written: it is the first within a minute.
    pub(crate) fn is_due(&self, token: TokenId, now: DateTime<Utc>) -> bool {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.retain(|_, at| (now - *at).abs() < TimeDelta::minutes(1));
        let due = !noted.contains_key(&token);
        if due {
            noted.insert(token, now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portfolio_domain::testing::fixtures;

    #[test]
    fn one_note_a_minute_and_key_is_due() {
        let notes = UsageNotes::default();
        let now = fixtures::now();
        assert!(notes.is_due(TokenId(1), now));
        assert!(!notes.is_due(TokenId(1), now + TimeDelta::seconds(59)));
        assert!(notes.is_due(TokenId(2), now));
        assert!(notes.is_due(TokenId(1), now + TimeDelta::seconds(60)));
    }
}
