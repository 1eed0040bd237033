use crate::{CommandError, StateFile, error::names};
use files::FileChanged;
use jobs::{Blame, ByteSize, causes};
use std::{io, path::PathBuf, sync::Arc, time::Duration};

/// Why a job has no result.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// An input is missing, or cannot be read.
    #[error("an input of the job cannot be used")]
    Input(#[from] inputs::InputError),
    /// What another job made for this one is missing from the store, or damaged.
    #[error("what another job made for this one cannot be used")]
    Artefact(#[source] inputs::InputError),
    /// An input has changed since the sweep was frozen.
    #[error("`{place}` has changed since the job was made: its digest is {found}, the job's {expected}")]
    Changed {
        /// The input.
        place: String,
        /// The digest that the job names.
        expected: String,
        /// The digest now.
        found: String,
        /// The file that changed while it was in use, if one did.
        #[source]
        file: Option<Arc<FileChanged>>,
    },
    /// A file was changed between being hashed and being read, or while jobs computed with it.
    #[error(
        "a file changed while the job used it, so the job has no result; \
         restore the file, or run again to use the changed file"
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
    /// An adapter updates a module that the model does not have.
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
    /// An adapter cannot be trained.
    #[error("the adapter of `{task}` cannot be trained")]
    Train {
        /// The task.
        task: String,
        /// Why not.
        source: evaluation::TrainError,
    },
    /// Examples are in two splits.
    #[error(
        "{shared} of {n} examples of the split `{split}` of task `{task}` are trained on as well: the first is number {first}, which \
         is number {trained} of `{training}`, counted from 0; an adapter would look too good on it. Cut splits that have no example \
         in common under `data.splits`, or allow it with `overlap: allow` under `training`"
    )]
    Overlap {
        /// The task.
        task: String,
        /// The split that is evaluated.
        split: String,
        /// The split that is trained on.
        training: String,
        /// Examples in both.
        shared: usize,
        /// Examples of the split that is evaluated.
        n: usize,
        /// The first of them that is trained on.
        first: usize,
        /// Its place in the training split.
        trained: usize,
    },
    /// The checkpoint of the leg before is none of this training.
    #[error("the checkpoint of the leg before cannot be used")]
    Checkpoint(#[source] evaluation::StateError),
    /// The checkpoint of the leg before, or what the leg kept when it rested, cannot be read from the store now.
    #[error("the checkpoint that the leg goes on from cannot be read")]
    CheckpointStore(#[source] Arc<store::StoreError>),
    /// The checkpoint of the leg before is gone or cannot be used.
    #[error("the checkpoint of the leg before is gone; the next `bowline run` makes the training again, leg by leg")]
    CheckpointGone(#[source] Option<Arc<dyn std::error::Error + Send + Sync>>),
    /// Statistics cannot be written, or those of another job cannot be read.
    #[error("the statistics cannot be used")]
    Statistics(#[from] merging::StatisticsError),
    /// The folder for temporary files cannot be used.
    #[error("the folder for temporary files, `{}`, cannot be used; `TMPDIR` names another", path.display())]
    Scratch {
        /// The folder.
        path: PathBuf,
        /// The error of the operating system.
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
    /// The adapter of a task contains no head.
    #[error(
        "the adapter of `{task}` contains no head that is one matrix without a bias (`score.weight`): \
         name a file as the task's `head`"
    )]
    NoHead {
        /// The task.
        task: String,
    },
    /// A merge does not fit into memory.
    #[error(
        "merging by `{method}` in `full` takes {} of memory beside the model, and {} are free: use another space or method, or a \
         machine with more memory",
        ByteSize(*needed),
        ByteSize(*available)
    )]
    MergeTooLarge {
        /// The combination.
        method: &'static str,
        /// Bytes that the merge takes.
        needed: u64,
        /// Bytes that are free.
        available: u64,
    },
    /// Statistics do not fit into memory while they are made.
    #[error(
        "{what} take {} of memory beside the model, and {} are free: use a machine with more memory, or \
         adapters that leave the widest modules alone",
        ByteSize(*needed),
        ByteSize(*available)
    )]
    StatisticsTooLarge {
        /// What takes it.
        what: &'static str,
        /// Bytes that they take.
        needed: u64,
        /// Bytes that are free.
        available: u64,
    },
    /// The images that an adapter is trained on do not fit into memory.
    #[error(
        "the images that the adapter is trained on do not fit into the {} of memory that a step leaves: keep them in files with \
         `--example-cache FOLDER`, or use a machine with more memory",
        ByteSize(*available)
    )]
    TrainingImages {
        /// Bytes that they may take.
        available: u64,
        /// What is too large.
        source: evaluation::SplitError,
    },
    /// The base model does not fit into memory.
    #[error(
        "the base model takes {} of memory, and {} to run; {} are free",
        ByteSize(*base),
        ByteSize(*activations),
        ByteSize(*available)
    )]
    TooLarge {
        /// Bytes of its weights.
        base: u64,
        /// Bytes of activations.
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
    /// The job is a slice that names no examples.
    #[error("the job's slice cannot be evaluated")]
    Slice(#[source] jobs::SliceError),
    /// A slice was made for data of another size.
    #[error("the job's slice is of {expected} examples of `{task}`, and its split has {found}")]
    SliceSize {
        /// The task.
        task: String,
        /// The examples that the slice is made for.
        expected: u64,
        /// The examples of the split.
        found: u64,
    },
    /// The command that evaluates the job's model came to no scores.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The job names an input without its location, or the other way round.
    #[error("the job is not complete: {0}")]
    Incomplete(String),
    /// The computation panicked: a bug, or a device that failed.
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
    /// A leg of a training has computed for long enough, and goes on from this state in its next attempt.
    #[error("the job rests, and goes on from the state that it keeps")]
    Rests(StateFile),
    /// What a leg kept when it rested is of another run or leg, or damaged. The worker starts the leg from its beginning.
    #[error("what the leg kept when it rested cannot be used")]
    RestRefused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The sweep of the job was cancelled together with its running jobs.
    #[error("the sweep `{0}` was cancelled")]
    Cancelled(String),
    /// The object under the key of the result is no result of this job.
    #[error("the stored result of the job is corrupt; `bowline run --repair` computes it again")]
    CorruptResult(#[source] Arc<store::StoreError>),
    /// The computed result cannot belong to the job.
    #[error("the computed result cannot belong to the job, and is not stored")]
    ImpossibleResult(#[source] jobs::ResultFault),
    /// The base cannot be evaluated in the number format that the job names.
    #[error("the job names the precision {precision}, and models that read {reads} are evaluated only in {expected}")]
    Precision {
        /// The number format.
        precision: &'static str,
        /// What models of the base's family read: images or texts.
        reads: &'static str,
        /// The number formats in which they are evaluated.
        expected: String,
    },
    /// The job was lost too often to be tried again.
    #[error("{}", lost(*losses, machines))]
    Lost {
        /// Lost deliveries.
        losses: u32,
        /// The machines on which it was lost, as far as they are known.
        machines: Vec<String>,
    },
}

impl From<FileChanged> for JobError {
    fn from(changed: FileChanged) -> Self {
        Self::FileChanged(Arc::new(changed))
    }
}

impl JobError {
    /// Whether another attempt may succeed. With bad input, none does.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Input(error) | Self::Artefact(error) => error.is_retryable(),
            Self::Model(error) => error.is_retryable(),
            Self::CheckpointStore(error) => error.is_retryable(),
            Self::Data { source, .. } => source.is_retryable(),
            Self::Head { source, .. } => source.is_retryable(),
            Self::Command(error) => error.is_retryable(),
            Self::Panicked(_) | Self::Interrupted | Self::Rests(_) | Self::Cancelled(_) => true,
            // The file may be the right one again. Otherwise the next attempt refuses it by its digest.
            Self::FileChanged(_) => true,
            // Machines and networks differ in speed.
            Self::TimedOut(_) | Self::LoadTimedOut(_) => true,
            Self::Changed { .. }
            | Self::Adapter { .. }
            | Self::AdapterModule { .. }
            | Self::Base(_)
            | Self::Merge(_)
            | Self::InputMerge(_)
            | Self::Statistics(_)
            | Self::Tune(_)
            | Self::Train { .. }
            | Self::Overlap { .. }
            | Self::Checkpoint(_)
            | Self::CheckpointGone(_)
            | Self::RestRefused(_)
            | Self::Output(_)
            | Self::Scratch { .. }
            | Self::NoHead { .. }
            | Self::TooLarge { .. }
            | Self::MergeTooLarge { .. }
            | Self::StatisticsTooLarge { .. }
            | Self::TrainingImages { .. }
            | Self::Joint(_)
            | Self::Score { .. }
            | Self::Incomplete(_)
            | Self::CorruptResult(_)
            | Self::ImpossibleResult(_)
            | Self::Precision { .. }
            | Self::Slice(_)
            | Self::SliceSize { .. }
            | Self::Lost { .. } => false,
        }
    }

    /// Whether the failure belongs to the job or to the machine. A failure that may pass, or that another machine may
    /// not have, says nothing about the job.
    pub fn blame(&self) -> Blame {
        if let Self::Command(error) = self {
            return error.blame();
        }
        let is_of_service = matches!(
            self,
            Self::CorruptResult(_)
                | Self::ImpossibleResult(_)
                | Self::Lost { .. }
                | Self::Artefact(_)
                | Self::CheckpointStore(_)
                | Self::CheckpointGone(_)
        );
        let is_of_machine = self.is_retryable() || self.is_own_fault() || self.is_of_system();
        if is_of_machine || is_of_service { Blame::Machine } else { Blame::Job }
    }

    /// Whether the fault may be the worker's own, so that another worker may succeed. Inputs were found and hashed when
    /// the sweep was frozen: if they are missing, unreadable or different here, they need not be so elsewhere.
    /// Artefacts lie in the store that all workers share.
    pub fn is_own_fault(&self) -> bool {
        if let Self::Command(error) = self {
            return error.is_own_fault();
        }
        let lacks_memory = matches!(
            self,
            Self::TooLarge { .. }
                | Self::MergeTooLarge { .. }
                | Self::StatisticsTooLarge { .. }
                | Self::TrainingImages { .. }
        );
        lacks_memory || matches!(self, Self::Input(_) | Self::Changed { .. } | Self::FileChanged(_))
    }

    /// Whether the operating system refused an operation. The input was hashed before, so its content is not the cause:
    /// a decoder reports bad content as an error without a number of the operating system.
    fn is_of_system(&self) -> bool {
        causes(self).filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|error| error.raw_os_error().is_some())
    }
}

