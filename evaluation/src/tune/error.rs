use crate::{ModelError, ScoreError};
use jobs::TuneSettingsError;

/// Why coefficients could not be learned.
#[derive(Debug, thiserror::Error)]
pub enum TuneError {
    /// A setting cannot be followed.
    #[error("the settings of tuning cannot be used")]
    Settings(#[from] TuneSettingsError),
    /// There is nothing to tune, or nothing to tune with.
    #[error("there is no {0} to tune with")]
    Nothing(&'static str),
    /// A task has no examples.
    #[error("task `{task}` has no examples to tune with")]
    NoExamples {
        /// The task.
        task: String,
    },
    /// Labels are wanted that are not there.
    #[error("task `{task}` has no labels, which `labels` tunes for; `agreement` and `entropy` need none")]
    NoLabels {
        /// The task.
        task: String,
    },
    /// Head, labels and features do not fit together.
    #[error("the examples of task `{task}` do not fit its head")]
    Head {
        /// The task.
        task: String,
        /// What does not fit.
        #[source]
        source: ScoreError,
    },
    /// The loss of a task, or a gradient, is NaN or infinite.
    #[error(
        "the loss of task `{task}` is not finite in step {step}, and nothing can be learned of it: coefficients may have run \
         away, which a smaller `rate` than {rate} prevents, or the base, an adapter or a head holds such numbers"
    )]
    NotFinite {
        /// The task.
        task: String,
        /// The step, counted from 1; 0 is what comes before the first.
        step: usize,
        /// The learning rate.
        rate: f64,
    },
    /// The state is one of another run.
    #[error("the state has {found} coefficients, the run has {expected}: it was made with other settings or adapters")]
    State {
        /// Coefficients of the state.
        found: usize,
        /// Coefficients of the run.
        expected: usize,
    },
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
}
