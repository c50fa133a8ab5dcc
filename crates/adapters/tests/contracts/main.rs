//! What the ports promise (`crates/domain/src/ports`), held against every adapter: each test runs on
//! SQLite and on PostgreSQL, over a fresh database of its own, or on a folder and on S3, and reaches the
//! adapters only through the ports. A new adapter passes these suites unchanged, but for [`fixture`], where
//! it is opened.
//!
//! Where a port can't tell or can't do it, a raw connection looks or makes it so.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod access_control;
mod demo_repository;
mod employer_list;
mod employer_races;
mod employer_repository;
mod fixture;
mod image_repository;
mod media_store;
mod migrations;
mod probe;
mod row_counts;
mod sessions;
mod staff_repository;
mod token_repository;
