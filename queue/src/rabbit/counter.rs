use super::receipt::Lent;
use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;

/// Where jobs lie between the broker and a worker.
#[derive(Debug, Default)]
pub(super) struct Counter {
    jobs: Mutex<VecDeque<Lent>>,
    end: Mutex<Option<End>>,
    asking: AtomicUsize,
    /// Whether whoever brings the jobs has a channel to the broker.
    is_in_reach: AtomicBool,
    asked: Notify,
    changed: Notify,
}

/// Why no job comes any more.
#[derive(Debug, Clone)]
pub(super) enum End {
    Closed,
    Unreachable { tried: Duration, last: String },
}

impl Counter {
    /// Waits for a job, or for the end. Cancel safe.
    pub(super) async fn next(&self) -> Result<Lent, End> {
        let _asking = Asking::new(self);
        loop {
            if let Some(lent) = self.take() {
                return Ok(lent);
            }
            if let Some(end) = lock(&self.end).clone() {
                return Err(end);
            }
            // A permit stays for whoever looks later, so that nothing is missed between look and wait.
            self.changed.notified().await;
        }
    }

    pub(super) fn put(&self, lent: Lent) {
        lock(&self.jobs).push_back(lent);
        self.changed.notify_one();
    }

    /// The oldest job that is still ours: one whose channel is gone was given to someone else.
    pub(super) fn take(&self) -> Option<Lent> {
        let mut jobs = lock(&self.jobs);
        std::iter::from_fn(|| jobs.pop_front()).find(|lent| lent.acker.usable())
    }

    /// Whether jobs lie here and nobody asks for them.
    pub(super) fn is_left(&self) -> bool {
        !self.is_asked() && !lock(&self.jobs).is_empty()
    }

    pub(super) fn is_in_reach(&self) -> bool {
        self.is_in_reach.load(Ordering::SeqCst)
    }

    pub(super) fn set_in_reach(&self, is_in_reach: bool) {
        self.is_in_reach.store(is_in_reach, Ordering::SeqCst);
    }

    pub(super) fn is_asked(&self) -> bool {
        self.asking.load(Ordering::SeqCst) > 0
    }

    /// Waits until somebody asks for a job. It may return early.
    pub(super) async fn asked(&self) {
        self.asked.notified().await;
    }

    pub(super) fn end(&self, end: End) {
        *lock(&self.end) = Some(end);
        self.changed.notify_waiters();
        self.changed.notify_one();
    }
}

/// Somebody who waits for a job.
struct Asking<'a>(&'a Counter);

impl<'a> Asking<'a> {
    fn new(counter: &'a Counter) -> Self {
        counter.asking.fetch_add(1, Ordering::SeqCst);
        counter.asked.notify_one();
        Self(counter)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.asking.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics between two steps of a change, so a poisoned state is a whole one.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
