//! What a file says of itself, before anything of it is decoded.

use portfolio_domain::image::{ImageFormat, MAX_DECODED, MAX_FRAMES, MAX_SIDE};
use portfolio_domain::ports::RenderError;

use super::orientation::Orientation;
use super::picture::Size;
use super::{gif, jpeg, png, webp};

/// How a file has its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Bilevel,
    Grey,
    GreyAlpha,
    Grey16,
    Palette,
    Rgb,
    Rgba,
    Cmyk,
}

impl Mode {
    /// Pillow's name for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bilevel => "1",
            Self::Grey => "L",
            Self::GreyAlpha => "LA",
            Self::Grey16 => "I;16",
            Self::Palette => "P",
            Self::Rgb => "RGB",
            Self::Rgba => "RGBA",
            Self::Cmyk => "CMYK",
        }
    }

    fn bytes_per_pixel(self) -> u64 {
        match self {
            Self::Bilevel | Self::Grey | Self::Palette => 1,
            Self::GreyAlpha | Self::Grey16 => 2,
            Self::Rgb => 3,
            Self::Rgba | Self::Cmyk => 4,
        }
    }
}

/// What a whole file says of itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub(super) format: ImageFormat,
    /// As stored, before `orientation` is applied.
    pub(super) size: Size,
    pub(super) mode: Mode,
    pub(super) orientation: Orientation,
    /// Whether thumbnails need alpha.
    pub(super) transparent: bool,
    /// Of an animation; else one.
    pub(super) frames: u32,
    /// What decoding holds in memory beside the pixels that thumbnails are made of, in bytes: the file, and at
    /// most twice [`MAX_DECODED`].
    pub(super) working_memory: u64,
}

impl Header {
    /// Reads what `file` says of itself, and walks through the whole of it without decoding, so that one
    /// which was cut short is refused.
    ///
    /// # Errors
    ///
    /// [`RenderError::NotAnImage`] for what is none, or none of the formats that are taken;
    /// [`RenderError::TooLarge`] and [`RenderError::TooManyFrames`] for what may not be decoded.
    pub(super) fn read(file: &[u8]) -> Result<Self, RenderError> {
        let header = match file {
            [0xff, 0xd8, 0xff, ..] => jpeg::header(file),
            [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => png::header(file),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => gif::header(file),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => webp::header(file),
            _ => None,
        };
        let mut header = header.ok_or(RenderError::NotAnImage)?;
        let (width, height) = header.size;
        if width == 0 || height == 0 {
            return Err(RenderError::NotAnImage);
        }
        let decoded = u64::from(width) * u64::from(height) * header.mode.bytes_per_pixel();
        if width.max(height) > MAX_SIDE || decoded > MAX_DECODED {
            return Err(RenderError::TooLarge);
        }
        if header.frames > MAX_FRAMES {
            return Err(RenderError::TooManyFrames);
        }
        header.working_memory += file.len() as u64;
        Ok(header)
    }
}

/// Bytes that are read from front to back.
#[derive(Clone, Copy)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const LENGTH: usize>(&mut self) -> Option<[u8; LENGTH]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }
}
