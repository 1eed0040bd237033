#[cfg(test)]
mod tests;

use crate::{
    consumer::JobConsumer,
    delivery::{Acknowledger, DEFER_DELAY, DeadLetter, Delivery, QueuedJob, Settlement},
    error::QueueError,
    publisher::JobPublisher,
};
use async_trait::async_trait;
use jobs::{Job, JobId};
use parking_lot::{Mutex, MutexGuard};
use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

/// Announcements that are kept for a publisher that does not listen.
const MAX_ANNOUNCEMENTS: usize = 10_000;

/// A queue within one process. It implements both roles, and clones of it share the queue.
///
/// New jobs come first in, first out. A job that was given back or dropped comes before them. A job whose back-off has
/// ended comes after the jobs that wait by then.
#[derive(Debug, Clone, Default)]
pub struct MemoryQueue {
    shared: Arc<Shared>,
}

impl MemoryQueue {
    /// An open, empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    /// Refuses further jobs of publishers. Consumers drain the rest, jobs that return included. Then
    /// [`JobConsumer::next`] returns `None` to all of them.
    pub fn close(&self) {
        self.shared.change(|state| state.is_closed = true);
    }

    /// Accepts jobs again after [`close`](Self::close).
    pub fn reopen(&self) {
        self.shared.change(|state| state.is_closed = false);
    }

    /// The dead-lettered jobs, in order.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.shared.lock().dead_letters.clone()
    }
}

#[async_trait]
impl JobPublisher for MemoryQueue {
    async fn publish(&self, job: &Job, sweep: &str) -> Result<(), QueueError> {
        self.shared.change(|state| {
            if state.is_closed {
                return Err(QueueError::Closed { job: job.id() });
            }
            state.ready.push_back(QueuedJob::first(job.clone(), sweep));
            Ok(())
        })
    }

    async fn settled(&self) -> Vec<JobId> {
        loop {
            // Created before the check: `notify_waiters` reaches every future that exists, polled or not.
            let changed = self.shared.changed.notified();
            let settled = mem::take(&mut self.shared.lock().settled);
            if !settled.is_empty() {
                return settled.into();
            }
            changed.await;
        }
    }

    async fn waiting(&self) -> Result<Option<u64>, QueueError> {
        let state = self.shared.lock();
        Ok(Some((state.ready.len() + state.delayed.len()) as u64))
    }
}

#[async_trait]
impl JobConsumer for MemoryQueue {
    async fn next(&self) -> Result<Option<Delivery>, QueueError> {
        loop {
            // Created before the check: `notify_waiters` reaches every future that exists, polled or not.
            let changed = self.shared.changed.notified();
            match self.shared.take() {
                Take::Job(queued) => return Ok(Some(self.deliver(*queued))),
                Take::Drained => return Ok(None),
                Take::NotBefore(due) => tokio::select! {
                    () = changed => {}
                    () = sleep_until(due) => {}
                },
                Take::Empty => changed.await,
            }
        }
    }
}

impl MemoryQueue {
    fn deliver(&self, queued: QueuedJob) -> Delivery {
        let acknowledger = MemoryAcknowledger { unsettled: Some(queued.clone()), shared: Arc::clone(&self.shared) };
        Delivery::new(queued, Box::new(acknowledger))
    }
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<QueuedJob>,
    /// Jobs in their back-off, by the time at which it ends and a number that distinguishes equal times.
    delayed: BTreeMap<(Instant, u64), QueuedJob>,
    delays: u64,
    /// Deliveries that are not settled.
    unsettled: usize,
    dead_letters: Vec<DeadLetter>,
    /// Settled jobs that were not announced to a publisher.
    settled: VecDeque<JobId>,
    is_closed: bool,
}

enum Take {
    Job(Box<QueuedJob>),
    NotBefore(Instant),
    Empty,
    Drained,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let outcome = change(&mut self.lock());
        self.changed.notify_waiters();
        outcome
    }

    /// Does not notify: two idle consumers would wake each other without end.
    fn take(&self) -> Take {
        self.lock().take(Instant::now())
    }
}

impl State {
    fn take(&mut self, now: Instant) -> Take {
        while let Some(entry) = self.delayed.first_entry().filter(|entry| entry.key().0 <= now) {
            self.ready.push_back(entry.remove());
        }
        if let Some(queued) = self.ready.pop_front() {
            self.unsettled += 1;
            return Take::Job(Box::new(queued));
        }
        match self.delayed.first_key_value() {
            Some(((due, _), _)) => Take::NotBefore(*due),
            None if self.is_closed && self.unsettled == 0 => Take::Drained,
            None => Take::Empty,
        }
    }

    fn settle(&mut self, queued: QueuedJob, settlement: Settlement) {
        self.unsettled -= 1;
        match settlement {
            Settlement::Acknowledge => self.announce(queued.id),
            Settlement::GiveBack => self.ready.push_front(queued),
            // Behind the others, as a broker puts a message that is published again.
            Settlement::Rest => self.ready.push_back(queued.rested()),
            Settlement::Retry { after } => self.delay(queued.retried(), after),
            Settlement::Postpone { after } => self.delay(queued, after),
            Settlement::Lose { after } => self.delay(queued.lost(), after),
            Settlement::Defer => self.delay(queued.deferred(), DEFER_DELAY),
            Settlement::DeadLetter { reason } => {
                self.announce(queued.id);
                self.dead_letters.push(DeadLetter { job: queued.job, attempt: queued.attempt, reason });
            }
        }
    }

    fn delay(&mut self, queued: QueuedJob, delay: Duration) {
        self.delays += 1;
        self.delayed.insert((Instant::now() + delay, self.delays), queued);
    }

    fn announce(&mut self, job: JobId) {
        if self.settled.len() == MAX_ANNOUNCEMENTS {
            self.settled.pop_front();
        }
        self.settled.push_back(job);
    }

    fn lose(&mut self, queued: QueuedJob) {
        self.unsettled -= 1;
        self.ready.push_front(queued.lost());
    }
}

#[derive(Debug)]
struct MemoryAcknowledger {
    unsettled: Option<QueuedJob>,
    shared: Arc<Shared>,
}

#[async_trait]
impl Acknowledger for MemoryAcknowledger {
    async fn settle(mut self: Box<Self>, settlement: Settlement) -> Result<(), QueueError> {
        if let Some(queued) = self.unsettled.take() {
            self.shared.change(|state| state.settle(queued, settlement));
        }
        Ok(())
    }
}

impl Drop for MemoryAcknowledger {
    fn drop(&mut self) {
        if let Some(queued) = self.unsettled.take() {
            self.shared.change(|state| state.lose(queued));
        }
    }
}
