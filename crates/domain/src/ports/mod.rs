//! What the use cases need of the outside, one trait a file. What a trait's docs say with MUST holds
//! for every adapter; the suites in `crates/adapters/tests/contracts` check it on each.

mod access_control;
mod clock;
mod demo_repository;
mod employer_repository;
mod image_repository;
mod media_store;
mod probe;
mod random_source;
mod scratch;
mod staff_repository;
mod thumbnailer;
mod token_repository;

pub use access_control::*;
pub use clock::*;
pub use demo_repository::*;
pub use employer_repository::*;
pub use image_repository::*;
pub use media_store::*;
pub use probe::*;
pub use random_source::*;
pub use scratch::*;
pub use staff_repository::*;
pub use thumbnailer::*;
pub use token_repository::*;

/// Why a port could not do what it was asked. What it says is for logs, never for clients.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// What lies behind the port is away or overloaded. A read may be tried again at once; of a
    /// write it is not known whether it was done, wholly or not at all.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// There is no room left to write; nothing was written. Someone must make room.
    #[error("storage is full: {0}")]
    StorageFull(String),
    /// Something is wrong that no caller can cure: a row that makes no sense, a panic.
    #[error("internal: {0}")]
    Internal(String),
}
