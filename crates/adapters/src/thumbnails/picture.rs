//! Pixels in memory: gathered row by row, made smaller, never larger. All of it is done as Pillow's
//! `Image.thumbnail` does it: text and dithered pictures, made as small as an icon, look like another picture when
//! blocks of other sizes are averaged.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, MulDiv, PixelType, ResizeAlg, ResizeOptions, Resizer};
use portfolio_domain::ports::{PortError, RenderError};

use super::orientation::Orientation;

/// How much larger than wanted an image stays when blocks of it are averaged, before it is resized well. It is
/// Pillow's `reducing_gap`.
const REDUCING_GAP: f64 = 2.0;

/// What a pixel is made of, eight bits each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Grey,
    GreyAlpha,
    Rgb,
    Rgba,
}

impl Layout {
    pub(super) fn channels(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::GreyAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }

    pub(super) fn has_alpha(self) -> bool {
        matches!(self, Self::GreyAlpha | Self::Rgba)
    }

    fn pixel_type(self) -> PixelType {
        match self {
            Self::Grey => PixelType::U8,
            Self::GreyAlpha => PixelType::U8x2,
            Self::Rgb => PixelType::U8x3,
            Self::Rgba => PixelType::U8x4,
        }
    }
}

/// Width and height in pixels.
pub(super) type Size = (u32, u32);

/// The size of an image of `size` made to fit a box of `side` pixels a side: its aspect kept to the nearest
/// pixel, at least one pixel, never larger. It is Pillow's `Image.thumbnail`, number by number.
pub(super) fn fit((width, height): Size, side: u16) -> Size {
    let side_pixels = u32::from(side);
    if width <= side_pixels && height <= side_pixels {
        return (width, height);
    }
    let side = f64::from(side);
    let aspect = f64::from(width) / f64::from(height);
    // Of the two whole numbers next to `exact`, the one that spoils the aspect less.
    let nearest = |exact: f64, error: &dyn Fn(f64) -> f64| {
        let (low, high) = (exact.floor(), exact.ceil());
        let chosen = if error(high) < error(low) { high } else { low };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number from 0 to the side of a box"
        )]
        let chosen = chosen as u32;
        chosen.max(1)
    };
    if aspect <= 1.0 {
        (nearest(side * aspect, &|n| (aspect - n / side).abs()), side_pixels)
    } else {
        let error = |n: f64| if n == 0.0 { 0.0 } else { (aspect - side / n).abs() };
        (side_pixels, nearest(side / aspect, &error))
    }
}

/// How many pixels of an image of `size` are averaged, along and across, when `target` is wanted of it.
pub(super) fn reduction(size: Size, target: Size) -> Size {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a side is at most 65535, so that the factor is a small positive number"
    )]
    let factor = |from: u32, to: u32| (f64::from(from) / f64::from(to) / REDUCING_GAP) as u32;
    (factor(size.0, target.0).max(1), factor(size.1, target.1).max(1))
}

/// An image. Colours are multiplied by their alpha, so that averages are right: what is transparent has no
/// colour to give.
pub(super) struct Picture {
    size: Size,
    /// Where in `size` the image begins, and how much it covers: the outer pixels of a reduced one may stand for less
    /// than others.
    origin: (f64, f64),
    extent: (f64, f64),
    layout: Layout,
    pixels: Vec<u8>,
}

impl Picture {
    pub(super) fn size(&self) -> Size {
        self.size
    }

    pub(super) fn layout(&self) -> Layout {
        self.layout
    }

    /// As it is, colours multiplied by alpha.
    pub(super) fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Its pixels as files have them: colours not multiplied by alpha.
    pub(super) fn straight_pixels(&self) -> Result<Vec<u8>, RenderError> {
        let mut pixels = self.pixels.clone();
        if self.layout.has_alpha() {
            let (width, height) = self.size;
            let mut image = Image::from_slice_u8(width, height, &mut pixels, self.layout.pixel_type())
                .map_err(internal)?;
            MulDiv::new().divide_alpha_inplace(&mut image).map_err(internal)?;
        }
        Ok(pixels)
    }

