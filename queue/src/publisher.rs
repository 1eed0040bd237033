use crate::error::QueueError;
use async_trait::async_trait;
use jobs::{Job, JobId};
use std::fmt;

/// The coordinator's role: publishes jobs and receives announcements of settled ones.
#[async_trait]
pub trait JobPublisher: fmt::Debug + Send + Sync + 'static {
    /// Publishes `job` as attempt 1 for `sweep`. Once this returns, the crash of any one process does not lose the
    /// job.
    ///
    /// (The in-process queue lives and dies with its process; the store shows what is left to do.) Calls may overlap:
    /// a backend that waits for confirmations keeps several unconfirmed. New jobs are delivered in the order in which
    /// their calls were first polled, unless jobs return to the queue in between: neighbours share work that workers
    /// cache.
    ///
    /// # Errors
    /// The queue is closed or unreachable. The job may or may not be in the queue then.
    async fn publish(&self, job: &Job, sweep: &str) -> Result<(), QueueError>;

    /// Waits until workers have acknowledged or dead-lettered jobs, and returns the ids of these jobs.
    ///
    /// An announcement saves the time until the next look into the store. It may be missing, duplicated or about
    /// another sweep, and none arrives while the queue is unreachable. One caller at a time. Cancel safe.
    async fn settled(&self) -> Vec<JobId>;

    /// The number of jobs that wait for a worker; `None` if it is unknown. Jobs that a worker holds do not count, and
    /// jobs in their back-off need not.
    ///
    /// # Errors
    /// The queue is unreachable.
    async fn waiting(&self) -> Result<Option<u64>, QueueError>;
}
