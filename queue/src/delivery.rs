use crate::QueueError;
use async_trait::async_trait;
use jobs::Job;
use std::{fmt, time::Duration};

/// A job lent to this worker until it is settled.
///
/// Settling takes the delivery by value, so that nothing is settled twice. One that is dropped unsettled, because its
/// worker died, comes back under the **same** attempt number, with one more of its [`losses`](Self::losses): an attempt
/// is counted when a worker reports its failure with [`retry`](Self::retry), and only then.
#[must_use = "a delivery that is dropped is delivered again"]
#[derive(Debug)]
pub struct Delivery {
    ticket: Ticket,
    receipt: Box<dyn Receipt>,
    waited: Option<Duration>,
}

/// How long a job stays away that was left to a worker of another version.
pub(crate) const DEFERRAL: Duration = Duration::from_secs(15);

/// How often it may be left, before it is set aside: for a day. Whoever still wants it then publishes it again.
pub(crate) const MOST_DEFERRALS: u32 = 24 * 3600 / 15;

impl Delivery {
    pub(crate) fn new(ticket: Ticket, receipt: Box<dyn Receipt>) -> Self {
        Self { ticket, receipt, waited: None }
    }

    /// The same delivery, of a job that waited so long in the queue.
    pub(crate) fn after(self, waited: Option<Duration>) -> Self {
        Self { waited, ..self }
    }

    /// The job to do.
    pub fn job(&self) -> &Job {
        &self.ticket.job
    }

    /// Which attempt at the job this is, from 1. Our own count, which travels with the message: brokers count
    /// differently.
    pub fn attempt(&self) -> u32 {
        self.ticket.attempt
    }

    /// The sweep that wants the job. Others may want it as well: a job's identity does not name its sweep.
    pub fn sweep(&self) -> &str {
        &self.ticket.sweep
    }

    /// How many workers took the job before and neither settled nor gave it back: they died, or lost the queue for a
    /// while. A job with many of them takes its workers down.
    pub fn losses(&self) -> u32 {
        self.ticket.losses
    }

    /// How long the job has waited since it was queued up last, as far as the clocks of two machines agree; `None` where
    /// that is not known.
    pub fn waited(&self) -> Option<Duration> {
        self.waited
    }

    /// Where the job's trace goes on: a `traceparent` as W3C's Trace Context writes it, by whoever published the job.
    pub fn trace_parent(&self) -> Option<&str> {
        self.ticket.trace_parent.as_deref()
    }

    /// Settles: the job is done and its result stored, or it needs no doing.
    ///
    /// # Errors
    /// The queue is out of reach; the job may come back.
    pub async fn ack(self) -> Result<(), QueueError> {
        self.receipt.settle(Verdict::Done).await
    }

    /// Settles: the attempt failed for a reason that may pass. The job comes back as the next attempt, not before
    /// `after` has passed.
    ///
    /// # Errors
    /// The queue is out of reach; the job may come back as the same attempt.
    pub async fn retry(self, after: Duration) -> Result<(), QueueError> {
        self.receipt.settle(Verdict::Retry { after }).await
    }

    /// Settles: the job cannot succeed. It is kept aside with `reason` and not delivered again.
    ///
    /// What is kept aside is for people to look at, and that may be lost where the broker takes none: record failures
    /// elsewhere first.
    ///
    /// # Errors
    /// The queue is out of reach; the job may come back.
    pub async fn park(self, reason: &str) -> Result<(), QueueError> {
        self.receipt.settle(Verdict::Park { reason: reason.to_owned() }).await
    }

    /// Settles: the job is for workers of another version. It comes back in a quarter of a minute, the same attempt, and
    /// is taken by whoever asks first then. A broker's queue sets a job aside that nobody has taken for a day.
    ///
    /// # Errors
    /// The queue is out of reach; the job comes back by itself, as a loss.
    pub async fn defer(self) -> Result<(), QueueError> {
        self.receipt.settle(Verdict::Defer).await
    }

    /// Settles: the job is for another worker, or for this one at a later time. It comes back as it was, not before `after` has
    /// passed.
    ///
    /// # Errors
    /// The queue is out of reach; the job comes back by itself, as a loss.
    pub async fn postpone(self, after: Duration) -> Result<(), QueueError> {
        self.receipt.settle(Verdict::Postpone { after }).await
    }

    /// Settles: nothing could be made of the job here, and perhaps nowhere. It comes back as the same attempt, with one more
    /// of its [`losses`](Self::losses), not before `after` has passed.
    ///
    /// # Errors
    /// The queue is out of reach; the job comes back by itself, as a loss.
    pub async fn lose(self, after: Duration) -> Result<(), QueueError> {
        self.receipt.settle(Verdict::Lose { after }).await
    }

    /// Settles: the worker is leaving. The job comes back at once as it was, and no loss is counted.
    ///
    /// # Errors
    /// The queue is out of reach; the job comes back by itself, as a loss.
    pub async fn give_back(self) -> Result<(), QueueError> {
        self.receipt.settle(Verdict::GiveBack).await
    }
}

/// How a worker settles a delivery.
#[derive(Debug)]
pub(crate) enum Verdict {
    Done,
    Retry { after: Duration },
    Park { reason: String },
    Defer,
    Postpone { after: Duration },
    Lose { after: Duration },
    GiveBack,
}

/// A job on its way, with what has happened to it so far.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ticket {
    pub(crate) job: Job,
    pub(crate) sweep: String,
    /// From 1.
    pub(crate) attempt: u32,
    pub(crate) losses: u32,
    /// How often the job was left to a worker of another version.
    pub(crate) deferrals: u32,
    /// Where the job's trace goes on.
    pub(crate) trace_parent: Option<String>,
}

impl Ticket {
    /// The first attempt at `job`.
    pub(crate) fn first(job: Job, sweep: &str) -> Self {
        Self { job, sweep: sweep.to_owned(), attempt: 1, losses: 0, deferrals: 0, trace_parent: None }
    }

    /// The same job after a failed attempt.
    pub(crate) fn retried(self) -> Self {
        Self { attempt: self.attempt + 1, ..self }
    }

    /// The same job after it was left to a worker of another version.
    pub(crate) fn deferred(self) -> Self {
        Self { deferrals: self.deferrals.saturating_add(1), ..self }
    }

    /// The same job after a worker was lost over it.
    pub(crate) fn lost(self) -> Self {
        Self { losses: self.losses.saturating_add(1), ..self }
    }
}

/// A backend's half of a delivery. Dropped unsettled, it gives the job back.
#[async_trait]
pub(crate) trait Receipt: fmt::Debug + Send + Sync {
    async fn settle(self: Box<Self>, verdict: Verdict) -> Result<(), QueueError>;
}
