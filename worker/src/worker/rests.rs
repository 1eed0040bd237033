//! What a leg of a training goes on from: what it kept when it rested, or the checkpoint of the leg before.

use super::Worker;
use crate::{JobError, LegStart, StateFile, WorkerError, metrics::Outcome};
use jobs::{Job, JobId, JobSpec};
use queue::Delivery;
use std::{env, sync::Arc};
use store::StoreError;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

/// Where an attempt at a job starts, if it is a leg of a training.
#[derive(Debug, Default)]
pub(super) struct Start {
    pub(super) from: LegStart,
    /// What it kept was refused. A rest counts as no attempt, so a leg whose state is refused each time could rest for ever: it computes in
    /// one go, and its limit ends it if it has to.
    pub(super) is_refused: bool,
}

/// What a leg kept when it rested.
enum Rested {
    Nothing,
    State(StateFile),
    Refused(StoreError),
}

impl Worker {
    /// Where an attempt at the job starts. The checkpoint of the leg before is fetched only without a state of the leg itself, and may be
    /// gone then.
    ///
    /// # Errors
    /// [`JobError::CheckpointStore`] if what the leg kept cannot be looked for: from its beginning it would rest again, and put an
    /// earlier state in the place of that one. Otherwise as [`leg_before`](Self::leg_before).
    pub(super) async fn leg_start(&self, job: &Job) -> Result<Start, JobError> {
        if !matches!(job.spec(), JobSpec::Train(_)) {
            return Ok(Start::default());
        }
        match self.rested(&job.id()).await? {
            Rested::Nothing => Ok(Start { from: self.leg_before(job).await?, is_refused: false }),
            Rested::State(file) => Ok(Start { from: LegStart::Rested(file), is_refused: false }),
            Rested::Refused(error) => {
                // A removal of the state that met its writing leaves a record alone: it would be refused in each attempt.
                if matches!(error, StoreError::NoFile { .. }) {
                    self.delete_checkpoint(job).await;
                }
                self.start_after_refusal(job, &error).await
            }
        }
    }

    /// Where a leg starts whose own state cannot be used.
    ///
    /// # Errors
    /// As [`leg_before`](Self::leg_before).
    pub(super) async fn start_after_refusal(
        &self,
        job: &Job,
        error: &(dyn std::error::Error + Send + Sync),
    ) -> Result<Start, JobError> {
        let error = jobs::error_chain(error);
        warn!(error, "what the leg kept cannot be used; it starts from its beginning and does not rest");
        Ok(Start { from: self.leg_before(job).await?, is_refused: true })
    }

    async fn rested(&self, job: &JobId) -> Result<Rested, JobError> {
        let file = StateFile::new().map_err(|source| JobError::Scratch { path: env::temp_dir(), source })?;
        match self.store.get_rested(job, &file.path()).await {
            Ok(true) => Ok(Rested::State(file)),
            Ok(false) => Ok(Rested::Nothing),
            Err(error) if error.is_of_one_object() || matches!(error, StoreError::Version { .. }) => {
                Ok(Rested::Refused(error))
            }
            Err(error) => Err(JobError::CheckpointStore(Arc::new(error))),
        }
    }

    /// Stores the state of a leg that rests. Unlike the states of other jobs it must not be lost: the leg would make the same steps again,
    /// and rest again. A worker that is late, so that the leg is stored by now, keeps nothing: nobody would delete it.
    pub(super) async fn keep_rested(&self, job: &Job, state: &StateFile) -> Result<(), StoreError> {
        if self.has_leg(job.spec(), &job.id()).await? {
            return Ok(());
        }
        self.store.put_rested(&job.id(), &state.path()).await?;
        // It may have been stored, and its states deleted, meanwhile.
        if self.has_leg(job.spec(), &job.id()).await? {
            self.delete_checkpoint(job).await;
        }
        Ok(())
    }

    /// Keeps the state of a leg whose worker stops, if the store takes it until `stops_at`. Whether it did.
    pub(super) async fn keep_in_time(&self, job: &Job, state: &StateFile, stops_at: Instant) -> bool {
        match timeout_at(stops_at, self.keep_rested(job, state)).await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => {
                warn!(%error, "cannot keep the state of the leg; the steps since its last rest are made again")
            }
            Err(_) => warn!("the state of the leg is not stored in time; the steps since its last rest are made again"),
        }
        false
    }

    /// Returns a leg whose state is stored. What failed before it says nothing about the rest of it: neither do the machines on which it did.
    pub(super) async fn rest(&self, delivery: Delivery) -> Result<(), WorkerError> {
        if delivery.attempt() > 1
            && let Err(error) = self.store.clear_failures(&delivery.id()).await
        {
            warn!(%error, "cannot delete the failures before the leg rested");
        }
        self.counted(Outcome::GivenBack, delivery.rest()).await
    }

    /// Whether another sweep of the pool may want the same leg: sweeps share jobs of the same content.
    pub(super) async fn may_be_wanted(&self, sweep: &str) -> bool {
        let Some(pool) = self.machine.as_ref().and_then(|machine| machine.pool.as_deref()) else { return false };
        match self.store.pool_sweeps(pool).await {
            Ok(sweeps) => sweeps.iter().any(|other| other != sweep),
            Err(_) => true,
        }
    }
}