    /// A copy of `size`, made by the cubic filter that Pillow's thumbnails are made by.
    pub(super) fn resized(&self, size: Size, resizer: &mut Resizer) -> Result<Self, RenderError> {
        let ((width, height), layout) = (self.size, self.layout);
        let (origin, extent) = ((0.0, 0.0), (size.0.into(), size.1.into()));
        if self.size == size && self.extent == extent {
            return Ok(Self { size, origin, extent, layout, pixels: self.pixels.clone() });
        }
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom))
            // It is multiplied already.
            .use_alpha(false)
            .crop(self.origin.0, self.origin.1, self.extent.0, self.extent.1);
        let image = ImageRef::new(width, height, &self.pixels, layout.pixel_type()).map_err(internal)?;
        let mut smaller = Image::new(size.0, size.1, layout.pixel_type());
        resizer.resize(&image, &mut smaller, &options).map_err(internal)?;
        Ok(Self { size, origin, extent, layout, pixels: smaller.into_vec() })
    }

    /// The image as it is meant to be seen.
    #[must_use]
    pub(super) fn turned(self, orientation: Orientation) -> Self {
        let size = orientation.seen(self.size);
        let pixels = match self.layout {
            Layout::Grey => orientation.apply::<1>(self.size, self.pixels),
            Layout::GreyAlpha => orientation.apply::<2>(self.size, self.pixels),
            Layout::Rgb => orientation.apply::<3>(self.size, self.pixels),
            Layout::Rgba => orientation.apply::<4>(self.size, self.pixels),
        };
        Self { size, extent: (size.0.into(), size.1.into()), pixels, ..self }
    }
}

/// How a decoder gives an image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decoded {
    /// Of the image itself.
    pub(super) image: Size,
    /// Of what is decoded of it.
    pub(super) size: Size,
    /// How many pixels of the image each decoded one stands for, along and across.
    pub(super) unit: Size,
    /// How much of `size` the image covers.
    pub(super) extent: (f64, f64),
    /// How it is turned to be seen: blocks are counted from where that begins.
    pub(super) orientation: Orientation,
    pub(super) layout: Layout,
}

impl Decoded {
    /// Every pixel of an image of `size`.
    pub(super) fn whole(size: Size, orientation: Orientation, layout: Layout) -> Self {
        let extent = (size.0.into(), size.1.into());
        Self { image: size, size, unit: (1, 1), extent, orientation, layout }
    }

    /// How many pixels of the image become one of what `target` is made of. Fewer than two that are decoded are not
    /// averaged: that costs more than it spares.
    fn factor(&self, target: Size) -> Size {
        let ((x, y), unit) = (reduction(self.image, target), self.unit);
        if x < 2 * unit.0 && y < 2 * unit.1 { unit } else { (x.max(unit.0), y.max(unit.1)) }
    }
}

/// What thumbnails are made of: the image as decoded, and averages of its blocks, for each thumbnail the one that is
/// right for it.
pub(super) struct Sources {
    decoded: Decoded,
    /// By how many pixels of the image are averaged; from few to many.
    pictures: Vec<(Size, Picture)>,
}

impl Sources {
    /// A thumbnail of the size of `target`, which the image was decoded for. Ask for the largest first: what is too
    /// large for this target, and so for any smaller one, is dropped.
    pub(super) fn thumbnail(&mut self, target: Size, resizer: &mut Resizer) -> Result<Picture, RenderError> {
        let factor = self.decoded.factor(target);
        let found = self.pictures.iter().position(|(reduced, _)| *reduced == factor);
        self.pictures.drain(..found.unwrap_or(0));
        let (_, picture) = self.pictures.first().ok_or_else(|| internal("not decoded for this size"))?;
        picture.resized(target, resizer)
    }
}

/// Gathers the rows of an image that may be too large to be held whole: blocks of pixels are averaged as they come,
/// and only what a thumbnail is made of is kept.
pub(super) struct Rows {
    decoded: Decoded,
    /// The image as decoded, where a thumbnail is made of that.
    kept: Option<Vec<u8>>,
    blocks: Vec<Blocks>,
    pushed: u32,
    muldiv: MulDiv,
    /// A row whose colours are multiplied by alpha.
    multiplied: Vec<u8>,
}

