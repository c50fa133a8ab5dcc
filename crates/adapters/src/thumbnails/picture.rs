//! Pixels in memory: gathered row by row, made smaller, never larger.

use fast_image_resize::images::Image;
use fast_image_resize::{FilterType, MulDiv, PixelType, ResizeAlg, ResizeOptions, Resizer};
use portfolio_domain::ports::{PortError, RenderError};

use super::orientation::Orientation;

/// How much larger than wanted an image stays when it is averaged roughly, before it is resized well.
/// With twice, as Pillow has it, nobody sees that it was.
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

/// By how much an image of `size` may be averaged, along and across, when `target` is wanted of it.
pub(super) fn reduction(size: Size, target: Size) -> (u32, u32) {
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
    /// How much of `size` the image covers: the last pixels of a reduced one may stand for less than others.
    extent: (f64, f64),
    layout: Layout,
    pixels: Vec<u8>,
}

impl Picture {
    /// Takes `pixels` as decoders give them: rows from top to bottom, colours not multiplied by alpha.
    pub(super) fn new(size: Size, layout: Layout, pixels: Vec<u8>) -> Result<Self, RenderError> {
        let extent = (size.0.into(), size.1.into());
        let mut picture = Self { size, extent, layout, pixels };
        if layout.has_alpha() {
            let mut image = picture.image()?;
            MulDiv::new().multiply_alpha_inplace(&mut image).map_err(internal)?;
        }
        Ok(picture)
    }

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
    pub(super) fn resized(&mut self, size: Size, resizer: &mut Resizer) -> Result<Self, RenderError> {
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom))
            // It is multiplied already.
            .use_alpha(false)
            .crop(0.0, 0.0, self.extent.0, self.extent.1);
        let layout = self.layout;
        let mut smaller = Image::new(size.0, size.1, layout.pixel_type());
        resizer.resize(&self.image()?, &mut smaller, &options).map_err(internal)?;
        Ok(Self { size, extent: (size.0.into(), size.1.into()), layout, pixels: smaller.into_vec() })
    }

    /// Whether [`resized`](Self::resized) to `size` would change nothing.
    pub(super) fn is(&self, size: Size) -> bool {
        self.size == size && self.extent == (size.0.into(), size.1.into())
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

    fn image(&mut self) -> Result<Image<'_>, RenderError> {
        let (width, height) = self.size;
        Image::from_slice_u8(width, height, &mut self.pixels, self.layout.pixel_type()).map_err(internal)
    }
}

/// Gathers the rows of an image that may be too large to be held whole: where the image is far larger than
/// what is wanted of it, blocks of pixels are averaged as they come.
pub(super) struct Rows {
    size: Size,
    factor: (usize, usize),
    layout: Layout,
    /// Of the band of rows that is being averaged, one number a channel of a pixel of the image.
    sums: Vec<u32>,
    band_height: u32,
    pushed: u32,
    pixels: Vec<u8>,
}

impl Rows {
    /// For an image of `size`, of which `target` is wanted.
    pub(super) fn new(size: Size, layout: Layout, target: Size) -> Self {
        let (x, y) = reduction(size, target);
        let row = size.0 as usize * layout.channels();
        let reduces = (x, y) != (1, 1);
        Self {
            size,
            factor: (x as usize, y as usize),
            layout,
            sums: if reduces { vec![0; row] } else { Vec::new() },
            band_height: 0,
            pushed: 0,
            pixels: Vec::with_capacity(
                size.0.div_ceil(x) as usize * size.1.div_ceil(y) as usize * layout.channels(),
            ),
        }
    }

    /// Whether nothing is averaged, so that who has all the pixels can make the picture of them at once.
    pub(super) fn keeps_all(&self) -> bool {
        self.factor == (1, 1)
    }

    /// Adds the next row, as a decoder gives it; it has as many pixels as the image is wide.
    pub(super) fn push(&mut self, row: &[u8]) {
        self.pushed += 1;
        if self.factor == (1, 1) {
            self.pixels.extend_from_slice(row);
            return;
        }
        match self.layout {
            Layout::Grey | Layout::Rgb => {
                for (sum, value) in self.sums.iter_mut().zip(row) {
                    *sum += u32::from(*value);
                }
            }
            Layout::GreyAlpha => add_multiplied::<2>(&mut self.sums, row),
            Layout::Rgba => add_multiplied::<4>(&mut self.sums, row),
        }
        self.band_height += 1;
        if self.band_height as usize == self.factor.1 {
            self.end_band();
        }
    }

