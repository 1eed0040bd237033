use crate::{FrozenError, strategy::StrategyError};
use jobs::JobId;
use queue::QueueError;
use std::{error::Error, fmt};
use store::StoreError;

/// Why a run ends without an outcome.
#[derive(Debug, thiserror::Error)]
pub enum CoordinatorError {
    /// A search cannot continue.
    #[error(transparent)]
    Strategy(#[from] StrategyError),
    /// A fixed recipe does not describe a merge.
    #[error("the baseline `{name}` does not describe a merge")]
    Baseline {
        /// The baseline.
        name: String,
        /// Why it is invalid.
        source: jobs::RecipeError,
    },
    /// The metric needs the accuracy of an adapter alone, and the job that measures it failed.
    #[error(
        "the adapter of task `{task}` has no accuracy on split `{split}` to normalise by: job {} failed; \
         `tasks.{task}.finetuned.{split}` can give one",
        .job.short()
    )]
    Denominator {
        /// The task.
        task: String,
        /// The split that recipes are chosen on.
        split: String,
        /// The job.
        job: JobId,
        /// Why the job failed, if that is stored.
        source: Option<Box<RecordedError>>,
    },
    /// Recipes merge by statistics of a task, and the job that makes them failed.
    #[error("the sweep needs the {what} of task `{task}`, and job {} that makes them failed", .job.short())]
    Statistics {
        /// The task.
        task: String,
        /// What is needed.
        what: &'static str,
        /// The job.
        job: JobId,
        /// Why the job failed, if that is stored.
        source: Option<Box<RecordedError>>,
    },
    /// A job that trains an adapter failed.
    #[error("the adapter of task `{task}` cannot be trained: job {} failed", .job.short())]
    Training {
        /// The task.
        task: String,
        /// The job.
        job: JobId,
        /// Why the job failed, if that is stored.
        source: Option<Box<RecordedError>>,
    },
    /// The metric needs the accuracy of an adapter alone, and this accuracy is 0.
    #[error(
        "the adapter of task `{task}` has accuracy 0 on split `{split}` by job {}: nothing can be normalised by it; \
         `tasks.{task}.finetuned.{split}` can give another, or `metric` another name",
        .job.short()
    )]
    ZeroDenominator {
        /// The task.
        task: String,
        /// The split that recipes are chosen on.
        split: String,
        /// The job.
        job: JobId,
    },
    /// The store holds a sweep under the same name that is unrelated to this one.
    #[error("the store {place} holds another sweep named `{sweep}`, with no task in common: this is no revision of it")]
    OtherSweep {
        /// The store.
        place: String,
        /// The sweep.
        sweep: String,
    },
    /// Another run has begun a later revision of the sweep.
    #[error(
        "revision {revision} of the sweep `{sweep}` was followed by revision {newest}, which another run has begun"
    )]
    Superseded {
        /// The sweep.
        sweep: String,
        /// The revision of this run.
        revision: u32,
        /// The newest.
        newest: u32,
    },
    /// The sweep was removed from the store.
    #[error("the sweep `{sweep}` was removed from the store while it ran")]
    Removed {
        /// The sweep.
        sweep: String,
    },
    /// A stored manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] FrozenError),
    /// The sweep is cancelled.
    #[error("the sweep `{sweep}` was cancelled")]
    Cancelled {
        /// The sweep.
        sweep: String,
        /// When: milliseconds since 1970, UTC.
        cancelled_ms: u64,
    },
    /// A result has no value of the metric.
    #[error("the result of job {job} has no value of `{metric}`")]
    Metric {
        /// The job.
        job: JobId,
        /// The metric.
        metric: String,
    },
    /// The queue failed.
    #[error("cannot publish a job")]
    Queue(#[from] QueueError),
    /// The store failed.
    #[error("cannot use the store")]
    Store(#[from] StoreError),
}

impl CoordinatorError {
    /// Whether the same call may succeed later without any action of a person.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Queue(error) => error.is_retryable(),
            Self::Store(error) => error.is_retryable(),
            Self::Strategy(_)
            | Self::Baseline { .. }
            | Self::Denominator { .. }
            | Self::ZeroDenominator { .. }
            | Self::Statistics { .. }
            | Self::Training { .. }
            | Self::OtherSweep { .. }
            | Self::Superseded { .. }
            | Self::Removed { .. }
            | Self::Manifest(_)
            | Self::Cancelled { .. }
            | Self::Metric { .. } => false,
        }
    }
}

/// The error of a failed job with its causes, as a worker stored it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedError {
    message: String,
    cause: Option<Box<Self>>,
}

impl RecordedError {
    /// The chain of `errors`, outermost first; `None` if there are none.
    pub fn of(errors: &[String]) -> Option<Self> {
        let chain =
            |cause: Option<Self>, message: &String| Some(Self { message: message.clone(), cause: cause.map(Box::new) });
        errors.iter().rev().fold(None, chain)
    }
}

impl fmt::Display for RecordedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for RecordedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}
