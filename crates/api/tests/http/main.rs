//! The service from outside: the real binary, over HTTP, on both databases.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't be set up has failed")]

mod access_log;
mod answers;
mod attacks;
mod authorisation;
mod body;
mod canaries;
mod cors;
mod docs;
mod drf;
mod employers;
mod example;
mod images;
mod images_hostile;
mod judgement;
mod media;
mod metrics;
mod precondition;
mod stage;
mod throttle;
mod wire;

const PROGRAM: &str = env!("CARGO_BIN_EXE_portfolio");
