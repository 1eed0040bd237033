use crate::{MemoryNeed, Problems};
use jobs::{ByteSize, StatisticsKind};
use std::path::PathBuf;

/// Why a head cannot be used with its base and its task.
#[derive(Debug, thiserror::Error)]
pub enum HeadProblem {
    /// An adapter without one.
    #[error("it brings no head (`score.weight`): name a file as the task's `head`")]
    Missing,
    /// An adapter whose own is more than a matrix.
    #[error(
        "its head is made of {}, and sweeps evaluate one matrix without a bias alone: name a file as the task's `head`",
        tensors.iter().map(|tensor| format!("`{tensor}`")).collect::<Vec<_>>().join(", ")
    )]
    NotPlain {
        /// Its tensors.
        tensors: Vec<String>,
    },
    /// Made for other features.
    #[error("its vectors have {found} numbers, and the base's features {expected} (`{key}` in its `config.json`)")]
    Width {
        /// Numbers of a vector.
        found: usize,
        /// Numbers of a feature of the base.
        expected: usize,
        /// The key of the base's `config.json` that says so.
        key: &'static str,
    },
    /// Fewer classes than the sweep file names.
    #[error("it has {classes} classes, counted from 0, and `{key}` of the task's data names class {class}")]
    Classes {
        /// Classes of the head.
        classes: usize,
        /// The key of the sweep file.
        key: &'static str,
        /// The class that it names.
        class: u32,
    },
}

