use crate::strategy::StrategyError;
use jobs::JobId;
use queue::QueueError;
use store::StoreError;

/// Why a sweep does not come to an outcome.
#[derive(Debug, thiserror::Error)]
pub enum CoordinatorError {
    /// A search cannot go on.
    #[error(transparent)]
    Strategy(#[from] StrategyError),
    /// A fixed recipe does not describe a merge.
    #[error("the baseline `{name}` does not describe a merge")]
    Baseline {
        /// The baseline.
        name: String,
        /// What is wrong with it.
        source: jobs::RecipeError,
    },
    /// The metric needs the accuracy of an adapter alone, and the job that measures it failed.
    #[error(
        "the adapter of task `{task}` has no accuracy on split `{split}` to normalise by{}; see the failure of job \
         {}, or give `tasks.{task}.finetuned.{split}`",
        if *.is_zero { ": it is 0" } else { "" },
        .job.short()
    )]
    Denominator {
        /// The task.
        task: String,
        /// The split that recipes are chosen on.
        split: String,
        /// The job.
        job: JobId,
        /// Whether the job succeeded, and not one answer was right.
        is_zero: bool,
    },
    /// The store holds another sweep under the same name.
    #[error(
        "the store {place} holds another sweep named `{sweep}`: {differences}; give this one another `name`, or use \
         another store"
    )]
    OtherSweep {
        /// The store.
        place: String,
        /// The sweep.
        sweep: String,
        /// What differs, as keys of the sweep and its inputs.
        differences: String,
    },
    /// A result does not hold what its job is to answer.
    #[error("the result of job {job} has no value of `{metric}`")]
    Metric {
        /// The job.
        job: JobId,
        /// The metric.
        metric: String,
    },
    /// The queue does not do as told.
    #[error("cannot publish a job")]
    Queue(#[from] QueueError),
    /// The store does not do as told.
    #[error("cannot use the store")]
    Store(#[from] StoreError),
}

impl CoordinatorError {
    /// Whether the same call may succeed later, without a person doing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Queue(error) => error.is_retryable(),
            Self::Store(error) => error.is_retryable(),
            _ => false,
        }
    }
}
