//! WebP, decoded by libwebp: the decoder in Rust (image-webp 0.2) takes 2.7 times as long.

use portfolio_domain::image::ImageFormat;
use portfolio_domain::ports::RenderError;
use webpx::{Decoder, DecoderConfig, Limits};

use super::header::{Bytes, Header, Mode};
use super::orientation::Orientation;
use super::picture::{Decoded, Layout, Rows, Size, Sources, internal, reduction};

const ALPHA: u8 = 0x10;
const ANIMATION: u8 = 0x02;
/// How much of a frame that does not fill its canvas is decoded at once, in bytes. For each band, libwebp
/// decodes what lies above it, too: the largest frames take three.
const BAND: usize = 64 * 1024 * 1024;

/// Walks through the chunks until the file ends.
pub(super) fn header(file: &[u8]) -> Option<Header> {
    let mut bytes = Bytes(riff(file)?);
    let first = chunk(&mut bytes)?;
    let (size, transparent) = match first {
        (b"VP8X", data) => (canvas(data)?, data.first()? & ALPHA != 0),
        image => bitstream(image)?,
    };
    let mut orientation = None;
    let mut frames = 0;
    while !bytes.0.is_empty() {
        let (kind, data) = chunk(&mut bytes)?;
        frames += u32::from(kind == b"ANMF");
        if kind == b"EXIF" && orientation.is_none() {
            // Some writers begin it as JPEG has it.
            orientation = Some(Orientation::read(data.strip_prefix(b"Exif\0\0").unwrap_or(data)));
        }
    }
    let pixels = u64::from(size.0) * u64::from(size.1);
    Some(Header {
        format: ImageFormat::WebP,
        size,
        mode: if transparent { Mode::Rgba } else { Mode::Rgb },
        orientation: orientation.unwrap_or_default(),
        transparent,
        frames: frames.max(1),
        // A lossless image is held whole, in four bytes a pixel, while it is decoded; so is lossless alpha, with a
        // byte for what becomes of it. Of an animation, a frame is copied.
        working_memory: pixels * if transparent { 5 } else { 4 }
            + if is_animated(file) {
                file.len() as u64 + pixels.saturating_mul(4).min(BAND as u64)
            } else {
                0
            },
    })
}

/// What the file's own length says that it holds.
fn riff(file: &[u8]) -> Option<&[u8]> {
    let mut bytes = Bytes(file.get(4..)?);
    let length = u32::from_le_bytes(bytes.array()?);
    bytes.take(length as usize)?.strip_prefix(b"WEBP")
}

/// The next chunk: its type and its data.
fn chunk<'a>(bytes: &mut Bytes<'a>) -> Option<(&'a [u8; 4], &'a [u8])> {
    let kind = bytes.take(4)?.first_chunk()?;
    let length = u32::from_le_bytes(bytes.array()?) as usize;
    let data = bytes.take(length)?;
    // Filled to an even length; the last one's filling may be missing.
    bytes.take((length % 2).min(bytes.0.len()))?;
    Some((kind, data))
}

fn canvas(extended: &[u8]) -> Option<Size> {
    let [w0, w1, w2, h0, h1, h2] = extended.get(4..10)? else { return None };
    Some((u32::from_le_bytes([*w0, *w1, *w2, 0]) + 1, u32::from_le_bytes([*h0, *h1, *h2, 0]) + 1))
}

