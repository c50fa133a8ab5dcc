//! Thumbnails: what an uploaded file is, and smaller copies of it.
//!
//! Files come from outside, so nothing here trusts them: a file's header is read and its structure walked
//! before a decoder sees it (`header`), decoders give their rows to what keeps no more of them than is
//! wanted (`picture`), and all of it runs on a few threads of its own, which share a budget of memory.
//!
//! The codecs are used directly, not through the crate `image`: that hides what is needed here (a palette,
//! sixteen bits made eight row by row, CMYK, a JPEG or WebP made smaller while it is decoded), reads
//! compressed text chunks, and takes files that were cut short.

mod budget;
mod encode;
mod gif;
mod header;
mod jpeg;
mod orientation;
mod picture;
mod png;
mod webp;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread::available_parallelism;

use async_trait::async_trait;
use fast_image_resize::Resizer;
use portfolio_domain::image::{ImageFormat, MAX_FILE_SIZE, THUMBNAIL_BOXES};
use portfolio_domain::local_file::LocalFile;
use portfolio_domain::ports::{PortError, RenderError, RenderedThumbnail, Rendering, Thumbnailer};
use tokio::sync::{Semaphore, oneshot};

use self::budget::Budget;
use self::header::Header;
use self::picture::{fit, internal, reduction};
use crate::threads::Threads;

/// How many files may wait beside those that are being rendered.
const QUEUE: usize = 16;
/// No more threads than that, however many cores there are: uploads are rare, and must leave room for every
/// other request.
const MAX_THREADS: usize = 4;
/// What all threads together may use, in bytes: enough for the image that needs most, 312 MB, a progressive JPEG in
/// CMYK.
const MEMORY: u64 = 300 * 1024 * 1024;

/// Renders on threads of its own, so that uploads never starve what waits for a database.
pub struct PooledThumbnailer {
    /// Read headers, one at a time: it takes milliseconds.
    readers: Threads,
    threads: Threads,
    size: usize,
    places: Arc<Semaphore>,
    budget: Arc<Budget>,
}

impl PooledThumbnailer {
    /// As many threads as half the cores, at least one and at most four.
    #[must_use]
    pub fn new() -> Self {
        let cores = available_parallelism().map_or(1, std::num::NonZero::get);
        Self::with_threads((cores / 2).clamp(1, MAX_THREADS))
    }

    /// So many `threads`.
    #[must_use]
    pub fn with_threads(threads: usize) -> Self {
        Self {
            readers: Threads::new(1),
            threads: Threads::new(threads),
            size: threads,
            places: Arc::new(Semaphore::new(threads + QUEUE)),
            budget: Arc::new(Budget::new(MEMORY)),
        }
    }
}

/// How the queue is at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueStatus {
    /// How many files are being rendered.
    pub rendering: usize,
    /// How many wait.
    pub waiting: usize,
}

impl PooledThumbnailer {
    /// How the queue is at this moment, for whoever watches.
    #[must_use]
    pub fn status(&self) -> QueueStatus {
        let inside = (self.size + QUEUE).saturating_sub(self.places.available_permits());
        QueueStatus { rendering: inside.min(self.size), waiting: inside.saturating_sub(self.size) }
    }
}

impl Default for PooledThumbnailer {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Thumbnailer for PooledThumbnailer {
    /// A file that may not be decoded is refused before it needs a place: it waits behind no other's pixels.
    async fn render(&self, original: &LocalFile) -> Result<Rendering, RenderError> {
        let file = original.clone();
        let seen = self.run(&self.readers, move || on_file(&file, |path| Header::read(&read(path)?))).await?;
        let place = self.places.clone().try_acquire_owned().map_err(|_| RenderError::Busy)?;
        let (budget, file) = (self.budget.clone(), original.clone());
        self.run(&self.threads, move || {
            let _place = place;
            on_file(&file, |path| render(path, &seen, &budget))
        })
        .await
    }
}

impl PooledThumbnailer {
    /// Does `job` on one of `threads`, unless nobody waits for it any more when its turn comes.
    async fn run<T: Send + 'static>(
        &self,
        threads: &Threads,
        job: impl FnOnce() -> Result<T, RenderError> + Send + 'static,
    ) -> Result<T, RenderError> {
        let (answer, asked) = oneshot::channel();
        threads.run(move || {
            let done = if answer.is_closed() { Err(RenderError::Busy) } else { job() };
            // Nobody may be waiting any more.
            let _ = answer.send(done);
        })?;
        asked.await.map_err(internal)?
    }
}

/// What `job` makes of a file. A decoder that panics does so because of what it was given.
fn on_file<T>(file: &LocalFile, job: impl FnOnce(&Path) -> Result<T, RenderError>) -> Result<T, RenderError> {
    catch_unwind(AssertUnwindSafe(|| job(file.path()))).unwrap_or_else(|_| {
        tracing::warn!(file = %file.path().display(), "a decoder panicked");
        Err(RenderError::NotAnImage)
    })
}

