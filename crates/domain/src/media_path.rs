//! Where files lie in the media store.

/// Where a file lies below the root of the media store, as `core_media/2025/12/02/technology.png`.
///
/// Made of a stored row it may hold anything: [`is_servable`](Self::is_servable) tells whether a file
/// can lie there. What a client asks for goes through [`parse`](Self::parse).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MediaPath(pub String);

/// Why a text is no path of a file in the media store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no path of a file in the media store")]
pub struct InvalidMediaPath;

impl MediaPath {
    /// The longest path in bytes: S3 takes no more.
    pub const MAX_BYTES: usize = 1024;
    /// The longest segment of one in bytes: usual file systems take no more.
    pub const MAX_SEGMENT_BYTES: usize = 255;

    /// Takes a path that came from outside, with percent-encoding already undone (once).
    ///
    /// # Errors
    ///
    /// [`InvalidMediaPath`] unless it is made of segments with one `/` between, none of them empty or
    /// longer than a file system takes, without control characters and backslashes, none of them
    /// beginning with a dot: so neither `.` nor `..`, nor a file that is still being written.
    pub fn parse(text: &str) -> Result<Self, InvalidMediaPath> {
        let good = text.len() <= Self::MAX_BYTES && text.split('/').all(is_servable_segment);
        if good { Ok(Self(text.to_owned())) } else { Err(InvalidMediaPath) }
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is one that [`parse`](Self::parse) takes.
    #[must_use]
    pub fn is_servable(&self) -> bool {
        Self::parse(&self.0).is_ok()
    }
}

fn is_servable_segment(segment: &str) -> bool {
    (1..=MediaPath::MAX_SEGMENT_BYTES).contains(&segment.len())
        && !segment.starts_with('.')
        && !segment.contains(|c: char| c.is_control() || c == '\\')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::usual("core_media/2025/12/02/technology.png")]
    #[case::of_the_root("logo.png")]
    #[case::of_another_script("core_media/2026/01/13/همکاران.png")]
    #[case::encoded_dots_are_a_plain_name("%2e%2e/%2e%2e/passwd")]
    #[case::of_dots_inside("a..b/c...png")]
    fn a_path_of_plain_segments_is_taken(#[case] text: &str) {
        assert_eq!(MediaPath::parse(text), Ok(MediaPath(text.to_owned())));
    }

    #[rstest]
    #[case::empty("")]
    #[case::absolute("/etc/passwd")]
    #[case::up("../secret")]
    #[case::up_inside("core_media/../../secret")]
    #[case::here("./a")]
    #[case::a_folder("core_media/")]
    #[case::empty_segment("core_media//a")]
    #[case::hidden("core_media/.upload-1")]
    #[case::nul("a\0b")]
    #[case::newline("a\nb")]
    #[case::c1_control("a\u{85}b")]
    #[case::backslash("..\\secret")]
    #[case::long_segment(&"x".repeat(256))]
    #[case::long(&"x/".repeat(600))]
    fn what_could_lead_elsewhere_is_refused(#[case] text: &str) {
        assert_eq!(MediaPath::parse(text), Err(InvalidMediaPath));
        assert!(!MediaPath(text.to_owned()).is_servable());
    }

    proptest! {
        #[test]
        fn what_is_taken_stays_below_the_root(text in "[./a\\\\\0é]{0,12}") {
            if MediaPath::parse(&text).is_ok() {
                let path = std::path::Path::new(&text);
                let normal = |part| matches!(part, std::path::Component::Normal(_));
                prop_assert!(path.components().all(normal), "{:?}", text);
                prop_assert_eq!(path.components().count(), text.split('/').count());
            }
        }
    }
}
