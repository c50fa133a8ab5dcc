use std::sync::Arc;

use crate::access::{ChangeEmployer, Permitted};
use crate::employer::{Employer, EmployerId, Precondition};
use crate::employer_patch::EmployerDraft;
use crate::field_error::FieldErrors;
#[cfg(doc)]
use crate::ports::PortError;
use crate::ports::{Clock, EmployerRepository};
use crate::use_cases::employer_error::{EmployerError, TRIES, what_is_wrong};

/// Changes the named members of one employer.
#[derive(Clone)]
pub struct PatchEmployer {
    employers: Arc<dyn EmployerRepository>,
    clock: Arc<dyn Clock>,
}

impl PatchEmployer {
    /// The use case, over stored employers.
    #[must_use]
    pub fn new(employers: Arc<dyn EmployerRepository>, clock: Arc<dyn Clock>) -> Self {
        Self { employers, clock }
    }

    /// Applies `draft` and answers the employer as it then is. A draft that names no member changes
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`EmployerError`], the first that applies in the order of its variants; nothing was changed
    /// then, but for [`PortError::Unavailable`], where all may be or nothing.
    pub async fn execute(
        &self,
        _permitted: &Permitted<ChangeEmployer>,
        id: EmployerId,
        draft: EmployerDraft,
        precondition: &Precondition,
    ) -> Result<Employer, EmployerError> {
        let (patch, errors) = draft.judge();
        if !errors.is_empty() {
            let target = Some((id, precondition));
            let wrong = what_is_wrong(&*self.employers, target, &patch, errors).await?;
            return Err(EmployerError::Invalid(wrong));
        }
        if patch.is_empty() {
            return self.unchanged(id, precondition).await;
        }
        for _ in 0..TRIES {
            let now = self.clock.now();
            if let Some(employer) = self.employers.patch(id, &patch, precondition, now).await? {
                return Ok(employer);
            }
            let target = Some((id, precondition));
            let wrong = what_is_wrong(&*self.employers, target, &patch, FieldErrors::default()).await?;
            if !wrong.is_empty() {
                return Err(EmployerError::Invalid(wrong));
            }
        }
        Err(EmployerError::no_lasting_reason())
    }

    async fn unchanged(
        &self,
        id: EmployerId,
        precondition: &Precondition,
    ) -> Result<Employer, EmployerError> {
        let employer = self.employers.find(id).await?.ok_or(EmployerError::NotFound)?;
        if precondition.holds_for(employer.version) {
            Ok(employer)
        } else {
            Err(EmployerError::PreconditionFailed)
        }
    }
}

#[cfg(test)]
mod tests {
    use mockall::predicate::{always, eq};

    use super::*;
    use crate::employer::Version;
    use crate::employer_patch::Patch;
    use crate::field_error::{Field, FieldError};
    use crate::image::ImageId;
    use crate::ports::{Diagnosis, PortError};
    use crate::testing::{FixedClock, MockEmployerRepository, fixtures};

    const ID: EmployerId = EmployerId(4);
    const NOTHING_WRONG: Diagnosis =
        Diagnosis { version: Some(Version(3)), name_taken: false, image_unknown: false };

    async fn execute(
        employers: MockEmployerRepository,
        draft: EmployerDraft,
        precondition: Precondition,
    ) -> Result<Employer, EmployerError> {
        PatchEmployer::new(Arc::new(employers), Arc::new(FixedClock::at(fixtures::now())))
            .execute(&Permitted::for_tests("maryam"), ID, draft, &precondition)
            .await
    }

    fn rename(name: &str) -> EmployerDraft {
        EmployerDraft { name: Ok(Patch::Set(name.into())), ..EmployerDraft::default() }
    }

    fn invalid(errors: &[(Field, FieldError)]) -> FieldErrors {
        errors.iter().cloned().collect()
    }

    #[tokio::test]
    async fn a_good_change_is_one_call() {
        let mut employers = MockEmployerRepository::new();
        employers
            .expect_patch()
            .withf(|id, patch, precondition, now| {
                *id == ID
                    && patch.name.as_ref().is_some_and(|name| name.as_str() == "Apple")
                    && patch.image.is_keep()
                    && *precondition == Precondition::None
                    && *now == fixtures::now()
            })
            .once()
            .returning(|_, _, _, _| Ok(Some(fixtures::employer(4, "Apple"))));
        let employer = execute(employers, rename(" Apple "), Precondition::None).await.unwrap();
        assert_eq!(employer.name.as_str(), "Apple");
    }

    #[tokio::test]
    async fn a_draft_that_names_nothing_only_reads() {
        let mut employers = MockEmployerRepository::new();
        employers.expect_find().with(eq(ID)).once().returning(|_| Ok(Some(fixtures::employer(4, "Apple"))));
        assert!(execute(employers, EmployerDraft::default(), Precondition::None).await.is_ok());
    }

