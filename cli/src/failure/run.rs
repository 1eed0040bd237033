use super::{code, queue, store};
use coordinator::{CoordinatorError, StopReason};

/// Why a sweep, or the evaluation of one recipe, did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunFailure {
    /// An input of the sweep cannot be used.
    #[error("the sweep cannot start")]
    Freeze(#[from] coordinator::FreezeError),
    /// The sweep cannot continue.
    #[error("the sweep cannot go on")]
    Coordinator(#[from] CoordinatorError),
    /// The recipe cannot be evaluated.
    #[error("the evaluation cannot go on")]
    Evaluation(#[source] CoordinatorError),
    /// The sweep was cancelled while it ran.
    #[error("the sweep was cancelled")]
    Cancelled,
    /// The run stopped by itself.
    #[error("the sweep was stopped: {0}")]
    Stopped(StopReason),
    /// More jobs failed than may.
    #[error("{failed} jobs failed; the limit is {limit}")]
    TooManyFailures { failed: u64, limit: u64 },
    /// The sweep is larger than what was allowed without asking.
    #[error("the sweep has up to {jobs} jobs, more than {limit}")]
    TooManyJobs { jobs: u64, limit: u64 },
    /// The sweep ran to its end, and not all of it worked.
    #[error("{failed} of {total} jobs failed")]
    Jobs {
        failed: u64,
        /// Those of them whose stored result is corrupt.
        corrupt: u64,
        total: u64,
    },
    /// The sweep ran to its end, and its winner is not written.
    #[error("the winner could not be written: job {job} made no artefact")]
    NotWritten { job: String },
    /// The evaluation ran to its end, and not all of it worked.
    #[error("{failed} of {total} jobs failed")]
    Evaluated {
        failed: u64,
        /// Those of them whose stored result is corrupt.
        corrupt: u64,
        total: u64,
    },
    /// The notification about the end of a run cannot be sent as the command line says.
    #[error("`--on-end-url` does not work: {reason}")]
    Webhook { reason: String },
}

impl RunFailure {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::TooManyJobs { .. } => code::USAGE,
            Self::Jobs { .. } | Self::NotWritten { .. } | Self::Evaluated { .. } | Self::TooManyFailures { .. } => {
                code::JOBS_FAILED
            }
            // The inputs are at fault, as they are where an adapter alone cannot be evaluated.
            Self::Stopped(StopReason::Base { .. }) => code::BAD_INPUT,
            Self::Stopped(StopReason::SameFailure { .. }) => code::JOBS_FAILED,
            Self::Stopped(StopReason::Time(_) | StopReason::DeviceTime(_)) | Self::Cancelled => code::INTERRUPTED,
            Self::Webhook { .. } => code::BAD_INPUT,
            Self::Freeze(error) => code::of_input(error.is_retryable()),
            Self::Coordinator(error) | Self::Evaluation(error) => coordinator_code(error),
        }
    }

    pub(super) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::TooManyJobs { .. } => Some(
                "`--yes` starts it all the same; fewer values of `parameters` make fewer jobs, which `bowline plan` counts",
            ),
            Self::Stopped(StopReason::Base { .. } | StopReason::SameFailure { .. }) => Some(
                "correct the cause and run the same command with `--retry-failed`; `--brake 0` never stops for repeated failures",
            ),
            Self::Stopped(StopReason::Time(_) | StopReason::DeviceTime(_)) => {
                Some("every finished job is stored; run the same command with more time to go on")
            }
            Self::TooManyFailures { .. } => Some(
                "`bowline failures list` shows them; run the same command with `--retry-failed` when their causes are corrected, with \
                 `--repair` where a stored result is corrupt",
            ),
            Self::Cancelled => Some(UNDO),
            Self::Jobs { failed, corrupt, .. } if corrupt >= failed => Some(
                "the stored results are corrupt; `bowline run --repair` sets them aside and computes the jobs again",
            ),
            Self::Jobs { corrupt: 0, .. } => Some(
                "the errors are above; correct the input, then run again: `--retry-failed` tries what failed before once more",
            ),
            Self::Jobs { .. } => Some(
                "the errors are above; correct the input, then run again: `--retry-failed` tries what failed before once more, \
                 and `--repair` computes the jobs whose stored result is corrupt",
            ),
            Self::NotWritten { .. } => Some(
                "the error is above, and in `bowline failures show JOB`; correct its cause and run the same command with \
                 `--retry-failed`: nothing is evaluated again",
            ),
            Self::Evaluated { failed, corrupt, .. } if corrupt >= failed => Some(
                "the stored results are corrupt; `bowline evaluate --repair` sets them aside and computes the jobs again",
            ),
            Self::Evaluated { corrupt: 0, .. } => Some("the errors are above; correct the input, then run again"),
            Self::Evaluated { .. } => Some(
                "the errors are above; correct the input, then run again, with `--repair` where a stored result is corrupt",
            ),
            Self::Evaluation(CoordinatorError::Denominator { .. }) => Some(
                "correct the input, then run again (with `--repair` where a stored result is corrupt), or give `finetuned` \
                 accuracies in the sweep file",
            ),
            Self::Evaluation(CoordinatorError::Statistics { .. }) => {
                Some("correct the input, then run again, with `--repair` where a stored artefact is corrupt")
            }
            Self::Coordinator(error) | Self::Evaluation(error) => coordinator_hint(error),
            Self::Freeze(_) | Self::Webhook { .. } => None,
        }
    }
}

