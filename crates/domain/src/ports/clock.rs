use chrono::{DateTime, Utc};

/// What time it is.
#[cfg_attr(feature = "testing", mockall::automock)]
pub trait Clock: Send + Sync {
    /// The time, in whole microseconds: the finest that both databases keep.
    fn now(&self) -> DateTime<Utc>;
}
