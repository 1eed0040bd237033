//! What jobs of each kind come to, and how the store keeps it.

use super::Worker;
use crate::{Computed, MadeFiles, Output, Scores, clock::now_ms};
use jobs::{ArtefactResult, Job, JobKind, JobResult, JobSpec, ResultFault, RunFacts};
use store::{Put, StoreError};
use tracing::warn;

/// What a job came to, with who made it.
pub(super) enum Made {
    Scores(Box<JobResult>),
    Files {
        result: Box<ArtefactResult>,
        files: MadeFiles,
    },
    /// An output that is none of the job's kind: a fault of this program.
    OtherKind(JobKind),
}

impl Made {
    /// Looks whether it can be what the job came to.
    pub(super) fn check(&self) -> Result<(), ResultFault> {
        match self {
            Self::Scores(result) => result.check(),
            Self::Files { result, .. } => result.check(),
            Self::OtherKind(kind) => Err(ResultFault::OtherKind { kind: kind.name() }),
        }
    }
}

impl Worker {
    /// Whether the store holds what the job comes to.
    pub(super) async fn is_done(&self, job: &Job) -> Result<bool, StoreError> {
        let id = job.id();
        match job.spec.kind() {
            JobKind::Evaluate => Ok(self.store.result(&id).await?.is_some()),
            JobKind::Write | JobKind::Statistics | JobKind::Tune => match self.store.artefact_result(&id).await? {
                Some(result) => self.store.check_artefact_files(&result).await.map(|()| true),
                None => Ok(false),
            },
        }
    }

    pub(super) fn made(&self, job: &Job, attempt: u32, computed: Computed) -> Made {
        let Computed { output, timings, commits } = computed;
        let run = RunFacts {
            worker: self.name.clone(),
            attempt,
            device: self.compute.device(),
            versions: self.compute.versions(),
            commits,
            finished_ms: now_ms(),
        };
        let id = job.id();
        match (&job.spec, output) {
            (JobSpec::Evaluate(meaning), Output::Scores(Scores { scores, merge })) => {
                let meaning = meaning.clone();
                Made::Scores(Box::new(JobResult { job: id, meaning, scores, merge, timings, run }))
            }
            (spec @ (JobSpec::Write(_) | JobSpec::Statistics(_) | JobSpec::Tune(_)), Output::Files(files)) => {
                let artefact = files.artefact().clone();
                let result = ArtefactResult { job: id, spec: spec.clone(), artefact, timings, run };
                Made::Files { result: Box::new(result), files }
            }
            (spec, Output::Scores(_) | Output::Files(_)) => Made::OtherKind(spec.kind()),
        }
    }

    /// Stores what a job came to. What is stored first stays: of the same kind of device, ours is the same but for its
    /// timings.
    pub(super) async fn keep(&self, made: &Made) -> Result<(), StoreError> {
        match made {
            Made::Scores(result) => self.store.put_result(result).await.map(|_| ()),
            Made::Files { result, files } => {
                // What names the files comes after them.
                self.store.put_artefact_files(&result.job, &result.artefact, files.folder()).await?;
                if self.store.put_artefact_result(result).await? == Put::Exists {
                    self.compare_with_first(result).await?;
                }
                Ok(())
            }
            Made::OtherKind(_) => Ok(()),
        }
    }

    async fn compare_with_first(&self, second: &ArtefactResult) -> Result<(), StoreError> {
        let first = match self.store.artefact_result(&second.job).await {
            // It is stored: that it cannot be looked at just now takes nothing from that.
            Err(error) if error.is_retryable() => return Ok(()),
            first => first?,
        };
        if let Some(first) = first
            && first.artefact.digest() != second.artefact.digest()
        {
            warn!(
                job = %second.job, kept = %first.run.worker, dropped = %second.run.worker,
                kept_device = %first.run.device, dropped_device = %second.run.device,
                "two workers made different files of one job",
            );
        }
        Ok(())
    }
}
