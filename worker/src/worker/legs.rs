//! Checkpoints between the legs of a training: files of the artefact of each leg, until the next one is stored.

use super::Worker;
use crate::JobError;
use jobs::{CHECKPOINT_FILE, Job, JobId, JobSpec};
use std::{env, fs, sync::Arc};
use store::StoreError;
use tracing::warn;

impl Worker {
    /// The checkpoint that a leg starts from. A leg whose checkpoint is gone makes all steps before it again.
    pub(super) async fn leg_checkpoint(&self, job: &Job) -> Result<Option<Vec<u8>>, JobError> {
        let Some(from) = leg_before(job.spec()) else { return Ok(None) };
        match self.read_checkpoint(&from).await {
            Err(LegError::Store(error)) if error.is_of_one_object() => {
                warn!(%error, "the checkpoint of the leg before cannot be used");
                Ok(None)
            }
            Err(LegError::Store(error)) => Err(JobError::CheckpointStore(Arc::new(error))),
            Err(LegError::Scratch(source)) => Err(JobError::Scratch { path: env::temp_dir(), source }),
            Ok(content) => Ok(content),
        }
    }

    /// The content of the checkpoint of a leg, which has the digest that its record names.
    async fn read_checkpoint(&self, leg: &JobId) -> Result<Option<Vec<u8>>, LegError> {
        let Some(result) = self.store.artefact_result(leg).await? else { return Ok(None) };
        let Some(file) = result.artefact.file(CHECKPOINT_FILE) else { return Ok(None) };
        let folder = tempfile::Builder::new().prefix("bowline-leg-").tempdir()?;
        let path = folder.path().join(CHECKPOINT_FILE);
        self.store.get_artefact_file(&result, file, &path).await?;
        Ok(Some(fs::read(&path)?))
    }

    /// Whether the output of a leg is stored. A worker that is late must not write its checkpoint again: the next leg may have
    /// deleted it.
    pub(super) async fn has_leg(&self, spec: &JobSpec, job: &JobId) -> Result<bool, StoreError> {
        if matches!(spec, JobSpec::Train(_)) { Ok(self.store.artefact_result(job).await?.is_some()) } else { Ok(false) }
    }

    /// Deletes the checkpoint that a leg started from, after the leg is stored. One that stays costs room, and no more.
    ///
    /// A worker that was killed in between has not deleted its own; the last leg therefore looks at all before it.
    pub(super) async fn delete_leg_checkpoints(&self, spec: &JobSpec) {
        let mut next = leg_before(spec);
        while let Some(leg) = next.take() {
            match self.store.remove_temporary_files(&leg).await {
                Ok(record) if is_last_leg(spec) => next = record.and_then(|record| leg_before(&record.spec)),
                Ok(_) => {}
                Err(error) => warn!(%error, leg = %leg.short(), "cannot delete the checkpoint of a leg that is over"),
            }
        }
    }
}

/// Why a checkpoint cannot be read.
enum LegError {
    Store(StoreError),
    Scratch(std::io::Error),
}

impl From<StoreError> for LegError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<std::io::Error> for LegError {
    fn from(error: std::io::Error) -> Self {
        Self::Scratch(error)
    }
}

/// The leg whose checkpoint a job starts from.
fn leg_before(spec: &JobSpec) -> Option<JobId> {
    match spec {
        JobSpec::Train(spec) => spec.leg.from,
        JobSpec::Evaluate(_)
        | JobSpec::Write(_)
        | JobSpec::Statistics(_)
        | JobSpec::Layerwise(_)
        | JobSpec::Tune(_) => None,
    }
}

fn is_last_leg(spec: &JobSpec) -> bool {
    match spec {
        JobSpec::Train(spec) => spec.is_last(),
        JobSpec::Evaluate(_)
        | JobSpec::Write(_)
        | JobSpec::Statistics(_)
        | JobSpec::Layerwise(_)
        | JobSpec::Tune(_) => false,
    }
}
