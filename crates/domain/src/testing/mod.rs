//! For whoever unit-tests code that uses the ports: a mock of each, a fixed clock, fixtures.
//!
//! ```
//! use std::sync::Arc;
//! use portfolio_domain::access::Permitted;
//! use portfolio_domain::employer::{EmployerId, Precondition};
//! use portfolio_domain::employer_patch::{EmployerDraft, Patch};
//! use portfolio_domain::testing::{FixedClock, MockEmployerRepository, fixtures};
//! use portfolio_domain::use_cases::PatchEmployer;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! let mut employers = MockEmployerRepository::new();
//! employers.expect_patch().returning(|_, _, _, _| Ok(Some(fixtures::employer(4, "Apple"))));
//!
//! let patch = PatchEmployer::new(Arc::new(employers), Arc::new(FixedClock::at(fixtures::now())));
//! let draft = EmployerDraft { name: Ok(Patch::Set("Apple".into())), ..EmployerDraft::default() };
//! let employer = patch
//!     .execute(&Permitted::for_tests("maryam"), EmployerId(4), draft, &Precondition::None)
//!     .await
//!     .unwrap();
//! assert_eq!(employer.name.as_str(), "Apple");
//! # });
//! ```

pub mod fixtures;

pub use crate::ports::{
    MockAccessControl, MockClock, MockDemoRepository, MockEmployerRepository, MockImageRepository,
    MockMediaStore, MockProbe, MockRandomSource, MockScratch, MockStaffRepository, MockThumbnailer,
    MockTokenRepository,
};

use chrono::{DateTime, Utc};

use crate::ports::Clock;

/// A clock that stands still.
#[derive(Debug, Clone, Copy)]
pub struct FixedClock(DateTime<Utc>);

impl FixedClock {
    /// A clock that always says `time`.
    #[must_use]
    pub fn at(time: DateTime<Utc>) -> Self {
        Self(time)
    }
}

impl Clock for FixedClock {
    fn now(&self) -> DateTime<Utc> {
        self.0
    }
}
