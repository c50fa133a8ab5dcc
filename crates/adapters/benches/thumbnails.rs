//! What it costs to make the four thumbnails of an uploaded file, on one thread; `scripts/bench-thumbnails` compares
//! more files with libvips.
#![expect(clippy::unwrap_used, reason = "what is measured must be right")]

use std::path::PathBuf;

use criterion::Criterion;
use portfolio_adapters::thumbnails::PooledThumbnailer;
use portfolio_domain::local_file::LocalFile;
use portfolio_domain::ports::Thumbnailer as _;

/// Soft light with a little noise, as a photograph has it: `channels` bytes a pixel.
fn picture(width: u32, height: u32, channels: usize) -> Vec<u8> {
    let mut noise = 1_u32;
    let mut bytes = Vec::new();
    for y in 0..height {
        for x in 0..width {
            // Xorshift (Marsaglia).
            noise ^= noise << 13;
            noise ^= noise >> 17;
            noise ^= noise << 5;
            let pixel =
                [x * 200 / width, y * 200 / height, (x + y) * 200 / (width + height), x * 240 / width];
            bytes.extend(pixel[..channels].iter().map(|light| u8::try_from(light + noise % 15).unwrap()));
        }
    }
    bytes
}

fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut file = Vec::new();
    jpeg_encoder::Encoder::new(&mut file, 85)
        .encode(&picture(width.into(), height.into(), 3), width, height, jpeg_encoder::ColorType::Rgb)
        .unwrap();
    file
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgba);
    encoder.write_header().unwrap().write_image_data(&picture(width, height, 4)).unwrap();
    file
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let thumbnailer = PooledThumbnailer::with_threads(1);
    let folder = tempfile::tempdir().unwrap();
    let made = |name: &str, bytes: Vec<u8>| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/thumbnails/corpus");

    let mut group = criterion.benchmark_group("thumbnails");
    group.sample_size(10);
    for (what, path) in [
        ("of a JPEG of 12 megapixels", made("large.jpg", jpeg(4000, 3000))),
        ("of a JPEG of 1920 x 1080", made("hd.jpg", jpeg(1920, 1080))),
        ("of a PNG of 1600 x 1200, transparent", made("alpha.png", png(1600, 1200))),
        ("of a GIF of 160 x 120", corpus.join("P.gif")),
        ("of a WebP, animated", corpus.join("animated.webp")),
    ] {
        let file = LocalFile::lasting(path);
        group.bench_function(what, |bencher| {
            bencher.iter(|| runtime.block_on(thumbnailer.render(&file)).unwrap());
        });
    }
    group.finish();
    criterion.final_summary();
}
