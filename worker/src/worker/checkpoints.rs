//! Checkpoints of long jobs: read before an attempt, written while it runs, deleted once the job is over.

use super::Worker;
use crate::{Checkpoints, JobError, RestedState};
use jobs::{Checkpoint, Job, JobId, JobSpec};
use std::sync::Arc;
use store::StoreError;
use tokio::sync::watch;
use tracing::{info, warn};

/// The last state that a job has kept, for the store.
pub(super) struct Kept {
    job: JobId,
    states: watch::Receiver<Option<String>>,
}

/// Whether jobs of this kind keep checkpoints.
fn is_resumable(spec: &JobSpec) -> bool {
    match spec {
        JobSpec::Tune(_) | JobSpec::Train(_) => true,
        JobSpec::Evaluate(_) | JobSpec::Write(_) | JobSpec::Statistics(_) | JobSpec::Layerwise(_) => false,
    }
}

/// Whether jobs of this kind rest: their states take the place of what they have computed.
fn rests(spec: &JobSpec) -> bool {
    match spec {
        JobSpec::Train(_) => true,
        JobSpec::Evaluate(_)
        | JobSpec::Write(_)
        | JobSpec::Statistics(_)
        | JobSpec::Layerwise(_)
        | JobSpec::Tune(_) => false,
    }
}

impl Worker {
    /// What an attempt at the job continues from, and where it keeps its states.
    ///
    /// # Errors
    /// [`JobError::CheckpointStore`] if what a leg kept when it rested cannot be looked for: from its beginning it would rest again, and
    /// put an earlier state in the place of that one.
    pub(super) async fn checkpoints(&self, job: &Job) -> Result<(Checkpoints, Option<Kept>), JobError> {
        if !is_resumable(job.spec()) {
            return Ok((Checkpoints::default(), None));
        }
        let id = job.id();
        let (sender, states) = watch::channel(None);
        let keep = move |state| {
            sender.send_replace(Some(state));
        };
        let last = match self.last_checkpoint(id, job.spec()).await {
            Ok(last) => last,
            Err(error) if rests(job.spec()) => return Err(JobError::CheckpointStore(Arc::new(error))),
            Err(error) => {
                warn!(%error, "cannot look for a checkpoint of the job; it starts from the beginning");
                None
            }
        };
        Ok((Checkpoints::new(last, keep), Some(Kept { job: id, states })))
    }

    /// A checkpoint that cannot be read costs the steps that it holds, and no more.
    async fn last_checkpoint(&self, job: JobId, spec: &JobSpec) -> Result<Option<String>, StoreError> {
        let Some(content) = self.store.checkpoint(&job).await? else { return Ok(None) };
        Ok(match Checkpoint::read(job, &content) {
            Ok(state) => {
                info!("the job continues from its checkpoint");
                Some(state)
            }
            Err(error) => {
                warn!(%error, "the checkpoint of the job is not used; it starts from the beginning");
                // A leg has to know that there was one.
                rests(spec).then(String::new)
            }
        })
    }

    /// Writes every state that the job keeps. Never ends.
    pub(super) async fn write_checkpoints(&self, kept: Option<&mut Kept>) -> std::convert::Infallible {
        let Some(kept) = kept else { return std::future::pending().await };
        while kept.states.changed().await.is_ok() {
            self.write_checkpoint(kept).await;
        }
        // The computation has ended, and with it the attempt.
        std::future::pending().await
    }

    /// Writes the last state of a job that was interrupted: its write may have been cut short.
    pub(super) async fn write_last_checkpoint(&self, kept: Option<Kept>) {
        if let Some(mut kept) = kept {
            self.write_checkpoint(&mut kept).await;
        }
    }

    async fn write_checkpoint(&self, kept: &mut Kept) {
        let Some(state) = kept.states.borrow_and_update().clone() else { return };
        let checkpoint = Checkpoint::new(kept.job, state);
        if let Err(error) = self.store.put_checkpoint(&kept.job, checkpoint.to_json()).await {
            warn!(%error, "cannot store a checkpoint; if this worker ends now, the job repeats more steps");
        }
    }

    /// Writes the state of a leg that rests. Unlike the states of other jobs it must not be lost: the leg would make the same steps again,
    /// and rest again. A worker that is late, so that the leg is stored by now, keeps nothing: nobody would delete it.
    pub(super) async fn keep_rested(&self, job: &Job, state: &RestedState) -> Result<(), StoreError> {
        if self.has_leg(job.spec(), &job.id()).await? {
            return Ok(());
        }
        let checkpoint = Checkpoint::new(job.id(), state.text().to_owned());
        self.store.put_checkpoint(&job.id(), checkpoint.to_json()).await
    }

    /// Deletes the checkpoint of a job that is over. One that stays is never read again.
    pub(super) async fn delete_checkpoint(&self, job: &Job) {
        if !is_resumable(job.spec()) {
            return;
        }
        if let Err(error) = self.store.remove_checkpoint(&job.id()).await {
            warn!(%error, "cannot delete the checkpoint of a job that is over");
        }
    }
}
