//! An employer: a client company shown in the portfolio.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::decimal;
use crate::field_error::FieldError;
use crate::image::Image;
use crate::search::SearchKey;
use crate::text::{name, text_errors};

/// The number that identifies an employer, for ever: it is never given to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmployerId(pub i64);

impl EmployerId {
    /// Reads an id as it stands in an address: plain decimal digits without a leading zero, so that
    /// one employer has one address (contract, section 2).
    ///
    /// `None` for anything else, and for what no database could hold.
    #[must_use]
    pub fn from_decimal(text: &str) -> Option<Self> {
        decimal::id(text).map(Self)
    }
}

impl fmt::Display for EmployerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Counts the states an employer has been in. It grows by one with every change of what its answer
/// shows, so two equal versions of one employer are the same answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(pub i64);

/// What a client demands of the version an employer has when its request is applied (`If-Match` and
/// `If-None-Match`, RFC 9110 section 13.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Precondition {
    /// Any version will do.
    #[default]
    None,
    /// Only one of these will do; with none of them, nothing does.
    VersionIn(Vec<Version>),
    /// Any will do but these.
    VersionNotIn(Vec<Version>),
}

impl Precondition {
    /// Whether `version` will do.
    #[must_use]
    pub fn holds_for(&self, version: Version) -> bool {
        match self {
            Self::None => true,
            Self::VersionIn(versions) => versions.contains(&version),
            Self::VersionNotIn(versions) => !versions.contains(&version),
        }
    }

    /// What both demand.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, one) | (one, Self::None) => one,
            (Self::VersionIn(mut versions), other) | (other, Self::VersionIn(mut versions)) => {
                versions.retain(|version| other.holds_for(*version));
                Self::VersionIn(versions)
            }
            (Self::VersionNotIn(mut versions), Self::VersionNotIn(others)) => {
                versions.extend(others);
                Self::VersionNotIn(versions)
            }
        }
    }
}

/// An employer's name: trimmed, in Unicode normalisation form C, 1 to [`EmployerName::MAX_CHARS`]
/// code points, with at least one visible one and no NUL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EmployerName(String);

impl EmployerName {
    /// The longest name, in Unicode code points.
    pub const MAX_CHARS: usize = 255;

    /// Trims and normalises `raw`, and checks it.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it: [`FieldError::Blank`], [`FieldError::TooLong`] and
    /// [`FieldError::NullCharacter`], in this order.
    pub fn parse(raw: &str) -> Result<Self, Vec<FieldError>> {
        name(raw, Self::MAX_CHARS).map(Self)
    }

    /// Takes a name that a database holds, as it is.
    #[must_use]
    pub fn from_stored(name: String) -> Self {
        Self(name)
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What of the name is compared when it is searched.
    #[must_use]
    pub fn search_key(&self) -> SearchKey {
        SearchKey::of(&self.0)
    }
}

/// An employer's description: trimmed free text of at most [`Description::MAX_CHARS`] code points,
/// not normalised, without NUL; it may be empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Description(String);

impl Description {
    /// The longest description, in Unicode code points.
    pub const MAX_CHARS: usize = 10_000;

    /// Trims `raw` and checks it.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it: [`FieldError::TooLong`] and [`FieldError::NullCharacter`],
    /// in this order.
    pub fn parse(raw: &str) -> Result<Self, Vec<FieldError>> {
        let text = raw.trim();
        let errors: Vec<_> = text_errors(text, Self::MAX_CHARS).collect();
        if errors.is_empty() { Ok(Self(text.to_owned())) } else { Err(errors) }
    }

    /// Takes a description that a database holds, as it is.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The description as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A client company, as it stands in the portfolio at one [`Version`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Employer {
    /// What identifies it.
    pub id: EmployerId,
    /// Its name, unique among all employers.
    pub name: EmployerName,
    /// Its logo, if it has one.
    pub image: Option<Image>,
    /// Free text about it; `None` and an empty text are told apart.
    pub description: Option<Description>,
    /// When it was made, to the microsecond.
    pub created_at: DateTime<Utc>,
    /// When one of its members was last changed, to the microsecond; strictly increasing.
    pub updated_at: DateTime<Utc>,
    /// Which of its states this is.
    pub version: Version,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[test]
    fn two_preconditions_hold_together_where_each_does() {
        let versions = |list: &[i64]| list.iter().copied().map(Version).collect::<Vec<_>>();
        let all = [
            Precondition::None,
            Precondition::VersionIn(versions(&[1, 2])),
            Precondition::VersionIn(versions(&[2, 3])),
            Precondition::VersionNotIn(versions(&[2])),
            Precondition::VersionNotIn(versions(&[3, 4])),
        ];
        for one in &all {
            for other in &all {
                let both = one.clone().and(other.clone());
                for version in versions(&[1, 2, 3, 4]) {
                    let each = one.holds_for(version) && other.holds_for(version);
                    assert_eq!(both.holds_for(version), each, "{one:?} and {other:?}, {version:?}");
                }
            }
        }
    }