fn read(path: &Path) -> Result<Vec<u8>, RenderError> {
    let unavailable = |error| PortError::Unavailable(format!("{}: {error}", path.display()));
    let length = fs::metadata(path).map_err(unavailable)?.len();
    if length > MAX_FILE_SIZE.0 {
        return Err(RenderError::TooLarge);
    }
    Ok(fs::read(path).map_err(unavailable)?)
}

/// Renders what `path` holds, of which `header` was read, on this thread.
fn render(path: &Path, header: &Header, budget: &Budget) -> Result<Rendering, RenderError> {
    let orientation = header.orientation;
    let seen = orientation.seen(header.size);
    let targets = THUMBNAIL_BOXES.map(|box_side| orientation.seen(fit(seen, box_side)));
    let [.., largest] = targets;

    let _share = budget.take(memory(header, largest));
    let file = read(path)?;
    let mut sources = match header.format {
        ImageFormat::Jpeg => jpeg::decode(&file, header, &targets),
        ImageFormat::Png => png::decode(&file, header, &targets),
        ImageFormat::Gif => gif::decode(&file, header, &targets),
        ImageFormat::WebP => webp::decode(&file, header, &targets),
    }?;
    drop(file);

    // All are resized before one is encoded: what they are made of is larger, and goes first.
    let mut resizer = Resizer::new();
    let mut pictures = Vec::with_capacity(targets.len());
    for target in targets.into_iter().rev() {
        pictures.push(sources.thumbnail(target, &mut resizer)?);
    }
    drop((sources, resizer));

    let mut thumbnails = Vec::with_capacity(THUMBNAIL_BOXES.len());
    for (box_side, picture) in THUMBNAIL_BOXES.into_iter().rev().zip(pictures) {
        let (format, bytes) = encode::encode(&picture.turned(orientation))?;
        thumbnails.push(RenderedThumbnail { box_side, format, bytes });
    }
    thumbnails.reverse();
    let (width, height) = seen;
    Ok(Rendering { format: header.format, width, height, mode: header.mode.name().to_owned(), thumbnails })
}

/// What rendering uses at most, in bytes.
fn memory(header: &Header, target: picture::Size) -> u64 {
    let (x, y) = reduction(header.size, target);
    let kept = u64::from(header.size.0.div_ceil(x)) * u64::from(header.size.1.div_ceil(y)) * 4;
    header.working_memory + kept
}

#[cfg(test)]
mod tests {
    use portfolio_domain::image::{MAX_DECODED, MAX_SIDE};

    use super::*;

    /// What must be there of files of `size` that need the most memory, each of its kind.
    fn files((width, height): picture::Size) -> [Vec<u8>; 5] {
        let jpeg = |components: u8| {
            let sides = [height.to_be_bytes(), width.to_be_bytes()];
            let mut file = vec![0xff, 0xd8, 0xff, 0xc2, 0, 8 + 3 * components, 8];
            file.extend(sides.iter().flat_map(|side| &side[2..]));
            file.push(components);
            file.extend([1, 0x11, 0].repeat(components.into()));
            file.extend([0xff, 0xda, 0, 3, components, 0xff, 0xd9]);
            file
        };
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        png.extend([width.to_be_bytes(), height.to_be_bytes()].concat());
        png.extend(b"\x08\x03\0\0\x01\0\0\0\0\0\0\0\0tRNS\0\0\0\0\0\0\0\0IDAT\0\0\0\0\0\0\0\0IEND\0\0\0\0");
        let mut gif = b"GIF89a\0\0\0\0\0\0\0,\0\0\0\0".to_vec();
        gif.extend([width.to_le_bytes(), height.to_le_bytes()].iter().flat_map(|side| &side[..2]));
        gif.extend(b"\0\x02\0;");
        let mut webp = b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\x12\0\0\0".to_vec();
        webp.extend(
            [(width - 1).to_le_bytes(), (height - 1).to_le_bytes()].iter().flat_map(|side| &side[..3]),
        );
        [jpeg(3), jpeg(4), png, gif, webp]
    }

    #[test]
    fn whatever_may_be_decoded_fits_into_the_memory_there_is() {
        // Below these sides, less is averaged.
        let [.., largest] = THUMBNAIL_BOXES.map(u32::from);
        let steps = [1, 2, 3].map(|factor| 2 * factor * largest - 1);
        let mut taken = [0; 5];
        for width in 1..=MAX_SIDE {
            let limits = [1, 3, 4].map(|bytes| u32::try_from(MAX_DECODED).unwrap() / bytes / width);
            for height in [[width; 3], steps, limits].concat() {
                let size = (width, height.min(MAX_SIDE));
                for (file, taken) in files(size).iter().zip(&mut taken) {
                    let header = match Header::read(file) {
                        Ok(header) => header,
                        Err(RenderError::TooLarge) => continue,
                        Err(error) => panic!("{size:?}: {error}"),
                    };
                    // An animated WebP has its frame copied.
                    let files = if header.format == ImageFormat::WebP { 2 } else { 1 };
                    let target = fit(size, THUMBNAIL_BOXES[3]);
                    let needed = memory(&header, target) + files * MAX_FILE_SIZE.0;
                    *taken = needed.max(*taken);
                }
            }
        }
        assert!(taken.iter().all(|needed| (1..=MEMORY).contains(needed)), "{taken:?}");
    }
}
