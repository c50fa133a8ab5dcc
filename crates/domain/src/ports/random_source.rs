use crate::ports::PortError;

/// Randomness that nobody can foretell.
#[cfg_attr(feature = "testing", mockall::automock)]
pub trait RandomSource: Send + Sync {
    /// Fills `bytes` with bytes that are fit for secrets.
    ///
    /// # Errors
    ///
    /// [`PortError::Internal`] when the system has none to give.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), PortError>;
}
