use jobs::JobId;

/// What goes wrong between a queue and its user.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// A job was published after the queue was closed.
    #[error("cannot publish job {job}: the queue is closed")]
    Closed {
        /// The job that was not taken.
        job: JobId,
    },
}

impl QueueError {
    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Closed { .. } => false,
        }
    }
}
