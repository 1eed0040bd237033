//! Settles deliveries whose jobs are not computed here.

use super::{Worker, decision::Settlement, unable::Unable};
use crate::{WorkerError, metrics::Outcome, retry_policy::back_off};
use jobs::Cancellation;
use queue::{Delivery, QueueError};
use std::time::Duration;
use tokio::time::sleep;
use tracing::{debug, info, warn};

/// How long a worker waits before it returns a job that looks lost while another worker computes it.
const WAIT_FOR_HOLDER: Duration = Duration::from_secs(10);

impl Worker {
    /// Settles a delivery as it was decided.
    pub(super) async fn settle(&self, delivery: Delivery, settlement: Settlement) -> Result<(), WorkerError> {
        match settlement {
            Settlement::Discard(cancellation) => {
                log_discarded(&cancellation);
                // A leg that rested has left its state, and no worker takes it any more, unless another sweep has the same leg.
                if !cancellation.is_finished && !self.may_be_wanted(delivery.sweep()).await {
                    self.delete_checkpoint(delivery.job()).await;
                }
                self.counted(Outcome::Dropped, delivery.ack()).await
            }
            Settlement::Defer(unable) => self.defer(delivery, unable).await,
            Settlement::UnknownSweep => self.settle_unknown_sweep(delivery).await,
            Settlement::Known => {
                if delivery.losses() > 0 {
                    self.delete_trials(&delivery.id(), true).await;
                }
                // The worker that stored it may have been killed before it did so.
                self.delete_checkpoint(delivery.job()).await;
                self.delete_leg_checkpoints(delivery.job().spec()).await;
                self.counted(Outcome::Known, delivery.ack()).await
            }
            Settlement::Postpone(pause) => self.counted(Outcome::GivenBack, delivery.postpone(pause)).await,
            Settlement::WaitForHolder => {
                sleep(WAIT_FOR_HOLDER).await;
                self.counted(Outcome::GivenBack, delivery.give_back()).await
            }
            Settlement::Fail(error) => self.fail(delivery, error).await,
        }
    }

    /// Settles a delivery, and counts it as `outcome` if that succeeds. Otherwise the queue returns the job, and it is
    /// counted then.
    pub(super) async fn counted(
        &self,
        outcome: Outcome,
        settling: impl Future<Output = Result<(), QueueError>> + Send,
    ) -> Result<(), WorkerError> {
        settling.await?;
        self.metrics.settled(outcome);
        Ok(())
    }

    /// Returns the job because the worker ends with `error`. The end of the worker is no loss of the job.
    pub(super) async fn return_and_end(&self, delivery: Delivery, error: WorkerError) -> WorkerError {
        if let Err(error) = self.counted(Outcome::GivenBack, delivery.give_back()).await {
            warn!(%error, "cannot return the job; the queue returns it with a loss");
        }
        error
    }

    /// Settles a job of a sweep that the store does not hold.
    ///
    /// Either the sweep was removed while the job waited, or the coordinator uses another store. One message does not
    /// show which, and must not end a worker whose store is in use.
    async fn settle_unknown_sweep(&self, delivery: Delivery) -> Result<(), WorkerError> {
        let sweep = delivery.sweep().to_owned();
        let losses = delivery.losses() + 1;
        let other_store = match self.sweeps.other_store(&sweep).await {
            Ok(other_store) => other_store,
            Err(source) => {
                let error = WorkerError::store_failed(delivery.job(), source);
                return Err(self.return_and_end(delivery, error).await);
            }
        };
        let place = self.store.place();
        if losses >= self.limits.losses {
            warn!(sweep, place, "the job is dead-lettered: the store does not hold its sweep");
            let reason = format!("the store {place} does not hold the sweep `{sweep}`");
            self.counted(Outcome::DeadLettered, delivery.dead_letter(&reason)).await?;
        } else {
            debug!(sweep, place, "the store does not hold the sweep of the job; the job is tried later");
            self.counted(Outcome::GivenBack, delivery.lose(back_off(losses, &self.limits))).await?;
        }
        match other_store {
            Some(sweeps) => Err(WorkerError::OtherStore { sweeps, place }),
            None => Ok(()),
        }
    }

    /// Leaves a job to a worker that can compute it.
    async fn defer(&self, delivery: Delivery, unable: Unable) -> Result<(), WorkerError> {
        let is_first = self.reasons_to_defer.lock().insert(unable.clone());
        if is_first {
            warn!(reason = %unable, "the job is left to another worker, as are all jobs like it");
        } else {
            debug!(reason = %unable, "the job is left to another worker");
        }
        self.counted(Outcome::Deferred, delivery.defer()).await
    }
}

/// Logs why a job is discarded. A leftover copy of a finished sweep is no news.
fn log_discarded(cancellation: &Cancellation) {
    if cancellation.is_finished {
        debug!("the job is discarded: its sweep has finished");
    } else {
        info!("the job is discarded: its sweep was cancelled");
    }
}
