//! The seam jobs travel through, from the coordinator to the workers.
//!
//! [`JobPublisher`] is the coordinator's end and [`JobConsumer`] a worker's; a [`Delivery`] is a job lent to a
//! worker until it is settled. [`MemoryQueue`] is both ends within one process. A message is a hint and no truth:
//! what is done is known by the store alone, so delivery is at least once, and a job that arrives twice does no
//! harm. Every backend keeps the rules of the `contract` module (feature `contract`).

#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod delivery;
mod error;
mod memory;

pub use delivery::Delivery;
pub use error::QueueError;
pub use memory::{MemoryQueue, Parked};

use async_trait::async_trait;
use jobs::Job;
use std::fmt;

/// The coordinator's end of the queue.
#[async_trait]
pub trait JobPublisher: fmt::Debug + Send + Sync + 'static {
    /// Takes `job` over as attempt 1: once this returns, a crash of any one process does not lose it.
    ///
    /// (The in-process queue lives and dies with its process; the store tells what is left to do.)
    /// Calls may overlap: a backend that waits for confirmations keeps several on the way. Fresh jobs are
    /// delivered in the order in which their calls were made, as far as nothing comes back in between:
    /// neighbours share work that workers cache.
    ///
    /// # Errors
    /// The queue is closed or out of reach; the job may or may not be in it then.
    async fn publish(&self, job: &Job) -> Result<(), QueueError>;
}

/// A worker's end of the queue.
#[async_trait]
pub trait JobConsumer: fmt::Debug + Send + Sync + 'static {
    /// Waits for a job. `None` means that the queue is closed and nothing is left in it.
    ///
    /// A job that another consumer still holds is left, for it may come back: settle one delivery before asking
    /// for the next. Cancel safe: a call that is dropped takes no job.
    ///
    /// # Errors
    /// The queue is out of reach.
    async fn next(&self) -> Result<Option<Delivery>, QueueError>;
}
