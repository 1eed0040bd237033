//! For tests of backends and of code that uses a store: the rules of the contract, a backend in memory, a decorator
//! that injects faults into any backend, and an S3 server with injected faults (feature `testing-s3`).

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
