//! Who may do what. The one access rule is [`Authorizer::permit`]; a use case demands the
//! [`Permitted`] that only it makes, so that no way leads to a use case past the rule; but for the
//! [operator](Permitted::of_operator) of the machine, whom nobody could ask.

use std::marker::PhantomData;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::permission::Permission;
use crate::ports::{AccessControl, Clock, PortError};
use crate::staff::{StaffMember, StaffName};
use crate::token::{Token, TokenId};

/// Something that needs a permission; the use case that does it names it in the proof it demands.
pub trait Action: Send + Sync + 'static {
    /// The permission that staff must hold.
    const PERMISSION: Permission;
}

/// Adding an employer.
#[derive(Debug, Clone, Copy)]
pub struct CreateEmployer;

impl Action for CreateEmployer {
    const PERMISSION: Permission = Permission::CreateEmployers;
}

/// Seeing employers.
#[derive(Debug, Clone, Copy)]
pub struct ViewEmployers;

impl Action for ViewEmployers {
    const PERMISSION: Permission = Permission::ViewEmployers;
}

/// Changing an employer.
#[derive(Debug, Clone, Copy)]
pub struct ChangeEmployer;

impl Action for ChangeEmployer {
    const PERMISSION: Permission = Permission::ChangeEmployers;
}

/// Removing an employer.
#[derive(Debug, Clone, Copy)]
pub struct DeleteEmployer;

impl Action for DeleteEmployer {
    const PERMISSION: Permission = Permission::DeleteEmployers;
}

/// Adding an image.
#[derive(Debug, Clone, Copy)]
pub struct CreateImage;

impl Action for CreateImage {
    const PERMISSION: Permission = Permission::CreateImages;
}

/// Seeing images.
#[derive(Debug, Clone, Copy)]
pub struct ViewImages;

impl Action for ViewImages {
    const PERMISSION: Permission = Permission::ViewImages;
}

/// Changing an image.
#[derive(Debug, Clone, Copy)]
pub struct ChangeImage;

impl Action for ChangeImage {
    const PERMISSION: Permission = Permission::ChangeImages;
}

/// Removing an image.
#[derive(Debug, Clone, Copy)]
pub struct DeleteImage;

impl Action for DeleteImage {
    const PERMISSION: Permission = Permission::DeleteImages;
}

/// A user who was recognised by a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user's name: what logs call it.
    pub name: StaffName,
}

/// The proof that a caller may do `A`. Only [`Authorizer::permit`] makes one for a request.
#[derive(Debug)]
pub struct Permitted<A> {
    caller: Caller,
    action: PhantomData<A>,
}

impl<A> Permitted<A> {
    /// Who may.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The proof for whoever runs a command on the machine itself. There is nobody to ask: who can start the
    /// program with the database's address can do as much to the rows without it. `clippy.toml` refuses it
    /// everywhere but in commands.
    #[must_use]
    pub fn of_operator() -> Self {
        // No user has this name: its space stands at an end.
        let caller = Caller { name: StaffName::from_stored("operator ".to_owned()) };
        Self { caller, action: PhantomData }
    }

    /// A proof for unit tests of use cases.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn for_tests(name: &str) -> Self {
        let caller = Caller { name: StaffName::from_stored(name.to_owned()) };
        Self { caller, action: PhantomData }
    }
}

/// What is stored of a key, and of the user whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// What identifies the key.
    pub token: TokenId,
    /// Whether the key was revoked.
    pub revoked: bool,
    /// From when on the key no longer counts.
    pub expires_at: Option<DateTime<Utc>>,
    /// When the key was last noted as used.
    pub last_used_at: Option<DateTime<Utc>>,
    /// Whose key it is.
    pub holder: StaffMember,
}

/// Why a caller may not.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Nobody has this key, or it was revoked.
    #[error("invalid token")]
    InvalidToken,
    /// The key counted once, and no longer.
    #[error("token has expired")]
    TokenExpired,
    /// The user may do nothing.
    #[error("user inactive")]
    UserInactive,
    /// The user may not do this.
    #[error("{name} lacks permission {permission}")]
    Forbidden {
        /// Who.
        name: StaffName,
        /// What is missing.
        permission: Permission,
    },
    /// It could not be found out.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// The access rule: an active admin may do everything; active staff may do what they hold the code
/// for (contract, section 1).
#[derive(Clone)]
pub struct Authorizer {
    access: Arc<dyn AccessControl>,
    clock: Arc<dyn Clock>,
}

impl Authorizer {
    /// Noting a key's use more often than this would cost a write a request.
    const USE_IS_NOTED_EVERY: TimeDelta = TimeDelta::minutes(1);

    /// The rule, over what is stored of keys and users.
    #[must_use]
    pub fn new(access: Arc<dyn AccessControl>, clock: Arc<dyn Clock>) -> Self {
        Self { access, clock }
    }

