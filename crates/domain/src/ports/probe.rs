use async_trait::async_trait;

use crate::ports::PortError;

/// Something that the service can't work without: a database, a media store.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait Probe: Send + Sync {
    /// What operators call it: `database`, `media store`.
    fn name(&self) -> &'static str;

    /// Asks it whether it works. The answer MUST come from itself, not from memory.
    ///
    /// # Errors
    ///
    /// [`PortError::Unavailable`] when it does not.
    async fn check(&self) -> Result<(), PortError>;
}
