//! `portfolio`: the one binary of the service.
//!
//! It has the system's allocator. mimalloc needed as much of the processor for a `PATCH`, held 47 MB instead of 21, and
//! kept what images had needed for a second: eight at once went over 400 MB (measured).

use std::process::ExitCode;

fn main() -> ExitCode {
    give_large_buffers_back();
    portfolio_api::cli::run()
}

/// Has buffers of 256 KiB and more returned to the system as soon as they are freed. By itself glibc takes the largest
/// that was freed, up to 32 MiB, for the size from which it does so: with eight of the largest images at once the
/// process grew to 401 MB and kept 133; so it grows to 334, and keeps 26 (measured with `make hostile-uploads`).
fn give_large_buffers_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "there is no safe wrapper")]
    // SAFETY: it takes two numbers, and no other thread is there yet. One that it does not know it leaves alone.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 256 * 1024);
    }
}
