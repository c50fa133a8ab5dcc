use std::sync::Arc;

use crate::access::{self, Permitted};
use crate::employer::{EmployerId, Precondition};
use crate::employer_patch::EmployerPatch;
use crate::field_error::FieldErrors;
use crate::ports::EmployerRepository;
use crate::use_cases::employer_error::{EmployerError, TRIES, what_is_wrong};

/// Removes an employer.
#[derive(Clone)]
pub struct DeleteEmployer {
    employers: Arc<dyn EmployerRepository>,
}

impl DeleteEmployer {
    /// The use case, over stored employers.
    #[must_use]
    pub fn new(employers: Arc<dyn EmployerRepository>) -> Self {
        Self { employers }
    }

    /// Removes employer `id` for ever, if `precondition` holds for it.
    ///
    /// # Errors
    ///
    /// [`EmployerError`] but [`EmployerError::Invalid`]; nothing was removed then, but for an unavailable
    /// port, where that is unknown.
    pub async fn execute(
        &self,
        _permitted: &Permitted<access::DeleteEmployer>,
        id: EmployerId,
        precondition: &Precondition,
    ) -> Result<(), EmployerError> {
        for _ in 0..TRIES {
            if self.employers.delete(id, precondition).await? {
                return Ok(());
            }
            let (target, nothing) = (Some((id, precondition)), EmployerPatch::default());
            what_is_wrong(&*self.employers, target, &nothing, FieldErrors::default()).await?;
        }
        Err(EmployerError::no_lasting_reason())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::employer::Version;
    use crate::ports::{Diagnosis, PortError};
    use crate::testing::MockEmployerRepository;

    async fn delete(employers: MockEmployerRepository) -> Result<(), EmployerError> {
        let precondition = Precondition::VersionIn(vec![Version(3)]);
        let delete = DeleteEmployer::new(Arc::new(employers));
        delete.execute(&Permitted::for_tests("maryam"), EmployerId(4), &precondition).await
    }

    fn refusing(times: usize, version: Option<i64>) -> MockEmployerRepository {
        let mut employers = MockEmployerRepository::new();
        employers.expect_delete().times(times).returning(|_, _| Ok(false));
        let version = version.map(Version);
        employers
            .expect_diagnose()
            .times(times)
            .returning(move |_, _| Ok(Diagnosis { version, name_taken: false, image_unknown: false }));
        employers
    }

    #[tokio::test]
    async fn a_removal_is_one_call() {
        let mut employers = MockEmployerRepository::new();
        employers
            .expect_delete()
            .withf(|id, precondition| {
                *id == EmployerId(4) && *precondition == Precondition::VersionIn(vec![Version(3)])
            })
            .once()
            .returning(|_, _| Ok(true));
        assert!(delete(employers).await.is_ok());
    }

    #[tokio::test]
    async fn what_stands_in_the_way_is_told() {
        assert!(matches!(delete(refusing(1, None)).await, Err(EmployerError::NotFound)));
        assert!(matches!(delete(refusing(1, Some(4))).await, Err(EmployerError::PreconditionFailed)));
        let answer = delete(refusing(3, Some(3))).await;
        assert!(matches!(answer, Err(EmployerError::Port(PortError::Unavailable(_)))));
    }
}
