//! GIF: its first frame.

use std::num::NonZeroU64;

use gif::{ColorOutput, DecodeOptions, MemoryLimit};
use portfolio_domain::image::{ImageFormat, MAX_DECODED};
use portfolio_domain::ports::RenderError;

use super::header::{Bytes, Header, Mode};
use super::orientation::Orientation;
use super::picture::{Decoded, Layout, Rows, Size, Sources};

/// Walks through the blocks until the file ends, skipping the data of every frame.
pub(super) fn header(file: &[u8]) -> Option<Header> {
    let mut bytes = Bytes(file.get(6..)?);
    let mut size = (u16::from_le_bytes(bytes.array()?), u16::from_le_bytes(bytes.array()?));
    let [flags, _background, _aspect] = bytes.array()?;
    let global = palette(&mut bytes, flags)?;
    let mut transparent = false;
    let mut first_frame = None;
    let mut frames = 0;
    loop {
        match bytes.byte()? {
            b';' => break,
            b'!' => {
                let kind = bytes.byte()?;
                let blocks = bytes;
                skip_blocks(&mut bytes)?;
                if kind == 0xf9 && first_frame.is_none() {
                    transparent = matches!(blocks.0, [4, flags, ..] if flags & 1 != 0);
                }
            }
            b',' => {
                let mut number = || Some(u16::from_le_bytes(bytes.array()?));
                let (left, top, width, height) = (number()?, number()?, number()?, number()?);
                let flags = bytes.byte()?;
                let local = palette(&mut bytes, flags)?;
                let _code_size = bytes.byte()?;
                skip_blocks(&mut bytes)?;
                frames += 1;
                if first_frame.is_none() {
                    if width == 0 || height == 0 {
                        return None;
                    }
                    size = (size.0.max(left.checked_add(width)?), size.1.max(top.checked_add(height)?));
                    first_frame = Some(if local.is_empty() { global } else { local });
                }
            }
            // Filling between blocks, as Pillow skips it. Before the first frame, the decoder takes it for an extension,
            // and what lies in that frame for another one: they would not speak of the same image.
            0 if first_frame.is_some() => {}
            _ => return None,
        }
    }
    Some(Header {
        format: ImageFormat::Gif,
        size: (size.0.into(), size.1.into()),
        mode: if is_grey_ramp(first_frame?) { Mode::Grey } else { Mode::Palette },
        orientation: Orientation::default(),
        transparent,
        frames,
        // The colours' numbers of the whole frame: they may come interlaced.
        working_memory: u64::from(size.0) * u64::from(size.1),
    })
}

/// The palette that follows: nothing, unless `flags` say that one does. `None` when it is cut short.
fn palette<'a>(bytes: &mut Bytes<'a>, flags: u8) -> Option<&'a [u8]> {
    bytes.take(if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) })
}

fn skip_blocks(bytes: &mut Bytes<'_>) -> Option<()> {
    loop {
        match bytes.byte()? {
            0 => return Some(()),
            length => bytes.take(length.into())?,
        };
    }
}

/// Whether every colour is the grey of its own number.
fn is_grey_ramp(palette: &[u8]) -> bool {
    palette
        .as_chunks::<3>()
        .0
        .iter()
        .enumerate()
        .all(|(number, color)| color.iter().all(|value| usize::from(*value) == number))
}

