//! Checkpoints of jobs that tune: read before an attempt, written while it runs, deleted once the job is over.

use super::Worker;
use crate::Checkpoints;
use jobs::{Checkpoint, Job, JobId, JobSpec};
use store::StoreError;
use tokio::sync::watch;
use tracing::{info, warn};

/// The last state that a job has kept, for the store.
pub(super) struct Kept {
    job: JobId,
    states: watch::Receiver<Option<String>>,
}

/// Whether jobs of this kind keep something of themselves in the store.
fn is_resumable(spec: &JobSpec) -> bool {
    match spec {
        JobSpec::Tune(_) | JobSpec::Train(_) => true,
        JobSpec::Evaluate(_) | JobSpec::Write(_) | JobSpec::Statistics(_) | JobSpec::Layerwise(_) => false,
    }
}

impl Worker {
    /// What an attempt at a job that tunes continues from, and where it keeps its states. Legs of trainings keep files instead
    /// ([`leg_start`](Self::leg_start)).
    pub(super) async fn checkpoints(&self, job: &Job) -> (Checkpoints, Option<Kept>) {
        match job.spec() {
            JobSpec::Tune(_) => {}
            JobSpec::Evaluate(_)
            | JobSpec::Write(_)
            | JobSpec::Statistics(_)
            | JobSpec::Layerwise(_)
            | JobSpec::Train(_) => return (Checkpoints::default(), None),
        }
        let id = job.id();
        let (sender, states) = watch::channel(None);
        let keep = move |state| {
            sender.send_replace(Some(state));
        };
        let last = match self.last_checkpoint(id).await {
            Ok(last) => last,
            Err(error) => {
                warn!(%error, "cannot look for a checkpoint of the job; it starts from the beginning");
                None
            }
        };
        (Checkpoints::new(last, keep), Some(Kept { job: id, states }))
    }

    /// A checkpoint that cannot be read costs the steps that it holds, and no more.
    async fn last_checkpoint(&self, job: JobId) -> Result<Option<String>, StoreError> {
        let Some(content) = self.store.checkpoint(&job).await? else { return Ok(None) };
        Ok(match Checkpoint::read(job, &content) {
            Ok(state) => {
                info!("the job continues from its checkpoint");
                Some(state)
            }
            Err(error) => {
                warn!(%error, "the checkpoint of the job is not used; it starts from the beginning");
                None
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
