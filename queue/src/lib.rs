//! The seam jobs travel through, from the coordinator to the workers.
//!
//! [`JobPublisher`] is the coordinator's end and [`JobConsumer`] a worker's; a [`Delivery`] is a job lent to a
//! worker until it is settled. [`MemoryQueue`] is both ends within one process; [`RabbitQueue`] joins machines. A message
//! is a hint and no truth: what is done is known by the store alone, so delivery is at least once, and a job that arrives
//! twice does no harm. Every backend keeps the rules of the `contract` module (feature `contract`).

#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod delivery;
mod error;
mod memory;
#[cfg(any(test, feature = "contract"))]
pub mod proxy;
mod rabbit;

pub use delivery::Delivery;
pub use error::QueueError;
pub use memory::{MemoryQueue, Parked};
pub use rabbit::{
    AddressError, Policy, PoolName, PoolNameError, QueueReport, RabbitAddress, RabbitCheck, RabbitConsumer,
    RabbitQueue, RabbitReport, RabbitSettings, WIRE_VERSION,
};
#[cfg(any(test, feature = "contract"))]
pub use rabbit::{Meddler, Waiting, message_body, read_message};

use async_trait::async_trait;
use jobs::{Job, JobId};
use std::fmt;

/// The coordinator's end of the queue.
#[async_trait]
pub trait JobPublisher: fmt::Debug + Send + Sync + 'static {
    /// Takes `job` over as attempt 1, on behalf of `sweep`: once this returns, a crash of any one process does not
    /// lose it.
    ///
    /// (The in-process queue lives and dies with its process; the store tells what is left to do.)
    /// Calls may overlap: a backend that waits for confirmations keeps several on the way. Fresh jobs are
    /// delivered in the order in which their calls were first polled, as far as nothing comes back in between:
    /// neighbours share work that workers cache.
    ///
    /// # Errors
    /// The queue is closed or out of reach; the job may or may not be in it then.
    async fn publish(&self, job: &Job, sweep: &str) -> Result<(), QueueError>;

    /// Waits until workers have settled jobs for good, acknowledged or parked, and names them.
    ///
    /// A hint for whoever follows the store, so that nobody waits for the next look: hints may be missing, doubled
    /// or about jobs of others, and they stop while the queue is out of reach. One caller at a time. Cancel safe.
    async fn settled(&self) -> Vec<JobId>;

    /// How many jobs wait for a worker; `None` where that cannot be told. Jobs that a worker holds do not count, and
    /// those in their back-off need not.
    ///
    /// # Errors
    /// The queue is out of reach.
    async fn waiting(&self) -> Result<Option<u64>, QueueError>;
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

    /// Whether jobs could arrive right now, as far as is known: that none comes means that there is none only then.
    /// A backend that takes jobs from afar may say so only once [`next`](Self::next) was called.
    fn is_in_reach(&self) -> bool {
        true
    }

    /// How often the way to the queue was opened anew since the first time.
    fn reconnects(&self) -> u64 {
        0
    }

    /// Jobs that were lately left to workers of another version, with [`Delivery::defer`] or because their messages are of
    /// another version: they are neither waiting nor in a worker's hand for most of the time, and not lost either.
    fn left_to_others(&self) -> Vec<JobId> {
        Vec::new()
    }

    /// Takes jobs from `source` from now on; a job that is already on its way may still come. A backend that has one queue for
    /// all sweeps takes them from there, whatever is asked.
    fn take_from(&self, _source: &JobSource) {}

    /// Where jobs are taken from: a queue that is not there any more is left for that of the pool.
    fn source(&self) -> JobSource {
        JobSource::Pool
    }

    /// What waits at each of `sources`, in this order; `None` for one that is not there. `None` in all where there is nothing to
    /// choose from, or nothing is known for now.
    async fn backlog(&self, _sources: &[JobSource]) -> Option<Vec<Option<Backlog>>> {
        None
    }
}

/// Where a worker takes its jobs from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum JobSource {
    /// The queue of the pool, for jobs of sweeps that have no queue of their own.
    Pool,
    /// The queue of the sweep of this name.
    Sweep(String),
}

/// What waits in one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Jobs that wait for a worker.
    pub waiting: u64,
    /// Consumers that take jobs from it. A worker has one, and a second one while it looks ahead.
    pub consumers: u64,
}
