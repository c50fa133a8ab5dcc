//! Writes thumbnails: JPEG, or PNG where there is transparency. Neither gets any metadata.

use jpeg_encoder::{ColorType as JpegColor, Encoder, SamplingFactor};
use png::{BitDepth, ColorType as PngColor, Compression};
use portfolio_domain::image::ImageFormat;
use portfolio_domain::ports::RenderError;

use super::picture::{Layout, Picture, internal};

/// From 1 to 100. The grain of a photograph needs as much to stay like its original (SSIM 0.97 and more): of
/// what was tried, 95 left 0.966.
const QUALITY: u8 = 96;
/// The same for an image of at most [`SMALL`] pixels a side: there, text is a texture that less would blur.
const QUALITY_OF_SMALL: u8 = 98;
const SMALL: u32 = 128;

/// Writes `picture`.
pub(super) fn encode(picture: &Picture) -> Result<(ImageFormat, Vec<u8>), RenderError> {
    match picture.layout() {
        Layout::Grey => Ok((ImageFormat::Jpeg, jpeg(picture, JpegColor::Luma)?)),
        Layout::Rgb => Ok((ImageFormat::Jpeg, jpeg(picture, JpegColor::Rgb)?)),
        Layout::GreyAlpha => Ok((ImageFormat::Png, png(picture, PngColor::GrayscaleAlpha)?)),
        Layout::Rgba => Ok((ImageFormat::Png, png(picture, PngColor::Rgba)?)),
    }
}

fn jpeg(picture: &Picture, color: JpegColor) -> Result<Vec<u8>, RenderError> {
    let (width, height) = picture.size();
    let mut file = Vec::new();
    let quality = if width.max(height) <= SMALL { QUALITY_OF_SMALL } else { QUALITY };
    let mut encoder = Encoder::new(&mut file, quality);
    // Colours at half the resolution would blur what is drawn, and what is dithered.
    encoder.set_sampling_factor(SamplingFactor::F_1_1);
    let side = |pixels: u32| u16::try_from(pixels).map_err(internal);
    encoder.encode(picture.pixels(), side(width)?, side(height)?, color).map_err(internal)?;
    Ok(file)
}

fn png(picture: &Picture, color: PngColor) -> Result<Vec<u8>, RenderError> {
    let (width, height) = picture.size();
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(color);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Fast);
    let mut writer = encoder.write_header().map_err(internal)?;
    writer.write_image_data(&picture.straight_pixels()?).map_err(internal)?;
    writer.finish().map_err(internal)?;
    Ok(file)
}
