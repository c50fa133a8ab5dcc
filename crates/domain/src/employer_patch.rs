//! What a client wants changed of an employer: absent, null and a value told apart.

use crate::employer::{Description, EmployerName};
use crate::field_error::{Field, FieldError, FieldErrors};
use crate::image::ImageId;

/// What is to become of one member that may be null (RFC 7396: absent, null, a value).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Patch<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It becomes null.
    Clear,
    /// It becomes this.
    Set(T),
}

impl<T> Patch<T> {
    /// The value that is to be set, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }

    /// Whether the member stays as it is.
    #[must_use]
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }
}

/// A member as a request holds it: of the right shape, or the error that it is.
pub type Draft<T> = Result<Patch<T>, FieldError>;

/// A change as a request asks for it, its members not yet judged. A wrong shape is kept here rather
/// than answered at once, because an employer that is not there is the graver error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmployerDraft {
    /// The member `name`.
    pub name: Draft<String>,
    /// The member `image`.
    pub image: Draft<ImageId>,
    /// The member `description`.
    pub description: Draft<String>,
}

impl Default for EmployerDraft {
    fn default() -> Self {
        Self { name: Ok(Patch::Keep), image: Ok(Patch::Keep), description: Ok(Patch::Keep) }
    }
}

/// A change that is right in itself; only the database knows whether it can be made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EmployerPatch {
    /// The new name, or `None` to keep it; a name can't be removed.
    pub name: Option<EmployerName>,
    /// The image.
    pub image: Patch<ImageId>,
    /// The description.
    pub description: Patch<Description>,
}

impl EmployerPatch {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.name.is_none() && self.image.is_keep() && self.description.is_keep()
    }
}

/// An employer that is to be added, right in itself; only the database knows whether it can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEmployer {
    /// Its name.
    pub name: EmployerName,
    /// Its image, if it gets one.
    pub image: Option<ImageId>,
    /// Its description, if it gets one.
    pub description: Option<Description>,
}

impl EmployerDraft {
    /// The members that it names, rightly or wrongly.
    #[must_use]
    pub fn named(&self) -> Vec<Field> {
        fn is_named<T>(member: &Draft<T>) -> bool {
            !matches!(member, Ok(Patch::Keep))
        }
        [
            (Field::Name, is_named(&self.name)),
            (Field::Image, is_named(&self.image)),
            (Field::Description, is_named(&self.description)),
        ]
        .into_iter()
        .filter_map(|(field, named)| named.then_some(field))
        .collect()
    }

    /// Judges every member: the members that are right, and what is wrong with the others.
    #[must_use]
    pub fn judge(self) -> (EmployerPatch, FieldErrors) {
        let mut errors = FieldErrors::default();
        let name = member(Field::Name, self.name, &mut errors, |raw| EmployerName::parse(&raw));
        let image = member(Field::Image, self.image, &mut errors, Ok);
        let description =
            member(Field::Description, self.description, &mut errors, |raw| Description::parse(&raw));
        let name = match name {
            Patch::Keep => None,
            Patch::Set(name) => Some(name),
            Patch::Clear => {
                errors.push(Field::Name, FieldError::Null);
                None
            }
        };
        (EmployerPatch { name, image, description }, errors)
    }
}

/// Judges one member. A wrong one is noted in `errors` and kept as it is in the database.
fn member<T, U>(
    field: Field,
    draft: Draft<T>,
    errors: &mut FieldErrors,
    parse: impl FnOnce(T) -> Result<U, Vec<FieldError>>,
) -> Patch<U> {
    let parsed = match draft {
        Ok(Patch::Keep) => return Patch::Keep,
        Ok(Patch::Clear) => return Patch::Clear,
        Ok(Patch::Set(raw)) => parse(raw),
        Err(error) => Err(vec![error]),
    };
    parsed.map_or_else(
        |wrong| {
            for error in wrong {
                errors.push(field, error);
            }
            Patch::Keep
        },
        Patch::Set,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_draft_is_an_empty_patch() {
        let (patch, errors) = EmployerDraft::default().judge();
        assert!(patch.is_empty());
        assert!(errors.is_empty());
    }

    #[test]
    fn every_member_is_judged_and_the_right_ones_are_kept() {
        let (patch, errors) = EmployerDraft {
            name: Ok(Patch::Clear),
            image: Ok(Patch::Set(ImageId(6))),
            description: Err(FieldError::NotAString),
        }
        .judge();
        assert_eq!(patch.image, Patch::Set(ImageId(6)));
        let expected: FieldErrors =
            [(Field::Name, FieldError::Null), (Field::Description, FieldError::NotAString)]
                .into_iter()
                .collect();
        assert_eq!(errors, expected);
    }

    #[test]
    fn a_draft_names_what_it_clears_and_what_is_wrong_too() {
        assert_eq!(EmployerDraft::default().named(), []);
        let draft = EmployerDraft {
            image: Ok(Patch::Clear),
            description: Err(FieldError::NotAString),
            ..EmployerDraft::default()
        };
        assert_eq!(draft.named(), [Field::Image, Field::Description]);
    }

    #[test]
    fn null_clears_what_may_be_null() {
        let (patch, errors) = EmployerDraft {
            image: Ok(Patch::Clear),
            description: Ok(Patch::Clear),
            ..EmployerDraft::default()
        }
        .judge();
        assert!(errors.is_empty());
        assert_eq!((patch.image, patch.description), (Patch::Clear, Patch::Clear));
    }
}