/// Why a sweep cannot run with its inputs.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Inputs of a sweep that its jobs would fail on.
    #[error("{0}")]
    Problems(Problems),
    /// An input that the sweep file names is not there.
    #[error("this input cannot be used")]
    SweepInput(#[source] inputs::InputError),
    /// A data set of images is not what it should be.
    #[error("the data of `{task}` cannot be used on split `{split}`")]
    Data {
        /// The task.
        task: String,
        /// The split.
        split: String,
        /// What is wrong.
        source: evaluation::DataError,
    },
    /// A data set of texts is not what it should be.
    #[error("the data of `{task}` cannot be used on split `{split}`")]
    SplitTexts {
        /// The task.
        task: String,
        /// The split.
        split: String,
        /// What is wrong.
        source: evaluation::TextError,
    },
    /// The map of a joint head cannot be read.
    #[error("cannot use the map of the joint head")]
    JointMap {
        /// What is wrong.
        source: evaluation::JointError,
    },
    /// The map of a joint head leads out of the head.
    #[error("cannot use what the map of the joint head says of `{task}`")]
    JointTask {
        /// The task.
        task: String,
        /// What is wrong.
        source: evaluation::ScoreError,
    },
    /// The map of a joint head says nothing of a task.
    #[error("the map of the joint head (`evaluation.map`) has no labels of `{task}`")]
    JointLacks {
        /// The task.
        task: String,
    },
    /// A base for texts makes no heads.
    #[error("the base `{base}` is a language model: only CLIP models make heads from class names")]
    NoTextTower {
        /// The base.
        base: String,
    },
    /// No task has class names to build a head from.
    #[error("no task of `{}` has `classes` and `templates`", path.display())]
    NoPrompts {
        /// The sweep file.
        path: PathBuf,
    },
    /// The base model's tensors cannot be read.
    #[error("cannot use the base model")]
    Base(#[from] merging::BaseError),
    /// An adapter cannot be used.
    #[error("cannot use the adapter `{name}`")]
    Adapter {
        /// The task that the adapter is of.
        name: String,
        /// What is wrong.
        source: Box<merging::AdapterError>,
    },
    /// The base has no such adapter as the sweep wants to train.
    #[error("the adapter of `{task}` cannot be trained")]
    Training {
        /// The task that the adapter is of.
        task: String,
        /// What does not fit.
        source: evaluation::TrainError,
    },
    /// The base has no such adapters as the sweep wants to train, by settings that its tasks share.
    #[error("no adapter of the base can be trained with it")]
    SharedTraining {
        /// What does not fit.
        source: evaluation::TrainError,
    },
    /// An adapter brings a head, and a command evaluates merges, which have none.
    #[error(
        "the adapter of `{task}` brings a head (`modules_to_save`), and a merge that `evaluation.command` gets has none: take adapters \
         without heads, or evaluate without a command"
    )]
    CommandHead {
        /// The task that the adapter is of.
        task: String,
    },
    /// An adapter updates what evaluation does not know of the base.
    #[error("cannot use the adapter `{name}`, which is `{place}`")]
    AdapterModule {
        /// The task that the adapter is of.
        name: String,
        /// What the sweep file names.
        place: String,
        /// What is wrong.
        source: evaluation::ModelError,
    },
    /// Statistics of a task would lack modules that other adapters update.
    #[error(
        "{} by {} of every adapted module, and those of `{task}` would lack {}, which adapters of other tasks update and its own \
         does not: merge adapters that update the same modules, or take the recipe out of the sweep",
        merges(recipes), what.name(), some(modules)
    )]
    OtherModules {
        /// The task.
        task: String,
        /// The searches and baselines that merge by statistics.
        recipes: Vec<String>,
        /// What they merge by.
        what: StatisticsKind,
        /// The modules that the task's adapter does not update.
        modules: Vec<String>,
    },
    /// A weight of a layer that no adapter has.
    #[error("there is no layer `{layer}`: the adapters update layers {first} to {last}")]
    Layer {
        /// The layer as it is written.
        layer: String,
        /// The first layer.
        first: usize,
        /// The last layer.
        last: usize,
    },
    /// The base reads texts and the tasks have images, or the other way round.
    #[error("the base `{base}` is {}, and the data of `{task}` are {}", kind.description(), kind.reads().other().name())]
    Kind {
        /// The base.
        base: String,
        /// What the base is.
        kind: evaluation::ModelKind,
        /// The task.
        task: String,
    },
    /// The tokenizer of the base cannot be used.
    #[error("cannot use the base's tokenizer")]
    Tokenizer(#[source] evaluation::TextError),
    /// Texts cannot be tokenised as the sweep file says.
    #[error("cannot use the texts of `{task}`")]
    Texts {
        /// The task.
        task: String,
        /// What is wrong.
        source: evaluation::TextError,
    },
    /// Data and head of a task count other classes.
    #[error("`{task}` cannot be scored on split `{split}`")]
    Classes {
        /// The task.
        task: String,
        /// The split.
        split: String,
        /// What is wrong.
        source: evaluation::ClassError,
    },
    /// A head's file cannot be read.
    #[error("cannot use the head of `{task}`")]
    HeadFile {
        /// The task.
        task: String,
        /// What is wrong.
        source: evaluation::HeadError,
    },
    /// A head fits neither base nor data.
    #[error("cannot use the head of `{task}`, which is {place}")]
    UnfitHead {
        /// The task.
        task: String,
        /// What the sweep file names.
        place: String,
        /// What is wrong.
        source: HeadProblem,
    },
    /// A model or head cannot be used.
    #[error("cannot use the model")]
    Model(#[from] evaluation::ModelError),
    /// The model does not fit into memory.
    #[error("the model takes {} of memory, and {} are free", needed.in_words(), ByteSize(*available))]
    Memory {
        /// What it takes.
        needed: MemoryNeed,
        /// Bytes that are free.
        available: u64,
    },
}

impl CheckError {
    /// Whether it may pass without a change of the inputs.
    pub fn is_retryable(&self) -> bool {
        match self {
            // Too little memory is no property of the model: another machine has more.
            Self::Memory { .. } => true,
            Self::Problems(problems) => problems.may_pass(),
            Self::SweepInput(source) => source.is_retryable(),
            Self::Model(source) | Self::AdapterModule { source, .. } => source.is_retryable(),
            Self::Data { source, .. } => source.is_retryable(),
            Self::SplitTexts { source, .. } | Self::Texts { source, .. } | Self::Tokenizer(source) => {
                source.is_retryable()
            }
            Self::HeadFile { source, .. } => source.is_retryable(),
            Self::Base(source) => evaluation::may_pass(source),
            Self::Adapter { source, .. } => evaluation::may_pass(source.as_ref()),
            Self::JointMap { source } => evaluation::may_pass(source),
            Self::CommandHead { .. }
            | Self::Training { .. }
            | Self::SharedTraining { .. }
            | Self::JointTask { .. }
            | Self::JointLacks { .. }
            | Self::NoTextTower { .. }
            | Self::Layer { .. }
            | Self::NoPrompts { .. }
            | Self::Kind { .. }
            | Self::OtherModules { .. }
            | Self::Classes { .. }
            | Self::UnfitHead { .. } => false,
        }
    }
}

/// The most names that a message lists.
const LISTED: usize = 3;

/// The first of some names, and how many more there are.
fn some(names: &[String]) -> String {
    let listed: Vec<String> = names.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
    let listed = listed.join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}

/// Recipes as the subject of a sentence, with its verb.
fn merges(recipes: &[String]) -> String {
    let verb = if recipes.len() == 1 { "merges" } else { "merge" };
    format!("{} {verb}", some(recipes))
}