    fn end_band(&mut self) {
        match self.layout {
            Layout::Grey => self.average::<1>(),
            Layout::GreyAlpha => self.average::<2>(),
            Layout::Rgb => self.average::<3>(),
            Layout::Rgba => self.average::<4>(),
        }
        self.sums.fill(0);
        self.band_height = 0;
    }

    fn average<const CHANNELS: usize>(&mut self) {
        let (pixels, _) = self.sums.as_chunks::<CHANNELS>();
        for block in pixels.chunks(self.factor.0) {
            let mut sums = [0; CHANNELS];
            for pixel in block {
                for (sum, value) in sums.iter_mut().zip(pixel) {
                    *sum += value;
                }
            }
            #[expect(clippy::cast_possible_truncation, reason = "a block is at most 32 by 8192 pixels")]
            let count = block.len() as u32 * self.band_height;
            #[expect(clippy::cast_possible_truncation, reason = "the average of bytes is a byte")]
            self.pixels.extend(sums.map(|sum| ((sum + count / 2) / count) as u8));
        }
    }

    /// The image, once all its rows are there.
    ///
    /// # Errors
    ///
    /// [`RenderError::NotAnImage`] when rows are missing.
    pub(super) fn finish(mut self) -> Result<Picture, RenderError> {
        if self.pushed != self.size.1 {
            return Err(RenderError::NotAnImage);
        }
        if self.factor == (1, 1) {
            return Picture::new(self.size, self.layout, self.pixels);
        }
        if self.band_height > 0 {
            self.end_band();
        }
        let ((width, height), (x, y)) = (self.size, reduced_by(self.factor));
        Ok(Picture {
            size: (width.div_ceil(x), height.div_ceil(y)),
            extent: (f64::from(width) / f64::from(x), f64::from(height) / f64::from(y)),
            layout: self.layout,
            pixels: self.pixels,
        })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "made from u32 in `Rows::new`")]
fn reduced_by((x, y): (usize, usize)) -> Size {
    (x as u32, y as u32)
}

/// Adds `row` to `sums`, each colour multiplied by the alpha that ends its pixel.
fn add_multiplied<const CHANNELS: usize>(sums: &mut [u32], row: &[u8]) {
    let (sums, _) = sums.as_chunks_mut::<CHANNELS>();
    let (row, _) = row.as_chunks::<CHANNELS>();
    for (sums, pixel) in sums.iter_mut().zip(row) {
        let alpha = u32::from(pixel[CHANNELS - 1]);
        for (sum, value) in sums.iter_mut().zip(&pixel[..CHANNELS - 1]) {
            *sum += (u32::from(*value) * alpha + 127) / 255;
        }
        sums[CHANNELS - 1] += alpha;
    }
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

    #[test]
    fn rows_of_an_image_that_is_far_too_large_are_averaged_as_they_come() {
        // 10 by 5 pixels in blocks of 4 by 4; the last ones of a row are two wide, the last row's one high.
        let mut rows = Rows::new((10, 5), Layout::Grey, (1, 1));
        assert_eq!(rows.factor, (5, 2));
        for row in 0..5_u8 {
            rows.push(&[row * 10; 10]);
        }
        let picture = rows.finish().unwrap();
        assert_eq!((picture.size, picture.extent), ((2, 3), (2.0, 2.5)));
        assert_eq!(picture.pixels, [5, 5, 25, 25, 40, 40]);
    }

    #[test]
    fn a_transparent_pixel_gives_no_colour_to_an_average() {
        let mut rows = Rows::new((4, 4), Layout::GreyAlpha, (2, 2));
        rows.factor = (2, 2);
        rows.sums = vec![0; 8];
        for _ in 0..4 {
            rows.push(&[200, 255, 0, 0, 200, 255, 0, 0]);
        }
        let picture = rows.finish().unwrap();
        let straight = picture.straight_pixels().unwrap();
        assert_eq!(straight[1], 128);
        assert!(straight[0].abs_diff(200) <= 1, "{straight:?}");
    }

    #[test]
    fn an_image_that_lacks_rows_is_none() {
        let mut rows = Rows::new((2, 2), Layout::Grey, (2, 2));
        rows.push(&[1, 2]);
        assert_eq!(rows.finish().map(|_| ()), Err(RenderError::NotAnImage));
    }
}
