//! Databases and an S3 server for the tests, and the real service over them. Whoever can't have one
//! panics: a test without its database has failed.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test that can't be set up has failed")]
#![expect(clippy::missing_panics_doc, reason = "every item here panics when it can't be had")]

mod client;
mod cluster;
pub mod history;
pub mod load;
mod s3_server;
mod site;
mod test_database;

pub use client::{Answer, Client};
pub use cluster::Cluster;
pub use s3_server::S3Server;
pub use site::{KeptConnection, PUBLIC_URL, Server, Site};
pub use test_database::{Kind, TestDatabase};
