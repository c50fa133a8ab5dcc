//! The thumbnailer against files: an ordinary corpus, with Pillow's description of it, and hostile ones.
//! The corpus is made by `scripts/thumbnail-corpus`.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod decoded;
mod hostile;
mod pillow;
mod queue;

use std::path::PathBuf;

use portfolio_adapters::thumbnails::PooledThumbnailer;
use portfolio_domain::local_file::LocalFile;
use portfolio_domain::ports::{RenderError, Rendering, Thumbnailer};

/// A folder of files below this one.
fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/thumbnails").join(name)
}

/// The bytes of a file of the corpus.
fn corpus(name: &str) -> Vec<u8> {
    std::fs::read(folder("corpus").join(name)).unwrap()
}

/// Renders `bytes` as if they were uploaded.
async fn render(bytes: &[u8]) -> Result<Rendering, RenderError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, bytes).unwrap();
    PooledThumbnailer::with_threads(1).render(&LocalFile::lasting(file.path())).await
}
