use super::code;
use crate::check::Problems;
use std::path::PathBuf;

/// Why a head cannot be used with its base and its task.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeadProblem {
    /// An adapter without one.
    #[error("it brings no head (`score.weight`): name a file as the task's `head`")]
    Missing,
    /// An adapter whose own is more than a matrix.
    #[error(
        "its head is made of {}, and sweeps evaluate one matrix without a bias alone: name a file as the task's `head`",
        tensors.iter().map(|tensor| format!("`{tensor}`")).collect::<Vec<_>>().join(", ")
    )]
    NotPlain { tensors: Vec<String> },
    /// Made for other features.
    #[error("its vectors have {found} numbers, and the base's features {expected} (`{key}` in its `config.json`)")]
    Width { found: usize, expected: usize, key: &'static str },
    /// Fewer classes than the sweep file names.
    #[error("it has {classes} classes, counted from 0, and `{key}` of the task's data names class {class}")]
    Classes { classes: usize, key: &'static str, class: u32 },
}

/// Why an input of a sweep, of a merge or of a check cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputFailure {
    /// Inputs of a sweep that its jobs would fail on.
    #[error("{0}")]
    Problems(Problems),
    /// An input that the sweep file names is not there.
    #[error("this input cannot be used")]
    SweepInput(#[source] inputs::InputError),
    /// An input that an argument names is not there.
    #[error("cannot use `{argument}`")]
    Argument { argument: String, source: inputs::InputError },
    /// A data set of images is not what it should be.
    #[error("the data of `{task}` cannot be used on split `{split}`")]
    Data { task: String, split: String, source: evaluation::DataError },
    /// A data set of texts is not what it should be.
    #[error("the data of `{task}` cannot be used on split `{split}`")]
    SplitTexts { task: String, split: String, source: evaluation::TextError },
    /// The map of a joint head cannot be read.
    #[error("cannot use the map of the joint head")]
    JointMap { source: evaluation::JointError },
    /// The map of a joint head leads out of the head.
    #[error("cannot use what the map of the joint head says of `{task}`")]
    JointTask { task: String, source: evaluation::ScoreError },
    /// The map of a joint head says nothing of a task.
    #[error("the map of the joint head (`evaluation.map`) has no labels of `{task}`")]
    JointLacks { task: String },
    /// A base for texts makes no heads.
    #[error("the base `{base}` is a language model: only CLIP models make heads from class names")]
    NoTextTower { base: String },
    /// No task has class names to build a head from.
    #[error("no task of `{}` has `classes` and `templates`", path.display())]
    NoPrompts { path: PathBuf },
    /// The recipe weighs a task that the sweep does not have.
    #[error("the recipe has a weight for `{task}`, which is no task of `{}`", sweep.display())]
    UnknownTask { task: String, sweep: PathBuf },
    /// The base model's tensors cannot be read.
    #[error("cannot use the base model")]
    Base(#[from] merging::BaseError),
    /// An adapter cannot be used.
    #[error("cannot use the adapter `{name}`")]
    Adapter { name: String, source: Box<merging::AdapterError> },
    /// An adapter updates what evaluation does not know of the base.
    #[error("cannot use the adapter `{name}`, which is `{place}`")]
    AdapterModule { name: String, place: String, source: evaluation::ModelError },
    /// The base reads texts and the tasks have images, or the other way round.
    #[error("the base `{base}` is {}, and the data of `{task}` are {}", kind.description(), kind.reads().other().name())]
    Kind { base: String, kind: evaluation::ModelKind, task: String },
    /// The tokenizer of the base cannot be used.
    #[error("cannot use the base's tokenizer")]
    Tokenizer(#[source] evaluation::TextError),
    /// Texts cannot be tokenised as the sweep file says.
    #[error("cannot use the texts of `{task}`")]
    Texts { task: String, source: evaluation::TextError },
    /// Data and head of a task count other classes.
    #[error("`{task}` cannot be scored on split `{split}`")]
    Classes { task: String, split: String, source: evaluation::ClassError },
    /// A head's file cannot be read.
    #[error("cannot use the head of `{task}`")]
    HeadFile { task: String, source: evaluation::HeadError },
    /// A head fits neither base nor data.
    #[error("cannot use the head of `{task}`, which is {place}")]
    UnfitHead { task: String, place: String, source: HeadProblem },
    /// A head cannot be built or written.
    #[error("cannot make the head of `{task}`")]
    Head { task: String, source: evaluation::HeadError },
    /// A model or head cannot be used.
    #[error("cannot use the model")]
    Model(#[from] evaluation::ModelError),
    /// A file is not what was hashed any more.
    #[error("an input changed while it was in use")]
    Changed(#[from] files::FileChanged),
    /// The model does not fit into memory.
    #[error("the model takes {needed} of memory, and {available} are free")]
    Memory { needed: String, available: String },
}

impl InputFailure {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            // Too little memory is no property of the model: another machine has more.
            Self::Memory { .. } => code::UNAVAILABLE,
            // The same command reads what the file holds then.
            Self::Changed(_) => code::UNAVAILABLE,
            Self::Problems(problems) => code::of_input(problems.may_pass()),
            Self::SweepInput(source) | Self::Argument { source, .. } => code::of_input(source.is_retryable()),
            Self::Model(source) | Self::AdapterModule { source, .. } => code::of_input(source.is_retryable()),
            Self::Data { source, .. } => code::of_input(source.is_retryable()),
            Self::SplitTexts { source, .. } | Self::Texts { source, .. } | Self::Tokenizer(source) => {
                code::of_input(source.is_retryable())
            }
            Self::HeadFile { source, .. } | Self::Head { source, .. } => code::of_input(source.is_retryable()),
            Self::Base(source) => code::of_input(evaluation::may_pass(source)),
            Self::Adapter { source, .. } => code::of_input(evaluation::may_pass(source.as_ref())),
            Self::JointMap { source } => code::of_input(evaluation::may_pass(source)),
            Self::JointTask { .. }
            | Self::JointLacks { .. }
            | Self::NoTextTower { .. }
            | Self::NoPrompts { .. }
            | Self::UnknownTask { .. }
            | Self::Kind { .. }
            | Self::Classes { .. }
            | Self::UnfitHead { .. } => code::BAD_INPUT,
        }
    }

    pub(super) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Memory { .. } => {
                Some("`evaluation.precision: bf16` takes less, as do fewer `--threads`; `bowline plan` shows the parts")
            }
            Self::Changed(_) => {
                Some("nothing is written of what was read; run the same command again once nobody writes to the file")
            }
            Self::Problems(_)
            | Self::SweepInput(_)
            | Self::Argument { .. }
            | Self::Data { .. }
            | Self::SplitTexts { .. }
            | Self::JointMap { .. }
            | Self::JointTask { .. }
            | Self::JointLacks { .. }
            | Self::NoTextTower { .. }
            | Self::NoPrompts { .. }
            | Self::UnknownTask { .. }
            | Self::Base(_)
            | Self::Adapter { .. }
            | Self::AdapterModule { .. }
            | Self::Kind { .. }
            | Self::Tokenizer(_)
            | Self::Texts { .. }
            | Self::Classes { .. }
            | Self::HeadFile { .. }
            | Self::UnfitHead { .. }
            | Self::Head { .. }
            | Self::Model(_) => None,
        }
    }
}