impl Rows {
    /// For an image of which thumbnails of the sizes of `targets` are wanted.
    pub(super) fn new(decoded: Decoded, targets: &[Size]) -> Self {
        let mut factors: Vec<_> = targets.iter().map(|target| decoded.factor(*target)).collect();
        factors.sort_unstable();
        factors.dedup();
        let keeps = factors.contains(&decoded.unit);
        factors.retain(|factor| *factor != decoded.unit);
        Self {
            decoded,
            kept: keeps.then(Vec::new),
            blocks: factors.into_iter().map(|factor| Blocks::new(&decoded, factor)).collect(),
            pushed: 0,
            muldiv: MulDiv::new(),
            multiplied: Vec::new(),
        }
    }

    /// Adds the next row, as a decoder gives it: as many pixels as it decodes, colours not multiplied by alpha.
    pub(super) fn push(&mut self, row: &[u8]) -> Result<(), RenderError> {
        let Decoded { size: (width, height), layout, .. } = self.decoded;
        let row = if layout.has_alpha() {
            self.multiplied.clear();
            self.multiplied.extend_from_slice(row);
            multiply(&self.muldiv, (width, 1), layout, &mut self.multiplied)?;
            &self.multiplied
        } else {
            row
        };
        if let Some(kept) = &mut self.kept {
            if kept.is_empty() {
                kept.reserve_exact(row.len() * height as usize);
            }
            kept.extend_from_slice(row);
        }
        self.blocks.iter_mut().for_each(|blocks| blocks.push(row));
        self.pushed += 1;
        Ok(())
    }

    /// What thumbnails are made of, once all rows are there.
    ///
    /// # Errors
    ///
    /// [`RenderError::NotAnImage`] when rows are missing.
    pub(super) fn finish(self) -> Result<Sources, RenderError> {
        if self.pushed != self.decoded.size.1 {
            return Err(RenderError::NotAnImage);
        }
        let Decoded { image, size, unit, extent, layout, .. } = self.decoded;
        let kept =
            self.kept.map(|pixels| (unit, Picture { size, origin: (0.0, 0.0), extent, layout, pixels }));
        let averaged = self.blocks.into_iter().map(|blocks| (blocks.factor, blocks.finish(image, layout)));
        let mut pictures: Vec<_> = kept.into_iter().chain(averaged).collect();
        pictures.sort_unstable_by_key(|(factor, _)| *factor);
        Ok(Sources { decoded: self.decoded, pictures })
    }

    /// The same, when the decoder gives all rows at once: they are not copied.
    pub(super) fn finish_with(mut self, mut pixels: Vec<u8>) -> Result<Sources, RenderError> {
        let Decoded { size: (width, height), layout, .. } = self.decoded;
        if layout.has_alpha() {
            multiply(&self.muldiv, (width, height), layout, &mut pixels)?;
        }
        for row in pixels.chunks_exact(width as usize * layout.channels()) {
            self.blocks.iter_mut().for_each(|blocks| blocks.push(row));
            self.pushed += 1;
        }
        self.kept = self.kept.map(|_| pixels);
        self.finish()
    }
}

/// Averages blocks of pixels as their rows come. Decoded pixels may stand for several of the image: the edge of a
/// block then lies within one, which counts for both blocks by how much of it is theirs.
struct Blocks {
    /// Of a block, in pixels of the image: of every one, of the first, and of the one that rows are added to.
    factor: Size,
    first: Size,
    wanted: u32,
    /// How many of the image's rows and columns a decoded pixel stands for, and how many the last ones.
    unit: Size,
    last: Size,
    channels: usize,
    /// Of the band of rows that is being averaged, a number for each channel of a decoded pixel, and how many of
    /// the image's rows they are of.
    sums: Vec<u32>,
    height: u32,
    rows_left: u32,
    pixels: Vec<u8>,
}

impl Blocks {
    fn new(decoded: &Decoded, factor: Size) -> Self {
        let Decoded { image, size, unit, layout, .. } = *decoded;
        let backwards = decoded.orientation.runs_backwards();
        // Seen backwards, it is the last one that has what the others left.
        let first = |image: u32, factor: u32, backwards: bool| match image % factor {
            1.. if backwards => image % factor,
            _ => factor,
        };
        let first = (first(image.0, factor.0, backwards.0), first(image.1, factor.1, backwards.1));
        let last = |image: u32, size: u32, unit: u32| image.saturating_sub((size - 1) * unit).clamp(1, unit);
        let (width, height) = (image.0.div_ceil(factor.0), image.1.div_ceil(factor.1));
        Self {
            factor,
            first,
            wanted: first.1,
            unit,
            last: (last(image.0, size.0, unit.0), last(image.1, size.1, unit.1)),
            channels: layout.channels(),
            sums: vec![0; size.0 as usize * layout.channels()],
            height: 0,
            rows_left: size.1,
            pixels: Vec::with_capacity(width as usize * height as usize * layout.channels()),
        }
    }

