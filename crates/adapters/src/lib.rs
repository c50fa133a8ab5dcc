//! The adapters behind the ports of `portfolio-domain`: PostgreSQL, SQLite, the system's clock and
//! randomness, the media's folder or bucket, thumbnails. Nothing here knows HTTP.
//!
//! The two databases share what is the same for both ([`blocking`], [`rows`](crate), migrations) and
//! no SQL: each uses what its engine is good at.

pub mod blocking;
pub mod database_url;
pub mod disk;
pub mod file_system;
pub mod media_store;
pub mod migrations;
pub mod new_file;
pub mod postgres;
pub mod scratch;
pub mod sqlite;
pub mod system;
pub mod thumbnails;

mod list_plan;
mod rows;
mod threads;
mod usage_notes;
