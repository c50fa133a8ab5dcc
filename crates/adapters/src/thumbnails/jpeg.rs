//! JPEG, decoded by libjpeg (mozjpeg's, see Cargo.toml): it makes the image smaller while it decodes,
//! and gives it row by row, so that no more of it is held than is used.

use mozjpeg::{ColorSpace, Decompress};
use portfolio_domain::image::ImageFormat;
use portfolio_domain::ports::RenderError;

use super::header::{Bytes, Header, Mode};
use super::orientation::Orientation;
use super::picture::{Decoded, Layout, Rows, Size, Sources};

/// More scans than any encoder writes. Each is a walk over the whole image for the decoder, though it may
/// take but a few bytes of the file.
const MAX_SCANS: u32 = 100;

/// How much larger than wanted an image stays when it is made smaller while it is decoded: that loses
/// nothing below what remains.
const SCALING_GAP: u32 = 3; // halves

/// Walks through the segments until the image ends.
pub(super) fn header(file: &[u8]) -> Option<Header> {
    let mut bytes = Bytes(file.get(2..)?);
    let mut frame: Option<Frame> = None;
    let mut orientation = None;
    let mut scans = 0;
    let mut many_scans = false;
    loop {
        match marker(&mut bytes)? {
            // The end of the image; what follows is none of it.
            0xd9 => break,
            // Without a length.
            0x01 | 0xd0..=0xd8 => {}
            marker => {
                let length = u16::from_be_bytes(bytes.array()?);
                let segment = bytes.take(usize::from(length).checked_sub(2)?)?;
                match marker {
                    0xc0..=0xc2 if frame.is_none() => frame = Some(Frame::read(segment, marker == 0xc2)?),
                    // A second frame, or one that no browser shows: lossless, hierarchical, arithmetic.
                    0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => return None,
                    0xda => {
                        scans += 1;
                        let components = frame.as_ref()?.components;
                        many_scans |= segment.first() != Some(&components);
                        if scans > MAX_SCANS {
                            return None;
                        }
                    }
                    0xe1 if orientation.is_none() => {
                        orientation = segment.strip_prefix(b"Exif\0\0").map(Orientation::read);
                    }
                    _ => {}
                }
            }
        }
    }
    let frame = frame.filter(|_| scans > 0)?;
    Some(Header {
        format: ImageFormat::Jpeg,
        size: frame.size,
        mode: match frame.components {
            1 => Mode::Grey,
            3 => Mode::Rgb,
            4 => Mode::Cmyk,
            _ => return None,
        },
        orientation: orientation.unwrap_or_default(),
        transparent: false,
        frames: 1,
        // Until the last scan is read, all coefficients are kept, of two bytes each.
        working_memory: if frame.progressive || many_scans { frame.samples * 2 } else { 0 },
    })
}

/// The next marker, whatever lies before it: the data of a scan, or filling.
fn marker(bytes: &mut Bytes<'_>) -> Option<u8> {
    loop {
        let start = bytes.0.iter().position(|byte| *byte == 0xff)?;
        bytes.take(start + 1)?;
        match bytes.byte()? {
            // An 0xff of the data, or a restart inside it.
            0x00 | 0xd0..=0xd7 => {}
            0xff => {
                // Filling; the marker's own 0xff may be the second one.
                while bytes.0.first() == Some(&0xff) {
                    bytes.byte()?;
                }
                match bytes.byte()? {
                    0x00 | 0xd0..=0xd7 => {}
                    marker => return Some(marker),
                }
            }
            marker => return Some(marker),
        }
    }
}

struct Frame {
    size: Size,
    components: u8,
    progressive: bool,
    /// Of all components, subsampled or not.
    samples: u64,
}

impl Frame {
    fn read(segment: &[u8], progressive: bool) -> Option<Self> {
        let mut bytes = Bytes(segment);
        let [8] = bytes.array()? else { return None };
        let height = u16::from_be_bytes(bytes.array()?);
        let width = u16::from_be_bytes(bytes.array()?);
        let components = bytes.byte()?;
        let (mut area, mut across, mut down) = (0, 1, 1);
        for _ in 0..components {
            let [_, sampling, _] = bytes.array()?;
            let (horizontal, vertical) = (u64::from(sampling >> 4), u64::from(sampling & 15));
            area += horizontal * vertical;
            across = across.max(horizontal);
            down = down.max(vertical);
        }
        Some(Self {
            size: (width.into(), height.into()),
            components,
            progressive,
            samples: u64::from(width) * u64::from(height) * area / (across * down),
        })
    }
}

/// Decodes `file`, of which thumbnails of the sizes of `targets` are wanted.
pub(super) fn decode(file: &[u8], header: &Header, targets: &[Size]) -> Result<Sources, RenderError> {
    let not_an_image = |_| RenderError::NotAnImage;
    let mut decoder = Decompress::new_mem(file).map_err(not_an_image)?;
    if (decoder.width(), decoder.height()) != (header.size.0 as usize, header.size.1 as usize) {
        return Err(RenderError::NotAnImage);
    }
    let unit = scale(header.size, targets);
    decoder.scale(8 / unit);
    let (space, layout) = match header.mode {
        Mode::Grey => (ColorSpace::JCS_GRAYSCALE, Layout::Grey),
        Mode::Cmyk => (ColorSpace::JCS_CMYK, Layout::Rgb),
        _ => (ColorSpace::JCS_RGB, Layout::Rgb),
    };
    let mut decoder = decoder.to_colorspace(space).map_err(not_an_image)?;
    let unit = u32::from(unit);
    let size = (header.size.0.div_ceil(unit), header.size.1.div_ceil(unit));
    let covered = |pixels: u32| f64::from(pixels) / f64::from(unit);
    let shape = Decoded {
        image: header.size,
        size,
        unit: (unit, unit),
        extent: (covered(header.size.0), covered(header.size.1)),
        orientation: header.orientation,
        layout,
    };
    let mut rows = Rows::new(shape, targets);
    let mut row = vec![0; size.0 as usize * if header.mode == Mode::Cmyk { 4 } else { layout.channels() }];
    for _ in 0..size.1 {
        decoder.read_scanlines_into(&mut row).map_err(not_an_image)?;
        if header.mode == Mode::Cmyk {
            cmyk_to_rgb(&mut row);
        }
        rows.push(&row[..size.0 as usize * layout.channels()])?;
    }
    rows.finish()
}

/// How many pixels of an image of `size`, along and across, to decode as one.
fn scale(size: Size, targets: &[Size]) -> u8 {
    let enough = |unit: &u8| {
        let scaled = |pixels: u32| pixels / u32::from(*unit) * 2;
        let enough = |target: &Size| {
            scaled(size.0) >= target.0 * SCALING_GAP && scaled(size.1) >= target.1 * SCALING_GAP
        };
        targets.iter().all(enough)
    };
    [8, 4, 2].into_iter().find(enough).unwrap_or(1)
}

/// Moves the colours of `row` to its front. Who writes CMYK writes it as Adobe does: 255 is no ink.
fn cmyk_to_rgb(row: &mut [u8]) {
    for pixel in 0..row.len() / 4 {
        let key = u16::from(row[pixel * 4 + 3]);
        for channel in 0..3 {
            let light = u16::from(row[pixel * 4 + channel]) * key + 127;
            #[expect(clippy::cast_possible_truncation, reason = "255 * 255 / 255 at most")]
            let light = (light / 255) as u8;
            row[pixel * 3 + channel] = light;
        }
    }
}
