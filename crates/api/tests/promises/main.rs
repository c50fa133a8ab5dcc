//! What the service promises (contract, section 8; reliability, section 2): tried on the real binary,
//! with processes that are really killed and frozen.
//!
//! The figures behind a promise are shown by `cargo test --test promises -- --nocapture`.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod bodies;
mod disk_full;
mod frozen_database;
mod killed_database;
mod killed_service;
mod killed_uploads;
mod lost_updates;
mod next_request;
mod promoted_standby;
mod races;
mod seed;
mod slow_clients;
mod start;
mod statements;
mod stop;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portfolio_testkit::{history, load};

const PROGRAM: &str = env!("CARGO_BIN_EXE_portfolio");

/// A client has its answer by then, whatever became of the database.
const LONGEST_ANSWER: Duration = Duration::from_secs(3);
/// The service works again by then, once the database does.
const RECOVERY: Duration = Duration::from_secs(2);

/// Held by a test that measures time under load: two of them at once would measure each other.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    // A test that failed has nothing to do with the next one.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
