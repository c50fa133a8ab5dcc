use crate::employer::EmployerId;
use crate::field_error::FieldErrors;
use crate::ports::PortError;

/// Why a use case about images did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// There is no such image.
    #[error("no such image")]
    NotFound,
    /// These employers show it, by id.
    #[error("{} employers show the image", .0.len())]
    InUse(Vec<EmployerId>),
    /// Everything that is wrong with the members.
    #[error("{} fields are wrong", .0.by_field().count())]
    Invalid(FieldErrors),
    /// It could not be done now.
    #[error(transparent)]
    Port(#[from] PortError),
}
