//! What an uploaded file is called: in the store, where names must do no harm, and to people, who
//! should know it again (contract, section 5).

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use icu_normalizer::ComposingNormalizer;
use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup};
use icu_properties::{CodePointMapData, CodePointSetData};

use crate::base62;
use crate::media_path::MediaPath;
use crate::ports::{PortError, RandomSource};

/// The name of a file of which nothing is left.
const FALLBACK: &str = "image";

/// The longest name of an image in characters.
const MAX_DISPLAY_CHARS: usize = 255;

/// What an image is called unless its uploader says: the name of its file without folders and
/// extension, trimmed, in NFC, without control characters, at most 255 characters; `image` when nothing
/// is left.
#[must_use]
pub fn display_name(file_name: &str) -> String {
    let seen: String = stem(file_name).chars().filter(|c| !c.is_control()).collect();
    let name = ComposingNormalizer::new_nfc().normalize(seen.trim());
    let cut: String = name.chars().take(MAX_DISPLAY_CHARS).collect();
    or_fallback(cut.trim_end())
}

/// The part of a client's file name before its extension. Some clients send the whole path, in the
/// manner of their system.
fn stem(file_name: &str) -> &str {
    let name = file_name.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

fn or_fallback(name: &str) -> String {
    if name.is_empty() { FALLBACK } else { name }.to_owned()
}

/// Where the files of one upload are stored, by the day it came and the name its file had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredName {
    folder: String,
    stem: String,
}

/// Seven random characters that make a name one of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark(String);

impl Mark {
    const CHARS: usize = 7;

    /// Draws one.
    ///
    /// # Errors
    ///
    /// What `random` answers when it has no randomness to give.
    pub fn draw(random: &dyn RandomSource) -> Result<Self, PortError> {
        let mut mark = String::with_capacity(Self::CHARS);
        base62::push_random(&mut mark, Self::CHARS, random)?;
        Ok(Self(mark))
    }
}

impl StoredName {
    /// The longest safe name in characters.
    pub const MAX_CHARS: usize = 100;
    /// The longest safe name in bytes: with mark, box and extension a file's name stays below the 255
    /// bytes that file systems take.
    pub const MAX_BYTES: usize = 200;

    /// The name for a file that the client calls `file_name` and that came at `at`.
    ///
    /// Kept are the letters, marks and digits of every script, `-`, `_`, and dots that do not stand
    /// first or last; white space becomes `_`; what else there is (separators, control and invisible
    /// characters) is left out. It is in NFC, and `image` when nothing is left.
    #[must_use]
    pub fn new(file_name: &str, at: DateTime<Utc>) -> Self {
        Self { folder: at.format("core_media/%Y/%m/%d").to_string(), stem: safe(stem(file_name)) }
    }

    /// Where the file itself goes, if that place is free. The extension is the format's usual one,
    /// never the client's.
    #[must_use]
    pub fn path(&self, extension: &'static str) -> MediaPath {
        MediaPath(format!("{}/{}.{extension}", self.folder, self.stem))
    }

    /// Where it goes otherwise.
    #[must_use]
    pub fn marked_path(&self, mark: &Mark, extension: &'static str) -> MediaPath {
        MediaPath(format!("{}/{}_{}.{extension}", self.folder, self.stem, mark.0))
    }

    /// Where its thumbnail for a box of `side` pixels goes.
    #[must_use]
    pub fn thumbnail_path(&self, mark: &Mark, side: u32, extension: &'static str) -> MediaPath {
        let mut path = format!("{}/thumbnails/{}_{}", self.folder, self.stem, mark.0);
        // Writing to a string can't fail.
        let _ = write!(path, "_thumbnail_{side}x{side}.{extension}");
        MediaPath(path)
    }
}

fn safe(stem: &str) -> String {
    let kept = stem.trim().chars().filter_map(|c| match c {
        '-' | '_' | '.' => Some(c),
        c if c.is_whitespace() => Some('_'),
        c => is_of_a_word(c).then_some(c),
    });
    let composed: String = ComposingNormalizer::new_nfc().normalize_iter(kept).collect();
    // A mark that nothing precedes would be written over the slash.
    let begin = composed.trim_start_matches(|c: char| c == '.' || is_mark(c));
    let mut name = String::with_capacity(StoredName::MAX_BYTES);
    for c in begin.chars().take(StoredName::MAX_CHARS) {
        if name.len() + c.len_utf8() > StoredName::MAX_BYTES {
            break;
        }
        name.push(c);
    }
    or_fallback(name.trim_end_matches('.'))
}

