use crate::{ModelError, ScoreError};
use jobs::TrainSettingsError;

/// Why an adapter could not be trained.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A setting cannot be followed.
    #[error("the settings of training cannot be used")]
    Settings(#[from] TrainSettingsError),
    /// A target is no module.
    #[error(
        "`targets` has `{target}`, which is the name of no linear layer of the model, nor the end of one after a dot; there are \
         `{known}`"
    )]
    Target {
        /// The target.
        target: String,
        /// The last parts of the names of all linear layers.
        known: String,
    },
    /// The model has no module of the kind.
    #[error("`targets` picks no linear layer of the model")]
    NoTarget,
    /// The rank is larger than a matrix has.
    #[error(
        "`rank` is {rank}, expected at most {}, the rank of `{module}`, which is {outputs} × {inputs}",
        outputs.min(inputs)
    )]
    Rank {
        /// The rank.
        rank: usize,
        /// The module.
        module: String,
        /// Its outputs.
        outputs: usize,
        /// Its inputs.
        inputs: usize,
    },
    /// There are no examples.
    #[error("there are no examples to train on")]
    NoExamples,
    /// Head, labels and features do not fit together.
    #[error("the examples do not fit the head")]
    Head(#[source] ScoreError),
    /// A given adapter is not one of the settings.
    #[error("the adapter to start from does not fit the settings: {problem}")]
    Initial {
        /// What does not fit.
        problem: String,
    },
    /// The loss or a gradient is NaN or infinite.
    #[error(
        "{what} is not finite in step {step}, at a learning rate of {rate:?}: a smaller `rate`, a warm-up or `clip` may prevent it, \
         or the base or the head holds such numbers"
    )]
    NotFinite {
        /// What is not finite.
        what: &'static str,
        /// The step, counted from 1.
        step: usize,
        /// The learning rate of the step.
        rate: f64,
    },
    /// The state is one of another run.
    #[error("the state is not one of this run: {problem}")]
    State {
        /// What differs.
        problem: String,
    },
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
}