    #[tokio::test]
    async fn a_draft_that_names_nothing_still_needs_the_employer_and_its_version() {
        let mut absent = MockEmployerRepository::new();
        absent.expect_find().returning(|_| Ok(None));
        let answer = execute(absent, EmployerDraft::default(), Precondition::None).await;
        assert!(matches!(answer, Err(EmployerError::NotFound)));

        let mut changed = MockEmployerRepository::new();
        changed.expect_find().returning(|_| Ok(Some(fixtures::employer(4, "Apple"))));
        let answer = execute(changed, EmployerDraft::default(), Precondition::VersionIn(vec![])).await;
        assert!(matches!(answer, Err(EmployerError::PreconditionFailed)));
    }

    #[tokio::test]
    async fn wrong_shapes_a_taken_name_and_an_unknown_image_come_together() {
        let mut employers = MockEmployerRepository::new();
        employers
            .expect_diagnose()
            .withf(|_, patch| patch.name.is_some() && patch.image.value() == Some(&ImageId(999)))
            .once()
            .returning(|_, _| Ok(Diagnosis { name_taken: true, image_unknown: true, ..NOTHING_WRONG }));
        let draft = EmployerDraft {
            name: Ok(Patch::Set("Globex".into())),
            image: Ok(Patch::Set(ImageId(999))),
            description: Err(FieldError::NotAString),
        };
        let Err(EmployerError::Invalid(errors)) = execute(employers, draft, Precondition::None).await else {
            panic!("the draft is invalid");
        };
        assert_eq!(
            errors,
            invalid(&[
                (Field::Name, FieldError::NameTaken),
                (Field::Image, FieldError::UnknownImage { id: "999".into() }),
                (Field::Description, FieldError::NotAString),
            ])
        );
    }

    #[tokio::test]
    async fn a_missing_employer_outweighs_a_wrong_draft() {
        let mut employers = MockEmployerRepository::new();
        employers.expect_diagnose().returning(|_, _| Ok(Diagnosis { version: None, ..NOTHING_WRONG }));
        let answer = execute(employers, rename(""), Precondition::VersionIn(vec![])).await;
        assert!(matches!(answer, Err(EmployerError::NotFound)));
    }

    #[tokio::test]
    async fn a_stale_version_outweighs_a_wrong_draft() {
        let mut employers = MockEmployerRepository::new();
        employers.expect_diagnose().returning(|_, _| Ok(NOTHING_WRONG));
        let answer = execute(employers, rename(""), Precondition::VersionIn(vec![Version(2)])).await;
        assert!(matches!(answer, Err(EmployerError::PreconditionFailed)));
    }

    #[tokio::test]
    async fn a_lost_race_for_a_name_is_a_taken_name() {
        let mut employers = MockEmployerRepository::new();
        employers.expect_patch().once().returning(|_, _, _, _| Ok(None));
        employers.expect_diagnose().returning(|_, _| Ok(Diagnosis { name_taken: true, ..NOTHING_WRONG }));
        let answer = execute(employers, rename("Globex"), Precondition::None).await;
        let Err(EmployerError::Invalid(errors)) = answer else { panic!("the name is taken") };
        assert_eq!(errors, invalid(&[(Field::Name, FieldError::NameTaken)]));
    }

    #[tokio::test]
    async fn a_refusal_that_has_gone_is_tried_again() {
        let mut employers = MockEmployerRepository::new();
        let mut calls = 0;
        employers.expect_patch().times(3).returning(move |_, _, _, _| {
            calls += 1;
            Ok((calls == 3).then(|| fixtures::employer(4, "Apple")))
        });
        employers.expect_diagnose().times(2).returning(|_, _| Ok(NOTHING_WRONG));
        assert!(execute(employers, rename("Apple"), Precondition::None).await.is_ok());
    }

    #[tokio::test]
    async fn three_refusals_without_a_reason_are_a_busy_service() {
        let mut employers = MockEmployerRepository::new();
        employers.expect_patch().times(3).returning(|_, _, _, _| Ok(None));
        employers.expect_diagnose().with(eq(Some(ID)), always()).times(3).returning(|_, _| Ok(NOTHING_WRONG));
        let answer = execute(employers, rename("Apple"), Precondition::None).await;
        assert!(matches!(answer, Err(EmployerError::Port(PortError::Unavailable(_)))));
    }

    #[tokio::test]
    async fn a_write_of_unknown_outcome_is_not_tried_again() {
        let mut employers = MockEmployerRepository::new();
        employers.expect_patch().once().returning(|_, _, _, _| Err(PortError::Unavailable("gone".into())));
        let answer = execute(employers, rename("Apple"), Precondition::None).await;
        assert!(matches!(answer, Err(EmployerError::Port(PortError::Unavailable(_)))));
    }
}
