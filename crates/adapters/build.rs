//! The migrations are embedded in the binary, and lie outside this crate: a new one must be noticed.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