/// The size that an image's data begins with, and whether it has alpha.
fn bitstream(chunk: (&[u8; 4], &[u8])) -> Option<(Size, bool)> {
    match chunk {
        (b"VP8 ", [_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..]) => {
            let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
            Some(((side(*w0, *w1), side(*h0, *h1)), false))
        }
        (b"VP8L", [0x2f, b0, b1, b2, b3, ..]) => {
            let bits = u32::from_le_bytes([*b0, *b1, *b2, *b3]);
            Some((((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1), bits >> 28 & 1 != 0))
        }
        _ => None,
    }
}

/// Decodes `file`, or its first frame, of which thumbnails of the sizes of `targets` are wanted.
pub(super) fn decode(file: &[u8], header: &Header, targets: &[Size]) -> Result<Sources, RenderError> {
    let layout = if header.transparent { Layout::Rgba } else { Layout::Rgb };
    if is_animated(file) {
        let frame =
            first_frame(file).filter(|frame| frame.fits(header.size)).ok_or(RenderError::NotAnImage)?;
        if frame.size != header.size {
            return on_canvas(&frame, header, layout, targets);
        }
        return whole(&frame.file, header, layout, targets);
    }
    whole(file, header, layout, targets)
}

/// Decodes the still image `file`, which fills the whole picture.
fn whole(file: &[u8], header: &Header, layout: Layout, targets: &[Size]) -> Result<Sources, RenderError> {
    // What no thumbnail needs is not decoded.
    let image = header.size;
    let unit = targets.iter().map(|target| reduction(image, *target)).min().unwrap_or((1, 1));
    let mut config = DecoderConfig::new();
    if unit != (1, 1) {
        config = config.scale(image.0.div_ceil(unit.0), image.1.div_ceil(unit.1));
    }
    let (size, pixels) = decode_still(file, image, layout, config)?;
    let decoded = Decoded { image, unit, ..Decoded::whole(size, header.orientation, layout) };
    Rows::new(decoded, targets).finish_with(pixels)
}

/// Decodes an image of `size`, as much of it and as small as `config` says.
fn decode_still(
    file: &[u8],
    size: Size,
    layout: Layout,
    config: DecoderConfig,
) -> Result<(Size, Vec<u8>), RenderError> {
    let decoder = Decoder::new(file).map_err(|_| RenderError::NotAnImage)?;
    if (decoder.info().width, decoder.info().height) != size || decoder.info().has_animation {
        return Err(RenderError::NotAnImage);
    }
    // The limits were held against the header.
    let decoder = decoder.config(config.limits(Limits::none()));
    let result = if layout.has_alpha() { decoder.decode_rgba_raw() } else { decoder.decode_rgb_raw() };
    let (pixels, width, height) = result.map_err(|_| RenderError::NotAnImage)?;
    Ok(((width, height), pixels))
}

/// Of an animation.
struct Frame {
    left: u32,
    top: u32,
    size: Size,
    /// The frame as a file of its own.
    file: Vec<u8>,
}

impl Frame {
    /// Whether it lies on a canvas of that size.
    fn fits(&self, (width, height): Size) -> bool {
        self.left + self.size.0 <= width && self.top + self.size.1 <= height
    }
}

fn is_animated(file: &[u8]) -> bool {
    matches!(file, [_, _, _, _, _, _, _, _, _, _, _, _, b'V', b'P', b'8', b'X', _, _, _, _, flags, ..] if flags & ANIMATION != 0)
}

/// The first frame of an animation. libwebp's decoder for animations wants the whole canvas twice.
fn first_frame(file: &[u8]) -> Option<Frame> {
    let mut bytes = Bytes(riff(file)?);
    loop {
        let (b"ANMF", data) = chunk(&mut bytes)? else { continue };
        let mut data = Bytes(data);
        let mut number = || {
            let [b0, b1, b2] = data.array()?;
            Some(u32::from_le_bytes([b0, b1, b2, 0]))
        };
        let (left, top) = (number()? * 2, number()? * 2);
        let size @ (width, height) = (number()? + 1, number()? + 1);
        data.take(4)?;
        let has_alpha = data.0.starts_with(b"ALPH");
        let mut file = Vec::with_capacity(data.0.len() + 30);
        let length = u32::try_from(data.0.len()).ok()? + if has_alpha { 22 } else { 4 };
        file.extend_from_slice(b"RIFF");
        file.extend_from_slice(&length.to_le_bytes());
        file.extend_from_slice(b"WEBP");
        if has_alpha {
            file.extend_from_slice(b"VP8X\x0a\0\0\0");
            file.extend_from_slice(&[ALPHA, 0, 0, 0]);
            file.extend_from_slice(&(width - 1).to_le_bytes()[..3]);
            file.extend_from_slice(&(height - 1).to_le_bytes()[..3]);
        }
        file.extend_from_slice(data.0);
        return Some(Frame { left, top, size, file });
    }
}

/// Decodes `frame` and lays it on the canvas, which is transparent, or black where it can't be.
fn on_canvas(
    frame: &Frame,
    header: &Header,
    layout: Layout,
    targets: &[Size],
) -> Result<Sources, RenderError> {
    let (width, height) = header.size;
    let (frame_width, frame_height) = frame.size;
    let mut rows = Rows::new(Decoded::whole(header.size, header.orientation, layout), targets);
    let mut row = vec![0; width as usize * layout.channels()];
    let blank = row.clone();
    let (start, length) = (frame.left as usize * layout.channels(), frame_width as usize * layout.channels());
    (0..frame.top).try_for_each(|_| rows.push(&blank))?;
    // Even, as what is cropped of a lossy image has to be.
    let band = u32::try_from(BAND / length).map_err(internal)?.next_multiple_of(2);
    for top in (0..frame_height).step_by(band as usize) {
        let height = band.min(frame_height - top);
        let config = DecoderConfig::new().crop(0, top, frame_width, height);
        let (_, pixels) = decode_still(&frame.file, frame.size, layout, config)?;
        for pixels in pixels.chunks_exact(length) {
            row[start..start + length].copy_from_slice(pixels);
            rows.push(&row)?;
        }
    }
    (frame.top + frame_height..height).try_for_each(|_| rows.push(&blank))?;
    rows.finish()
}
