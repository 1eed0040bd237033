//! What a worker does with one delivery, from taking it to settling it.

use super::{Worker, arrive::out_of_reach, attempt::Attempted, others::Before};
use crate::{JobError, Stop, WorkerError, metrics::Outcome, settle::pause};
use jobs::{Cancellation, Job, OtherSemantics};
use queue::Delivery;
use std::{
    sync::PoisonError,
    time::{Duration, Instant},
};
use store::StoreError;
use tokio::time::sleep;
use tracing::{Instrument, debug, info, info_span, warn};

/// How long a job waits whose workers seem lost while one of them is still at it.
const STILL_AT_IT: Duration = Duration::from_secs(10);

impl Worker {
    pub(super) async fn handle(&self, delivery: Delivery, leave: &Stop) -> Result<(), WorkerError> {
        let job = delivery.job().id();
        let attempt = delivery.attempt();
        let span = info_span!("job", sweep = delivery.sweep(), job = %job.short(), attempt);
        if let (Some(follow), Some(parent)) = (self.follow_trace, delivery.trace_parent()) {
            follow(&span, parent);
        }
        let handled = match delivery.job().meaning.check_semantics() {
            Err(other) => self.leave_to_others(delivery, other).instrument(span).await,
            Ok(()) => {
                self.pulse.takes(delivery.job(), delivery.sweep(), attempt);
                let settled = self.settle(delivery, leave).instrument(span).await;
                self.pulse.rests();
                settled
            }
        };
        match handled {
            // The job comes back, here or elsewhere, and its result is found then.
            Err(WorkerError::Queue(error)) if error.is_retryable() => {
                warn!(job = %job.short(), %error, "cannot settle the job; it comes back");
                Ok(())
            }
            handled => handled,
        }
    }

    async fn settle(&self, delivery: Delivery, leave: &Stop) -> Result<(), WorkerError> {
        let job = delivery.job().clone();
        let taken = Instant::now();
        let id = job.id();
        // Before anything else: what is cancelled may be of a sweep that the store holds no longer.
        if let Some(mark) = self.cancellations.of(delivery.sweep()).await {
            return self.drop_unwanted(delivery, &mark).await;
        }
        let is_held = if self.shares_store { Ok(true) } else { self.sweeps.holds(delivery.sweep()).await };
        match is_held {
            Ok(true) => {}
            Ok(false) => return self.settle_unknown(delivery).await,
            Err(source) => return Err(self.give_up(delivery, out_of_reach(&job, source)).await),
        }
        let losses = delivery.losses();
        let sweep = delivery.sweep().to_owned();
        let Attempted { outcome, hangs } = match self.store.result(&id).await {
            Ok(Some(_)) => {
                if losses > 0 {
                    self.forget_trials(&id, true).await;
                }
                return self.counted(Outcome::Known, delivery.ack()).await;
            }
            Err(source @ StoreError::Backend(_)) => {
                return Err(self.give_up(delivery, out_of_reach(&job, source)).await);
            }
            Err(error @ StoreError::Version { .. }) => {
                warn!(%error, "another version of the program has done the job");
                return self.counted(Outcome::Known, delivery.ack()).await;
            }
            Err(error) => Attempted::failed(JobError::Stored(error)),
            Ok(None) => match self.look_back(&delivery).await {
                Err(source) => return Err(self.give_up(delivery, out_of_reach(&job, source)).await),
                Ok(Before::Leave(pause)) => {
                    return self.counted(Outcome::GivenBack, delivery.postpone(pause)).await;
                }
                Ok(Before::Lost(_)) if self.is_in_other_hands(id).await => {
                    sleep(STILL_AT_IT).await;
                    return self.counted(Outcome::GivenBack, delivery.give_back()).await;
                }
                Ok(Before::Lost(machines)) => Attempted::failed(JobError::Lost { losses, machines }),
                Ok(Before::Try) => {
                    if let Some(waited) = delivery.waited() {
                        self.metrics.waited(waited);
                    }
                    self.attempt(&job, &sweep, leave).await
                }
            },
        };
        let is_over = outcome.is_ok() || matches!(outcome, Err(JobError::Lost { .. }));
        let answered = self.answer(delivery, &job, outcome, taken).await;
        if losses > 0 && !matches!(answered, Err(WorkerError::Store { .. })) {
            self.forget_trials(&id, is_over).await;
        }
        if !hangs {
            return answered;
        }
        self.end_hanging(&job, answered).await
    }

    /// Whatever became of the message: the device is not free, and the next job would wait for it until its time is up.
    async fn end_hanging(&self, job: &Job, answered: Result<(), WorkerError>) -> Result<(), WorkerError> {
        if let Err(error) = answered {
            warn!(%error, "cannot settle the job that does not stop; it comes back");
        }
        Err(WorkerError::Hangs(job.id()))
    }

    /// Settles a job of a sweep that the store does not hold: it was removed while the job waited, or the store is another
    /// one than the coordinator's. One message does not tell which, and ends no worker of a store that is in use.
    async fn settle_unknown(&self, delivery: Delivery) -> Result<(), WorkerError> {
        let job = delivery.job().clone();
        let sweep = delivery.sweep().to_owned();
        let losses = delivery.losses() + 1;
        let strange = match self.sweeps.is_strange(&sweep).await {
            Ok(strange) => strange,
            Err(source) => return Err(self.give_up(delivery, out_of_reach(&job, source)).await),
        };
        let place = self.store.place();
        if losses >= self.limits.losses {
            warn!(sweep, place, "set aside: the store does not hold the sweep of the job");
            let reason = format!("the store {place} does not hold the sweep `{sweep}`");
            self.counted(Outcome::Parked, delivery.park(&reason)).await?;
        } else {
            debug!(sweep, place, "the store does not hold the sweep of the job; it comes back later");
            self.counted(Outcome::GivenBack, delivery.lose(pause(losses, &self.limits))).await?;
        }
        match strange {
            Some(sweeps) => Err(WorkerError::OtherStore { sweeps, place }),
            None => Ok(()),
        }
    }

    /// Acknowledges a job that nobody wants any more.
    async fn drop_unwanted(&self, delivery: Delivery, mark: &Cancellation) -> Result<(), WorkerError> {
        // Of a finished sweep it is a copy, and no news.
        match mark.is_finished {
            true => debug!("dropped: the sweep has finished"),
            false => info!("dropped: the sweep was cancelled"),
        }
        self.counted(Outcome::Dropped, delivery.ack()).await
    }

    /// Settles a job that would come to other numbers here than it was meant to.
    async fn leave_to_others(&self, delivery: Delivery, other: OtherSemantics) -> Result<(), WorkerError> {
        if let Some(mark) = self.cancellations.of(delivery.sweep()).await {
            return self.drop_unwanted(delivery, &mark).await;
        }
        let is_new = self.others.lock().unwrap_or_else(PoisonError::into_inner).insert(other.clone());
        match is_new {
            true => warn!(reason = %other, "a job is left to a worker of another version, as are all like it"),
            false => debug!(reason = %other, "the job is left to a worker of another version"),
        }
        self.counted(Outcome::Deferred, delivery.defer()).await
    }
}
