use crate::error::names;
use jobs::{Job, JobId};

/// Why a worker ended without a shutdown signal.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The queue is unreachable.
    #[error("the worker cannot reach its queue")]
    Queue(#[from] queue::QueueError),
    /// The store accepts no results.
    #[error("the worker cannot reach its store for job {}", job.short())]
    Store {
        /// The job that the worker had taken.
        job: JobId,
        /// The error of the store.
        source: store::StoreError,
    },
    /// Jobs fail here that may succeed on other workers.
    #[error(
        "{count} {} failed because of this worker, the last one with: {error}",
        if *count == 1 { "job" } else { "different jobs in a row" }
    )]
    OwnFaults {
        /// The number of jobs.
        count: usize,
        /// The error of the last one and its causes.
        error: String,
    },
    /// The store refused a write, before any job was taken.
    #[error("the worker cannot write to its store; it has taken no job")]
    Unwritable(#[source] store::StoreError),
    /// The store does not hold the sweeps of the jobs: the coordinator uses another store.
    #[error(
        "jobs arrived for {}, and the store {place} holds none of these sweeps; \
         the worker needs the same `--store` as the run",
        names(sweeps)
    )]
    OtherStore {
        /// The sweeps.
        sweeps: Vec<String>,
        /// The worker's store.
        place: String,
    },
    /// A computation did not stop after its cancellation. Its thread cannot be ended from outside, so the process ends.
    #[error("job {} still computes after its cancellation; restart the worker", .0.short())]
    Hangs(JobId),
}

impl WorkerError {
    /// The error of a worker whose store failed while it had `job`.
    pub(crate) fn store_failed(job: &Job, source: store::StoreError) -> Self {
        Self::Store { job: job.id(), source }
    }
}
