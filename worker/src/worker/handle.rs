//! What a worker does with one delivery, from taking it to settling it.

use super::{
    Worker,
    arrive::out_of_reach,
    attempt::Attempted,
    others::Before,
    pace::{Device, Exclusive, Pace},
};
use crate::{JobError, WorkerError, metrics::Outcome, settle::pause};
use jobs::{Cancellation, Job, JobSpec, OtherSemantics};
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

/// What the store says is to be done with a delivery.
enum Look {
    /// Its sweep was cancelled.
    Cancelled,
    /// The store does not hold its sweep.
    UnknownSweep,
    /// Its result is there.
    Known,
    /// It is for another worker, or for a later time.
    Later(Duration),
    /// It seems lost, and another worker tells that it is at it.
    StillAtIt,
    /// It cannot be done.
    Fails(JobError),
    /// It is to be computed.
    Compute,
}

/// How a lane parted with a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parted {
    /// It was settled.
    Settled,
    /// It was taken ahead, and its turn did not come in time.
    GaveBack,
}

impl Worker {
    /// Settles a delivery. With `device` it is the worker's turn to compute; without, the job was taken ahead.
    pub(super) async fn handle(
        &self,
        delivery: Delivery,
        device: Option<Device<'_>>,
        pace: &Pace,
    ) -> Result<Parted, WorkerError> {
        let job = delivery.job().id();
        let attempt = delivery.attempt();
        let span = info_span!("job", sweep = delivery.sweep(), job = %job.short(), attempt);
        if let (Some(follow), Some(parent)) = (self.follow_trace, delivery.trace_parent()) {
            follow(&span, parent);
        }
        let held = pace.hold();
        let handled = match delivery.job().spec.check_semantics() {
            Err(other) => self.leave_to_others(delivery, other).instrument(span).await.map(|()| Parted::Settled),
            Ok(()) => {
                let settled = self.take_up(delivery, device, pace).instrument(span).await;
                self.pulse.rests(job);
                settled
            }
        };
        drop(held);
        match handled {
            // The job comes back, here or elsewhere, and its result is found then.
            Err(WorkerError::Queue(error)) if error.is_retryable() => {
                warn!(job = %job.short(), %error, "cannot settle the job; it comes back");
                Ok(Parted::Settled)
            }
            handled => handled,
        }
    }

    /// Looks a job up, waits for its turn, and settles it.
    ///
    /// Every job is looked up, also one that comes for the first time: two runs, or two sweeps with a job in common, may both have
    /// published it, and a message does not tell. The look costs one request, and no time where the job was taken ahead.
    async fn take_up(
        &self,
        delivery: Delivery,
        device: Option<Device<'_>>,
        pace: &Pace,
    ) -> Result<Parted, WorkerError> {
        let was_lost = delivery.losses() > 0;
        let device = if was_lost { device.or_else(|| pace.free_device()) } else { device };
        if was_lost && device.is_none() {
            return self.return_unstarted(delivery).await;
        }
        if let Some(device) = device {
            let alone = was_lost.then(|| pace.exclude_others());
            if alone.is_some() {
                tokio::select! {
                    biased;
                    () = pace.closing.requested() => return self.return_unstarted(delivery).await,
                    () = pace.alone() => {}
                }
            }
            let look = self.look(&delivery).await;
            // Not before: of several workers that hold copies of a lost job, each would take the others to be at it, for ever.
            if matches!(look, Ok(Look::Compute)) {
                self.pulse.takes(delivery.job(), delivery.sweep(), delivery.attempt());
            }
            return self.settle(delivery, look, Some(device), alone, pace).await.map(|()| Parted::Settled);
        }
        let look = tokio::select! {
            biased;
            () = pace.closing.requested() => return self.return_unstarted(delivery).await,
            () = pace.overdue() => return self.return_unstarted(delivery).await,
            look = self.look(&delivery) => look,
        };
        if !matches!(look, Ok(Look::Compute)) {
            return self.settle(delivery, look, None, None, pace).await.map(|()| Parted::Settled);
        }
        let device = tokio::select! {
            biased;
            () = pace.closing.requested() => return self.return_unstarted(delivery).await,
            device = pace.device() => device,
            () = pace.overdue() => return self.return_unstarted(delivery).await,
        };
        self.pulse.takes(delivery.job(), delivery.sweep(), delivery.attempt());
        self.settle(delivery, look, Some(device), None, pace).await.map(|()| Parted::Settled)
    }

    /// Gives back a job that was not begun: neither an attempt nor a loss.
    async fn return_unstarted(&self, delivery: Delivery) -> Result<Parted, WorkerError> {
        debug!("a job that was taken ahead goes back");
        self.counted(Outcome::GivenBack, delivery.give_back()).await.map(|()| Parted::GaveBack)
    }

