use crate::employer::{EmployerId, Precondition};
use crate::employer_patch::EmployerPatch;
use crate::field_error::{Field, FieldError, FieldErrors};
use crate::ports::{Diagnosis, EmployerRepository, PortError};

/// Why a use case about employers did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum EmployerError {
    /// There is no such employer.
    #[error("no such employer")]
    NotFound,
    /// The employer's version is none that the client named.
    #[error("the employer's version is none of those asked for")]
    PreconditionFailed,
    /// Everything that is wrong with the members.
    #[error("{} fields are wrong", .0.by_field().count())]
    Invalid(FieldErrors),
    /// It could not be done now.
    #[error(transparent)]
    Port(#[from] PortError),
}

impl EmployerError {
    /// Each try was refused, and each time nothing stood in the way any more when it was looked for.
    pub(super) fn no_lasting_reason() -> Self {
        PortError::Unavailable("a change was refused three times for no lasting reason".into()).into()
    }
}

/// How often a change is tried that is refused while nothing seems to stand in its way: others change
/// the same things at the same moment.
pub(super) const TRIES: usize = 3;

/// Adds to `errors` what the database knows against `patch`, applied to the employer that `target` names
/// under its precondition or, without one, to a new employer.
pub(super) async fn what_is_wrong(
    employers: &dyn EmployerRepository,
    target: Option<(EmployerId, &Precondition)>,
    patch: &EmployerPatch,
    mut errors: FieldErrors,
) -> Result<FieldErrors, EmployerError> {
    let id = target.map(|(id, _)| id);
    let Diagnosis { version, name_taken, image_unknown } = employers.diagnose(id, patch).await?;
    if let Some((_, precondition)) = target {
        let version = version.ok_or(EmployerError::NotFound)?;
        if !precondition.holds_for(version) {
            return Err(EmployerError::PreconditionFailed);
        }
    }
    if name_taken {
        errors.push(Field::Name, FieldError::NameTaken);
    }
    if let (true, Some(id)) = (image_unknown, patch.image.value()) {
        errors.push(Field::Image, FieldError::UnknownImage { id: id.to_string() });
    }
    Ok(errors)
}
