#[cfg(test)]
mod tests;

use crate::{
    Delivery, JobConsumer, JobPublisher, QueueError,
    delivery::{DEFERRAL, Receipt, Ticket, Verdict},
};
use async_trait::async_trait;
use jobs::{Job, JobId};
use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

/// Hints that are kept for a publisher who does not listen.
const MAX_HINTS: usize = 10_000;

/// A queue within one process: both ends, and as many clones of them as wanted.
///
/// Fresh jobs come first in, first out. A job that was given back or dropped comes before them; one whose back-off
/// has passed queues up behind what waits by then.
#[derive(Debug, Clone, Default)]
pub struct MemoryQueue {
    shared: Arc<Shared>,
}

/// A job that was set aside, since no attempt at it can succeed.
#[derive(Debug, Clone, PartialEq)]
pub struct Parked {
    /// The job.
    pub job: Job,
    /// The attempt after which it was parked, from 1.
    pub attempt: u32,
    /// Why it was parked.
    pub reason: String,
}

impl MemoryQueue {
    /// An open, empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes no more jobs from publishers. Consumers drain what is left, jobs that come back among it; then
    /// [`JobConsumer::next`] returns `None` to all of them.
    pub fn close(&self) {
        self.shared.change(|state| state.is_closed = true);
    }

    /// The jobs that were parked, in the order in which they were.
    pub fn parked(&self) -> Vec<Parked> {
        self.shared.lock().parked.clone()
    }
}

#[async_trait]
impl JobPublisher for MemoryQueue {
    async fn publish(&self, job: &Job, sweep: &str) -> Result<(), QueueError> {
        self.shared.change(|state| {
            if state.is_closed {
                return Err(QueueError::Closed { job: job.id() });
            }
            state.ready.push_back(Ticket::first(job.clone(), sweep));
            Ok(())
        })
    }

    async fn settled(&self) -> Vec<JobId> {
        loop {
            // Made before the look: `notify_waiters` reaches every future that exists, polled or not.
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
            // Made before the look: `notify_waiters` reaches every future that exists, polled or not.
            let changed = self.shared.changed.notified();
            match self.shared.take() {
                Take::Job(ticket) => return Ok(Some(self.lend(*ticket))),
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
    fn lend(&self, ticket: Ticket) -> Delivery {
        let receipt = MemoryReceipt { unsettled: Some(ticket.clone()), shared: Arc::clone(&self.shared) };
        Delivery::new(ticket, Box::new(receipt))
    }
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<Ticket>,
    /// Jobs in their back-off, by the time at which it ends and a number that keeps equal times apart.
    delayed: BTreeMap<(Instant, u64), Ticket>,
    delays: u64,
    lent: usize,
    parked: Vec<Parked>,
    /// Settled jobs that nobody was told of.
    settled: VecDeque<JobId>,
    is_closed: bool,
}

enum Take {
    Job(Box<Ticket>),
    NotBefore(Instant),
    Empty,
    Drained,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics between two steps of a change, so a poisoned state is a whole one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let outcome = change(&mut self.lock());
        self.changed.notify_waiters();
        outcome
    }

    /// A look that finds nothing wakes nobody: two idle consumers would wake each other without end.
    fn take(&self) -> Take {
        self.lock().take(Instant::now())
    }
}

impl State {
    fn take(&mut self, now: Instant) -> Take {
        while let Some(entry) = self.delayed.first_entry().filter(|entry| entry.key().0 <= now) {
            self.ready.push_back(entry.remove());
        }
        if let Some(ticket) = self.ready.pop_front() {
            self.lent += 1;
            return Take::Job(Box::new(ticket));
        }
        match self.delayed.first_key_value() {
            Some(((due, _), _)) => Take::NotBefore(*due),
            None if self.is_closed && self.lent == 0 => Take::Drained,
            None => Take::Empty,
        }
    }

    fn settle(&mut self, ticket: Ticket, verdict: Verdict) {
        self.lent -= 1;
        match verdict {
            Verdict::Done => self.announce(ticket.job.id()),
            Verdict::GiveBack => self.ready.push_front(ticket),
            Verdict::Retry { after } => self.delay(ticket.retried(), after),
            Verdict::Postpone { after } => self.delay(ticket, after),
            Verdict::Lose { after } => self.delay(ticket.lost(), after),
            Verdict::Defer => self.delay(ticket.deferred(), DEFERRAL),
            Verdict::Park { reason } => {
                self.announce(ticket.job.id());
                self.parked.push(Parked { job: ticket.job, attempt: ticket.attempt, reason });
            }
        }
    }

    fn delay(&mut self, ticket: Ticket, delay: Duration) {
        self.delays += 1;
        self.delayed.insert((Instant::now() + delay, self.delays), ticket);
    }

    fn announce(&mut self, job: JobId) {
        if self.settled.len() == MAX_HINTS {
            self.settled.pop_front();
        }
        self.settled.push_back(job);
    }

    fn lose(&mut self, ticket: Ticket) {
        self.lent -= 1;
        self.ready.push_front(ticket.lost());
    }
}

#[derive(Debug)]
struct MemoryReceipt {
    unsettled: Option<Ticket>,
    shared: Arc<Shared>,
}

#[async_trait]
impl Receipt for MemoryReceipt {
    async fn settle(mut self: Box<Self>, verdict: Verdict) -> Result<(), QueueError> {
        if let Some(ticket) = self.unsettled.take() {
            self.shared.change(|state| state.settle(ticket, verdict));
        }
        Ok(())
    }
}

impl Drop for MemoryReceipt {
    fn drop(&mut self) {
        if let Some(ticket) = self.unsettled.take() {
            self.shared.change(|state| state.lose(ticket));
        }
    }
}
