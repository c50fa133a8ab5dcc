//! What every request shares, and how long it may take.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portfolio_domain::access::Authorizer;
use portfolio_domain::ports::MediaStore;
use portfolio_domain::use_cases::{
    CreateEmployer, DeleteEmployer, DeleteImage, GetEmployer, GetImage, ListEmployers, ListImages,
    PatchEmployer, RenameImage, UploadImage,
};
use tokio::time::timeout;

use crate::client_address::TrustedProxies;
use crate::composition::Sessions;
use crate::error::ApiError;
use crate::metrics::Metrics;
use crate::openapi::Documents;
use crate::readiness::Readiness;
use crate::representation::Representation;
use crate::throttle::Throttle;
use crate::writes::Writes;

/// What every request shares.
pub struct Service {
    /// The access rule.
    pub authorizer: Authorizer,
    /// The use case behind `GET /api/portfolios/employers`.
    pub list_employers: ListEmployers,
    /// The use case behind `GET /api/portfolios/employers/:id`.
    pub get_employer: GetEmployer,
    /// The use case behind `POST /api/portfolios/employers`.
    pub create_employer: CreateEmployer,
    /// The use case behind `DELETE /api/portfolios/employers/:id`.
    pub delete_employer: DeleteEmployer,
    /// The use case behind `PATCH /api/portfolios/employers/:id`.
    pub patch_employer: PatchEmployer,
    /// The use case behind `GET /api/images`.
    pub list_images: ListImages,
    /// The use case behind `GET /api/images/:id`.
    pub get_image: GetImage,
    /// The use case behind `POST /api/images`.
    pub upload_image: UploadImage,
    /// The use case behind `PATCH /api/images/:id`.
    pub rename_image: RenameImage,
    /// The use case behind `DELETE /api/images/:id`.
    pub delete_image: DeleteImage,
    /// Where reads are done in one go.
    pub sessions: Arc<dyn Sessions>,
    /// The files behind `GET /media/…`, which anyone may see.
    pub media: Arc<dyn MediaStore>,
    /// Whether it can do its work.
    pub readiness: Arc<Readiness>,
    /// The changes that are being made.
    pub writes: Writes,
    /// What is measured.
    pub metrics: Arc<Metrics>,
    /// Who failed to say who it is too often.
    pub throttle: Throttle,
    /// Whose word for a client's address is taken.
    pub trusted_proxies: TrustedProxies,
    /// How answers are written.
    pub representation: Representation,
    /// What it says of itself.
    pub documents: Documents,
}

/// How much time a request may spend on storage in all, however many calls it makes: a client of a
/// frozen database has its 503 within three seconds. Reading the body does not count.
#[derive(Debug, Clone, Copy)]
pub struct Budget(Duration);

impl Default for Budget {
    fn default() -> Self {
        Self(Duration::from_millis(2_700))
    }
}

impl Budget {
    /// Waits for `work` no longer than what is left, and takes the time off.
    ///
    /// # Errors
    ///
    /// [`ApiError::Unavailable`] when the time is up; of a write it is then unknown whether it was done.
    pub async fn spend<T>(&mut self, work: impl Future<Output = T>) -> Result<T, ApiError> {
        let start = Instant::now();
        let done = timeout(self.0, work).await;
        self.0 = self.0.saturating_sub(start.elapsed());
        done.map_err(|_| ApiError::Unavailable("the time for storage is up".into()))
    }
}