    /// Adds the next row, whose colours are multiplied by alpha.
    fn push(&mut self, row: &[u8]) {
        self.rows_left = self.rows_left.saturating_sub(1);
        let height = if self.rows_left == 0 { self.last.1 } else { self.unit.1 };
        let within = height.min(self.wanted - self.height);
        self.add(row, within);
        if self.height == self.wanted {
            self.end_band();
            if height > within {
                self.add(row, height - within);
            }
        }
        if self.rows_left == 0 && self.height > 0 {
            self.end_band();
        }
    }

    /// Adds `row` for so many rows of the image: at most eight.
    fn add(&mut self, row: &[u8], times: u32) {
        self.height += times;
        if times == 1 {
            for (sum, value) in self.sums.iter_mut().zip(row) {
                *sum += u32::from(*value);
            }
        } else {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a decoded pixel stands for few of the image"
            )]
            let times = times as u16;
            for (sum, value) in self.sums.iter_mut().zip(row) {
                *sum += u32::from(u16::from(*value) * times);
            }
        }
    }

    fn end_band(&mut self) {
        match self.channels {
            1 => self.average::<1>(),
            2 => self.average::<2>(),
            3 => self.average::<3>(),
            _ => self.average::<4>(),
        }
        self.sums.fill(0);
        (self.height, self.wanted) = (0, self.factor.1);
    }

    fn average<const CHANNELS: usize>(&mut self) {
        let (pixels, _) = self.sums.as_chunks::<CHANNELS>();
        if self.unit.0 == 1 {
            let (first, others) = pixels.split_at((self.first.0 as usize).min(pixels.len()));
            for block in std::iter::once(first).chain(others.chunks(self.factor.0 as usize)) {
                let mut sums = [0; CHANNELS];
                for pixel in block {
                    sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += value);
                }
                #[expect(clippy::cast_possible_truncation, reason = "at most a side of an image")]
                self.pixels.extend(averages(sums, block.len() as u32 * self.height));
            }
            return;
        }
        let Some((last, others)) = pixels.split_last() else { return };
        let (mut block, mut width, mut wanted) = ([0; CHANNELS], 0, self.first.0);
        let mut add = |pixel: &[u32; CHANNELS], columns: u32| {
            let within = columns.min(wanted - width);
            let add = |block: &mut [u32; CHANNELS], columns: u32| {
                block.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += value * columns);
            };
            add(&mut block, within);
            width += within;
            if width == wanted {
                self.pixels.extend(averages(block, width * self.height));
                (block, width, wanted) = ([0; CHANNELS], columns - within, self.factor.0);
                add(&mut block, width);
            }
        };
        for pixel in others {
            add(pixel, self.unit.0);
        }
        add(last, self.last.0);
        if width > 0 {
            self.pixels.extend(averages(block, width * self.height));
        }
    }

    fn finish(self, image: Size, layout: Layout) -> Picture {
        let covered = |image: u32, factor: u32| f64::from(image) / f64::from(factor);
        let left_out = |first: u32, factor: u32| f64::from(factor - first) / f64::from(factor);
        Picture {
            size: (image.0.div_ceil(self.factor.0), image.1.div_ceil(self.factor.1)),
            origin: (left_out(self.first.0, self.factor.0), left_out(self.first.1, self.factor.1)),
            extent: (covered(image.0, self.factor.0), covered(image.1, self.factor.1)),
            layout,
            pixels: self.pixels,
        }
    }
}

/// Of `count` bytes each, rounded. As in Pillow, it is multiplied by what one is of `count`: to divide takes longer.
fn averages<const CHANNELS: usize>(sums: [u32; CHANNELS], count: u32) -> [u8; CHANNELS] {
    let part = (1 << 24) / count;
    sums.map(|sum| (((sum + count / 2) * part) >> 24) as u8)
}

