//! How names are searched: what is compared, and what of it an index can be asked.

use icu_casemap::CaseMapper;
use icu_normalizer::{ComposingNormalizer, DecomposingNormalizer};
use icu_properties::{CodePointSetData, props::DefaultIgnorableCodePoint};

use crate::decimal;

/// What of a text is compared when it is searched: case-folded and in Unicode normalisation form C,
/// Arabic and Persian yeh and kaf taken as one, without the characters that nobody sees, such as
/// zero-width ones (contract, section 4).
///
/// A database keeps the key of each name beside it, so that SQL compares plain strings.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SearchKey(String);

impl SearchKey {
    /// The key of `text`.
    #[must_use]
    pub fn of(text: &str) -> Self {
        // Decomposed before it is folded: U+0345 demands it (Unicode, section 3.13, D145).
        let decomposed = DecomposingNormalizer::new_nfd().normalize(text);
        let folded = CaseMapper::new().fold_string(&decomposed);
        let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
        let seen = folded.chars().filter(|c| !ignorable.contains(*c)).map(|c| match c {
            // The Arabic ones have compositions, as with hamza; the Persian ones have none.
            '\u{6cc}' => '\u{64a}',
            '\u{6a9}' => '\u{643}',
            other => other,
        });
        Self(ComposingNormalizer::new_nfc().normalize_iter(seen).collect())
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What an index of the keys of names can be asked for this one: a name holds it only if it holds
    /// all of these, at most [`SearchKey::MAX_GRAMS`]. None for an empty key, which every name holds.
    #[must_use]
    pub fn grams(&self) -> Vec<Gram> {
        let chars: Vec<char> = self.0.chars().collect();
        match chars.len() {
            0 => Vec::new(),
            1 | 2 => vec![Gram { text: self.0.clone(), whole: false }],
            _ => {
                let windows = chars.windows(Gram::CHARS).take(Self::MAX_GRAMS);
                windows.map(|window| Gram { text: window.iter().collect(), whole: true }).collect()
            }
        }
    }

    /// How many grams an index is asked for one key. They only choose candidates, so that a few serve
    /// as well as hundreds.
    pub const MAX_GRAMS: usize = 12;
}

impl From<SearchKey> for String {
    fn from(key: SearchKey) -> Self {
        key.0
    }
}

/// A part of a key. An index holds, of every key, the [`Gram::CHARS`] characters that start at each of
/// its characters, and what is left at its end: so that even a single character can be looked up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Gram {
    text: String,
    whole: bool,
}

impl Gram {
    /// How many characters the index keeps together.
    pub const CHARS: usize = 3;

    /// Its UTF-8 in hexadecimal digits, as the index keeps it: nothing in them means anything to a
    /// query language.
    #[must_use]
    pub fn hex(&self) -> String {
        use std::fmt::Write as _;
        let mut hex = String::with_capacity(2 * self.text.len());
        for byte in self.text.bytes() {
            // Writing to a string can't fail.
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    }

    /// Whether it is all that the index keeps together; else it is the beginning of that.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.whole
    }
}

/// One word of a search: it must occur in the name of what is searched for, or be its id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SearchWord {
    /// What is looked for in the key of the name.
    pub key: SearchKey,
    /// The id that the word is, if it is one.
    pub id: Option<i64>,
}

/// The words that something is searched by; each must be found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Search(Vec<SearchWord>);

/// Why a text can't be searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// A NUL is inside, which no name holds and PostgreSQL can't be sent.
    #[error("a NUL is inside")]
    NullCharacter,
    /// It has more than [`Search::MAX_WORDS`] different words.
    #[error("more than {} words", Search::MAX_WORDS)]
    TooManyWords,
}

impl Search {
    /// How many different words a search may have: each is a condition of its own.
    pub const MAX_WORDS: usize = 32;

    /// Reads the words of `text`, separated by Unicode white space; quotes and commas are plain
    /// characters. A word of which nothing is compared is passed over.
    ///
    /// # Errors
    ///
    /// [`SearchError`].
    pub fn parse(text: &str) -> Result<Self, SearchError> {
        if text.contains('\0') {
            return Err(SearchError::NullCharacter);
        }
        let mut words: Vec<SearchWord> = Vec::new();
        for word in text.split_whitespace() {
            let word = SearchWord { key: SearchKey::of(word), id: decimal::id(word) };
            if word.key.as_str().is_empty() || words.contains(&word) {
                continue;
            }
            if words.len() == Self::MAX_WORDS {
                return Err(SearchError::TooManyWords);
            }
            words.push(word);
        }
        Ok(Self(words))
    }

