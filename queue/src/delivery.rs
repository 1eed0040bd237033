use crate::QueueError;
use async_trait::async_trait;
use jobs::Job;
use std::{fmt, time::Duration};

/// A job lent to this worker until it is settled.
///
/// Settling takes the delivery by value, so that nothing is settled twice. One that is dropped unsettled, because
/// its worker died or gives it back on the way out, comes back under the **same** attempt number: an attempt is
/// counted when a worker reports its failure with [`retry`](Self::retry), and only then.
#[must_use = "a delivery that is dropped is delivered again"]
#[derive(Debug)]
pub struct Delivery {
    job: Job,
    attempt: u32,
    receipt: Box<dyn Receipt>,
}

impl Delivery {
    pub(crate) fn new(job: Job, attempt: u32, receipt: Box<dyn Receipt>) -> Self {
        Self { job, attempt, receipt }
    }

    /// The job to do.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// Which attempt at the job this is, from 1. Our own count, which travels with the message: brokers count
    /// differently.
    pub fn attempt(&self) -> u32 {
        self.attempt
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
    /// # Errors
    /// The queue is out of reach; the job may come back.
    pub async fn park(self, reason: &str) -> Result<(), QueueError> {
        self.receipt.settle(Verdict::Park { reason: reason.to_owned() }).await
    }
}

/// How a worker settles a delivery.
#[derive(Debug)]
pub(crate) enum Verdict {
    Done,
    Retry { after: Duration },
    Park { reason: String },
}

/// A backend's half of a delivery. Dropped unsettled, it gives the job back.
#[async_trait]
pub(crate) trait Receipt: fmt::Debug + Send + Sync {
    async fn settle(self: Box<Self>, verdict: Verdict) -> Result<(), QueueError>;
}
