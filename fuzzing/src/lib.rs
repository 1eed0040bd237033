//! Damaged files and messages for every reader, and what must hold for each of them.
//!
//! A [`Target`] is a reader with small inputs that it takes. A [`Session`] changes these in ways that know the format,
//! and reads each of them twice: nothing panics, a refusal names the file, what is taken is taken the same again, and
//! no more is allocated than [`MOST_BYTES`]. An input that breaks one of these is kept in `testdata/fuzz/<target>`,
//! which an ordinary test runs. `scripts/fuzz` runs for long, in [child processes](workshop) whose memory and time are
//! bounded.

mod allocator;
mod cpu;
mod mutate;
mod session;
mod target;
mod targets;
pub mod workshop;

pub use allocator::Measured;
pub use cpu::used as cpu_used;
pub use mutate::Format;
pub use session::{MOST_BYTES, Read, Session};
pub use target::Target;

use std::path::PathBuf;

/// The folder of inputs that once broke what must hold of a target.
pub fn kept(target: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/fuzz")).join(target)
}