/// Multiplies the colours of `pixels` by their alpha.
fn multiply(muldiv: &MulDiv, size: Size, layout: Layout, pixels: &mut [u8]) -> Result<(), RenderError> {
    let mut image = Image::from_slice_u8(size.0, size.1, pixels, layout.pixel_type()).map_err(internal)?;
    muldiv.multiply_alpha_inplace(&mut image).map_err(internal)
}

pub(super) fn internal(error: impl std::fmt::Display) -> RenderError {
    RenderError::Port(PortError::Internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    // What Pillow answers for each.
    #[case((1920, 1080), 1080, (1080, 608))]
    #[case((4000, 3000), 512, (512, 384))]
    #[case((3000, 1), 64, (64, 1))]
    #[case((1, 3000), 64, (1, 64))]
    #[case((63, 64), 64, (63, 64))]
    #[case((65, 64), 64, (64, 63))]
    #[case((100, 101), 64, (63, 64))]
    #[case((6000, 7), 1080, (1080, 1))]
    fn an_image_fits_its_box_as_pillow_has_it(#[case] size: Size, #[case] side: u16, #[case] expected: Size) {
        assert_eq!(fit(size, side), expected);
    }

    /// What a thumbnail of one pixel is made of.
    fn source(decoded: Decoded, rows: &[&[u8]]) -> Picture {
        let mut gathered = Rows::new(decoded, &[(1, 1)]);
        for row in rows {
            gathered.push(row).unwrap();
        }
        gathered.finish().unwrap().pictures.pop().unwrap().1
    }

    fn whole(size: Size, layout: Layout) -> Decoded {
        Decoded::whole(size, Orientation::default(), layout)
    }

    #[test]
    fn rows_of_an_image_that_is_far_too_large_are_averaged_as_they_come() {
        // 11 by 5 pixels in blocks of 5 by 2; the last ones of a row are one wide, the last row's one high.
        let rows = [0, 10, 20, 30, 40].map(|value| [value; 11]);
        let picture = source(whole((11, 5), Layout::Grey), &rows.each_ref().map(|row| &row[..]));
        assert_eq!((picture.size, picture.origin, picture.extent), ((3, 3), (0.0, 0.0), (2.2, 2.5)));
        assert_eq!(picture.pixels, [5, 5, 5, 25, 25, 25, 40, 40, 40]);
    }

    #[test]
    fn blocks_are_counted_from_where_the_image_begins_to_those_who_see_it() {
        let mut decoded = whole((5, 1), Layout::Grey);
        assert_eq!(source(decoded, &[&[10, 20, 30, 40, 50]]).pixels, [15, 35, 50]);
        decoded.orientation = Orientation::from_number(2);
        let mirrored = source(decoded, &[&[10, 20, 30, 40, 50]]);
        assert_eq!(mirrored.pixels, [10, 25, 45]);
        assert_eq!((mirrored.origin, mirrored.extent), ((0.5, 0.0), (2.5, 1.0)));
    }

    #[test]
    fn a_decoded_pixel_that_two_blocks_share_counts_for_each_by_its_part() {
        // Each stands for 2 by 2 of the image's pixels, of which 5 by 2 are a block.
        let decoded = Decoded { image: (10, 2), unit: (2, 2), ..whole((5, 1), Layout::Grey) };
        assert_eq!(source(decoded, &[&[0, 30, 100, 200, 50]]).pixels, [32, 120]);
    }

    #[test]
    fn a_transparent_pixel_gives_no_colour_to_an_average() {
        let row = [200, 255, 0, 0, 200, 255, 0, 0];
        let straight = source(whole((4, 4), Layout::GreyAlpha), &[&row[..]; 4]).straight_pixels().unwrap();
        assert_eq!(straight[1], 128);
        assert!(straight[0].abs_diff(200) <= 1, "{straight:?}");
    }

    #[test]
    fn an_image_that_lacks_rows_is_none() {
        let mut rows = Rows::new(whole((2, 2), Layout::Grey), &[(2, 2)]);
        rows.push(&[1, 2]).unwrap();
        assert_eq!(rows.finish().map(|_| ()), Err(RenderError::NotAnImage));
    }
}