    /// The words, each once; with none, every employer is found.
    #[must_use]
    pub fn words(&self) -> &[SearchWord] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::latin("ÉCOLE", "e\u{301}cole")]
    #[case::german("STRASSE", "straße")]
    #[case::greek_final_sigma("ΟΔΟΣ", "οδος")]
    #[case::greek_iota_subscript("\u{1fb3}", "\u{3b1}\u{345}")]
    #[case::cyrillic("ЁЛКА", "ёлка")]
    #[case::georgian("Ⴀ", "ⴀ")]
    #[case::yeh("علي", "علی")]
    #[case::kaf("كتاب", "کتاب")]
    #[case::yeh_with_hamza("\u{64a}\u{654}", "\u{6cc}\u{654}")]
    #[case::zero_width("نمونه\u{200c}ها", "نمونهها")]
    #[case::soft_hyphen("co\u{ad}operate", "CoOperate")]
    fn what_counts_as_the_same_has_the_same_key(#[case] one: &str, #[case] other: &str) {
        assert_eq!(SearchKey::of(one), SearchKey::of(other));
    }

    #[rstest]
    #[case::accents_count("ecole", "école")]
    #[case::alef_maksura_is_no_yeh("على", "علي")]
    #[case::signs_count("c++", "c")]
    fn what_differs_has_another_key(#[case] one: &str, #[case] other: &str) {
        assert_ne!(SearchKey::of(one), SearchKey::of(other));
    }

    #[test]
    fn words_are_separated_by_white_space_alone() {
        let search = Search::parse("  \"Acme,  Corp\"\u{3000}7 acme \u{200b} ").unwrap();
        let words: Vec<_> = search.words().iter().map(|word| (word.key.as_str(), word.id)).collect();
        assert_eq!(words, [("\"acme,", None), ("corp\"", None), ("7", Some(7)), ("acme", None)]);
        assert_eq!(Search::parse("a A a"), Search::parse("a"));
        assert!(Search::parse(" \u{200c} ").unwrap().words().is_empty());
    }

    #[test]
    fn what_no_name_can_hold_and_what_no_query_can_carry_is_refused() {
        assert_eq!(Search::parse("a\0"), Err(SearchError::NullCharacter));
        let words = |n: usize| (0..n).map(|i| format!("w{i}")).collect::<Vec<_>>().join(" ");
        assert!(Search::parse(&words(Search::MAX_WORDS)).is_ok());
        assert_eq!(Search::parse(&words(Search::MAX_WORDS + 1)), Err(SearchError::TooManyWords));
    }

    #[test]
    fn grams_are_three_characters_or_the_beginning_of_three() {
        let grams = |text| SearchKey::of(text).grams();
        let shown = |text| grams(text).iter().map(|gram| (gram.hex(), gram.is_whole())).collect::<Vec<_>>();
        assert_eq!(shown("abcd"), [("616263".into(), true), ("626364".into(), true)]);
        assert_eq!(shown("ی"), [("d98a".to_owned(), false)]);
        assert_eq!(shown(""), []);
        assert_eq!(grams(&"x".repeat(500)).len(), SearchKey::MAX_GRAMS);
    }

    proptest! {
        #[test]
        fn a_key_is_its_own_key(text in "\\PC{0,60}") {
            let key = SearchKey::of(&text);
            prop_assert_eq!(SearchKey::of(key.as_str()), key);
        }

        #[test]
        fn a_name_that_holds_a_key_holds_its_grams(name in "\\PC{0,20}", from in 0..20_usize, length in 1..8_usize) {
            let name = SearchKey::of(&name);
            let part: String = name.as_str().chars().skip(from).take(length).collect();
            let kept: Vec<String> = {
                let chars: Vec<char> = name.as_str().chars().collect();
                (0..chars.len()).map(|i| chars[i..].iter().take(Gram::CHARS).collect()).collect()
            };
            for gram in SearchKey(part).grams() {
                let holds = |kept: &String| {
                    if gram.whole { *kept == gram.text } else { kept.starts_with(&gram.text) }
                };
                prop_assert!(kept.iter().any(holds), "{gram:?} is not in {kept:?}");
            }
        }
    }
}
