//! How a camera was held, as EXIF tells it.

use super::header::Bytes;
use super::picture::Size;

const TAG: u16 = 0x0112;
const SHORT: u16 = 3;
const LONG: u16 = 4;

/// EXIF's orientation: what has to be done to the stored pixels before they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Orientation {
    /// Rows become columns; done first.
    transposed: bool,
    /// Left becomes right.
    mirrored: bool,
    /// Top becomes bottom.
    flipped: bool,
}

impl Orientation {
    /// Reads it from `exif`, a TIFF structure. Where it says nothing that makes sense, nothing is to be done.
    ///
    /// Only the entries of the first directory are looked at, each once, and no offset but that directory's is
    /// followed: directories may overlap, and a file of megabytes then has entries by the billion.
    pub(super) fn read(exif: &[u8]) -> Self {
        Self::from_number(number(exif).unwrap_or(1))
    }

    pub(super) fn from_number(number: u32) -> Self {
        let (transposed, mirrored, flipped) = match number {
            2 => (false, true, false),
            3 => (false, true, true),
            4 => (false, false, true),
            5 => (true, false, false),
            6 => (true, true, false),
            7 => (true, true, true),
            8 => (true, false, true),
            _ => (false, false, false),
        };
        Self { transposed, mirrored, flipped }
    }

    /// The size as seen of an image that is stored with `size`, and the other way round.
    pub(super) fn seen(self, (width, height): Size) -> Size {
        if self.transposed { (height, width) } else { (width, height) }
    }

    /// Whether what is seen from left to right, and from top to bottom, is stored the other way round: told along
    /// and across the stored image.
    pub(super) fn runs_backwards(self) -> (bool, bool) {
        if self.transposed { (self.flipped, self.mirrored) } else { (self.mirrored, self.flipped) }
    }

    /// Moves the pixels of an image of `size` to where they are seen.
    pub(super) fn apply<const CHANNELS: usize>(self, size: Size, pixels: Vec<u8>) -> Vec<u8> {
        if self == Self::default() {
            return pixels;
        }
        let stored = pixels.as_chunks::<CHANNELS>().0;
        let stored_width = size.0 as usize;
        let (width, height) = self.seen(size);
        let mut seen = Vec::with_capacity(pixels.len());
        for y in 0..height as usize {
            let y = if self.flipped { height as usize - 1 - y } else { y };
            for x in 0..width as usize {
                let x = if self.mirrored { width as usize - 1 - x } else { x };
                let (column, row) = if self.transposed { (y, x) } else { (x, y) };
                seen.extend_from_slice(&stored[row * stored_width + column]);
            }
        }
        seen
    }
}

/// What `exif` says of the orientation. Of several entries the last one counts, as to Pillow.
fn number(exif: &[u8]) -> Option<u32> {
    let little_endian = match exif {
        [b'I', b'I', b'*', 0, ..] => true,
        [b'M', b'M', 0, b'*', ..] => false,
        _ => return None,
    };
    let short = |bytes| if little_endian { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) };
    let long = |bytes| if little_endian { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) };
    let start = long(Bytes(exif.get(4..)?).array()?);
    let mut directory = Bytes(exif.get(usize::try_from(start).ok()?..)?);
    let entries = usize::from(short(directory.array()?));
    // As many as there are bytes for.
    let (fields, _) = directory.0.as_chunks::<12>();
    let of_field = |field: &[u8; 12]| {
        let [tag @ .., _, _, _, _, _, _, _, _, _, _] = *field;
        let [_, _, kind0, kind1, count @ .., _, _, _, _] = *field;
        let [.., v0, v1, v2, v3] = *field;
        // What does not fit into the entry itself lies elsewhere.
        match (short(tag), short([kind0, kind1]), long(count)) {
            (TAG, SHORT, 1 | 2) => Some(short([v0, v1]).into()),
            (TAG, LONG, 1) => Some(long([v0, v1, v2, v3])),
            _ => None,
        }
    };
    fields.iter().take(entries).filter_map(of_field).next_back()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    // The stored image is  1 2 3
    //                      4 5 6
    #[case(0, (3, 2), [1, 2, 3, 4, 5, 6])]
    #[case(1, (3, 2), [1, 2, 3, 4, 5, 6])]
    #[case(2, (3, 2), [3, 2, 1, 6, 5, 4])]
    #[case(3, (3, 2), [6, 5, 4, 3, 2, 1])]
    #[case(4, (3, 2), [4, 5, 6, 1, 2, 3])]
    #[case(5, (2, 3), [1, 4, 2, 5, 3, 6])]
    #[case(6, (2, 3), [4, 1, 5, 2, 6, 3])]
    #[case(7, (2, 3), [6, 3, 5, 2, 4, 1])]
    #[case(8, (2, 3), [3, 6, 2, 5, 1, 4])]
    #[case(9, (3, 2), [1, 2, 3, 4, 5, 6])]
    fn an_image_is_turned_as_exif_says(#[case] number: u32, #[case] size: Size, #[case] seen: [u8; 6]) {
        let orientation = Orientation::from_number(number);
        assert_eq!(orientation.seen((3, 2)), size);
        assert_eq!(orientation.apply::<1>((3, 2), vec![1, 2, 3, 4, 5, 6]), seen);
    }

    #[rstest]
    #[case(b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0", 6)]
    #[case(b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0\0\0\0\0", 8)]
    #[case(b"II*\0\x08\0\0\0\xff\xff\x12\x01\x03\0\x01\0\0\0\x06\0\0\0", 6)]
    // A number of four bytes; two of two bytes each.
    #[case(b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x04\0\0\0\x01\0\0\0\x03\0\0\0\0", 3)]
    #[case(b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x02\0\0\0\x05\0\x01\0", 5)]
    // The last one, behind another tag and what makes no sense.
    #[case(
        b"II*\0\x08\0\0\0\x04\0\
          \x12\x01\x03\0\x01\0\0\0\x02\0\0\0\
          \x0f\x01\x03\0\x01\0\0\0\x07\0\0\0\
          \x12\x01\x03\0\x01\0\0\0\x06\0\0\0\
          \x12\x01\x02\0\xff\xff\xff\xff\x03\0\0\0",
        6
    )]
    // More entries than are said to be there.
    #[case(b"II*\0\x08\0\0\0\0\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0", 1)]
    // Elsewhere: text, many numbers, none; an entry that is cut short.
    #[case(b"II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x01\0\0\0\x06\0\0\0", 1)]
    #[case(b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x03\0\0\0\x06\0\0\0", 1)]
    #[case(b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\0\0\0\0\x06\0\0\0", 1)]
    #[case(b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0", 1)]
    #[case(b"II*\0\x08\0\0\0\x01", 1)]
    #[case(b"II*\0\x08\0\0", 1)]
    #[case(b"II*\0\xff\xff\xff\xff", 1)]
    #[case(b"MM\0*\xff\xff\xff\xff\0\x01", 1)]
    #[case(b"MM*\0\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0", 1)]
    #[case(b"", 1)]
    fn it_is_read_as_far_as_it_makes_sense(#[case] exif: &[u8], #[case] number: u32) {
        assert_eq!(Orientation::read(exif), Orientation::from_number(number));
    }
}
