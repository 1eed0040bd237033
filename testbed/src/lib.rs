//! A cluster on one machine for tests of faults: brokers, buckets and workers that crash, hang, disconnect and restart.
//!
//! Broker, S3 server and every worker and coordinator are processes of their own or servers on loopback, and the queue,
//! the store, the worker's loop and the coordinator are the real ones. Only the computation is simulated: scores come
//! from a formula ([`sim`]). [`chaos`] injects scheduled faults, and then checks that each job has exactly one result,
//! equal to that of a run without faults. [`load`] measures the throughput of a cluster.
//!
//! Nothing depends on this crate; `scripts/chaos` and `scripts/load` run its programs.

pub mod args;
pub mod attack;
mod broker;
pub mod chaos;
mod coordinators;
mod fleet;
pub mod load;
mod process;
pub mod sim;

pub use broker::Broker;
pub use coordinators::{CoordinatorSpec, Coordinators, SOME_FAILED};
pub use fleet::{WorkerFleet, WorkerSpec};
pub use process::{History, Process, Signal, end_with_parent, log_to_stderr};

/// Why a run cannot continue. Callers print it and end; none decides by its kind.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
