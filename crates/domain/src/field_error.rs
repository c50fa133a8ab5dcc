//! What is wrong with the members of a request, as values: their wording is the API's.

/// A member of an employer or an image that a client can write, in the order in which errors are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// The name.
    Name,
    /// The image, by its id.
    Image,
    /// The description.
    Description,
    /// The file of an image.
    File,
}

/// The kinds of JSON value that are no id, by the names the documented site gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueKind {
    /// A string that is not the plain digits of an id.
    String,
    /// A number with a fraction or an exponent.
    Float,
    /// `true` or `false`.
    Boolean,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// One thing that is wrong with one member.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FieldError {
    /// It is not there, and must be.
    Required,
    /// It is null, and may not be.
    Null,
    /// Nothing of it can be seen.
    Blank,
    /// It is no string, and must be one.
    NotAString,
    /// It is longer than `max` Unicode code points.
    TooLong {
        /// The most that it may have, in code points.
        max: usize,
    },
    /// A NUL is inside.
    NullCharacter,
    /// Another employer has this name.
    NameTaken,
    /// It is no id of an image.
    NotAnId {
        /// What it is instead.
        received: ValueKind,
    },
    /// There is no file.
    NoFile,
    /// It is no file.
    NotAFile,
    /// The file is empty.
    EmptyFile,
    /// The file is no image of a format that is taken, or it is damaged.
    NotAnImage,
    /// The image has more than `max` pixels a side, or takes too much memory for any of its size.
    ImageTooLarge {
        /// The most pixels that a side may have.
        max: u32,
    },
    /// The image is an animation of more than `max` frames.
    TooManyFrames {
        /// The most frames that it may have.
        max: u32,
    },
    /// No image has this id.
    UnknownImage {
        /// The id as the client wrote it; it may exceed every number that a database holds.
        id: String,
    },
}

/// Everything that is wrong with a request's members, ordered by [`Field`]; within one field in the
/// order of discovery.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldErrors(Vec<(Field, FieldError)>);

impl FieldErrors {
    /// Notes one more error of `field`.
    pub fn push(&mut self, field: Field, error: FieldError) {
        let place = self.0.partition_point(|(other, _)| *other <= field);
        self.0.insert(place, (field, error));
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each wrong field once, with all its errors.
    pub fn by_field(&self) -> impl Iterator<Item = (Field, impl Iterator<Item = &FieldError>)> {
        self.0
            .chunk_by(|(one, _), (other, _)| one == other)
            .map(|errors| (errors[0].0, errors.iter().map(|(_, error)| error)))
    }
}

impl FromIterator<(Field, FieldError)> for FieldErrors {
    fn from_iter<I: IntoIterator<Item = (Field, FieldError)>>(errors: I) -> Self {
        let mut all = Self::default();
        for (field, error) in errors {
            all.push(field, error);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_grouped_by_field_in_the_contracts_order() {
        let errors: FieldErrors = [
            (Field::Description, FieldError::NotAString),
            (Field::Name, FieldError::TooLong { max: 255 }),
            (Field::Image, FieldError::UnknownImage { id: "9".into() }),
            (Field::Name, FieldError::NullCharacter),
        ]
        .into_iter()
        .collect();
        let grouped: Vec<_> =
            errors.by_field().map(|(field, errors)| (field, errors.cloned().collect::<Vec<_>>())).collect();
        assert_eq!(
            grouped,
            [
                (Field::Name, vec![FieldError::TooLong { max: 255 }, FieldError::NullCharacter]),
                (Field::Image, vec![FieldError::UnknownImage { id: "9".into() }]),
                (Field::Description, vec![FieldError::NotAString]),
            ]
        );
    }
}
