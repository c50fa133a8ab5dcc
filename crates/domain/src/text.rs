//! What names and texts have in common, whatever they are of (contract, section 3).

use icu_normalizer::ComposingNormalizer;
use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{DefaultIgnorableCodePoint, GeneralCategory},
};

use crate::field_error::FieldError;

/// Trims and normalises (NFC) a name of at most `max` code points, and checks it.
///
/// # Errors
///
/// Everything that is wrong with it: [`FieldError::Blank`], [`FieldError::TooLong`] and
/// [`FieldError::NullCharacter`], in this order.
pub(crate) fn name(raw: &str, max: usize) -> Result<String, Vec<FieldError>> {
    let name = ComposingNormalizer::new_nfc().normalize(raw.trim()).into_owned();
    let mut errors = Vec::new();
    if name.chars().all(is_invisible) {
        errors.push(FieldError::Blank);
    }
    errors.extend(text_errors(&name, max));
    if errors.is_empty() { Ok(name) } else { Err(errors) }
}

/// What every text of the service may not be: too long, or holding a NUL (PostgreSQL can't store
/// one).
pub(crate) fn text_errors(text: &str, max: usize) -> impl Iterator<Item = FieldError> {
    let too_long = text.chars().nth(max).is_some().then_some(FieldError::TooLong { max });
    let null = text.contains('\0').then_some(FieldError::NullCharacter);
    too_long.into_iter().chain(null)
}

/// Whether a reader sees nothing of `c`: the categories Cc, Cf, Zs, Zl, Zp and what Unicode calls
/// `Default_Ignorable_Code_Point` (contract, section 3).
fn is_invisible(c: char) -> bool {
    matches!(
        CodePointMapData::<GeneralCategory>::new().get(c),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::SpaceSeparator
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
    ) || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}
