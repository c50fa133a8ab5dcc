//! The service from outside: the real binary, over HTTP, on both databases.

mod example;

const PROGRAM: &str = env!("CARGO_BIN_EXE_portfolio");
