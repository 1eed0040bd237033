use super::code;
use evaluation::{ModelError, SplitError, StateError, TrainError};
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
    /// The head and the labels do not fit together.
    #[error("the examples of task `{task}` do not fit its head")]
    Head { task: String, source: evaluation::ScoreError },
    /// The head bears other names than the classes.
    #[error("the classes of task `{task}` do not fit its head")]
    Classes { task: String, source: evaluation::ClassError },
    /// Examples are in two splits.
    #[error(
        "{shared} of {n} examples of the split `{split}` of task `{task}` are trained on as well: the first is number {first}, which \
         is number {trained} of `{training}`; an adapter would look too good on it. Cut splits that have no example in common under \
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
    /// The output folder is taken.
    #[error("`{}` exists and is not an empty folder", path.display())]
    Taken { path: PathBuf },
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
            Self::CheckpointFile { .. } | Self::Threads(_) => code::UNAVAILABLE,
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
            | Self::Taken { .. } => code::BAD_INPUT,
        }
    }

    pub(super) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Train { source: TrainError::NotFinite { .. }, .. } => {
                Some("the checkpoint keeps the last good state; with other settings, remove it or name another `--out`")
            }
            Self::UnknownTask { .. }
            | Self::NoHead { .. }
            | Self::Prompts { .. }
            | Self::AugmentedTexts { .. }
            | Self::Split { .. }
            | Self::Head { .. }
            | Self::Classes { .. }
            | Self::Overlap { .. }
            | Self::Train { .. }
            | Self::CheckpointFile { .. }
            | Self::Checkpoint { .. }
            | Self::State { .. }
            | Self::Taken { .. }
            | Self::Device { .. }
            | Self::Threads(_) => None,
        }
    }
}
