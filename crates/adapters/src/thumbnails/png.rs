//! PNG.

use std::io::Cursor;

use png::{BitDepth, ColorType, Decoder, Limits, Transformations};
use portfolio_domain::image::ImageFormat;
use portfolio_domain::ports::RenderError;

use super::header::{Bytes, Header, Mode};
use super::orientation::Orientation;
use super::picture::{Decoded, Layout, Rows, Size, Sources, internal};

/// What the decoder may hold beside the pixels.
const WORKING_MEMORY: usize = 16 * 1024 * 1024;

/// Walks through the chunks until the image ends.
pub(super) fn header(file: &[u8]) -> Option<Header> {
    let mut bytes = Bytes(file.get(8..)?);
    let first = chunk(&mut bytes)?;
    let (b"IHDR", [w0, w1, w2, w3, h0, h1, h2, h3, depth, color, _, _, interlaced]) = first else {
        return None;
    };
    let size = (u32::from_be_bytes([*w0, *w1, *w2, *w3]), u32::from_be_bytes([*h0, *h1, *h2, *h3]));
    let (mode, has_alpha) = match (depth, color) {
        (1, 0) => (Mode::Bilevel, false),
        (2 | 4 | 8, 0) => (Mode::Grey, false),
        (16, 0) => (Mode::Grey16, false),
        (8 | 16, 2) => (Mode::Rgb, false),
        (1 | 2 | 4 | 8, 3) => (Mode::Palette, false),
        (8, 4) => (Mode::GreyAlpha, true),
        // Pillow has no mode for grey of sixteen bits with alpha.
        (16, 4) | (8 | 16, 6) => (Mode::Rgba, true),
        _ => return None,
    };
    let (mut transparent, mut orientation, mut has_data, mut frames) = (has_alpha, None, false, 0);
    loop {
        match chunk(&mut bytes)? {
            (b"IEND", _) => break,
            (b"IDAT", _) => has_data = true,
            (b"tRNS", _) => transparent = true,
            (b"fcTL", _) => frames += 1,
            (b"eXIf", exif) => orientation = orientation.or_else(|| Some(Orientation::read(exif))),
            _ => {}
        }
    }
    let channels = match mode {
        Mode::Bilevel | Mode::Grey | Mode::Grey16 => 1,
        Mode::GreyAlpha => 2,
        _ if *color == 4 => 2,
        _ => 3,
    } + u64::from(transparent && *color != 4);
    has_data.then_some(Header {
        format: ImageFormat::Png,
        size,
        mode,
        orientation: orientation.unwrap_or_default(),
        transparent,
        frames: frames.max(1),
        // The rows of an interlaced image don't come from top to bottom: it is held whole.
        working_memory: if *interlaced == 0 { 0 } else { u64::from(size.0) * u64::from(size.1) * channels },
    })
}

/// The next chunk: its type and its data.
fn chunk<'a>(bytes: &mut Bytes<'a>) -> Option<(&'a [u8; 4], &'a [u8])> {
    let length = u32::from_be_bytes(bytes.array()?);
    let kind = bytes.take(4)?.first_chunk()?;
    let data = bytes.take(length as usize)?;
    let _checksum: [u8; 4] = bytes.array()?;
    Some((kind, data))
}

/// Decodes `file`, of which thumbnails of the sizes of `targets` are wanted.
pub(super) fn decode(file: &[u8], header: &Header, targets: &[Size]) -> Result<Sources, RenderError> {
    let mut decoder = Decoder::new_with_limits(Cursor::new(file), Limits { bytes: WORKING_MEMORY });
    // Compressed text and profiles can be bombs, and are of no use here.
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(refusal)?;
    let layout = match reader.output_color_type().0 {
        ColorType::Grayscale => Layout::Grey,
        ColorType::GrayscaleAlpha => Layout::GreyAlpha,
        ColorType::Rgb | ColorType::Indexed => Layout::Rgb,
        ColorType::Rgba => Layout::Rgba,
    };
    let row_length = header.size.0 as usize * layout.channels();
    if reader.output_line_size(header.size.0) != Some(row_length) {
        return Err(RenderError::NotAnImage);
    }
    let mut rows = Rows::new(Decoded::whole(header.size, header.orientation, layout), targets);
    let finds_no_grey = finds_no_grey(reader.info());
    if reader.info().interlaced {
        let mut pixels = vec![0; reader.output_buffer_size().ok_or(RenderError::TooLarge)?];
        reader.next_frame(&mut pixels).map_err(refusal)?;
        if finds_no_grey {
            make_opaque(&mut pixels);
        }
        return rows.finish_with(pixels);
    }
    let mut opaque = Vec::new();
    while let Some(row) = reader.next_row().map_err(refusal)? {
        if finds_no_grey {
            opaque.clear();
            opaque.extend_from_slice(row.data());
            make_opaque(&mut opaque);
            rows.push(&opaque)?;
        } else {
            rows.push(row.data())?;
        }
    }
    rows.finish()
}

/// Whether the transparent grey is none of the image to Pillow, whose thumbnails ours are like: of two and four bits
/// it makes the greys eight bits wide, and not the transparent one, so that only black is found.
fn finds_no_grey(info: &png::Info<'_>) -> bool {
    info.color_type == ColorType::Grayscale
        && matches!(info.bit_depth, BitDepth::Two | BitDepth::Four)
        && info.trns.as_ref().is_some_and(|grey| grey.iter().any(|byte| *byte != 0))
}

/// Of pixels of grey and alpha.
fn make_opaque(pixels: &mut [u8]) {
    for [_, alpha] in pixels.as_chunks_mut().0 {
        *alpha = u8::MAX;
    }
}

fn refusal(error: png::DecodingError) -> RenderError {
    match error {
        png::DecodingError::IoError(_) | png::DecodingError::Format(_) => RenderError::NotAnImage,
        png::DecodingError::LimitsExceeded => RenderError::TooLarge,
        png::DecodingError::Parameter(_) => internal(error),
    }
}
