//! Everything that ends a command early: what it says, its exit code, and what to do about it.

use crate::check::Problems;
use coordinator::{CoordinatorError, Stopped};
use std::{io, path::PathBuf};

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

/// Why a command ended early.
///
/// No variant prints its source: the report walks the chain, so that each fact is told once.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A file that the command line names cannot be read.
    #[error("cannot read the {what} `{}`", path.display())]
    Read { what: &'static str, path: PathBuf, source: io::Error },
    /// A file cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// The sweep file does not describe a sweep.
    #[error("the sweep file `{}` is not valid{}", path.display(), line.map(|line| format!(", in line {line}")).unwrap_or_default())]
    Sweep { path: PathBuf, line: Option<usize>, source: Box<jobs::SweepError> },
    /// The recipe file does not describe a merge.
    #[error("the recipe file `{}` is not valid", path.display())]
    Recipe { path: PathBuf, source: Box<jobs::SweepError> },
    /// An argument has the wrong form.
    #[error("`{argument}` is `{value}`, which is not {expected}")]
    Argument { argument: &'static str, value: String, expected: &'static str },
    /// Inputs of a sweep that its jobs would fail on.
    #[error("{0}")]
    Problems(Problems),
    /// An input that the sweep file names is not there.
    #[error("this input cannot be used")]
    SweepInput(#[source] inputs::InputError),
    /// A data set of pictures is not what it should be.
    #[error("the data of `{task}` cannot be used on split `{split}`")]
    Data { task: String, split: String, source: evaluation::DataError },
    /// A data set of texts is not what it should be.
    #[error("the data of `{task}` cannot be used on split `{split}`")]
    SplitTexts { task: String, split: String, source: evaluation::TextError },
    /// The map of a joint head cannot be read.
    #[error("cannot use the map of the joint head")]
    JointMap { source: Box<worker::JobError> },
    /// The map of a joint head leads out of the head.
    #[error("cannot use what the map of the joint head says of `{task}`")]
    JointTask { task: String, source: evaluation::ScoreError },
    /// The map of a joint head says nothing of a task.
    #[error("the map of the joint head (`evaluation.map`) has no labels of `{task}`")]
    JointLacks { task: String },
    /// A base for texts makes no heads.
    #[error("the base `{base}` is a Llama: only CLIP models make heads from class names")]
    NoTextTower { base: String },
    /// An input that an argument names is not there.
    #[error("cannot use `{argument}`")]
    Input { argument: String, source: inputs::InputError },
    /// The recipe weighs a task that the sweep does not have.
    #[error("the recipe has a weight for `{task}`, which is no task of `{}`", sweep.display())]
    UnknownTask { task: String, sweep: PathBuf },
    /// An input is not what was evaluated any more.
    #[error("`{place}` has changed since it was evaluated")]
    Changed { place: String },
    /// A file of an input was changed while the winner was merged.
    #[error("an input was changed while the winner was merged")]
    FileChanged(#[source] files::FileChanged),
    /// The base model's tensors cannot be read.
    #[error("cannot use the base model")]
    Base(#[from] merging::BaseError),
    /// An adapter cannot be used.
    #[error("cannot use the adapter `{name}`")]
    Adapter { name: String, source: Box<merging::AdapterError> },
    /// An adapter updates what evaluation does not know of the base.
    #[error("cannot use the adapter `{name}`, which is `{place}`")]
    AdapterModule { name: String, place: String, source: evaluation::ModelError },
    /// The base reads texts and the tasks have pictures, or the other way round.
    #[error("the base `{base}` is {}, and the data of `{task}` are {}", kind_of(*kind).0, kind_of(*kind).1)]
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
    /// The merge is not possible.
    #[error("cannot merge")]
    Merge(#[from] merging::MergeError),
    /// The merge cannot be written.
    #[error("cannot write the merge")]
    Output(#[from] merging::OutputError),
    /// A model or head cannot be used.
    #[error("cannot use the model")]
    Model(#[from] evaluation::ModelError),
    /// A head cannot be built or written.
    #[error("cannot make the head of `{task}`")]
    Head { task: String, source: evaluation::HeadError },
    /// The device cannot be opened.
    #[error("cannot open the device `{device}`")]
    Device { device: String, source: worker::EngineError },
    /// The store is out of reach, or holds something that it should not.
    #[error("cannot use the store")]
    Store(#[from] store::StoreError),
    /// An input of the sweep cannot be used.
    #[error("the sweep cannot start")]
    Freeze(#[from] coordinator::FreezeError),
    /// The sweep cannot go on.
    #[error("the sweep cannot go on")]
    Run(#[from] CoordinatorError),
    /// The recipe cannot be evaluated.
    #[error("the evaluation cannot go on")]
    Evaluation(#[source] CoordinatorError),
    /// The worker cannot go on.
    #[error("the worker cannot go on")]
    Worker(#[from] worker::WorkerError),
    /// A frame cannot be made or written.
    #[error("cannot make tables of the results")]
    Frame(analysis::FrameError),
    /// A picture cannot be made.
    #[error(transparent)]
    Picture(#[from] analysis::PictureError),
    /// The store holds no sweep of that name.
    #[error("the store {store} holds no sweep named `{name}`")]
    NoSweep { name: String, store: String },
    /// The store holds no sweep, or several, and none was named.
    #[error("the store {store} holds {}", several(names))]
    WhichSweep { store: String, names: Vec<String> },
    /// A run of the sweep is at work.
    #[error("a run of the sweep `{name}` seems to be at work: it was heard of {heard} ago")]
    AtWork { name: String, heard: String },
    /// What another sweep shares cannot be told.
    #[error("cannot tell which results the sweep `{name}` shares with the one to be removed")]
    Shared { name: String, source: Box<Self> },
    /// A question needs an answer, and nobody is there to give it.
    #[error("nobody can be asked whether to remove the sweep `{name}`")]
    NobodyToAsk { name: String },
    /// No failed job, or several, have such an id.
    #[error("`{text}` is the beginning of the id of {} failed jobs", if *found == 0 { "no".to_owned() } else { found.to_string() })]
    WhichJob { text: String, found: usize },
    /// The address of the queue cannot be read.
    #[error("cannot use the queue")]
    QueueAddress { source: queue::AddressError },
    /// The pool's name cannot be used.
    #[error("cannot use the queue")]
    Pool { source: queue::PoolNameError },
    /// An address that cannot be listened at.
    #[error("`--listen` does not work")]
    Listen(#[from] telemetry::EndpointError),
    /// Spans cannot be sent.
    #[error("cannot tell of what is done")]
    Telling(#[from] telemetry::TellingError),
    /// What was probed is not well, or not there.
    #[error("{url}: {reason}")]
    Probe { url: String, reason: String },
    /// A folder that is no overlay of `k8s/`.
    #[error("`{}` is no overlay: there is no `{}`", folder.display(), missing.join("kustomization.yaml").display())]
    Overlay { folder: PathBuf, missing: PathBuf },
    /// A sweep file names something that is not there in a cluster.
    #[error("`{}` names `{place}` under `{key}`, which lies beside the file on this machine alone", path.display())]
    LocalPlace { path: PathBuf, key: String, place: String },
    /// A sweep file that no ConfigMap holds.
    #[error("`{}` has {bytes} bytes, more than the {most} that a ConfigMap holds", path.display())]
    LargeSweep { path: PathBuf, bytes: usize, most: usize },
    /// A folder that holds another kustomization.
    #[error("`{}` is not a sweep's: it is left as it is", path.display())]
    OtherKustomization { path: PathBuf },
    /// Kustomize did not build.
    #[error("`{program}` cannot build the overlay: {reason}")]
    Kustomize { program: &'static str, reason: String },
    /// There is no kustomize.
    #[error("neither `kubectl` nor `kustomize` can be started")]
    NoKustomize,
    /// The queue is out of reach, or is not what it should be.
    #[error("cannot use the queue")]
    Queue(#[from] queue::QueueError),
    /// A folder that the worker may read cannot be found.
    #[error("cannot read below `{}`", path.display())]
    Root { path: PathBuf, source: io::Error },
    /// The sweep was cancelled while it ran.
    #[error("the sweep was cancelled")]
    Cancelled,
    /// The run stopped by itself.
    #[error("the sweep was stopped: {0}")]
    Stopped(Stopped),
    /// More jobs failed than may.
    #[error("{failed} jobs failed, more than the {limit} that may")]
    TooManyFailures { failed: u64, limit: u64 },
    /// No task has class names to build a head from.
    #[error("no task of `{}` has `classes` and `templates`", path.display())]
    NoPrompts { path: PathBuf },
    /// The model does not fit into memory.
    #[error("the model takes {needed} of memory, and {available} are free")]
    Memory { needed: String, available: String },
    /// The sweep is larger than what was allowed without asking.
    #[error("the sweep has up to {jobs} jobs, more than {limit}")]
    TooManyJobs { jobs: u64, limit: u64 },
    /// The sweep ran to its end, and not all of it worked.
    #[error("{failed} of {total} jobs failed")]
    Jobs { failed: u64, total: u64 },
    /// The evaluation ran to its end, and not all of it worked.
    #[error("{failed} of {total} jobs failed")]
    Evaluated { failed: u64, total: u64 },
    /// The store does not keep what results rely on.
    #[error("the store {place} {}", unsound(.is_conditional))]
    UnsoundStore { place: String, is_conditional: bool },
    /// A check of `doctor` did not pass.
    #[error("{failed} of {total} checks failed")]
    Checks { failed: usize, total: usize },
    /// The user stopped the command.
    #[error("interrupted")]
    Interrupted,
    /// Data did not get out.
    #[error("cannot write to standard output")]
    Stdout(io::Error),
    /// The program has a bug.
    #[error("bowline panicked; this is a bug")]
    Panicked,
    /// The program cannot start its own parts.
    #[error("cannot start the runtime")]
    Runtime(io::Error),
}

impl From<analysis::FrameError> for Failure {
    fn from(error: analysis::FrameError) -> Self {
        match error {
            analysis::FrameError::Store(error) => Self::Store(error),
            analysis::FrameError::NoSweep { name, store } => Self::NoSweep { name, store },
            error => Self::Frame(error),
        }
    }
}

impl Failure {
    /// The exit code: one for each thing that a caller can do about it.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Argument { .. } | Self::TooManyJobs { .. } | Self::NobodyToAsk { .. } => 2,
            Self::Jobs { .. } | Self::Evaluated { .. } | Self::TooManyFailures { .. } => 3,
            // The inputs are at fault, as they are where an adapter alone cannot be evaluated.
            Self::Stopped(Stopped::Base { .. }) => 65,
            Self::Stopped(Stopped::Alike { .. }) => 3,
            Self::Stopped(Stopped::Time(_) | Stopped::DeviceTime(_)) => 75,
            Self::QueueAddress { .. } | Self::Pool { .. } => 2,
            Self::Queue(queue::QueueError::CaFile { .. }) => 65,
            Self::Queue(_) | Self::Run(CoordinatorError::Queue(_)) => 69,
            Self::Worker(worker::WorkerError::Hangs(_)) => 75,
            Self::Memory { .. }
            | Self::Checks { .. }
            | Self::Device { .. }
            | Self::Worker(_)
            | Self::UnsoundStore { .. } => 69,
            Self::Listen(_) | Self::Probe { .. } | Self::NoKustomize => 69,
            Self::Write { .. } | Self::Frame(_) | Self::Stdout(_) => 69,
            Self::Output(merging::OutputError::Io { .. }) => 69,
            Self::Freeze(error) if error.is_retryable() => 69,
            Self::Input { source, .. } | Self::SweepInput(source) if source.is_retryable() => 69,
            Self::Problems(problems) if problems.may_pass() => 69,
            Self::Store(error) => store_code(error),
            Self::Run(CoordinatorError::Store(error)) => store_code(error),
            Self::Runtime(_) | Self::Panicked | Self::Picture(_) => 70,
            Self::Interrupted | Self::Cancelled | Self::Run(CoordinatorError::Cancelled { .. }) => 75,
            _ => 65,
        }
    }

    /// What to do, where there is something to say that the error does not.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Sweep { source, .. } | Self::Recipe { source, .. } => sweep_hint(source),
            Self::TooManyJobs { .. } => Some(
                "`--yes` starts it all the same; fewer values of `parameters` make fewer jobs, which `bowline plan` counts",
            ),
            Self::Stopped(Stopped::Base { .. } | Stopped::Alike { .. }) => Some(
                "mend what failed and run the same command with `--retry-failed`; `--brake 0` goes on whatever fails alike",
            ),
            Self::Stopped(Stopped::Time(_) | Stopped::DeviceTime(_)) => {
                Some("every finished job is stored; run the same command with more time to go on")
            }
            Self::TooManyFailures { .. } => Some(
                "`bowline failures list` shows them; run the same command with `--retry-failed` when they are mended",
            ),
            Self::Cancelled => Some(UNDO),
            Self::AtWork { .. } => {
                Some("`bowline cancel` ends it; `--force` removes the sweep all the same, if you know that it is dead")
            }
            Self::NobodyToAsk { .. } => Some("`--yes` says that it may go"),
            Self::Shared { .. } => Some("without `--results` all results stay, and the sweep can be removed"),
            Self::Worker(worker::WorkerError::Hangs(_)) => {
                Some("start the worker again; the job is recorded as failed, or comes back")
            }
            Self::Jobs { .. } => Some(
                "the errors are above; mend the input, then run again: `--retry-failed` tries what failed before once more",
            ),
            Self::Evaluated { .. } => Some("the errors are above; mend the input, then run again"),
            Self::Evaluation(CoordinatorError::Denominator { .. }) => {
                Some("mend the input, then run again, or give `finetuned` accuracies in the sweep file")
            }
            Self::Store(error) | Self::Run(CoordinatorError::Store(error)) => store_hint(error),
            Self::Run(error) => run_hint(error),
            Self::Panicked => Some("please report it with the message above and what you ran"),
            Self::Memory { .. } => {
                Some("`evaluation.precision: bf16` takes less, as do fewer `--threads`; `bowline plan` shows the parts")
            }
            Self::LocalPlace { .. } => Some(
                "put it where pods reach it: `hf://owner/name`, `s3://bucket/prefix`, or the absolute path of a volume that they mount",
            ),
            Self::OtherKustomization { .. } => Some("give `--write` a folder of its own"),
            Self::NoKustomize => Some("install one of them, or take the kustomization with `--write DIR`"),
            Self::Overlay { .. } => {
                Some("an overlay is a folder such as `k8s/overlays/example`, with `settings/` in it")
            }
            Self::Interrupted => Some("every finished job is stored; run the same command to go on"),
            Self::Output(merging::OutputError::NotLowRank { .. }) => {
                Some("`--rank N` cuts it to a rank and says what is lost; `--format full` writes the whole model")
            }
            _ => None,
        }
    }
}

const UNDO: &str = "`bowline cancel --undo NAME` takes it back; `bowline run` goes on then";

/// What to do about what ended a run.
fn run_hint(error: &CoordinatorError) -> Option<&'static str> {
    match error {
        CoordinatorError::Cancelled { .. } => Some(UNDO),
        CoordinatorError::OtherSweep { .. } => Some(
            "give this one another name (`name` in its file, or `-o name=…`), or remove the other with `bowline sweeps remove`: \
             its results stay",
        ),
        CoordinatorError::Overtaken { .. } => {
            Some("every finished job is stored; to run both, give one of them another `name`")
        }
        CoordinatorError::Removed { .. } => {
            Some("every finished job is stored; run the same command to begin the sweep anew")
        }
        CoordinatorError::Denominator { .. } => Some(
            "mend the input and run again with `--retry-failed` (with `--repair` where a stored result is corrupt), or give \
             `finetuned` accuracies in the sweep file",
        ),
        _ => None,
    }
}

/// What a base of this kind is, and what it does not read.
fn kind_of(kind: evaluation::ModelKind) -> (&'static str, &'static str) {
    match kind {
        evaluation::ModelKind::Clip => ("a CLIP model, which looks at pictures", "texts"),
        evaluation::ModelKind::Llama => ("a Llama, which reads texts", "pictures"),
    }
}

fn several(names: &[String]) -> String {
    match names {
        [] => "no sweep".to_owned(),
        names => format!("several sweeps: {}; name one of them", names.join(", ")),
    }
}

fn unsound(is_conditional: &bool) -> &'static str {
    match is_conditional {
        true => "does not read, list or delete what was written",
        false => "ignores the condition of a write: two workers could both store a result of one job",
    }
}

fn store_code(error: &store::StoreError) -> u8 {
    match error {
        store::StoreError::Backend(_) => 69,
        _ => 65,
    }
}

fn store_hint(error: &store::StoreError) -> Option<&'static str> {
    match error {
        store::StoreError::Corrupt { key, .. } if key.is_manifest() => Some(
            "`bowline sweeps remove NAME` takes away what is kept of the sweep but for its results; `bowline run` then makes it anew",
        ),
        store::StoreError::Corrupt { .. } | store::StoreError::Version { .. } => {
            Some("remove the object to have it made anew, or use the program that wrote it")
        }
        store::StoreError::OtherName { .. } => {
            Some("a sweep's folder has the sweep's name; give the folder that name again, or remove the object")
        }
        _ => None,
    }
}

fn sweep_hint(error: &jobs::SweepError) -> Option<&'static str> {
    let jobs::SweepError::Recipe { source: jobs::RecipeError::OutOfRange { key, .. }, .. } = error else { return None };
    match key.as_str() {
        "density" => Some("density is the share of entries kept; 1.0 keeps them all"),
        "scaling" => Some("to take a task away, give it a negative weight: `weights: {task: -1}`"),
        "drop_rate" => Some("the drop rate is the share of entries dropped; 0 drops none"),
        _ => None,
    }
}
