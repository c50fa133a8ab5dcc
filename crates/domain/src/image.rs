//! An image of the library, and its thumbnails.

use std::fmt;

use crate::decimal;
use crate::field_error::FieldError;
pub use crate::media_path::MediaPath;
use crate::search::SearchKey;
use crate::text;

/// The number that identifies an image. Any integer may be asked for; only stored ones exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageId(pub i64);

impl ImageId {
    /// Reads an id as it stands in an address, as [`EmployerId::from_decimal`](crate::employer::EmployerId).
    #[must_use]
    pub fn from_decimal(text: &str) -> Option<Self> {
        decimal::id(text).map(Self)
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An image's name: trimmed, in Unicode normalisation form C, 1 to [`ImageName::MAX_CHARS`] code points,
/// with at least one visible one and no NUL. Several images may have one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImageName(String);

impl ImageName {
    /// The longest name, in Unicode code points.
    pub const MAX_CHARS: usize = 255;

    /// Trims and normalises `raw`, and checks it.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it: [`FieldError::Blank`], [`FieldError::TooLong`] and
    /// [`FieldError::NullCharacter`], in this order.
    pub fn parse(raw: &str) -> Result<Self, Vec<FieldError>> {
        text::name(raw, Self::MAX_CHARS).map(Self)
    }

    /// Takes a name that a database holds, as it is.
    #[must_use]
    pub fn from_stored(name: String) -> Self {
        Self(name)
    }

    /// The name of an image of whose file's name nothing can be seen.
    #[must_use]
    pub fn fallback() -> Self {
        Self("image".to_owned())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What of the name is compared when it is searched.
    #[must_use]
    pub fn search_key(&self) -> SearchKey {
        SearchKey::of(&self.0)
    }
}

/// Counts the states an image has been in: it grows by one with every change of what its answer shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageVersion(pub i64);

/// The length of a file in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileSize(pub u64);

/// Written for people: powers of 1024, two decimals, `B` to `TB`, as `5.00 KB` (contract, section 1).
impl fmt::Display for FileSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["B", "KB", "MB", "GB", "TB"];
        let exponent = (0..UNITS.len() - 1).take_while(|n| self.0 >> (10 * (n + 1)) > 0).count();
        #[expect(clippy::cast_precision_loss, reason = "two decimals are shown; f64 holds fifteen")]
        let amount = self.0 as f64 / (1_u64 << (10 * exponent)) as f64;
        write!(f, "{amount:.2} {}", UNITS[exponent])
    }
}

/// The longest file that may be uploaded: 10 MiB (contract, section 5).
pub const MAX_FILE_SIZE: FileSize = FileSize(10 * 1024 * 1024);

/// The most pixels that an image may have from side to side (contract, section 5).
pub const MAX_SIDE: u32 = 8192;

/// The most bytes that an image's pixels may take when decoded, each as wide as its mode has it (1 byte for
/// `L` and `P`, 3 for `RGB`, 4 for `RGBA`): 128 MiB (contract, section 5).
pub const MAX_DECODED: u64 = 128 * 1024 * 1024;

/// The most frames that an animation may have. Only the first one is decoded here, but every browser that
/// shows the file decodes them all.
pub const MAX_FRAMES: u32 = 1000;

/// The sides, in pixels, of the boxes that every image gets a thumbnail for, ascending (contract, section 5).
pub const THUMBNAIL_BOXES: [u16; 4] = [64, 128, 512, 1080];

/// How an image's file is written. It is told by the file's content alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ImageFormat {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// GIF, animated or not.
    Gif,
    /// WebP, animated or not.
    WebP,
}

impl ImageFormat {
    /// What a file's name ends with, without the dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Gif => "gif",
            Self::WebP => "webp",
        }
    }

    /// What it is served as.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::WebP => "image/webp",
        }
    }
}

/// A smaller copy of an image, made to fit a square box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbnail {
    /// What identifies it among all thumbnails.
    pub id: i64,
    /// Where its file lies.
    pub path: MediaPath,
    /// The side of its box in pixels; `None` for one of unknown box, from an older site.
    pub box_side: Option<i32>,
}

/// An image that employers can show as their logo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// What identifies it.
    pub id: ImageId,
    /// Its file's name without the extension, unless it was given another.
    pub name: ImageName,
    /// Where its file lies.
    pub path: MediaPath,
    /// The length of its file.
    pub size: FileSize,
    /// Pixels from left to right, as seen.
    pub width: u32,
    /// Pixels from top to bottom, as seen.
    pub height: u32,
    /// How its pixels are stored, in Pillow's names: `1 L LA P RGB RGBA CMYK I;16`.
    pub mode: String,
    /// Which of its states this is.
    pub version: ImageVersion,
    thumbnails: Vec<Thumbnail>,
}

impl Image {
    /// Adds `thumbnails`, in any order, to an image that has none.
    #[must_use]
    pub fn with_thumbnails(mut self, thumbnails: Vec<Thumbnail>) -> Self {
        self.thumbnails = thumbnails;
        // `None` sorts before every `Some`; a box nobody knows belongs at the end.
        self.thumbnails
            .sort_by_key(|thumbnail| (thumbnail.box_side.is_none(), thumbnail.box_side, thumbnail.id));
        self
    }

    /// An image without thumbnails, in its first version.
    #[must_use]
    pub fn new(
        id: ImageId,
        name: ImageName,
        path: MediaPath,
        size: FileSize,
        (width, height): (u32, u32),
        mode: String,
    ) -> Self {
        Self { id, name, path, size, width, height, mode, version: ImageVersion(1), thumbnails: Vec::new() }
    }

    /// Its thumbnails, ordered by box, then id; those of unknown box last.
    #[must_use]
    pub fn thumbnails(&self) -> &[Thumbnail] {
        &self.thumbnails
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0, "0.00 B")]
    #[case(512, "512.00 B")]
    #[case(1023, "1023.00 B")]
    #[case(1024, "1.00 KB")]
    #[case(5123, "5.00 KB")]
    #[case(2_621_440, "2.50 MB")]
    #[case(1 << 30, "1.00 GB")]
    #[case(1 << 40, "1.00 TB")]
    #[case(1 << 50, "1024.00 TB")]
    #[case(u64::MAX, "16777216.00 TB")]
    fn a_size_is_written_in_powers_of_1024(#[case] bytes: u64, #[case] expected: &str) {
        assert_eq!(FileSize(bytes).to_string(), expected);
    }

    #[test]
    fn thumbnails_are_ordered_by_box_then_id_with_unknown_boxes_last() {
        let thumbnail = |id, box_side| Thumbnail { id, path: MediaPath(format!("{id}")), box_side };
        let image = Image::new(
            ImageId(1),
            ImageName("n".into()),
            MediaPath("p".into()),
            FileSize(1),
            (1, 1),
            "L".into(),
        )
        .with_thumbnails(vec![
            thumbnail(5, None),
            thumbnail(4, Some(64)),
            thumbnail(1, Some(128)),
            thumbnail(3, Some(64)),
        ]);
        let ids: Vec<_> = image.thumbnails().iter().map(|thumbnail| thumbnail.id).collect();
        assert_eq!(ids, [3, 4, 1, 5]);
    }
}