    /// What the store says is to be done with the delivery.
    async fn look(&self, delivery: &Delivery) -> Result<Look, StoreError> {
        // Before anything else: what is cancelled may be of a sweep that the store holds no longer.
        if let Some(mark) = self.cancellations.of(delivery.sweep()).await {
            say_unwanted(&mark);
            return Ok(Look::Cancelled);
        }
        if !self.shares_store && !self.sweeps.holds(delivery.sweep()).await? {
            return Ok(Look::UnknownSweep);
        }
        let id = delivery.job().id();
        match self.is_done(delivery.job()).await {
            Ok(true) => return Ok(Look::Known),
            Ok(false) => {}
            Err(source @ StoreError::Backend(_)) => return Err(source),
            Err(error @ StoreError::Version { .. }) => {
                warn!(%error, "another version of the program has done the job");
                return Ok(Look::Known);
            }
            Err(error) => return Ok(Look::Fails(JobError::Stored(error))),
        }
        Ok(match self.look_back(delivery).await? {
            Before::Leave(pause) => Look::Later(pause),
            Before::Lost(_) if self.is_in_other_hands(id).await => Look::StillAtIt,
            Before::Lost(machines) => Look::Fails(JobError::Lost { losses: delivery.losses(), machines }),
            Before::Try => Look::Compute,
        })
    }

    /// Settles a delivery as the store says; computing takes the device.
    async fn settle(
        &self,
        delivery: Delivery,
        look: Result<Look, StoreError>,
        mut device: Option<Device<'_>>,
        alone: Option<Exclusive<'_>>,
        pace: &Pace,
    ) -> Result<(), WorkerError> {
        let job = delivery.job().clone();
        let id = job.id();
        let taken = Instant::now();
        let losses = delivery.losses();
        let Attempted { outcome, hangs } = match look {
            Err(source) => return Err(self.give_up(delivery, out_of_reach(&job, source)).await),
            Ok(Look::Cancelled) => return self.counted(Outcome::Dropped, delivery.ack()).await,
            Ok(Look::UnknownSweep) => return self.settle_unknown(delivery).await,
            Ok(Look::Known) => {
                if losses > 0 {
                    self.forget_trials(&id, true).await;
                }
                return self.counted(Outcome::Known, delivery.ack()).await;
            }
            Ok(Look::Later(pause)) => return self.counted(Outcome::GivenBack, delivery.postpone(pause)).await,
            Ok(Look::StillAtIt) => {
                sleep(STILL_AT_IT).await;
                return self.counted(Outcome::GivenBack, delivery.give_back()).await;
            }
            Ok(Look::Fails(error)) => Attempted::failed(error),
            Ok(Look::Compute) => {
                if let Some(waited) = delivery.waited() {
                    self.metrics.waited(waited);
                }
                self.compute(&job, delivery.sweep(), pace).await
            }
        };
        if hangs {
            // The device is not free: the other lane is not to wait for it.
            pace.closing.request();
        } else if alone.is_none() {
            // One that is alone keeps it until it is settled.
            device = None;
        }
        let is_over = outcome.is_ok() || matches!(outcome, Err(JobError::Lost { .. }));
        let answered = self.answer(delivery, &job, outcome, taken).await;
        if losses > 0 && !matches!(answered, Err(WorkerError::Store { .. })) {
            self.forget_trials(&id, is_over).await;
        }
        drop((alone, device));
        if !hangs {
            return answered;
        }
        self.end_hanging(&job, answered).await
    }

    async fn compute(&self, job: &Job, sweep: &str, pace: &Pace) -> Attempted {
        pace.begins();
        let started = Instant::now();
        if let Some(sources) = &self.sources {
            sources.begins(match &job.spec {
                JobSpec::Evaluate(meaning) => Some(meaning.base),
                JobSpec::Statistics(spec) => Some(spec.base),
                JobSpec::Tune(spec) => Some(spec.base),
                // It loads no model.
                JobSpec::Write(_) => None,
            });
        }
        let attempted = self.attempt(job, sweep, &pace.leave).await;
        if let Some(sources) = &self.sources {
            let load = attempted.outcome.as_ref().map_or(0.0, |computed| computed.timings.load_s);
            sources.ends(sweep, started.elapsed(), Duration::try_from_secs_f64(load).unwrap_or_default());
        }
        pace.ends();
        attempted
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
            self.counted(Outcome::Parked, delivery.dead_letter(&reason)).await?;
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
        say_unwanted(mark);
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

/// Says why a job is dropped. Of a finished sweep it is a copy, and no news.
fn say_unwanted(mark: &Cancellation) {
    if mark.is_finished {
        debug!("dropped: the sweep has finished");
    } else {
        info!("dropped: the sweep was cancelled");
    }
}
