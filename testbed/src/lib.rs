//! A cluster on one machine, for proof: brokers, buckets and workers that die, hang, vanish and come back.
//!
//! Broker, S3 server and every worker and coordinator are processes of their own or servers on loopback, and the queue, the
//! store, the worker's loop and the coordinator are the real ones. Only the computation is simulated: scores come from
//! a formula ([`sim`]). [`chaos`] lets everything go wrong that its deck of faults holds, and then looks whether each job
//! has exactly one answer, the one that an undisturbed run gives. [`load`] measures what a cluster can carry.
//!
//! Nothing depends on this crate; `scripts/chaos` and `scripts/load` run its programs.

#![warn(clippy::match_bool)]

pub mod args;
pub mod attack;
mod broker;
pub mod chaos;
mod coordinators;
mod crew;
pub mod load;
mod process;
pub mod sim;

pub use broker::Broker;
pub use coordinators::{CoordinatorSpec, Coordinators, SOME_FAILED};
pub use crew::{Crew, WorkerSpec};
pub use process::{Process, Signal, end_with_parent, log_to_stderr};

/// Why a run cannot go on. Whoever gets it prints it and ends: nothing decides on what it is.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The message of a failure and those of all causes, outermost first.
pub fn told(failure: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(failure), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
