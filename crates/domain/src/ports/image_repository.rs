use std::collections::HashSet;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::employer::EmployerId;
use crate::image::{Image, ImageId, ImageName, MediaPath};
use crate::image_library::{ImagePage, ImageQuery, NewImage, NewThumbnail};
use crate::ports::PortError;

/// What became of an image that was to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageRemoval {
    /// It is gone. The files at these paths are nobody's any more.
    Removed(Vec<MediaPath>),
    /// There is no such image.
    NotFound,
    /// It stays, because these employers show it, at most [`ImageRemoval::MAX_USERS`] of them, by id.
    InUse(Vec<EmployerId>),
}

impl ImageRemoval {
    /// How many of the employers that show an image are told.
    pub const MAX_USERS: usize = 1000;
}

/// The images that are stored, without their files. One call is one transaction. What changes an image
/// MUST, in the same atomic step, add one to the version of every employer that shows it, and leave the
/// rest of these employers as it is, `updated_at` included.
///
/// An answered change MUST outlive a crash of the service and of the database. Where a change's answer is
/// [`PortError::Unavailable`], it is not known whether it was made, wholly or not at all; where it is
/// [`PortError::StorageFull`], it was not.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait ImageRepository: Send + Sync {
    /// Finds one, with its thumbnails, of one moment.
    ///
    /// # Errors
    ///
    /// [`PortError::Unavailable`]; the caller may ask again.
    async fn find(&self, id: ImageId) -> Result<Option<Image>, PortError>;

    /// Finds one page of those that match, in the query's order, and counts them all, of one moment. It
    /// MUST cost a bounded number of statements, however long the page.
    ///
    /// # Errors
    ///
    /// [`PortError::Unavailable`]; the caller may ask again.
    async fn list(&self, query: &ImageQuery) -> Result<ImagePage, PortError>;

    /// The first `limit` of those whose id is greater than `after`, in the order of their ids. Asked on with the last
    /// id of an answer until one is empty, it MUST bring every image that was there all the time, once, whatever
    /// is added and removed meanwhile.
    ///
    /// # Errors
    ///
    /// [`PortError::Unavailable`]; the caller may ask again.
    async fn list_after(&self, after: Option<ImageId>, limit: u32) -> Result<Vec<Image>, PortError>;

    /// Adds `new`, made at `now`, and answers it as it then is. The id MUST be one that no image ever had.
    ///
    /// `None` when nothing was added, because one of its paths is another's already.
    ///
    /// # Errors
    ///
    /// As above.
    async fn create(&self, new: &NewImage, now: DateTime<Utc>) -> Result<Option<Image>, PortError>;

    /// Gives it another name, and answers it as it then is; `None` when there is no such image.
    ///
    /// # Errors
    ///
    /// As above.
    async fn rename(&self, id: ImageId, name: &ImageName) -> Result<Option<Image>, PortError>;

    /// Puts `thumbnails` in the place of those that it has, and answers where those lay; `None` when
    /// nothing was changed, because there is no such image, or one of the paths is another's already.
    ///
    /// # Errors
    ///
    /// As above.
    async fn replace_thumbnails(
        &self,
        id: ImageId,
        thumbnails: &[NewThumbnail],
    ) -> Result<Option<Vec<MediaPath>>, PortError>;

    /// Removes it, unless an employer shows it. Of a removal and a change that lets an employer show the
    /// image, made at once, one MUST fail.
    ///
    /// # Errors
    ///
    /// As above.
    async fn remove(&self, id: ImageId) -> Result<ImageRemoval, PortError>;

    /// Tells which of `paths` are those of an image or a thumbnail.
    ///
    /// # Errors
    ///
    /// [`PortError::Unavailable`]; the caller may ask again.
    async fn known_paths(&self, paths: &[MediaPath]) -> Result<HashSet<MediaPath>, PortError>;
}
