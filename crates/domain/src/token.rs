//! Keys: what a client shows to say who it is (contract, section 7).

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};

use crate::base62;
use crate::ports::{PortError, RandomSource};
use crate::staff::StaffName;

const MARK: &str = "pf_";
const RANDOM_CHARS: usize = 32;
const CHECKSUM_CHARS: usize = 6;

/// A key. It never appears in a `Debug` output, and is overwritten in memory when dropped.
#[derive(Debug, Clone)]
pub struct Token(SecretString);

/// Why a text can't be adopted as a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key has 20 to 200 visible ASCII characters")]
pub struct InvalidKey;

impl Token {
    /// Takes what a client sent, whatever its shape: a key is looked up by its hash alone.
    #[must_use]
    pub fn presented(text: &str) -> Self {
        Self(SecretString::from(text))
    }

    /// Takes an existing key, so that a client of an older site keeps the one it has.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`] unless it has 20 to 200 visible ASCII characters.
    pub fn adopt(text: &str) -> Result<Self, InvalidKey> {
        let good = (20..=200).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if good { Ok(Self::presented(text)) } else { Err(InvalidKey) }
    }

    /// Makes a new key: `pf_`, 32 random base62 characters, and the CRC-32 (IEEE) of those 32 in
    /// base62, zero-padded to 6, by which secret scanners recognise it without asking anyone.
    ///
    /// # Errors
    ///
    /// What `random` answers when it has no randomness to give.
    pub fn mint(random: &dyn RandomSource) -> Result<Self, PortError> {
        let mut key = String::with_capacity(MARK.len() + RANDOM_CHARS + CHECKSUM_CHARS);
        key.push_str(MARK);
        base62::push_random(&mut key, RANDOM_CHARS, random)?;
        let checksum = checksum(&key[MARK.len()..]);
        key.push_str(&checksum);
        Ok(Self(SecretString::from(key)))
    }

    /// The key itself: for its owner's eyes, and for hashing.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Its first seven characters, by which its owner recognises it in a list.
    #[must_use]
    pub fn prefix(&self) -> String {
        self.expose().chars().take(7).collect()
    }
}

/// The CRC-32 of `text` in base62, most significant digit first, zero-padded to six digits
/// (62⁶ > 2³²).
fn checksum(text: &str) -> String {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut digits = ['0'; CHECKSUM_CHARS];
    for digit in digits.iter_mut().rev() {
        *digit = base62::digit(rest);
        rest /= 62;
    }
    digits.iter().collect()
}

/// The number that identifies a stored key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenId(pub i64);

/// A key that is to be stored for a user.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// The key; it is stored only as its SHA-256.
    pub token: Token,
    /// Whose it is.
    pub owner: StaffName,
    /// What its owner calls it; may be empty.
    pub label: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// From when on it no longer counts; `None` for never.
    pub expires_at: Option<DateTime<Utc>>,
}

/// What can be told of a stored key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// What identifies it.
    pub id: TokenId,
    /// Whose it is.
    pub owner: StaffName,
    /// [`Token::prefix`] of the key.
    pub prefix: String,
    /// What its owner calls it.
    pub label: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last used, true to a minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// From when on it no longer counts.
    pub expires_at: Option<DateTime<Utc>>,
    /// Since when it is revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::testing::MockRandomSource;

    fn minted_from(byte: u8) -> Token {
        let mut random = MockRandomSource::new();
        random.expect_fill().returning(move |bytes| {
            bytes.fill(byte);
            Ok(())
        });
        Token::mint(&random).unwrap()
    }

    #[test]
    fn a_minted_key_has_its_mark_its_randomness_and_its_checksum() {
        // The checksum was computed apart from this code: Python's zlib.crc32, then base62.
        assert_eq!(minted_from(0).expose(), format!("pf_{}2wjyrI", "0".repeat(32)));
        assert_eq!(minted_from(61).expose().len(), 41);
    }

    #[test]
    fn bytes_that_would_skew_the_key_are_thrown_away() {
        let mut random = MockRandomSource::new();
        let mut calls = 0_u8;
        random.expect_fill().times(2).returning(move |bytes| {
            bytes.fill(if calls == 0 { 248 } else { 1 });
            calls += 1;
            Ok(())
        });
        assert!(Token::mint(&random).unwrap().expose().starts_with(&format!("pf_{}", "1".repeat(32))));
    }

    #[test]
    fn a_key_is_never_shown_by_debug() {
        assert!(!format!("{:?}", Token::presented("pf_secret")).contains("secret"));
    }

    #[rstest]
    #[case::too_short(&"x".repeat(19), false)]
    #[case::shortest(&"x".repeat(20), true)]
    #[case::longest(&"x".repeat(200), true)]
    #[case::too_long(&"x".repeat(201), false)]
    #[case::space(&"x ".repeat(20), false)]
    #[case::not_ascii(&"é".repeat(20), false)]
    fn only_a_visible_key_of_fair_length_is_adopted(#[case] text: &str, #[case] good: bool) {
        assert_eq!(Token::adopt(text).is_ok(), good);
    }
}
