use crate::error::QueueError;
use async_trait::async_trait;
use jobs::{Job, JobId};
use std::{fmt, time::Duration};

/// How long a job that was deferred to a worker of another version stays away.
pub(crate) const DEFER_DELAY: Duration = Duration::from_secs(15);

/// How often a job may be deferred before it is dead-lettered: for a day. A run that still wants it then publishes it
/// again.
pub(crate) const MAX_DEFERRALS: u32 = 24 * 3600 / 15;

/// A job that this worker holds until it settles it.
///
/// Settling consumes the delivery, so that nothing is settled twice. If a delivery is dropped unsettled, because its
/// worker died, the job returns with the **same** attempt number and one more [loss](Self::losses). The attempt number
/// grows only when a worker reports a failure with [`retry`](Self::retry).
#[must_use = "a delivery that is dropped is delivered again"]
#[derive(Debug)]
pub struct Delivery {
    queued: QueuedJob,
    acknowledger: Box<dyn Acknowledger>,
    waited: Option<Duration>,
}

impl Delivery {
    pub(crate) fn new(queued: QueuedJob, acknowledger: Box<dyn Acknowledger>) -> Self {
        Self { queued, acknowledger, waited: None }
    }

    /// The same delivery, with the time that the job has waited in the queue.
    pub(crate) fn with_waited(self, waited: Option<Duration>) -> Self {
        Self { waited, ..self }
    }

    /// The job to do.
    pub fn job(&self) -> &Job {
        &self.queued.job
    }

    /// The id of the job.
    pub fn id(&self) -> JobId {
        self.queued.id
    }

    /// The number of this attempt at the job, from 1. It is our own count, which travels with the message, because
    /// brokers count differently.
    pub fn attempt(&self) -> u32 {
        self.queued.attempt
    }

    /// The sweep that published the job. Other sweeps may want the job as well: its id does not contain the sweep.
    pub fn sweep(&self) -> &str {
        &self.queued.sweep
    }

    /// How many workers took the job before and neither settled it nor gave it back: they died or lost their
    /// connection. A job with many losses probably kills its workers.
    pub fn losses(&self) -> u32 {
        self.queued.losses
    }

    /// How long the job has waited since it was last queued, as far as the clocks of two machines agree; `None` if
    /// unknown.
    pub fn waited(&self) -> Option<Duration> {
        self.waited
    }

    /// The `traceparent` of the job's trace, in the format of W3C's Trace Context, as its publisher wrote it.
    pub fn trace_parent(&self) -> Option<&str> {
        self.queued.trace_parent.as_deref()
    }

    /// Settles the job as done: its result is stored, or none is needed.
    ///
    /// # Errors
    /// The queue is unreachable. The job may return.
    pub async fn ack(self) -> Result<(), QueueError> {
        self.acknowledger.settle(Settlement::Acknowledge).await
    }

    /// Settles a failed attempt that may succeed later. The job returns as the next attempt, not before `after` has
    /// passed.
    ///
    /// # Errors
    /// The queue is unreachable. The job may return as the same attempt.
    pub async fn retry(self, after: Duration) -> Result<(), QueueError> {
        self.acknowledger.settle(Settlement::Retry { after }).await
    }

    /// Settles a job that cannot succeed. It moves to the dead-letter queue with `reason` and is not delivered again.
    ///
    /// Dead letters are for people to read. They may be lost if the broker does not accept them: record failures
    /// elsewhere first.
    ///
    /// # Errors
    /// The queue is unreachable. The job may return.
    pub async fn dead_letter(self, reason: &str) -> Result<(), QueueError> {
        self.acknowledger.settle(Settlement::DeadLetter { reason: reason.to_owned() }).await
    }

    /// Settles a job for workers of another version. It returns as the same attempt after 15 seconds, to any worker. A
    /// broker's queue dead-letters a job that was deferred for a day.
    ///
    /// # Errors
    /// The queue is unreachable. The job returns by itself, as a loss.
    pub async fn defer(self) -> Result<(), QueueError> {
        self.acknowledger.settle(Settlement::Defer).await
    }

