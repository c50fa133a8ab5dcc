use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::employer::Employer;
use crate::image::Image;
use crate::ports::PortError;
use crate::staff::NewStaff;

/// Example data, with the ids it is documented with.
#[derive(Debug, Clone)]
pub struct Demo {
    /// A user.
    pub staff: NewStaff,
    /// Every image, those that `employers` have among them.
    pub images: Vec<Image>,
    /// The employers; of their images only the id counts.
    pub employers: Vec<Employer>,
    /// When the images were added.
    pub now: DateTime<Utc>,
}

/// What became of a demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// All of it is there now, and the database is marked as a demo's.
    Done,
    /// The database holds users or rows and was not made by a demo: nothing was changed.
    RealData,
}

/// The example data of a database that is there for trying things out.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait DemoRepository: Send + Sync {
    /// Whether [`plant`](Self::plant) would do it now: the database is empty, or was filled by it. It changes
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`PortError::Unavailable`]; the caller may ask again.
    async fn may_plant(&self) -> Result<bool, PortError>;

    /// Puts what is missing of `demo` into an empty database, or into one that this call filled
    /// before, in one transaction. What is there already MUST stay as it is, an image's thumbnails included, and ids that are given
    /// out later MUST lie above those of `demo`.
    ///
    /// # Errors
    ///
    /// [`PortError`]; the caller may do it again.
    async fn plant(&self, demo: &Demo) -> Result<Planted, PortError>;
}
