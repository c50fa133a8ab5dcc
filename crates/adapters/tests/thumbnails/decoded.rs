//! A thumbnail, decoded by a decoder of its own format.

use std::io::Cursor;

use portfolio_domain::image::ImageFormat;
use portfolio_domain::ports::RenderedThumbnail;

/// Pixels as red, green, blue and alpha.
pub(crate) struct Decoded {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) pixels: Vec<[u8; 4]>,
}

impl Decoded {
    pub(crate) fn of(thumbnail: &RenderedThumbnail) -> Self {
        match thumbnail.format {
            ImageFormat::Jpeg => Self::jpeg(&thumbnail.bytes),
            ImageFormat::Png => Self::png(&thumbnail.bytes),
            other => panic!("a thumbnail in {other:?}"),
        }
    }

    fn jpeg(bytes: &[u8]) -> Self {
        let mut decoder = mozjpeg::Decompress::new_mem(bytes).unwrap().rgba().unwrap();
        let (width, height) = (decoder.width(), decoder.height());
        Self { width, height, pixels: decoder.read_scanlines::<[u8; 4]>().unwrap() }
    }

    pub(crate) fn png(bytes: &[u8]) -> Self {
        let mut decoder = png::Decoder::new(Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::ALPHA);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        let pixels = match info.color_type {
            png::ColorType::GrayscaleAlpha => {
                pixels.as_chunks().0.iter().map(|[grey, alpha]| [*grey, *grey, *grey, *alpha]).collect()
            }
            _ => pixels.as_chunks().0.to_vec(),
        };
        Self { width: info.width as usize, height: info.height as usize, pixels }
    }

    /// The average colours, multiplied by alpha, of the fields that `across` by `across` lines cut it into.
    pub(crate) fn fields(&self, across: usize) -> Vec<[f64; 4]> {
        let mut fields = Vec::new();
        for row in 0..across {
            for column in 0..across {
                fields.push(self.average(
                    (column * self.width, (column + 1) * self.width),
                    (row * self.height, (row + 1) * self.height),
                    across,
                ));
            }
        }
        fields
    }

    /// Of what lies between the bounds, in fractions of a pixel.
    #[expect(clippy::cast_precision_loss, reason = "thumbnails are small")]
    fn average(&self, x: (usize, usize), y: (usize, usize), fraction: usize) -> [f64; 4] {
        let covered = |bounds: (usize, usize), pixel: usize| {
            (bounds.1.min((pixel + 1) * fraction)).saturating_sub(bounds.0.max(pixel * fraction)) as f64
        };
        let (mut sums, mut area) = ([0.0; 4], 0.0);
        for row in 0..self.height {
            for column in 0..self.width {
                let part = covered(x, column) * covered(y, row);
                let [red, green, blue, alpha] = self.pixels[row * self.width + column].map(f64::from);
                let multiplied = [red * alpha / 255.0, green * alpha / 255.0, blue * alpha / 255.0, alpha];
                for (sum, value) in sums.iter_mut().zip(multiplied) {
                    *sum += part * value;
                }
                area += part;
            }
        }
        sums.map(|sum| sum / area)
    }

    /// How alike two images of one size are to the eye (SSIM of the luma over white, in windows of 7 by 7
    /// pixels, or as high as they are): 1 is the same.
    #[expect(clippy::cast_precision_loss, reason = "thumbnails are small")]
    pub(crate) fn likeness(&self, other: &Self) -> f64 {
        const WINDOW: usize = 7;
        assert_eq!((self.width, self.height), (other.width, other.height));
        let (a, b) = (self.luma(), other.luma());
        let (mut sum, mut windows) = (0.0, 0.0);
        let high = WINDOW.min(self.height);
        for top in 0..=self.height - high {
            for left in 0..=self.width - WINDOW {
                let places = (0..high * WINDOW)
                    .map(|n| (top + n / WINDOW) * self.width + left + n % WINDOW)
                    .map(|place| (a[place], b[place]));
                let count = (high * WINDOW) as f64;
                let mean = |f: &dyn Fn((f64, f64)) -> f64| places.clone().map(f).sum::<f64>() / count;
                let (mean_a, mean_b) = (mean(&|p| p.0), mean(&|p| p.1));
                let variances = mean(&|p| (p.0 - mean_a).powi(2) + (p.1 - mean_b).powi(2));
                let covariance = mean(&|p| (p.0 - mean_a) * (p.1 - mean_b));
                let (c1, c2) = ((0.01_f64 * 255.0).powi(2), (0.03_f64 * 255.0).powi(2));
                sum += (2.0 * mean_a * mean_b + c1) * (2.0 * covariance + c2)
                    / ((mean_a.powi(2) + mean_b.powi(2) + c1) * (variances + c2));
                windows += 1.0;
            }
        }
        sum / windows
    }

    fn luma(&self) -> Vec<f64> {
        let luma = |pixel: &[u8; 4]| {
            let [red, green, blue, alpha] = pixel.map(f64::from);
            let color = 0.299 * red + 0.587 * green + 0.114 * blue;
            (color * alpha + 255.0 * (255.0 - alpha)) / 255.0
        };
        self.pixels.iter().map(luma).collect()
    }
}
