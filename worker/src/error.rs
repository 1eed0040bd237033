use files::FileChanged;
use jobs::{Blame, JobId};
use std::{error::Error, io, path::PathBuf, sync::Arc, time::Duration};

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
        /// A file of it that was seen to change while it was in use.
        #[source]
        file: Option<Arc<FileChanged>>,
    },
    /// A file was changed between being hashed and being read, or while jobs computed with it.
    #[error(
        "a file changed while the job used it, so the job has no result; restore the file, or run again to begin with the changed one"
    )]
    FileChanged(#[source] Arc<FileChanged>),
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
    /// The merge cannot be written.
    #[error("the merge cannot be written")]
    Output(#[from] merging::OutputError),
    /// The adapters cannot be merged by the inputs of their modules.
    #[error("the merge is not possible")]
    InputMerge(#[from] merging::InputMergeError),
    /// Coefficients cannot be learned.
    #[error("the coefficients cannot be learned")]
    Tune(#[source] evaluation::TuneError),
    /// Statistics cannot be written, or those of another job cannot be read.
    #[error("the statistics cannot be used")]
    Statistics(#[from] merging::StatisticsError),
    /// The folder for files that are being written cannot be used.
    #[error("the folder for temporary files, `{}`, cannot be used; `TMPDIR` names another", path.display())]
    Scratch {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The model cannot be loaded or run.
    #[error("the model cannot be used")]
    Model(#[from] evaluation::ModelError),
    /// A split of a task cannot be read.
    #[error("the data of `{task}` cannot be used for the split `{split}`")]
    Data {
        /// The task.
        task: String,
        /// The split.
        split: String,
        /// What is wrong with it.
        source: evaluation::SplitError,
    },
    /// The adapter of a task brings no head.
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
    /// The map of a joint head cannot be read, or the tasks have no classes for a joint head.
    #[error(transparent)]
    Joint(#[from] evaluation::JointError),
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
    /// The inputs of the job took longer than the limit.
    #[error("the inputs of the job were not read within the limit of {} s", .0.as_secs())]
    LoadTimedOut(Duration),
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
    #[error("the job is to be evaluated in {precision}, and models that read {reads} are in {expected} alone")]
    Precision {
        /// The number format.
        precision: &'static str,
        /// What models of the base's family read.
        reads: &'static str,
        /// The number formats that they are evaluated in.
        expected: String,
    },
    /// The job was lost too often to hand it out once more.
    #[error("{}", lost(*losses, machines))]
    Lost {
        /// How often.
        losses: u32,
        /// The machines that it was lost on, as far as they are known.
        machines: Vec<String>,
    },
}

impl From<FileChanged> for JobError {
    fn from(changed: FileChanged) -> Self {
        Self::FileChanged(Arc::new(changed))
    }
}

impl JobError {
    /// Whether another attempt may do better. Bad input never does.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Input(error) => error.is_retryable(),
            Self::Model(error) => error.is_retryable(),
            Self::Data { source, .. } => source.is_retryable(),
            Self::Head { source, .. } => source.is_retryable(),
            Self::Panicked(_) | Self::Interrupted | Self::Cancelled(_) => true,
            // What is there now may be what the job was made for, or is refused by its digest.
            Self::FileChanged(_) => true,
            // A job does not take as long on every machine, nor does a network.
            Self::TimedOut(_) | Self::LoadTimedOut(_) => true,
            _ => false,
        }
    }

    /// Where the failure lies. What may pass, or may be another on another machine, says nothing about the job.
    pub fn blame(&self) -> Blame {
        let is_of_service = matches!(self, Self::Stored(_) | Self::Impossible(_) | Self::Lost { .. });
        let is_of_machine = self.is_retryable() || self.is_own_fault() || self.is_of_system();
        if is_of_machine || is_of_service { Blame::Machine } else { Blame::Job }
    }

    /// Whether the fault may lie with the worker, and another one do better: inputs were found and digested when the
    /// sweep was frozen, so what is missing, closed or different here need not be elsewhere.
    pub fn is_own_fault(&self) -> bool {
        matches!(self, Self::Input(_) | Self::Changed { .. } | Self::FileChanged(_) | Self::TooLarge { .. })
    }

    /// Whether the operating system refused something: of a file that was digested before, content is not to blame. Decoders
    /// report what is wrong with content as errors without a number of the system's.
    fn is_of_system(&self) -> bool {
        let mut cause = self.source();
        while let Some(error) = cause {
            if error.downcast_ref::<io::Error>().is_some_and(|error| error.raw_os_error().is_some()) {
                return true;
            }
            cause = error.source();
        }
        false
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

/// What is known of a job that was lost: how often, where, and no guess why.
fn lost(losses: u32, machines: &[String]) -> String {
    let times = if losses == 1 { "once".to_owned() } else { format!("{losses} times") };
    let on = match machines {
        [] => String::new(),
        [machine] => format!(" on one machine, `{machine}`"),
        machines => format!(" on {} machines, {}", machines.len(), list(machines)),
    };
    format!("the job was lost {times}{on}: workers took the job and were not heard of again")
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
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
    #[error(
        "{count} {} failed for reasons that lie with this worker, the last one with: {error}",
        if *count == 1 { "job" } else { "different jobs in a row" }
    )]
    Unfit {
        /// How many.
        count: usize,
        /// The error of the last one and its causes.
        error: String,
    },
    /// The store does not take a write, before any job was taken.
    #[error("the worker cannot write to its store; it has taken no job")]
    Unwritable(#[source] store::StoreError),
    /// The sweeps of jobs are not in the store: the coordinator has another one.
    #[error(
        "jobs came for {}, and the store {place} holds none of them; the worker needs the same `--store` as the run",
        list(sweeps)
    )]
    OtherStore {
        /// The sweeps.
        sweeps: Vec<String>,
        /// The worker's store.
        place: String,
    },
    /// A job went on long after it was told to stop. The thread that computes it cannot be ended from outside, so the
    /// process has to.
    #[error("job {} goes on computing after it was told to stop; the worker has to be started anew", .0.short())]
    Hangs(JobId),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(source: io::Error) -> JobError {
        JobError::Joint(evaluation::JointError::Map { path: "/maps/joint.json".into(), source })
    }

    #[test]
    fn what_the_system_refuses_lies_with_the_machine_and_what_a_decoder_finds_with_the_job() {
        assert_eq!(map(io::Error::from_raw_os_error(5)).blame(), Blame::Machine);
        assert_eq!(map(io::Error::new(io::ErrorKind::InvalidData, "no JSON")).blame(), Blame::Job);
        assert_eq!(JobError::Incomplete(String::new()).blame(), Blame::Job);
        assert_eq!(JobError::Panicked(String::new()).blame(), Blame::Machine);
        assert_eq!(JobError::LoadTimedOut(Duration::ZERO).blame(), Blame::Machine);
    }
}