    /// Decides whether whoever shows `token` may do `A`, from what is stored at this moment: a
    /// revocation counts from the next call on.
    ///
    /// # Errors
    ///
    /// [`AccessError`], the first that applies in the order of its variants.
    pub async fn permit<A: Action>(&self, token: &Token) -> Result<Permitted<A>, AccessError> {
        let grant = self.access.find_grant(token).await?.ok_or(AccessError::InvalidToken)?;
        let now = self.clock.now();
        if grant.revoked {
            return Err(AccessError::InvalidToken);
        }
        if grant.expires_at.is_some_and(|end| end <= now) {
            return Err(AccessError::TokenExpired);
        }
        let StaffMember { name, standing, permissions, .. } = grant.holder;
        if !standing.active {
            return Err(AccessError::UserInactive);
        }
        if grant.last_used_at.is_none_or(|last| now - last >= Self::USE_IS_NOTED_EVERY) {
            self.access.note_use(grant.token, now);
        }
        if standing.admin || (standing.staff && permissions.contains(&A::PERMISSION)) {
            Ok(Permitted { caller: Caller { name }, action: PhantomData })
        } else {
            Err(AccessError::Forbidden { name, permission: A::PERMISSION })
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::staff::Standing;
    use crate::testing::{FixedClock, MockAccessControl, fixtures};

    const ACTIVE_STAFF: Standing = Standing { active: true, staff: true, admin: false };

    fn grant(standing: Standing, codes: &[i32]) -> Grant {
        let mut holder = fixtures::staff_member("maryam");
        holder.standing = standing;
        holder.permissions = codes.iter().filter_map(|code| Permission::from_code(*code)).collect();
        Grant {
            token: TokenId(7),
            revoked: false,
            expires_at: None,
            last_used_at: Some(fixtures::now()),
            holder,
        }
    }

    async fn permit(grant: Option<Grant>) -> Result<Permitted<ChangeEmployer>, AccessError> {
        let mut access = MockAccessControl::new();
        access.expect_find_grant().return_once(move |_| Ok(grant));
        permit_with(access).await
    }

    async fn permit_with(access: MockAccessControl) -> Result<Permitted<ChangeEmployer>, AccessError> {
        let clock = FixedClock::at(fixtures::now());
        Authorizer::new(Arc::new(access), Arc::new(clock)).permit(&Token::presented("k")).await
    }

    #[rstest]
    #[case::staff_with_the_code(ACTIVE_STAFF, &[4223], true)]
    #[case::staff_with_another_code(ACTIVE_STAFF, &[4222, 4224], false)]
    #[case::staff_without_codes(ACTIVE_STAFF, &[], false)]
    #[case::the_code_but_not_staff(Standing { staff: false, ..ACTIVE_STAFF }, &[4223], false)]
    #[case::admin(Standing { staff: false, admin: true, ..ACTIVE_STAFF }, &[], true)]
    #[tokio::test]
    async fn admins_and_staff_with_the_code_may(
        #[case] standing: Standing,
        #[case] codes: &[i32],
        #[case] may: bool,
    ) {
        match permit(Some(grant(standing, codes))).await {
            Ok(permitted) => assert!(may && permitted.caller().name.as_str() == "maryam"),
            Err(AccessError::Forbidden { permission, .. }) => {
                assert!(!may && permission == Permission::ChangeEmployers);
            }
            Err(other) => panic!("{other}"),
        }
    }

    #[tokio::test]
    async fn an_unknown_or_revoked_key_is_invalid() {
        assert!(matches!(permit(None).await, Err(AccessError::InvalidToken)));
        let revoked = Grant { revoked: true, ..grant(ACTIVE_STAFF, &[4223]) };
        assert!(matches!(permit(Some(revoked)).await, Err(AccessError::InvalidToken)));
    }

    #[rstest]
    #[case::a_microsecond_left(1, false)]
    #[case::just_over(0, true)]
    #[tokio::test]
    async fn a_key_expires_at_its_time(#[case] left: i64, #[case] expired: bool) {
        let expires_at = Some(fixtures::now() + TimeDelta::microseconds(left));
        let answer = permit(Some(Grant { expires_at, ..grant(ACTIVE_STAFF, &[4223]) })).await;
        assert_eq!(matches!(answer, Err(AccessError::TokenExpired)), expired);
    }

    #[tokio::test]
    async fn an_inactive_admin_may_nothing() {
        let standing = Standing { active: false, staff: true, admin: true };
        assert!(matches!(permit(Some(grant(standing, &[4223]))).await, Err(AccessError::UserInactive)));
    }

    #[rstest]
    #[case::never_used(None, 1)]
    #[case::used_a_minute_ago(Some(60), 1)]
    #[case::used_just_now(Some(59), 0)]
    #[tokio::test]
    async fn a_use_is_noted_once_a_minute(#[case] seconds_ago: Option<i64>, #[case] noted: usize) {
        let last_used_at = seconds_ago.map(|seconds| fixtures::now() - TimeDelta::seconds(seconds));
        let found = Grant { last_used_at, ..grant(ACTIVE_STAFF, &[4223]) };
        let mut access = MockAccessControl::new();
        access.expect_find_grant().return_once(move |_| Ok(Some(found)));
        access
            .expect_note_use()
            .withf(|token, at| *token == TokenId(7) && *at == fixtures::now())
            .times(noted)
            .return_const(());
        assert!(permit_with(access).await.is_ok());
    }
}