/// The message for a lost job: how often and where it was lost. It names no reason, because none is known.
fn lost(losses: u32, machines: &[String]) -> String {
    let times = if losses == 1 { "once".to_owned() } else { format!("{losses} times") };
    let on = match machines {
        [] => String::new(),
        [machine] => format!(" on one machine, `{machine}`"),
        machines => format!(" on {} machines, {}", machines.len(), names(machines)),
    };
    format!("the job was lost {times}{on}: workers took the job and did not settle it")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(source: io::Error) -> JobError {
        JobError::Joint(evaluation::JointError::Map { path: "/maps/joint.json".into(), source })
    }

    #[test]
    fn an_error_of_the_system_blames_the_machine_and_an_error_of_a_decoder_the_job() {
        assert_eq!(map(io::Error::from_raw_os_error(5)).blame(), Blame::Machine);
        assert_eq!(map(io::Error::new(io::ErrorKind::InvalidData, "no JSON")).blame(), Blame::Job);
        assert_eq!(JobError::Incomplete(String::new()).blame(), Blame::Job);
        assert_eq!(JobError::Panicked(String::new()).blame(), Blame::Machine);
        assert_eq!(JobError::LoadTimedOut(Duration::ZERO).blame(), Blame::Machine);
    }

    #[test]
    fn a_missing_artefact_is_no_fault_of_the_worker_and_says_nothing_about_the_job() {
        let missing = || inputs::InputError::Missing { reference: "artefact:1".to_owned() };
        let error = JobError::Artefact(missing());
        assert!(!error.is_own_fault() && !error.is_retryable());
        assert_eq!(error.blame(), Blame::Machine);
        assert!(JobError::Input(missing()).is_own_fault());
    }
}
