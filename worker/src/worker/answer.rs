//! What a job came to, on its way into the store and back to the queue.

use super::{Worker, arrive::out_of_reach};
use crate::{
    Computed, JobError, WorkerError,
    clock::now_ms,
    metrics::Outcome,
    settle::{AfterFailure, after_failure},
};
use jobs::{FailureRecord, Job, Timings};
use queue::{Delivery, QueueError};
use std::{sync::PoisonError, time::Instant};
use tracing::{Instrument, info, info_span, warn};

impl Worker {
    /// Settles a job, and counts it as `outcome` if that went well: otherwise it comes back, and is counted then.
    pub(super) async fn counted(
        &self,
        outcome: Outcome,
        settling: impl Future<Output = Result<(), QueueError>> + Send,
    ) -> Result<(), WorkerError> {
        settling.await?;
        self.metrics.settled(outcome);
        Ok(())
    }

    /// Gives back the job in hand, since the worker ends for `error`: its own end is no loss of the job's.
    pub(super) async fn give_up(&self, delivery: Delivery, error: WorkerError) -> WorkerError {
        if let Err(error) = self.counted(Outcome::GivenBack, delivery.give_back()).await {
            warn!(%error, "cannot give the job back; it comes back as a loss");
        }
        error
    }

    /// Stores what the job came to, and settles it.
    pub(super) async fn answer(
        &self,
        delivery: Delivery,
        job: &Job,
        outcome: Result<Computed, JobError>,
        taken: Instant,
    ) -> Result<(), WorkerError> {
        let computed = match outcome {
            Ok(computed) => computed,
            Err(error) => {
                self.settle_failure(delivery, job, &error).await?;
                return self.count_own_fault(job, &error).await;
            }
        };
        let timings = computed.timings;
        let made = self.made(job, delivery.attempt(), computed);
        let storing = Instant::now();
        if let Err(fault) = made.check() {
            return self.settle_failure(delivery, job, &JobError::Impossible(fault)).await;
        }
        if let Err(source) = self.keep(&made).instrument(info_span!("store")).await {
            // Something else lies in its place, which no worker puts right.
            if source.is_of_one_object() {
                return self.settle_failure(delivery, job, &JobError::Stored(source)).await;
            }
            // The next worker would compute in vain as well: it waits, longer each time.
            self.note_own_fault(source.to_string(), None).await;
            return Err(self.give_up(delivery, out_of_reach(job, source)).await);
        }
        self.metrics.stored(storing.elapsed());
        self.metrics.phases(&timings);
        // Done is what is stored, whatever becomes of the message.
        self.metrics.settled(Outcome::Done);
        self.metrics.computed(taken.elapsed());
        info!("job done in {:.2} s", seconds(&timings));
        self.pulse.succeeded();
        self.own_faults.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.note_success().await;
        Ok(delivery.ack().await?)
    }

    async fn settle_failure(&self, delivery: Delivery, job: &Job, error: &JobError) -> Result<(), WorkerError> {
        let tried = match error {
            JobError::Interrupted | JobError::Cancelled(_) => None,
            _ => self.tried(&job.id()).await,
        };
        let next = after_failure(error, delivery.attempt(), tried, &self.limits);
        if matches!(next, AfterFailure::Retry(_) | AfterFailure::Park) {
            let failure = self.failure(&delivery, job, error, next == AfterFailure::Park);
            if let Err(source) = self.store.put_failure(&failure).await {
                return Err(self.give_up(delivery, out_of_reach(job, source)).await);
            }
            warn!(error = failure.errors.join(": "), is_final = failure.is_final, "job failed");
            self.pulse.failed();
        }
        let reason = error.to_string();
        match next {
            AfterFailure::GiveBack => self.counted(Outcome::GivenBack, delivery.give_back()).await,
            AfterFailure::Drop => self.counted(Outcome::Dropped, delivery.ack()).await,
            AfterFailure::Retry(after) => self.counted(Outcome::Retried, delivery.retry(after)).await,
            AfterFailure::Park => self.counted(Outcome::Parked, delivery.dead_letter(&reason)).await,
        }
    }

    /// Ends a worker that fails where others need not, before it has gone through the whole queue. One job that comes again
    /// and again shows no more than it did the first time.
    async fn count_own_fault(&self, job: &Job, error: &JobError) -> Result<(), WorkerError> {
        let Some(limit) = self.limits.own_faults.filter(|_| error.is_own_fault()) else { return Ok(()) };
        let count = {
            let mut faults = self.own_faults.lock().unwrap_or_else(PoisonError::into_inner);
            faults.insert(job.id());
            faults.len()
        };
        if count < limit as usize {
            return Ok(());
        }
        let error = error.chain().join(": ");
        self.note_own_fault(error.clone(), Some(job)).await;
        Err(WorkerError::Unfit { count, error })
    }

    fn failure(&self, delivery: &Delivery, job: &Job, error: &JobError, is_final: bool) -> FailureRecord {
        FailureRecord {
            job: job.id(),
            spec: job.spec.clone(),
            attempt: delivery.attempt(),
            sweep: Some(delivery.sweep().to_owned()),
            is_final,
            blame: Some(error.blame()),
            errors: error.chain(),
            worker: self.name.clone(),
            machine: self.machine.as_ref().map(|machine| machine.name.clone()),
            failed_ms: now_ms(),
        }
    }
}

/// The time that all parts of a job took.
fn seconds(timings: &Timings) -> f64 {
    timings.load_s + timings.align_s + timings.merge_s + timings.evaluate_s
}
