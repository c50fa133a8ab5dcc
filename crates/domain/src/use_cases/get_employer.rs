use std::sync::Arc;

use crate::access::{Permitted, ViewEmployers};
use crate::employer::{Employer, EmployerId};
use crate::ports::EmployerRepository;
use crate::use_cases::EmployerError;

/// Shows one employer.
#[derive(Clone)]
pub struct GetEmployer {
    employers: Arc<dyn EmployerRepository>,
}

impl GetEmployer {
    /// The use case, over stored employers.
    #[must_use]
    pub fn new(employers: Arc<dyn EmployerRepository>) -> Self {
        Self { employers }
    }

    /// Answers employer `id` as it is now.
    ///
    /// # Errors
    ///
    /// [`EmployerError::NotFound`] or [`EmployerError::Port`].
    pub async fn execute(
        &self,
        _permitted: &Permitted<ViewEmployers>,
        id: EmployerId,
    ) -> Result<Employer, EmployerError> {
        self.employers.find(id).await?.ok_or(EmployerError::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::PortError;
    use crate::testing::{MockEmployerRepository, fixtures};

    async fn get(found: Result<Option<Employer>, PortError>) -> Result<Employer, EmployerError> {
        let mut employers = MockEmployerRepository::new();
        employers.expect_find().withf(|id| *id == EmployerId(4)).once().return_once(|_| found);
        GetEmployer::new(Arc::new(employers)).execute(&Permitted::for_tests("maryam"), EmployerId(4)).await
    }

    #[tokio::test]
    async fn an_employer_is_there_or_it_is_not() {
        assert_eq!(get(Ok(Some(fixtures::employer(4, "Apple")))).await.unwrap().id, EmployerId(4));
        assert!(matches!(get(Ok(None)).await, Err(EmployerError::NotFound)));
        let away = PortError::Unavailable("away".into());
        assert!(matches!(get(Err(away)).await, Err(EmployerError::Port(PortError::Unavailable(_)))));
    }
}