    #[rstest]
    #[case::plain("Apple", "Apple")]
    #[case::trimmed("\u{3000} \tApple\u{2028}\n", "Apple")]
    #[case::composed("e\u{301}cole", "école")]
    #[case::zwnj_inside("نمونه\u{200c}ها", "نمونه\u{200c}ها")]
    #[case::control_inside("a\u{7f}b", "a\u{7f}b")]
    #[case::longest(&"x".repeat(255), &"x".repeat(255))]
    #[case::longest_after_composition(&"e\u{301}".repeat(255), &"é".repeat(255))]
    fn a_good_name_is_trimmed_and_composed(#[case] raw: &str, #[case] expected: &str) {
        assert_eq!(EmployerName::parse(raw).unwrap().as_str(), expected);
    }

    #[rstest]
    #[case::empty("", &[FieldError::Blank])]
    #[case::white_space(" \u{a0}\u{2029}\t\n", &[FieldError::Blank])]
    #[case::zero_width("\u{200b}\u{feff}", &[FieldError::Blank])]
    #[case::default_ignorable("\u{3164}\u{115f}\u{34f}", &[FieldError::Blank])]
    #[case::bidi_only("\u{202e}", &[FieldError::Blank])]
    #[case::too_long(&"😀".repeat(256), &[FieldError::TooLong { max: 255 }])]
    #[case::nul("a\0b", &[FieldError::NullCharacter])]
    #[case::nul_only("\0", &[FieldError::Blank, FieldError::NullCharacter])]
    #[case::too_long_and_nul(&"\0x".repeat(200), &[FieldError::TooLong { max: 255 }, FieldError::NullCharacter])]
    #[case::expands_when_normalised(&"\u{958}".repeat(200), &[FieldError::TooLong { max: 255 }])]
    fn a_bad_name_gets_every_error(#[case] raw: &str, #[case] expected: &[FieldError]) {
        assert_eq!(EmployerName::parse(raw).unwrap_err(), expected);
    }

    #[rstest]
    #[case::empty_stays("", "")]
    #[case::spaces_are_trimmed_away("   ", "")]
    #[case::inner_space_stays(" a \r\n b ", "a \r\n b")]
    #[case::not_normalised("e\u{301}", "e\u{301}")]
    fn a_description_is_trimmed_only(#[case] raw: &str, #[case] expected: &str) {
        assert_eq!(Description::parse(raw).unwrap().as_str(), expected);
    }

    #[test]
    fn a_description_too_long_and_with_nul_gets_both_errors() {
        let raw = format!("\0{}", "x".repeat(10_000));
        assert_eq!(
            Description::parse(&raw).unwrap_err(),
            [FieldError::TooLong { max: 10_000 }, FieldError::NullCharacter]
        );
    }

    #[rstest]
    #[case("1", Some(1))]
    #[case("9223372036854775807", Some(i64::MAX))]
    #[case("9223372036854775808", None)]
    #[case("01", None)]
    #[case("+1", None)]
    #[case("-1", None)]
    #[case("1 ", None)]
    #[case("١", None)]
    #[case("1_0", None)]
    #[case("", None)]
    fn only_plain_digits_are_an_id(#[case] text: &str, #[case] expected: Option<i64>) {
        assert_eq!(EmployerId::from_decimal(text), expected.map(EmployerId));
    }

    proptest! {
        #[test]
        fn a_name_that_was_accepted_is_accepted_again_unchanged(raw in "\\PC{0,300}") {
            if let Ok(name) = EmployerName::parse(&raw) {
                prop_assert_eq!(EmployerName::parse(name.as_str()), Ok(name.clone()));
                prop_assert!(name.as_str().chars().count() <= EmployerName::MAX_CHARS);
            }
        }
    }
}
