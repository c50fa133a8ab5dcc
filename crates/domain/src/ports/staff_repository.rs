use async_trait::async_trait;

use crate::ports::PortError;
use crate::staff::{NewStaff, StaffChange, StaffMember, StaffName};

/// The users that are stored. One call is one transaction.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait StaffRepository: Send + Sync {
    /// Stores a user. `None` when the name is taken; then nothing MUST change.
    ///
    /// # Errors
    ///
    /// [`PortError`]; the caller can look whether the user is there.
    async fn add(&self, staff: &NewStaff) -> Result<Option<StaffMember>, PortError>;

    /// Changes a user, and answers it as it then is. `None` when there is no such user.
    ///
    /// # Errors
    ///
    /// [`PortError`]; the change may be made again, it is the same twice as once.
    async fn change(&self, name: &StaffName, change: &StaffChange) -> Result<Option<StaffMember>, PortError>;

    /// All users, by name in code-point order.
    ///
    /// # Errors
    ///
    /// [`PortError::Unavailable`]; the caller may ask again.
    async fn list(&self) -> Result<Vec<StaffMember>, PortError>;
}
