//! What tests of backends, and of what uses a store, need: the rules of the seam, a backend in memory, and a
//! decorator that makes any backend fail.

mod contract;
mod faults;
mod memory;

pub use contract::{Check, RULES, Rule};
pub use faults::{Fault, Faulty};
pub use memory::MemoryBackend;
