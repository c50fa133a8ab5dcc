//! What is added to the image library, and which images a list shows (contract, section 5).

use crate::field_error::FieldError;
use crate::image::{FileSize, Image, ImageName, MediaPath};
use crate::list::{Ordering, Page, SortKey};
use crate::local_file::LocalFile;
use crate::search::Search;

/// An image that is to be added, its files stored already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewImage {
    /// Its name.
    pub name: ImageName,
    /// Where its file lies.
    pub path: MediaPath,
    /// The length of its file.
    pub size: FileSize,
    /// Pixels from left to right, as seen.
    pub width: u32,
    /// Pixels from top to bottom, as seen.
    pub height: u32,
    /// How its pixels are stored, in Pillow's names.
    pub mode: String,
    /// Its thumbnails.
    pub thumbnails: Vec<NewThumbnail>,
}

/// A thumbnail that is to be added, its file stored already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewThumbnail {
    /// Where its file lies.
    pub path: MediaPath,
    /// The side of its box in pixels.
    pub box_side: u32,
}

/// What a list of images shows: those in whose name every word is found, or whose id it is; in order,
/// one page of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageQuery {
    /// The words.
    pub search: Search,
    /// In which order.
    pub ordering: Ordering<ImageOrderKey>,
    /// How many, from where on.
    pub page: Page,
}

/// What images can be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ImageOrderKey {
    /// The id.
    Id,
    /// The name, by code point. Several may have one.
    Name,
    /// When it was added.
    CreatedAt,
}

impl SortKey for ImageOrderKey {
    const ID: Self = Self::Id;
    const CREATED_AT: Self = Self::CreatedAt;

    fn is_unique(self) -> bool {
        self == Self::Id
    }
}

/// One page of a list of images, and how long the whole list is, of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImagePage {
    /// How many match in all.
    pub count: u64,
    /// Those of the page, in order.
    pub images: Vec<Image>,
}

/// A file that came in, on the local disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadedFile {
    /// The file itself.
    pub file: LocalFile,
    /// Its length.
    pub size: FileSize,
    /// What the client calls it.
    pub file_name: String,
}

/// An image as a request asks for it, not yet judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageDraft {
    /// The file, or what is wrong with what was sent in its place.
    pub file: Result<UploadedFile, FieldError>,
    /// The name, if one was given, or what is wrong with what was sent in its place.
    pub name: Option<Result<String, FieldError>>,
}
