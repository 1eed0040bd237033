use jobs::JobId;
use std::{error::Error, io, path::PathBuf, time::Duration};

/// Why a job came to no result.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// An input is not there, or is not what the job was made for.
    #[error("an input of the job cannot be used")]
    Input(#[from] inputs::InputError),
    /// An input has changed since the sweep was frozen.
    #[error("`{place}` has changed since the job was made: its digest is {found}, the job's {expected}")]
    Changed {
        /// The input.
        place: String,
        /// The digest that the job was made for.
        expected: String,
        /// The digest now.
        found: String,
    },
    /// An adapter cannot be read, or does not fit the base.
    #[error("the adapter of `{task}` cannot be used")]
    Adapter {
        /// The adapter's task.
        task: String,
        /// What is wrong with it.
        source: merging::AdapterError,
    },
    /// An adapter updates what the model does not have.
    #[error("the adapter of `{task}` cannot be used")]
    AdapterModule {
        /// The adapter's task.
        task: String,
        /// Which module it is.
        source: evaluation::ModelError,
    },
    /// The base model's headers cannot be read.
    #[error("the base model cannot be used")]
    Base(#[from] merging::BaseError),
    /// The adapters cannot be aligned or merged.
    #[error("the merge is not possible")]
    Merge(#[from] merging::MergeError),
    /// The model cannot be loaded or run.
    #[error("the model cannot be used")]
    Model(#[from] evaluation::ModelError),
    /// The pictures of a task cannot be read.
    #[error("the data of `{task}` cannot be used for the split `{split}`")]
    Data {
        /// The task.
        task: String,
        /// The split.
        split: String,
        /// What is wrong with it.
        source: evaluation::DataError,
    },
    /// The texts of a task cannot be read.
    #[error("the data of `{task}` cannot be used for the split `{split}`")]
    Texts {
        /// The task.
        task: String,
        /// The split.
        split: String,
        /// What is wrong with it.
        source: evaluation::TextError,
    },
    /// The adapter of a task brings no classifier.
    #[error(
        "the adapter of `{task}` brings no head that is one matrix without a bias (`score.weight`): name a file as the task's `head`"
    )]
    NoHead {
        /// The task.
        task: String,
    },
    /// The base model does not fit into memory.
    #[error(
        "the base model takes {} of memory, and {} to run; {} are free", sized(*base), sized(*activations), sized(*available)
    )]
    TooLarge {
        /// Bytes of its weights.
        base: u64,
        /// Bytes of what is computed on the way.
        activations: u64,
        /// Bytes that are free.
        available: u64,
    },
    /// The head of a task cannot be read or built.
    #[error("the head of `{task}` cannot be used")]
    Head {
        /// The task.
        task: String,
        /// What is wrong with it.
        source: evaluation::HeadError,
    },
    /// The map of a joint head cannot be read.
    #[error("the joint map `{}` cannot be used", path.display())]
    JointMap {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// Data and head of a task do not fit each other.
    #[error("the task `{task}` cannot be scored on `{split}`")]
    Score {
        /// The task.
        task: String,
        /// The split.
        split: String,
        /// What does not fit.
        source: evaluation::ScoreError,
    },
    /// The job names something that its places do not hold, or the other way round.
    #[error("the job is not complete: {0}")]
    Incomplete(String),
    /// The computation panicked: a bug, or a device that went away.
    #[error("the computation panicked: {0}")]
    Panicked(String),
    /// The job took longer than the limit.
    #[error("the job took longer than its limit of {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The worker is stopping.
    #[error("the job was interrupted")]
    Interrupted,
    /// The sweep that wants the job was cancelled, and its running jobs with it.
    #[error("the sweep `{0}` was cancelled")]
    Cancelled(String),
    /// The store holds something where the result belongs that is no result of this job.
    #[error("the stored result of the job is corrupt; `bowline run --repair` computes it again")]
    Stored(#[source] store::StoreError),
    /// What was computed cannot be an answer to the job.
    #[error("the result that was computed cannot be an answer to the job, and is not stored")]
    Impossible(#[source] jobs::ResultFault),
    /// The base is not evaluated in the number format that the job names.
    #[error("the job is to be evaluated in {precision}, and models that look at pictures are in f32 alone")]
    Precision {
        /// The number format.
        precision: &'static str,
    },
    /// Too many workers were lost over the job to hand it to another.
    #[error(
        "{0} workers took the job and were not heard of again; it may need more memory than they have, or crash them"
    )]
    Lost(u32),
}

impl JobError {
    /// Whether another attempt may do better. Bad input never does.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Input(error) => error.is_retryable(),
            Self::Model(error) => error.is_retryable(),
            Self::Data { source, .. } => source.is_retryable(),
            Self::Texts { source, .. } => source.is_retryable(),
            Self::Head { source, .. } => source.is_retryable(),
            Self::Panicked(_) | Self::Interrupted | Self::Cancelled(_) => true,
            _ => false,
        }
    }

    /// Whether the fault may lie with the worker, and another one do better: inputs were found and digested when the
    /// sweep was frozen, so what is missing, closed or different here need not be elsewhere.
    pub fn is_own_fault(&self) -> bool {
        matches!(self, Self::Input(_) | Self::Changed { .. } | Self::TooLarge { .. })
    }

    /// The message and those of all causes, outermost first.
    pub fn chain(&self) -> Vec<String> {
        let mut chain = vec![self.to_string()];
        let mut cause = self.source();
        while let Some(error) = cause {
            chain.push(error.to_string());
            cause = error.source();
        }
        chain
    }
}

/// Bytes for people.
fn sized(bytes: u64) -> String {
    match bytes >> 30 {
        0 => format!("{} MiB", bytes >> 20),
        _ => format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)),
    }
}

/// Why a worker stopped before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The queue is out of reach.
    #[error("the worker lost its queue")]
    Queue(#[from] queue::QueueError),
    /// The store does not take results.
    #[error("the worker cannot reach its store for job {}", job.short())]
    Store {
        /// The job in hand.
        job: JobId,
        /// What the store says.
        source: store::StoreError,
    },
    /// The worker fails where others need not.
    #[error("{count} jobs in a row failed for reasons that lie with this worker, the last one with: {error}")]
    Unfit {
        /// How many.
        count: u32,
        /// The error of the last one and its causes.
        error: String,
    },
    /// The sweep of a job is not in the store: the coordinator has another one.
    #[error(
        "a job came for the sweep `{sweep}`, which the store {place} does not hold; the worker needs the same `--store` as \
         the run"
    )]
    OtherStore {
        /// The sweep.
        sweep: String,
        /// The worker's store.
        place: String,
    },
    /// A job went on long after it was told to stop. The thread that computes it cannot be ended from outside, so the
    /// process has to.
    #[error("job {} goes on computing after it was told to stop; the worker has to be started anew", .0.short())]
    Hangs(JobId),
}
