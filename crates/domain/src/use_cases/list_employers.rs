use std::sync::Arc;

use crate::access::{Permitted, ViewEmployers};
use crate::employer_list::{EmployerPage, EmployerQuery};
use crate::ports::{EmployerRepository, PortError};

/// Lists employers, a page at a time.
#[derive(Clone)]
pub struct ListEmployers {
    employers: Arc<dyn EmployerRepository>,
}

impl ListEmployers {
    /// The use case, over stored employers.
    #[must_use]
    pub fn new(employers: Arc<dyn EmployerRepository>) -> Self {
        Self { employers }
    }

    /// Answers the page that `query` asks for.
    ///
    /// # Errors
    ///
    /// [`PortError`] when it can't be found out now.
    pub async fn execute(
        &self,
        _permitted: &Permitted<ViewEmployers>,
        query: &EmployerQuery,
    ) -> Result<EmployerPage, PortError> {
        self.employers.list(query).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::employer_list::EmployerFilter;
    use crate::list::{Ordering, Page};
    use crate::testing::{MockEmployerRepository, fixtures};

    #[tokio::test]
    async fn a_page_is_one_call() {
        let query = EmployerQuery {
            filter: EmployerFilter { has_image: Some(true), ..EmployerFilter::default() },
            ordering: Ordering::default(),
            page: Page { limit: 1, offset: 2 },
        };
        let page = EmployerPage { count: 3, employers: vec![fixtures::employer(4, "Apple")] };
        let mut employers = MockEmployerRepository::new();
        let (asked, answer) = (query.clone(), page.clone());
        employers.expect_list().withf(move |query| *query == asked).once().return_once(|_| Ok(answer));
        let list = ListEmployers::new(Arc::new(employers));
        assert_eq!(list.execute(&Permitted::for_tests("maryam"), &query).await, Ok(page));
    }
}
