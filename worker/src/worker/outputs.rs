//! The output of each kind of job, and how it is stored.

use super::Worker;
use crate::{Computed, Output, OutputFiles, Scores};
use jobs::{ArtefactResult, Job, JobKind, JobResult, JobSpec, ResultFault, RunFacts, now_ms};
use store::{Put, StoreError};
use tracing::warn;

/// The output of a job, with facts about the run.
pub(super) enum CompletedJob {
    Scores(Box<JobResult>),
    Files {
        result: Box<ArtefactResult>,
        files: OutputFiles,
    },
    /// An output of another kind than the job: a bug of this program.
    OtherKind(JobKind),
}

impl CompletedJob {
    /// Checks that the output can belong to the job.
    pub(super) fn check(&self) -> Result<(), ResultFault> {
        match self {
            Self::Scores(result) => result.check(),
            Self::Files { result, .. } => result.check(),
            Self::OtherKind(kind) => Err(ResultFault::OtherKind { kind: kind.name() }),
        }
    }
}

impl Worker {
    /// Whether the store holds the output of the job.
    pub(super) async fn has_output(&self, job: &Job) -> Result<bool, StoreError> {
        let id = job.id();
        match job.spec().kind() {
            JobKind::Evaluate => Ok(self.store.result(&id).await?.is_some()),
            JobKind::Write | JobKind::Statistics | JobKind::Tune | JobKind::Train => {
                match self.store.artefact_result(&id).await? {
                    Some(result) => self.store.check_artefact_files(&result).await.map(|()| true),
                    None => Ok(false),
                }
            }
        }
    }

    pub(super) fn completed(&self, job: &Job, attempt: u32, computed: Computed) -> CompletedJob {
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
        match (job.spec(), output) {
            (JobSpec::Evaluate(meaning), Output::Scores(Scores { scores, merge })) => {
                let meaning = meaning.clone();
                CompletedJob::Scores(Box::new(JobResult { job: id, meaning, scores, merge, timings, run }))
            }
            (
                spec @ (JobSpec::Write(_)
                | JobSpec::Statistics(_)
                | JobSpec::Layerwise(_)
                | JobSpec::Tune(_)
                | JobSpec::Train(_)),
                Output::Files(files),
            ) => {
                let artefact = files.artefact().clone();
                let result = ArtefactResult { job: id, spec: spec.clone(), artefact, timings, run };
                CompletedJob::Files { result: Box::new(result), files }
            }
            (spec, Output::Scores(_) | Output::Files(_)) => CompletedJob::OtherKind(spec.kind()),
        }
    }

    /// Stores the output of a job. The first stored output stays. On the same kind of device, outputs differ only in
    /// their timings.
    pub(super) async fn store_output(&self, completed: &CompletedJob) -> Result<(), StoreError> {
        match completed {
            CompletedJob::Scores(result) => self.store.put_result(result).await.map(|_| ()),
            CompletedJob::Files { result, files } => {
                if self.has_leg(&result.spec, &result.job).await? {
                    self.compare_with_first(result).await?;
                    self.delete_leg_checkpoints(&result.spec).await;
                    return Ok(());
                }
                // The record that names the files is stored after them.
                self.store.put_artefact_files(&result.job, &result.artefact, files.folder()).await?;
                if self.store.put_artefact_result(result).await? == Put::Exists {
                    self.compare_with_first(result).await?;
                }
                self.delete_leg_checkpoints(&result.spec).await;
                Ok(())
            }
            CompletedJob::OtherKind(_) => Ok(()),
        }
    }

    async fn compare_with_first(&self, second: &ArtefactResult) -> Result<(), StoreError> {
        let first = match self.store.artefact_result(&second.job).await {
            // The output is stored. The comparison is left out if the store is unreachable now.
            Err(error) if error.is_retryable() => return Ok(()),
            first => first?,
        };
        if let Some(first) = first
            && first.artefact.digest() != second.artefact.digest()
        {
            warn!(
                job = %second.job, kept = %first.run.worker, dropped = %second.run.worker,
                kept_device = %first.run.device, dropped_device = %second.run.device,
                "two workers wrote different files for one job",
            );
        }
        Ok(())
    }
}
