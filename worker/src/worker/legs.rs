//! Checkpoints between the legs of a training: files of the artefact of each leg, until the next one is stored.

use super::Worker;
use crate::{JobError, LegStart, StateFile};
use jobs::{CHECKPOINT_FILE, Job, JobId, JobSpec};
use std::{env, sync::Arc};
use store::StoreError;
use tracing::warn;

impl Worker {
    /// The checkpoint of the leg before, which a leg starts from; nothing for the first one.
    ///
    /// Without its checkpoint a leg is not computed: the steps of all legs before it might take longer than a job may. The next run
    /// makes the training again, leg by leg.
    ///
    /// # Errors
    /// [`JobError::CheckpointGone`]; the store is unreachable; [`JobError::Interrupted`] if the leg is stored by now, so that the
    /// checkpoint was deleted. The delivery then goes back, and is found to be done.
    pub(super) async fn leg_before(&self, job: &Job) -> Result<LegStart, JobError> {
        let Some(from) = job.spec().leg_before() else { return Ok(LegStart::Nothing) };
        let gone = match self.fetch_checkpoint(&from).await {
            Ok(Some(file)) => return Ok(LegStart::LegBefore(file)),
            Ok(None) => None,
            Err(LegError::Store(error)) if error.is_of_one_object() => Some(error),
            Err(LegError::Store(error)) => return Err(JobError::CheckpointStore(Arc::new(error))),
            Err(LegError::Scratch(source)) => return Err(JobError::Scratch { path: env::temp_dir(), source }),
        };
        match self.has_leg(job.spec(), &job.id()).await {
            Ok(true) => Err(JobError::Interrupted),
            Ok(false) => {
                self.give_checkpoint_up(job).await;
                Err(JobError::CheckpointGone(gone.map(|error| Arc::new(error) as _)))
            }
            Err(error) => Err(JobError::CheckpointStore(Arc::new(error))),
        }
    }

    /// Deletes a checkpoint that no leg can start from, so that a run sees that the training has to be made again.
    pub(super) async fn give_checkpoint_up(&self, job: &Job) {
        let Some(from) = job.spec().leg_before() else { return };
        if let Err(error) = self.store.remove_temporary_files(&from, job.spec()).await {
            warn!(%error, leg = %from.short(), "cannot delete a checkpoint that cannot be used");
        }
    }

    /// The checkpoint of a leg, which has the digest that its record names.
    async fn fetch_checkpoint(&self, leg: &JobId) -> Result<Option<StateFile>, LegError> {
        let Some(result) = self.store.artefact_result(leg).await? else { return Ok(None) };
        let Some(file) = result.artefact.file(CHECKPOINT_FILE) else { return Ok(None) };
        let fetched = StateFile::new()?;
        self.store.get_artefact_file(&result, file, &fetched.path()).await?;
        Ok(Some(fetched))
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
        let mut next = spec.leg_before();
        while let Some(leg) = next.take() {
            if is_last_leg(spec) {
                match self.store.artefact_result(&leg).await {
                    Ok(record) => next = record.and_then(|record| record.spec.leg_before()),
                    Err(error) => warn!(%error, leg = %leg.short(), "cannot look for the leg before"),
                }
            }
            if let Err(error) = self.store.remove_temporary_files(&leg, spec).await {
                warn!(%error, leg = %leg.short(), "cannot delete the checkpoint of a leg that is over");
            }
            // What the leg kept when it rested: a worker that was late may have written it again.
            if let Err(error) = self.store.remove_checkpoint(&leg).await {
                warn!(%error, leg = %leg.short(), "cannot delete what a leg that is over has kept");
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
