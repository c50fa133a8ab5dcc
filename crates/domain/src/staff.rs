//! The users of the service: whom the access rule knows.

use std::collections::BTreeSet;
use std::fmt;

use crate::permission::Permission;

/// The number that identifies a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StaffId(pub i64);

/// A user's unique name: 1 to 150 code points without white space at its ends or control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StaffName(String);

/// Why a text is no [`StaffName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name has 1 to 150 characters, none of them a control character, and no space at its ends")]
pub struct InvalidStaffName;

impl StaffName {
    /// Checks `text`.
    ///
    /// # Errors
    ///
    /// [`InvalidStaffName`] when it is no name.
    pub fn parse(text: &str) -> Result<Self, InvalidStaffName> {
        let good = !text.is_empty()
            && text == text.trim()
            && text.chars().count() <= 150
            && !text.chars().any(char::is_control);
        if good { Ok(Self(text.to_owned())) } else { Err(InvalidStaffName) }
    }

    /// Takes a name that a database holds, as it is.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StaffName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a user may do, but for the permission codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether it may do anything at all.
    pub active: bool,
    /// Whether its permission codes count.
    pub staff: bool,
    /// Whether it may do everything.
    pub admin: bool,
}

/// A user of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaffMember {
    /// What identifies it.
    pub id: StaffId,
    /// Its name.
    pub name: StaffName,
    /// Active, staff, admin.
    pub standing: Standing,
    /// The permission codes it holds; they count while it is active staff.
    pub permissions: BTreeSet<Permission>,
}

/// A user that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewStaff {
    /// Its name.
    pub name: StaffName,
    /// Active, staff, admin.
    pub standing: Standing,
    /// The permission codes it gets.
    pub permissions: BTreeSet<Permission>,
}

/// What is to change of a user; `None` keeps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StaffChange {
    /// Active or not.
    pub active: Option<bool>,
    /// Staff or not.
    pub staff: Option<bool>,
    /// Admin or not.
    pub admin: Option<bool>,
    /// Codes it gets.
    pub grant: BTreeSet<Permission>,
    /// Codes it loses.
    pub withdraw: BTreeSet<Permission>,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("maryam", true)]
    #[case("Anna Lena", true)]
    #[case("", false)]
    #[case(" a", false)]
    #[case("a\nb", false)]
    fn a_staff_name_is_visible_text(#[case] text: &str, #[case] good: bool) {
        assert_eq!(StaffName::parse(text).is_ok(), good);
    }
}
