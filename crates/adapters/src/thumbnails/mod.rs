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

use std::fs::File;
use std::io::Read;
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
use crate::blocking::Threads;

/// How many files may wait beside those that are being rendered.
const QUEUE: usize = 16;
/// No more threads than that, however many cores there are: uploads are rare, and must leave room for every
/// other request.
const MAX_THREADS: usize = 4;
/// What all threads together may use, in bytes. The image that needs most, 287 MB, is an animated WebP whose frame does
/// not fill its canvas.
const MEMORY: u64 = 288 * 1024 * 1024;

/// Renders on threads of its own, so that uploads never starve what waits for a database.
pub struct PooledThumbnailer {
    /// Reads headers: one file at once, so that whatever waits for it costs no memory.
    reader: Threads,
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
            reader: Threads::new(1),
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
    async fn render(&self, original: &LocalFile) -> Result<Rendering, RenderError> {
        // Before a place is taken: what is no image need not wait for those that are.
        let header = run(&self.reader, original, |path| Header::read(&read(path)?)).await?;
        let place = self.places.clone().try_acquire_owned().map_err(|_| RenderError::Busy)?;
        let budget = self.budget.clone();
        run(&self.threads, original, move |path| {
            let _place = place;
            render(path, &header, &budget)
        })
        .await
    }
}

/// Runs `job` on `file` by one of `threads`, unless nobody waits for it any more when its turn comes.
async fn run<T: Send + 'static>(
    threads: &Threads,
    file: &LocalFile,
    job: impl FnOnce(&Path) -> Result<T, RenderError> + Send + 'static,
) -> Result<T, RenderError> {
    let (answer, asked) = oneshot::channel();
    let file = file.clone();
    threads.run(move || {
        if answer.is_closed() {
            return;
        }
        // A decoder that panics does so because of what it was given.
        let done = catch_unwind(AssertUnwindSafe(|| job(file.path()))).unwrap_or_else(|_| {
            tracing::warn!(file = %file.path().display(), "a decoder panicked");
            Err(RenderError::NotAnImage)
        });
        // Nobody may be waiting any more.
        let _ = answer.send(done);
    });
    asked.await.map_err(internal)?
}

fn read(path: &Path) -> Result<Vec<u8>, RenderError> {
    let unavailable = |error| PortError::Unavailable(format!("{}: {error}", path.display()));
    let limit = MAX_FILE_SIZE.0;
    let file = File::open(path).map_err(unavailable)?;
    let length = file.metadata().map_err(unavailable)?.len();
    if length > limit {
        return Err(RenderError::TooLarge);
    }
    // One byte more, so that the end is seen without growing, which would double it.
    let mut bytes = Vec::with_capacity(usize::try_from(length).map_err(internal)? + 1);
    file.take(limit + 1).read_to_end(&mut bytes).map_err(unavailable)?;
    if bytes.len() as u64 > limit { Err(RenderError::TooLarge) } else { Ok(bytes) }
}

/// Renders the file at `path`, of which `header` was read, on this thread. It is read only once there is memory for it.
fn render(path: &Path, header: &Header, budget: &Budget) -> Result<Rendering, RenderError> {
    let orientation = header.orientation;
    let seen = orientation.seen(header.size);
    let [.., largest] = THUMBNAIL_BOXES;
    let largest = orientation.seen(fit(seen, largest));

    let _share = budget.take(memory(header, largest));
    let file = read(path)?;
    let mut picture = match header.format {
        ImageFormat::Jpeg => jpeg::decode(&file, header, largest),
        ImageFormat::Png => png::decode(&file, header, largest),
        ImageFormat::Gif => gif::decode(&file, header, largest),
        ImageFormat::WebP => webp::decode(&file, header, largest),
    }?;
    drop(file);
    let mut resizer = Resizer::new();
    if !picture.is(largest) {
        picture = picture.resized(largest, &mut resizer)?;
    }
    picture = picture.turned(orientation);

    let mut thumbnails = Vec::with_capacity(THUMBNAIL_BOXES.len());
    // Each is made of the next larger one.
    for box_side in THUMBNAIL_BOXES.into_iter().rev() {
        let size = fit(seen, box_side);
        if !picture.is(size) {
            picture = picture.resized(size, &mut resizer)?;
        }
        let (format, bytes) = encode::encode(&picture)?;
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
