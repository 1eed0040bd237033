//! What tests of backends, and of what uses a store, need: the rules of the seam, a backend in memory, a
//! decorator that makes any backend fail, and an S3 server with faults on its way (feature `testing-s3`).

mod contract;
mod faults;
mod memory;
mod results;
#[cfg(any(test, feature = "testing-s3"))]
mod s3;

pub use contract::{Check, RULES, Rule};
pub use faults::{Fault, Faulty};
pub use memory::MemoryBackend;
pub use results::results;
#[cfg(any(test, feature = "testing-s3"))]
pub use s3::{HttpFault, HttpFaults, Rates, S3Server};
