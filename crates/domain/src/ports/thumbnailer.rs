use async_trait::async_trait;

use crate::image::ImageFormat;
use crate::local_file::LocalFile;
use crate::ports::PortError;

/// What an image's file turned out to be, and the thumbnails made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendering {
    /// How the file is written.
    pub format: ImageFormat,
    /// Pixels from left to right, as seen: with the file's EXIF orientation applied.
    pub width: u32,
    /// Pixels from top to bottom, as seen.
    pub height: u32,
    /// How the file has its pixels, in Pillow's names: `1 L LA P RGB RGBA CMYK I;16`.
    pub mode: String,
    /// One for each of [`THUMBNAIL_BOXES`](crate::image::THUMBNAIL_BOXES), ascending.
    pub thumbnails: Vec<RenderedThumbnail>,
}

/// A thumbnail that is not stored yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedThumbnail {
    /// The side of its box in pixels.
    pub box_side: u16,
    /// How `bytes` are written: [`ImageFormat::Jpeg`], or [`ImageFormat::Png`] where the image has
    /// transparency.
    pub format: ImageFormat,
    /// Its file.
    pub bytes: Vec<u8>,
}

/// Why an image was not rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The file is of no format that is taken, or it is corrupt or cut short. It will never be rendered.
    #[error("not an image, or a corrupted one")]
    NotAnImage,
    /// The image has more than [`MAX_SIDE`](crate::image::MAX_SIDE) pixels a side, takes more than
    /// [`MAX_DECODED`](crate::image::MAX_DECODED) bytes decoded, or its file is longer than
    /// [`MAX_FILE_SIZE`](crate::image::MAX_FILE_SIZE). It will never be rendered.
    #[error("the image is too large")]
    TooLarge,
    /// It is an animation of more than [`MAX_FRAMES`](crate::image::MAX_FRAMES) frames. It will never be
    /// rendered.
    #[error("the image has too many frames")]
    TooManyFrames,
    /// As many images as may wait are waiting; nothing was done. The caller may try again in a while.
    #[error("too many images are waiting")]
    Busy,
    /// The file can't be read, or something is wrong that is not the file's fault.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// Makes thumbnails.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait Thumbnailer: Send + Sync {
    /// Looks at the file `original` and makes its thumbnails (contract, section 5). The file's content
    /// alone decides, never its name; its limits MUST hold before anything is decoded. Thumbnails keep the
    /// image's aspect, are never larger than it, and MUST hold none of its metadata. Of an animation the
    /// first frame counts.
    ///
    /// Whatever the file holds, the call MUST end in bounded time and memory, as MUST any number of calls at
    /// once, and MUST NOT hold up the async workers.
    ///
    /// # Errors
    ///
    /// See [`RenderError`].
    async fn render(&self, original: &LocalFile) -> Result<Rendering, RenderError>;
}
