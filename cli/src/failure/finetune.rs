use super::code;
use evaluation::{ModelError, SplitError, StateError, TrainError};
use merging::OutputError;
use std::{io, path::PathBuf};

/// Why an adapter is not trained.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FinetuneFailure {
    /// The sweep file has no such task.
    #[error("`{task}` is no task of `{}`; its tasks are `{}`", sweep.display(), known.join("`, `"))]
    UnknownTask { task: String, sweep: PathBuf, known: Vec<String> },
    /// There is no head to train towards.
    #[error("task `{task}` has no head: images need `head`, or `classes` and `templates`")]
    NoHead { task: String },
    /// The head has to be made of class names, and the base embeds none.
    #[error("the head of `{task}` needs class names, and {base} cannot embed them")]
    Prompts { task: String, base: &'static str },
    /// Texts have no augmentation.
    #[error("`augmentation` is set for task `{task}`, which has texts: only images are changed at random")]
    AugmentedTexts { task: String },
    /// A split cannot be read.
    #[error("cannot read the split `{split}` of task `{task}`")]
    Split { task: String, split: String, source: SplitError },
    /// A split was another one when it was read again.
    #[error(
        "the split `{split}` of task `{task}` changed while the training was prepared; start again once its files stay"
    )]
    Changed { task: String, split: String },
    /// The head and the labels do not fit together.
    #[error("the examples of task `{task}` do not fit its head")]
    Head { task: String, source: evaluation::ScoreError },
    /// The head bears other names than the classes.
    #[error("the classes of task `{task}` do not fit its head")]
    Classes { task: String, source: evaluation::ClassError },
    /// Examples are in two splits.
    #[error(
        "{shared} of {n} examples of the split `{split}` of task `{task}` are trained on as well: the first is number {first}, which \
         is number {trained} of `{training}`, counted from 0; an adapter would look too good on it. Cut splits that have no example in common under \
         `data.splits`, or allow it with `overlap: allow` under `training`"
    )]
    Overlap { task: String, split: String, training: String, shared: usize, n: usize, first: usize, trained: usize },
    /// Training failed.
    #[error("cannot train the adapter of `{task}`")]
    Train { task: String, source: TrainError },
    /// The checkpoint cannot be read or written.
    #[error("cannot {what} the checkpoint `{}`", path.display())]
    CheckpointFile { what: &'static str, path: PathBuf, source: io::Error },
    /// The checkpoint is none of this run.
    #[error("cannot resume from `{}`; remove it to start again, or name another `--out`", path.display())]
    Checkpoint { path: PathBuf, source: StateError },
    /// The checkpoint is not what this run makes.
    #[error("cannot resume from `{}`; remove it to start again, or name another `--out`", path.display())]
    State { path: PathBuf, source: TrainError },
    /// The adapter cannot be written.
    #[error("cannot write the adapter")]
    Output(#[source] OutputError),
    /// Images have fixed heads.
    #[error(
        "`train_head` is true for task `{task}`, and the base is {base}: its heads are fixed, and no adapter could bring another one"
    )]
    ImageHead { task: String, base: &'static str },
    /// A new head that stays as chance has it.
    #[error(
        "`train_head` is false for task `{task}`, which has no `head`: name the head that is to stay, or train a new one"
    )]
    FrozenNewHead { task: String },
    /// The user stopped the training.
    #[error("interrupted after step {steps} of {of}; the state is in `{}`", path.display())]
    Interrupted { steps: usize, of: usize, path: PathBuf },
    /// The user stopped the command before or after the steps.
    #[error("interrupted before the first step of this call, or after the last one")]
    InterruptedOutside,
    /// Only the processor trains.
    #[error("`--device` is `{device}`, and adapters are trained on the processor only, yet: use `cpu`")]
    Device { device: String },
    /// The threads cannot be started.
    #[error("cannot start the threads")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

impl FinetuneFailure {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Device { .. } => code::USAGE,
            Self::Changed { .. }
            | Self::CheckpointFile { .. }
            | Self::Threads(_)
            | Self::Output(OutputError::Io { .. }) => code::UNAVAILABLE,
            Self::Interrupted { .. } | Self::InterruptedOutside => code::INTERRUPTED,
            Self::Split { source, .. } => code::of_input(evaluation::may_pass(source)),
            Self::Train { source: TrainError::Model(ModelError::Cancelled), .. } => code::INTERRUPTED,
            Self::Train { source, .. } => code::of_input(evaluation::may_pass(source)),
            Self::UnknownTask { .. }
            | Self::NoHead { .. }
            | Self::Prompts { .. }
            | Self::AugmentedTexts { .. }
            | Self::Head { .. }
            | Self::Classes { .. }
            | Self::Overlap { .. }
            | Self::Checkpoint { .. }
            | Self::State { .. }
            | Self::ImageHead { .. }
            | Self::FrozenNewHead { .. }
            | Self::Output(_) => code::BAD_INPUT,
        }
    }

    pub(super) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Train { source: TrainError::NotFinite { .. }, .. } => {
                Some("the checkpoint keeps the last good state; with other settings, remove it or name another `--out`")
            }
            Self::Interrupted { .. } | Self::InterruptedOutside => {
                Some("the same command goes on, from the checkpoint beside the output if there is one")
            }
            Self::UnknownTask { .. }
            | Self::NoHead { .. }
            | Self::ImageHead { .. }
            | Self::FrozenNewHead { .. }
            | Self::Prompts { .. }
            | Self::AugmentedTexts { .. }
            | Self::Split { .. }
            | Self::Changed { .. }
            | Self::Head { .. }
            | Self::Classes { .. }
            | Self::Overlap { .. }
            | Self::Train { .. }
            | Self::CheckpointFile { .. }
            | Self::Checkpoint { .. }
            | Self::State { .. }
            | Self::Output(_)
            | Self::Device { .. }
            | Self::Threads(_) => None,
        }
    }
}
