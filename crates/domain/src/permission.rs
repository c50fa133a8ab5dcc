//! What a user may be permitted to do, by code.

use std::fmt;

/// The permission codes of the documented site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Permission {
    /// 4221: create employers.
    CreateEmployers,
    /// 4222: see employers.
    ViewEmployers,
    /// 4223: change employers; the documentation calls it `PorfolioEmployerPermission`.
    ChangeEmployers,
    /// 4224: delete employers.
    DeleteEmployers,
    /// 4231: add images.
    CreateImages,
    /// 4232: see images.
    ViewImages,
    /// 4233: change images.
    ChangeImages,
    /// 4234: delete images.
    DeleteImages,
}

impl Permission {
    /// Every permission, by code.
    pub const ALL: [Self; 8] = [
        Self::CreateEmployers,
        Self::ViewEmployers,
        Self::ChangeEmployers,
        Self::DeleteEmployers,
        Self::CreateImages,
        Self::ViewImages,
        Self::ChangeImages,
        Self::DeleteImages,
    ];

    /// Its code.
    #[must_use]
    pub fn code(self) -> i32 {
        match self {
            Self::CreateEmployers => 4221,
            Self::ViewEmployers => 4222,
            Self::ChangeEmployers => 4223,
            Self::DeleteEmployers => 4224,
            Self::CreateImages => 4231,
            Self::ViewImages => 4232,
            Self::ChangeImages => 4233,
            Self::DeleteImages => 4234,
        }
    }

    /// The permission with this code, if there is one.
    #[must_use]
    pub fn from_code(code: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.code() == code)
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_again() {
        for permission in Permission::ALL {
            assert_eq!(Permission::from_code(permission.code()), Some(permission));
        }
        assert_eq!(Permission::from_code(4225), None);
    }
}
