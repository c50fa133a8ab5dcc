use std::sync::Arc;

use crate::access::{self, Permitted};
use crate::employer::Employer;
use crate::employer_patch::{EmployerDraft, NewEmployer, Patch};
use crate::field_error::{Field, FieldError, FieldErrors};
use crate::ports::{Clock, EmployerRepository};
use crate::use_cases::employer_error::{EmployerError, TRIES, what_is_wrong};

/// Adds an employer.
#[derive(Clone)]
pub struct CreateEmployer {
    employers: Arc<dyn EmployerRepository>,
    clock: Arc<dyn Clock>,
}

impl CreateEmployer {
    /// The use case, over stored employers.
    #[must_use]
    pub fn new(employers: Arc<dyn EmployerRepository>, clock: Arc<dyn Clock>) -> Self {
        Self { employers, clock }
    }

    /// Adds what `draft` describes, and answers it as it then is. Only the name is required.
    ///
    /// # Errors
    ///
    /// [`EmployerError::Invalid`] with everything that is wrong, or [`EmployerError::Port`]; nothing was
    /// added then, but for an unavailable port, where that is unknown.
    pub async fn execute(
        &self,
        _permitted: &Permitted<access::CreateEmployer>,
        draft: EmployerDraft,
    ) -> Result<Employer, EmployerError> {
        let nameless = draft.name == Ok(Patch::Keep);
        let (patch, mut errors) = draft.judge();
        if nameless {
            errors.push(Field::Name, FieldError::Required);
        }
        let (true, Some(name)) = (errors.is_empty(), patch.name.clone()) else {
            let wrong = what_is_wrong(&*self.employers, None, &patch, errors).await?;
            return Err(EmployerError::Invalid(wrong));
        };
        let (image, description) = (patch.image.value().copied(), patch.description.value().cloned());
        let new = NewEmployer { name, image, description };
        for _ in 0..TRIES {
            if let Some(employer) = self.employers.create(&new, self.clock.now()).await? {
                return Ok(employer);
            }
            let wrong = what_is_wrong(&*self.employers, None, &patch, FieldErrors::default()).await?;
            if !wrong.is_empty() {
                return Err(EmployerError::Invalid(wrong));
            }
        }
        Err(EmployerError::no_lasting_reason())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::ImageId;
    use crate::ports::{Diagnosis, PortError};
    use crate::testing::{FixedClock, MockEmployerRepository, fixtures};

    const NOTHING_WRONG: Diagnosis = Diagnosis { version: None, name_taken: false, image_unknown: false };

    async fn create(
        employers: MockEmployerRepository,
        draft: EmployerDraft,
    ) -> Result<Employer, EmployerError> {
        CreateEmployer::new(Arc::new(employers), Arc::new(FixedClock::at(fixtures::now())))
            .execute(&Permitted::for_tests("maryam"), draft)
            .await
    }

    fn named(name: &str) -> EmployerDraft {
        EmployerDraft { name: Ok(Patch::Set(name.into())), ..EmployerDraft::default() }
    }

    fn wrong(answer: Result<Employer, EmployerError>) -> FieldErrors {
        match answer {
            Err(EmployerError::Invalid(errors)) => errors,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_good_employer_is_one_call_and_has_nothing_that_was_not_given() {
        let mut employers = MockEmployerRepository::new();
        employers
            .expect_create()
            .withf(|new, now| {
                new.name.as_str() == "Apple"
                    && new.image.is_none()
                    && new.description.is_none()
                    && *now == fixtures::now()
            })
            .once()
            .returning(|_, _| Ok(Some(fixtures::employer(9, "Apple"))));
        assert_eq!(create(employers, named(" Apple ")).await.unwrap().id.0, 9);
    }

    #[tokio::test]
    async fn a_missing_name_and_an_unknown_image_come_together() {
        let mut employers = MockEmployerRepository::new();
        employers
            .expect_diagnose()
            .withf(|id, patch| id.is_none() && patch.image.value() == Some(&ImageId(999)))
            .once()
            .returning(|_, _| Ok(Diagnosis { image_unknown: true, ..NOTHING_WRONG }));
        let draft = EmployerDraft { image: Ok(Patch::Set(ImageId(999))), ..EmployerDraft::default() };
        let expected = [
            (Field::Name, FieldError::Required),
            (Field::Image, FieldError::UnknownImage { id: "999".into() }),
        ];
        assert_eq!(wrong(create(employers, draft).await), expected.into_iter().collect());
    }

    #[tokio::test]
    async fn a_null_name_is_not_missing() {
        let mut employers = MockEmployerRepository::new();
        employers.expect_diagnose().returning(|_, _| Ok(NOTHING_WRONG));
        let draft = EmployerDraft { name: Ok(Patch::Clear), ..EmployerDraft::default() };
        let expected = [(Field::Name, FieldError::Null)];
        assert_eq!(wrong(create(employers, draft).await), expected.into_iter().collect());
    }

    #[tokio::test]
    async fn the_loser_of_a_race_for_a_name_is_told_so() {
        let mut employers = MockEmployerRepository::new();
        employers.expect_create().once().returning(|_, _| Ok(None));
        employers
            .expect_diagnose()
            .once()
            .returning(|_, _| Ok(Diagnosis { name_taken: true, ..NOTHING_WRONG }));
        let expected = [(Field::Name, FieldError::NameTaken)];
        assert_eq!(wrong(create(employers, named("Apple")).await), expected.into_iter().collect());
    }

    #[tokio::test]
    async fn what_is_refused_for_no_reason_is_tried_three_times() {
        let mut employers = MockEmployerRepository::new();
        employers.expect_create().times(3).returning(|_, _| Ok(None));
        employers.expect_diagnose().times(3).returning(|_, _| Ok(NOTHING_WRONG));
        let answer = create(employers, named("Apple")).await;
        assert!(matches!(answer, Err(EmployerError::Port(PortError::Unavailable(_)))));
    }
}
