use super::pending_delivery::PendingDelivery;
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};
use tokio::sync::Notify;

/// The jobs that the broker has delivered and that the worker has not taken yet.
#[derive(Debug, Default)]
pub(super) struct LocalBuffer {
    jobs: Mutex<VecDeque<PendingDelivery>>,
    end: Mutex<Option<EndReason>>,
    /// Calls of [`next`](Self::next) that wait.
    waiters: AtomicUsize,
    /// Whether the task that fills the buffer has a channel to the broker.
    is_connected: AtomicBool,
    requested: Notify,
    changed: Notify,
}

/// Why no more jobs arrive.
#[derive(Debug, Clone)]
pub(super) enum EndReason {
    Closed,
    Unreachable { tried: Duration, last: String },
}

impl LocalBuffer {
    /// Waits for a job, or for the end. Cancel safe.
    pub(super) async fn next(&self) -> Result<PendingDelivery, EndReason> {
        let _waiter = Waiter::new(self);
        loop {
            if let Some(job) = self.take() {
                return Ok(job);
            }
            if let Some(end) = self.end.lock().clone() {
                return Err(end);
            }
            // `notify_one` keeps a permit, so a change between the check above and this wait is not missed.
            self.changed.notified().await;
        }
    }

    pub(super) fn put(&self, job: PendingDelivery) {
        self.jobs.lock().push_back(job);
        self.changed.notify_one();
    }

    /// Takes the oldest job that can still be settled. If its channel is closed, the broker delivers the job to
    /// another worker.
    pub(super) fn take(&self) -> Option<PendingDelivery> {
        let mut jobs = self.jobs.lock();
        std::iter::from_fn(|| jobs.pop_front()).find(|job| job.acker.usable())
    }

    /// Whether there are jobs that no worker waits for.
    pub(super) fn has_unrequested(&self) -> bool {
        !self.is_requested() && !self.jobs.lock().is_empty()
    }

    pub(super) fn is_connected(&self) -> bool {
        self.is_connected.load(Ordering::SeqCst)
    }

    pub(super) fn set_connected(&self, is_connected: bool) {
        self.is_connected.store(is_connected, Ordering::SeqCst);
    }

    /// Whether the worker waits for a job.
    pub(super) fn is_requested(&self) -> bool {
        self.waiters.load(Ordering::SeqCst) > 0
    }

    /// Waits until the worker waits for a job. It may return early.
    pub(super) async fn requested(&self) {
        self.requested.notified().await;
    }

    /// Ends all present and further calls of [`next`](Self::next) once the buffer is empty.
    pub(super) fn end(&self, end: EndReason) {
        *self.end.lock() = Some(end);
        self.changed.notify_waiters();
        self.changed.notify_one();
    }
}

/// Counts one call that waits for a job, until it is dropped.
struct Waiter<'a>(&'a LocalBuffer);

impl<'a> Waiter<'a> {
    fn new(buffer: &'a LocalBuffer) -> Self {
        buffer.waiters.fetch_add(1, Ordering::SeqCst);
        buffer.requested.notify_one();
        Self(buffer)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.waiters.fetch_sub(1, Ordering::SeqCst);
    }
}