/// Decodes the first frame of `file`, of which thumbnails of the sizes of `targets` are wanted.
pub(super) fn decode(file: &[u8], header: &Header, targets: &[Size]) -> Result<Sources, RenderError> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    options.allow_unknown_blocks(true);
    options.set_memory_limit(NonZeroU64::new(MAX_DECODED).map_or(MemoryLimit::Unlimited, MemoryLimit::Bytes));
    let not_an_image = |_| RenderError::NotAnImage;
    let mut decoder = options.read_info(file).map_err(not_an_image)?;
    let frame = decoder.next_frame_info().map_err(not_an_image)?.ok_or(RenderError::NotAnImage)?;
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    let (frame_width, frame_height) = (usize::from(frame.width), usize::from(frame.height));
    let transparent = frame.transparent;
    let (width, height) = (header.size.0 as usize, header.size.1 as usize);
    // Nothing is made room for that the header did not tell of.
    if frame_width == 0 || left + frame_width > width || top + frame_height > height {
        return Err(RenderError::NotAnImage);
    }
    let mut numbers = vec![0; frame_width * frame_height];
    decoder.read_into_buffer(&mut numbers).map_err(not_an_image)?;

    let mut colors = [[0, 0, 0, 255]; 256];
    let palette = decoder.palette().map_err(not_an_image)?;
    for (color, [red, green, blue]) in colors.iter_mut().zip(palette.as_chunks().0) {
        *color = [*red, *green, *blue, 255];
    }
    if let Some(number) = transparent {
        colors[usize::from(number)] = [0; 4];
    }
    let layout = match (header.transparent, header.mode) {
        (true, _) => Layout::Rgba,
        (false, Mode::Grey) => Layout::Grey,
        (false, _) => Layout::Rgb,
    };
    // What the first frame leaves of the screen.
    let rest = colors[usize::from(transparent.unwrap_or(0))];
    let frame_rows = numbers.chunks_exact(frame_width);
    let mut rows = Rows::new(Decoded::whole(header.size, header.orientation, layout), targets);
    let mut row = rest[..layout.channels()].repeat(width);
    let blank = row.clone();
    (0..top).try_for_each(|_| rows.push(&blank))?;
    for numbers in frame_rows {
        let place = &mut row[left * layout.channels()..];
        match layout {
            Layout::Rgba => paint::<4>(place, numbers, &colors),
            Layout::Rgb => paint::<3>(place, numbers, &colors),
            _ => place[..frame_width].copy_from_slice(numbers),
        }
        rows.push(&row)?;
    }
    (top + frame_height..height).try_for_each(|_| rows.push(&blank))?;
    rows.finish()
}

fn paint<const CHANNELS: usize>(place: &mut [u8], numbers: &[u8], colors: &[[u8; 4]; 256]) {
    for (pixel, number) in place.as_chunks_mut::<CHANNELS>().0.iter_mut().zip(numbers) {
        pixel.copy_from_slice(&colors[usize::from(*number)][..CHANNELS]);
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// Of two colours, on a screen of 2x2, its one frame of `size` at `place`.
    fn file(place: [u8; 2], size: [u8; 2]) -> Vec<u8> {
        let ([left, top], [width, height]) = (place, size);
        // Of three bits each, from the lowest up: before every pixel the dictionary is emptied.
        let codes = [4, 0].repeat(usize::from(width) * usize::from(height));
        let bits = codes.iter().rev().fold(5_u64, |bits, code| bits << 3 | code);
        let mut file = b"GIF89a\x02\0\x02\0\x80\0\0\0\0\0\xff\xff\xff".to_vec();
        file.extend([b',', left, 0, top, 0, width, 0, height, 0, 0, 2, 8]);
        file.extend(bits.to_le_bytes());
        file.extend([0, b';']);
        file
    }

    #[rstest]
    #[case([0, 0], [1, 1], true)]
    #[case([1, 1], [1, 1], true)]
    #[case([0, 0], [3, 1], false)]
    #[case([0, 0], [1, 3], false)]
    #[case([2, 0], [1, 1], false)]
    #[case([0, 2], [1, 1], false)]
    #[case([0, 0], [0, 1], false)]
    fn a_frame_that_the_header_does_not_tell_of_is_refused(
        #[case] place: [u8; 2],
        #[case] size: [u8; 2],
        #[case] taken: bool,
    ) {
        let told = header(&file([0, 0], [1, 1])).unwrap();
        assert_eq!(told.size, (2, 2));
        assert_eq!(decode(&file(place, size), &told, &[(1, 1)]).is_ok(), taken);
    }
}
