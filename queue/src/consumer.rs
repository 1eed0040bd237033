use crate::{
    delivery::Delivery,
    error::QueueError,
    source::{Backlog, JobSource},
};
use async_trait::async_trait;
use jobs::JobId;
use std::fmt;

/// A worker's role: receives jobs, one at a time.
#[async_trait]
pub trait JobConsumer: fmt::Debug + Send + Sync + 'static {
    /// Waits for a job. `None` means that the queue is closed and empty.
    ///
    /// A job that another consumer holds may still return to the queue, so the queue is not empty before that job is
    /// settled. Settle one delivery before asking for the next. Cancel safe: a call that is dropped takes no job.
    ///
    /// # Errors
    /// The queue is unreachable.
    async fn next(&self) -> Result<Option<Delivery>, QueueError>;

    /// Whether jobs could arrive now, as far as is known. Only if this is true does the absence of jobs mean that
    /// there are none. A backend on a network may be connected only once [`next`](Self::next) was called.
    fn is_connected(&self) -> bool {
        true
    }

    /// How often the connection was opened again after the first time.
    fn reconnects(&self) -> u64 {
        0
    }

    /// Jobs that were recently deferred to workers of another version, by [`Delivery::defer`] or because their
    /// messages have another version. Most of the time such a job neither waits in a queue of jobs nor is with a
    /// worker, but it is not lost.
    fn deferred_jobs(&self) -> Vec<JobId> {
        Vec::new()
    }

    /// Selects the source of all further jobs. A job of the former source may still arrive. A backend with one queue
    /// for all sweeps ignores the call.
    fn take_from(&self, _source: &JobSource) {}

    /// The current source. If its queue is deleted, this becomes the queue of the pool.
    fn source(&self) -> JobSource {
        JobSource::Pool
    }

    /// Waits until runs have published jobs to queues of their own after a pause, and returns the names of their
    /// sweeps. For ever if the backend has one queue for all sweeps.
    ///
    /// An announcement saves the time until the next look. It may be missing or duplicated. One caller at a time.
    /// Cancel safe.
    async fn announced_sweeps(&self) -> Vec<String> {
        std::future::pending().await
    }

    /// The length of the queue of each of `sources`, in the same order; `None` for a queue that does not exist. `None`
    /// instead of a list if the backend has one queue for all sweeps, or if nothing is known at the moment.
    async fn backlog(&self, _sources: &[JobSource]) -> Option<Vec<Option<Backlog>>> {
        None
    }
}
