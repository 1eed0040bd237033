//! Stores the outcome of an attempt and settles the delivery.

use super::Worker;
use crate::{
    Computed, JobError, WorkerError,
    metrics::Outcome,
    retry_policy::{AfterFailure, after_failure},
};
use jobs::{Blame, FailureRecord, Job, error_chain, now_ms};
use queue::Delivery;
use std::{sync::Arc, time::Instant};
use store::StoreError;
use tracing::{Instrument, info, info_span, warn};

impl Worker {
    /// Stores the outcome of an attempt that started at `taken`, and settles the delivery.
    pub(super) async fn finish(
        &self,
        delivery: Delivery,
        job: &Job,
        outcome: Result<Computed, JobError>,
        taken: Instant,
    ) -> Result<(), WorkerError> {
        match outcome {
            Ok(computed) => self.finish_computed(delivery, job, computed, taken).await,
            Err(JobError::Rests(state)) => match self.keep_rested(job, &state).await {
                Ok(()) => self.rest(delivery).await,
                // As with an output: the next worker of this machine could not store it either.
                Err(source) => self.settle_unstored(delivery, job, source).await,
            },
            Err(error) => {
                self.settle_failure(delivery, job, &error).await?;
                self.count_own_fault(job, &error).await
            }
        }
    }

    /// Settles a job as failed without an attempt.
    pub(super) async fn fail(&self, delivery: Delivery, error: JobError) -> Result<(), WorkerError> {
        let job = delivery.job().clone();
        let losses = delivery.losses();
        let is_over = matches!(error, JobError::Lost { .. });
        let finished = self.finish(delivery, &job, Err(error), Instant::now()).await;
        self.delete_trials_after(&job, losses, is_over, &finished).await;
        finished
    }

    /// Deletes trials of a settled job. If the store is unreachable, they stay, and the job is returned.
    pub(super) async fn delete_trials_after(
        &self,
        job: &Job,
        losses: u32,
        is_over: bool,
        finished: &Result<(), WorkerError>,
    ) {
        if losses > 0 && !matches!(finished, Err(WorkerError::Store { .. })) {
            self.delete_trials(&job.id(), is_over).await;
        }
    }

    /// Stores the output of a job, and then acknowledges it.
    async fn finish_computed(
        &self,
        delivery: Delivery,
        job: &Job,
        computed: Computed,
        taken: Instant,
    ) -> Result<(), WorkerError> {
        let timings = computed.timings;
        let output = self.completed(job, delivery.attempt(), computed);
        let storing = Instant::now();
        if let Err(fault) = output.check() {
            return self.settle_failure(delivery, job, &JobError::ImpossibleResult(fault)).await;
        }
        if let Err(source) = self.store_output(&output).instrument(info_span!("store")).await {
            return self.settle_unstored(delivery, job, source).await;
        }
        self.metrics.stored(storing.elapsed());
        self.metrics.phases(&timings);
        // The job is done once its output is stored, whether the message can be acknowledged or not.
        self.metrics.settled(Outcome::Done);
        self.metrics.computed(taken.elapsed());
        info!("job done in {:.2} s", timings.total_s());
        self.heartbeat.count_done();
        self.own_faults.lock().clear();
        self.clear_faults().await;
        self.delete_checkpoint(job).await;
        Ok(delivery.ack().await?)
    }

    /// Settles a job whose output the store refused.
    async fn settle_unstored(&self, delivery: Delivery, job: &Job, source: StoreError) -> Result<(), WorkerError> {
        // A corrupt object lies under the key of the output. No worker can replace it.
        if source.is_of_one_object() {
            return self.settle_failure(delivery, job, &JobError::CorruptResult(Arc::new(source))).await;
        }
        // The next worker of this machine could not store its output either: it waits, longer each time.
        self.record_own_fault(source.to_string(), None).await;
        Err(self.return_and_end(delivery, WorkerError::store_failed(job, source)).await)
    }

    /// Records a failure unless it does not count, and settles the delivery as the retry policy says.
    async fn settle_failure(&self, delivery: Delivery, job: &Job, error: &JobError) -> Result<(), WorkerError> {
        let tried = if matches!(error, JobError::Interrupted | JobError::Rests(_) | JobError::Cancelled(_)) {
            None
        } else {
            self.machines_tried(job).await
        };
        let next = after_failure(error, delivery.attempt(), tried, &self.limits);
        if matches!(next, AfterFailure::Retry(_) | AfterFailure::DeadLetter) {
            let failure = self.failure(&delivery, job, error, next == AfterFailure::DeadLetter);
            if let Err(source) = self.store.put_failure(&failure).await {
                return Err(self.return_and_end(delivery, WorkerError::store_failed(job, source)).await);
            }
            warn!(error = failure.errors.join(": "), is_final = failure.is_final, "job failed");
            self.heartbeat.count_failed();
        }
        // A job that failed by itself would fail again from where it came to; another machine may go on with one that did not.
        let is_over = next == AfterFailure::DeadLetter && error.blame() == Blame::Job;
        let is_unwanted = next == AfterFailure::Discard && !self.may_be_wanted(delivery.sweep()).await;
        if is_over || is_unwanted {
            self.delete_checkpoint(job).await;
        }
        let reason = error.to_string();
        match next {
            AfterFailure::Return => self.counted(Outcome::GivenBack, delivery.give_back()).await,
            AfterFailure::Discard => self.counted(Outcome::Dropped, delivery.ack()).await,
            AfterFailure::Retry(after) => self.counted(Outcome::Retried, delivery.retry(after)).await,
            AfterFailure::DeadLetter => self.counted(Outcome::DeadLettered, delivery.dead_letter(&reason)).await,
        }
    }

    /// Ends a worker whose jobs fail although other workers may succeed, before it has failed the whole queue. A job
    /// counts once, however often it fails.
    async fn count_own_fault(&self, job: &Job, error: &JobError) -> Result<(), WorkerError> {
        let Some(limit) = self.limits.own_faults.filter(|_| error.is_own_fault()) else { return Ok(()) };
        let count = {
            let mut faults = self.own_faults.lock();
            faults.insert(job.id());
            faults.len()
        };
        if count < limit as usize {
            return Ok(());
        }
        let error = error_chain(error);
        self.record_own_fault(error.clone(), Some(job)).await;
        Err(WorkerError::OwnFaults { count, error })
    }

    fn failure(&self, delivery: &Delivery, job: &Job, error: &JobError, is_final: bool) -> FailureRecord {
        FailureRecord {
            job: job.id(),
            spec: job.spec().clone(),
            attempt: delivery.attempt(),
            sweep: Some(delivery.sweep().to_owned()),
            is_final,
            blame: Some(error.blame()),
            errors: jobs::error_messages(error),
            worker: self.name.clone(),
            machine: self.machine.as_ref().map(|machine| machine.name.clone()),
            failed_ms: now_ms(),
        }
    }
}