const UNDO: &str = "`bowline cancel --undo NAME` undoes it; `bowline run` then resumes the sweep";

fn coordinator_code(error: &CoordinatorError) -> u8 {
    match error {
        CoordinatorError::Queue(error) => queue::code_of(error),
        CoordinatorError::Store(error) => store::code_of(error),
        CoordinatorError::Cancelled { .. } => code::INTERRUPTED,
        CoordinatorError::Strategy(_)
        | CoordinatorError::Baseline { .. }
        | CoordinatorError::Denominator { .. }
        | CoordinatorError::ZeroDenominator { .. }
        | CoordinatorError::Statistics { .. }
        | CoordinatorError::Training { .. }
        | CoordinatorError::Metric { .. }
        | CoordinatorError::OtherSweep { .. }
        | CoordinatorError::Superseded { .. }
        | CoordinatorError::Removed { .. }
        | CoordinatorError::Manifest(_) => code::BAD_INPUT,
    }
}

/// What to do when a run ended early.
fn coordinator_hint(error: &CoordinatorError) -> Option<&'static str> {
    match error {
        CoordinatorError::Cancelled { .. } => Some(UNDO),
        CoordinatorError::OtherSweep { .. } => Some(
            "give this one another name (`name` in its file, or `-o name=…`), or remove the other with `bowline sweeps remove`: \
             its results stay",
        ),
        CoordinatorError::Superseded { .. } => {
            Some("every finished job is stored; to run both, give one of them another `name`")
        }
        CoordinatorError::Removed { .. } => {
            Some("every finished job is stored; run the same command to begin the sweep anew")
        }
        CoordinatorError::Denominator { .. } => Some(
            "correct the input and run again with `--retry-failed` (with `--repair` where a stored result is corrupt), or give \
             `finetuned` accuracies in the sweep file",
        ),
        CoordinatorError::Statistics { .. } => Some(
            "correct the input and run again with `--retry-failed` (with `--repair` where a stored artefact is corrupt), or leave \
             out the recipes that merge by statistics",
        ),
        CoordinatorError::Training { .. } => Some(
            "correct the settings or the input, which makes all legs anew; or run again with `--retry-failed`, which goes on after the \
             stored legs (with `--repair` where a stored leg is corrupt)",
        ),
        CoordinatorError::Store(error) => store::hint_of(error),
        CoordinatorError::Queue(_)
        | CoordinatorError::Strategy(_)
        | CoordinatorError::Baseline { .. }
        | CoordinatorError::ZeroDenominator { .. }
        | CoordinatorError::Metric { .. }
        | CoordinatorError::Manifest(_) => None,
    }
}