fn is_of_a_word(c: char) -> bool {
    const GROUPS: GeneralCategoryGroup =
        GeneralCategoryGroup::Letter.union(GeneralCategoryGroup::Mark).union(GeneralCategoryGroup::Number);
    // Some letters and marks are invisible: fillers, variation selectors.
    GROUPS.contains(CodePointMapData::<GeneralCategory>::new().get(c))
        && !CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

fn is_mark(c: char) -> bool {
    GeneralCategoryGroup::Mark.contains(CodePointMapData::<GeneralCategory>::new().get(c))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::testing::{MockRandomSource, fixtures};

    fn stored(file_name: &str) -> String {
        let MediaPath(path) = StoredName::new(file_name, fixtures::now()).path("png");
        let name = path.strip_prefix("core_media/2026/01/13/").unwrap();
        name.strip_suffix(".png").unwrap().to_owned()
    }

    fn mark() -> Mark {
        let mut random = MockRandomSource::new();
        random.expect_fill().returning(|bytes| {
            bytes.fill(61);
            Ok(())
        });
        Mark::draw(&random).unwrap()
    }

    #[rstest]
    #[case::plain("technology.png", "technology", "technology")]
    #[case::no_extension("technology", "technology", "technology")]
    #[case::spaces(" my  logo .png", "my__logo", "my  logo")]
    #[case::two_extensions("a.tar.png", "a.tar", "a.tar")]
    #[case::only_an_extension(".png", "image", "image")]
    #[case::empty("", "image", "image")]
    #[case::only_dots("....", "image", "...")]
    #[case::hidden(".hidden.png", "hidden", ".hidden")]
    #[case::trailing_dots("logo...png", "logo", "logo..")]
    #[case::up("../../etc/passwd.png", "passwd", "passwd")]
    #[case::up_alone("..", "image", ".")]
    #[case::a_folder("logos/", "image", "image")]
    #[case::windows_path("C:\\fakepath\\Logo.PNG", "Logo", "Logo")]
    #[case::windows_signs("a<b>c:d\"e|f?g*.png", "abcdefg", "a<b>c:d\"e|f?g*")]
    #[case::windows_device("CON.png", "CON", "CON")]
    #[case::nul("a\0b.png", "ab", "ab")]
    #[case::newline("a\nb.png", "a_b", "ab")]
    #[case::what_a_url_reads("50%20#1?x&y;z.png", "50201xyz", "50%20#1?x&y;z")]
    #[case::persian("همکاران سیستم.png", "همکاران_سیستم", "همکاران سیستم")]
    #[case::zero_width_non_joiner("نمونه\u{200c}ها.png", "نمونهها", "نمونه\u{200c}ها")]
    #[case::devanagari("हिन्दी.png", "हिन्दी", "हिन्दी")]
    #[case::right_to_left_override("a\u{202e}gnp.exe.png", "agnp.exe", "a\u{202e}gnp.exe")]
    #[case::decomposed("e\u{301}cole.png", "\u{e9}cole", "\u{e9}cole")]
    #[case::a_mark_first("\u{301}a.png", "a", "\u{301}a")]
    #[case::marks_alone("\u{301}\u{301}.png", "image", "\u{301}\u{301}")]
    #[case::hangul_filler("\u{3164}.png", "image", "\u{3164}")]
    #[case::emoji("😀.png", "image", "😀")]
    #[case::composed_only_without("e\u{200d}\u{301}.png", "\u{e9}", "e\u{200d}\u{301}")]
    fn a_file_has_a_name_for_the_store_and_one_for_people(
        #[case] file_name: &str,
        #[case] safe: &str,
        #[case] shown: &str,
    ) {
        assert_eq!((&*stored(file_name), &*display_name(file_name)), (safe, shown));
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!(stored(&format!("{}.png", "x".repeat(300))), "x".repeat(100));
        assert_eq!(stored(&format!("{}.png", "سیستم".repeat(60))).len(), 200);
        assert_eq!(stored(&format!("{}.png", "漢".repeat(300))), "漢".repeat(66), "whole characters");
        assert_eq!(stored(&format!("{}...{}.png", "x".repeat(98), "y".repeat(9))), "x".repeat(98));
        assert_eq!(display_name(&format!("{}.png", "漢".repeat(300))), "漢".repeat(255));
        assert_eq!(display_name(&format!("{} y.png", "x".repeat(254))), "x".repeat(254));
    }

    #[test]
    fn files_of_one_upload_lie_together_by_day_and_name() {
        let name = StoredName::new("test 2.JPEG", fixtures::now());
        assert_eq!(name.path("jpg").0, "core_media/2026/01/13/test_2.jpg");
        assert_eq!(name.marked_path(&mark(), "jpg").0, "core_media/2026/01/13/test_2_zzzzzzz.jpg");
        assert_eq!(
            name.thumbnail_path(&mark(), 64, "jpg").0,
            "core_media/2026/01/13/thumbnails/test_2_zzzzzzz_thumbnail_64x64.jpg"
        );
    }

    #[test]
    fn a_mark_needs_randomness() {
        let mut random = MockRandomSource::new();
        random.expect_fill().returning(|_| Err(PortError::Internal("none".into())));
        assert_eq!(Mark::draw(&random), Err(PortError::Internal("none".into())));
    }

    proptest! {
        #[test]
        fn whatever_a_client_calls_it_a_file_can_be_stored_and_served(file_name in "[\\PC\\pC./\\\\]{0,300}") {
            let name = StoredName::new(&file_name, fixtures::now());
            let paths =
                [name.path("webp"), name.marked_path(&mark(), "webp"), name.thumbnail_path(&mark(), 1080, "webp")];
            for path in paths {
                prop_assert!(path.is_servable(), "{:?}", path);
                let file = path.as_str().rsplit('/').next().unwrap_or_default();
                prop_assert!(file.len() < 255);
                prop_assert!(file.chars().all(|c| is_of_a_word(c) || "-_.".contains(c)), "{:?}", file);
            }
            prop_assert!(name.stem.chars().count() <= StoredName::MAX_CHARS);
            prop_assert!(ComposingNormalizer::new_nfc().is_normalized(&name.stem));
            prop_assert_eq!(&safe(&name.stem), &name.stem, "a safe name stays as it is");
        }

        #[test]
        fn whatever_a_client_calls_it_people_can_read_it(file_name in "[\\PC\\pC./\\\\]{0,300}") {
            let name = display_name(&file_name);
            prop_assert!((1..=MAX_DISPLAY_CHARS).contains(&name.chars().count()));
            prop_assert!(!name.contains(char::is_control));
            prop_assert_eq!(name.trim(), &name);
        }
    }
}
