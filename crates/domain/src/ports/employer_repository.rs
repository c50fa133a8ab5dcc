use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::employer::{Employer, EmployerId, Precondition, Version};
use crate::employer_list::{EmployerPage, EmployerQuery};
use crate::employer_patch::{EmployerPatch, NewEmployer};
use crate::ports::PortError;

/// What stands in the way of a change, as far as the database knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// The employer's version; `None` when there is no such employer, or none was asked for.
    pub version: Option<Version>,
    /// Whether another employer has the name that is wanted. `false` when none is.
    pub name_taken: bool,
    /// Whether the image that is wanted is not there. `false` when none is.
    pub image_unknown: bool,
}

/// The employers that are stored. One call is one transaction.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait EmployerRepository: Send + Sync {
    /// Finds one, with its image and all its thumbnails, of one moment.
    ///
    /// # Errors
    ///
    /// [`PortError::Unavailable`]; the caller may ask again.
    async fn find(&self, id: EmployerId) -> Result<Option<Employer>, PortError>;

    /// Finds one page of those that pass the query's filter, in its order, and counts them all, of one
    /// moment. It MUST cost a bounded number of statements, however long the page.
    ///
    /// # Errors
    ///
    /// [`PortError::Unavailable`]; the caller may ask again.
    async fn list(&self, query: &EmployerQuery) -> Result<EmployerPage, PortError>;

    /// Adds `new` as version 1, made and changed at `now`, and answers it as it then is; all of this MUST
    /// be one atomic step. The id MUST be one that no employer ever had.
    ///
    /// `None` when nothing was added: the name is taken, or the image is unknown;
    /// [`diagnose`](Self::diagnose) tells which. An answered employer MUST outlive a crash of the service
    /// and of the database.
    ///
    /// # Errors
    ///
    /// [`PortError::Unavailable`] when it is not known whether it was added; it MUST NOT be tried again
    /// silently. [`PortError::StorageFull`] when it was not.
    async fn create(&self, new: &NewEmployer, now: DateTime<Utc>) -> Result<Option<Employer>, PortError>;

    /// Applies `patch`, which is not empty, to the employer as it is at that moment, and answers it
    /// as it then is. All of this MUST be one atomic step:
    ///
    /// - members that `patch` keeps stay as they are, whoever changes them meanwhile;
    /// - the version grows by one, and `updated_at` becomes `now` or, where that is no later than it
    ///   was, a microsecond more than it was;
    /// - `precondition` is held against the version that is replaced.
    ///
    /// `None` when nothing was changed: there is no such employer, `precondition` does not hold, the
    /// name is taken, or the image is unknown; [`diagnose`](Self::diagnose) tells which. An answered
    /// change MUST outlive a crash of the service and of the database.
    ///
    /// # Errors
    ///
    /// [`PortError::Unavailable`] when it is not known whether the change was made, wholly or not at
    /// all; it MUST NOT be tried again silently. [`PortError::StorageFull`] when it was not.
    async fn patch(
        &self,
        id: EmployerId,
        patch: &EmployerPatch,
        precondition: &Precondition,
        now: DateTime<Utc>,
    ) -> Result<Option<Employer>, PortError>;

    /// Removes the employer; `precondition` is held against the version that is removed, in the same
    /// atomic step.
    ///
    /// `false` when nothing was removed: there is no such employer, or `precondition` does not hold.
    ///
    /// # Errors
    ///
    /// As [`patch`](Self::patch).
    async fn delete(&self, id: EmployerId, precondition: &Precondition) -> Result<bool, PortError>;

    /// Finds out what stands in the way of `patch`, which may be empty, applied to employer `id` or,
    /// without one, to a new employer.
    ///
    /// # Errors
    ///
    /// [`PortError::Unavailable`]; the caller may ask again.
    async fn diagnose(&self, id: Option<EmployerId>, patch: &EmployerPatch) -> Result<Diagnosis, PortError>;
}