    /// Settles a job for another worker, or for this one at a later time. It returns unchanged, not before `after` has
    /// passed.
    ///
    /// # Errors
    /// The queue is unreachable. The job returns by itself, as a loss.
    pub async fn postpone(self, after: Duration) -> Result<(), QueueError> {
        self.acknowledger.settle(Settlement::Postpone { after }).await
    }

    /// Settles a job that this worker cannot compute, and perhaps no worker. It returns as the same attempt with one
    /// more [loss](Self::losses), not before `after` has passed.
    ///
    /// # Errors
    /// The queue is unreachable. The job returns by itself, as a loss.
    pub async fn lose(self, after: Duration) -> Result<(), QueueError> {
        self.acknowledger.settle(Settlement::Lose { after }).await
    }

    /// Settles a job of a worker that shuts down. It returns at once, unchanged and without a loss.
    ///
    /// # Errors
    /// The queue is unreachable. The job returns by itself, as a loss.
    pub async fn give_back(self) -> Result<(), QueueError> {
        self.acknowledger.settle(Settlement::GiveBack).await
    }

    /// Settles a job that has come further, has kept that, and continues from there later. It returns at once, as its first attempt and
    /// without losses: what failed before it came so far says nothing about what is left of it.
    ///
    /// # Errors
    /// The queue is unreachable. The job returns by itself, as a loss.
    pub async fn rest(self) -> Result<(), QueueError> {
        self.acknowledger.settle(Settlement::Rest).await
    }
}

/// A job that cannot succeed, as it was moved to the dead-letter queue.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// The job.
    pub job: Job,
    /// The last attempt, from 1.
    pub attempt: u32,
    /// Why the job cannot succeed.
    pub reason: String,
}

/// How a worker settles a delivery.
#[derive(Debug)]
pub(crate) enum Settlement {
    Acknowledge,
    Retry { after: Duration },
    DeadLetter { reason: String },
    Defer,
    Postpone { after: Duration },
    Lose { after: Duration },
    GiveBack,
    Rest,
}

/// A job in a queue, with what has happened to it so far.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct QueuedJob {
    pub(crate) job: Job,
    /// The id of `job`. It is a hash of the whole job, so it is computed once.
    pub(crate) id: JobId,
    pub(crate) sweep: String,
    /// From 1.
    pub(crate) attempt: u32,
    pub(crate) losses: u32,
    /// How often the job was deferred to a worker of another version.
    pub(crate) deferrals: u32,
    /// The `traceparent` of the job's trace.
    pub(crate) trace_parent: Option<String>,
}

impl QueuedJob {
    /// The first attempt at `job`.
    pub(crate) fn first(job: Job, sweep: &str) -> Self {
        let id = job.id();
        Self { job, id, sweep: sweep.to_owned(), attempt: 1, losses: 0, deferrals: 0, trace_parent: None }
    }

    /// The same job after a failed attempt.
    pub(crate) fn retried(self) -> Self {
        Self { attempt: self.attempt + 1, ..self }
    }

    /// The same job after it was deferred to a worker of another version.
    pub(crate) fn deferred(self) -> Self {
        Self { deferrals: self.deferrals.saturating_add(1), ..self }
    }

    /// The same job after it has come further: nothing has happened to what is left of it.
    pub(crate) fn rested(self) -> Self {
        Self { attempt: 1, losses: 0, deferrals: 0, ..self }
    }

    /// The same job after it was lost with its worker.
    pub(crate) fn lost(self) -> Self {
        Self { losses: self.losses.saturating_add(1), ..self }
    }
}

/// The backend's part of a delivery. If it is dropped unsettled, the job returns to its queue.
#[async_trait]
pub(crate) trait Acknowledger: fmt::Debug + Send + Sync {
    async fn settle(self: Box<Self>, settlement: Settlement) -> Result<(), QueueError>;
}
