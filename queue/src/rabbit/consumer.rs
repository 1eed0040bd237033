use super::{
    core::Core,
    counter::{Counter, End, lock},
    fault::Fault,
    line::Line,
    link::Link,
    outbox::unreachable,
    receipt::RabbitReceipt,
    taker::Taker,
    waiting_room,
};
use crate::{Backlog, Delivery, JobConsumer, JobSource, QueueError};
use async_trait::async_trait;
use jobs::JobId;
use lapin::{options::QueueDeclareOptions, types::FieldTable};
use std::{
    mem,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{sync::watch, task::JoinSet, time::timeout};

/// How long the broker may take to say how many jobs wait.
const LOOK_PATIENCE: Duration = Duration::from_secs(5);

/// How long leaving may take.
const LEAVE_PATIENCE: Duration = Duration::from_secs(10);

/// A worker's end of a pool's queues, on a connection of its own.
///
/// It takes jobs while [`next`](JobConsumer::next) is waited for, one at a time: the next one may come as soon as the
/// last is settled, and is given back if nobody asks for it within a second. Settle what is in hand and
/// [`close`](Self::close) in the end, so that no job counts as lost. A consumer that is dropped closes in the
/// background, as far as its runtime lives long enough.
///
/// Where the broker stays out of reach for longer than the outage limit, [`next`](JobConsumer::next) fails for good.
#[derive(Debug)]
pub struct RabbitConsumer {
    core: Arc<Core>,
    link: Arc<Link>,
    counter: Arc<Counter>,
    /// Where jobs are taken from.
    source: watch::Sender<JobSource>,
    /// The channel on which queues are looked at.
    looking: tokio::sync::Mutex<Option<Line>>,
    closing: watch::Sender<bool>,
    /// The taker of jobs and the waiting room, once they run.
    tasks: Mutex<JoinSet<()>>,
    /// It shares the connection of another consumer, which looks after that and the waiting room.
    is_beside: bool,
}

impl RabbitConsumer {
    pub(super) fn new(core: &Arc<Core>, link: Link) -> Self {
        Self {
            core: Arc::clone(core),
            link: Arc::new(link),
            counter: Arc::default(),
            source: watch::Sender::new(JobSource::Pool),
            looking: tokio::sync::Mutex::default(),
            closing: watch::Sender::new(false),
            tasks: Mutex::default(),
            is_beside: false,
        }
    }

    /// Another end for the same worker, which holds one job beside that of this one. It shares the connection: close it first.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self {
            core: Arc::clone(&self.core),
            link: Arc::clone(&self.link),
            counter: Arc::default(),
            source: watch::Sender::new(JobSource::Pool),
            looking: tokio::sync::Mutex::default(),
            closing: watch::Sender::new(false),
            tasks: Mutex::default(),
            is_beside: true,
        }
    }

    /// Takes no more jobs, gives back one that nobody asked for, waits until those in hand are settled, and closes the
    /// connection. [`next`](JobConsumer::next) returns `None` from now on.
    pub async fn close(&self) {
        self.closing.send_replace(true);
        let mut tasks = mem::take(&mut *lock(&self.tasks));
        let left = timeout(LEAVE_PATIENCE, async { while tasks.join_next().await.is_some() {} }).await;
        if left.is_err() {
            tracing::warn!("a worker left its queue with a job in hand; it comes back as a loss");
        }
        self.counter.end(End::Closed);
        if !self.is_beside {
            self.link.close().await;
        }
    }

    /// Begins to take jobs, unless it has.
    fn start(&self) {
        let mut tasks = lock(&self.tasks);
        if !tasks.is_empty() || *self.closing.borrow() {
            return;
        }
        let taker = Taker::new(&self.core, &self.link, &self.counter, &self.source);
        tasks.spawn(taker.run(self.closing.subscribe()));
        if self.is_beside {
            return;
        }
        tasks.spawn(waiting_room::run(Arc::clone(&self.core), Arc::clone(&self.link), self.closing.subscribe()));
    }
}

impl Drop for RabbitConsumer {
    fn drop(&mut self) {
        self.closing.send_replace(true);
        lock(&self.tasks).detach_all();
    }
}

#[async_trait]
impl JobConsumer for RabbitConsumer {
    async fn next(&self) -> Result<Option<Delivery>, QueueError> {
        self.start();
        match self.counter.next().await {
            Ok(lent) => {
                let (ticket, waited) = (lent.ticket.clone(), lent.waited);
                let receipt = RabbitReceipt::new(lent, &self.core);
                Ok(Some(Delivery::new(ticket, Box::new(receipt)).after(waited)))
            }
            Err(End::Closed) => Ok(None),
            Err(End::Unreachable { tried, last }) => Err(unreachable(&self.core.settings, tried, &last)),
        }
    }

    /// From the time the queues were found on the broker until the connection is lost or closed.
    fn is_in_reach(&self) -> bool {
        self.counter.is_in_reach()
    }

    fn reconnects(&self) -> u64 {
        self.link.reconnects()
    }

    fn left_to_others(&self) -> Vec<JobId> {
        self.core.deferred.recent()
    }

    fn take_from(&self, source: &JobSource) {
        self.source.send_if_modified(|current| {
            let is_new = current != source;
            if is_new {
                current.clone_from(source);
            }
            is_new
        });
    }

    fn source(&self) -> JobSource {
        self.source.borrow().clone()
    }

    async fn backlog(&self, sources: &[JobSource]) -> Option<Vec<Option<Backlog>>> {
        // Queues are looked at beside jobs, so that no attempt to reach the broker begins here.
        if !self.link.is_open() {
            return None;
        }
        let mut looking = self.looking.lock().await;
        match timeout(LOOK_PATIENCE, look(&self.core, &self.link, &mut looking, sources)).await {
            Ok(Ok(backlog)) => Some(backlog),
            Ok(Err(fault)) => {
                tracing::debug!(reason = %fault.reason, "cannot tell how many jobs wait");
                *looking = None;
                None
            }
            Err(_) => {
                *looking = None;
                None
            }
        }
    }
}

/// Looks how many jobs wait in these queues, over a channel that is kept for the next look.
async fn look(
    core: &Core,
    link: &Link,
    looking: &mut Option<Line>,
    sources: &[JobSource],
) -> Result<Vec<Option<Backlog>>, Fault> {
    let mut backlog = Vec::with_capacity(sources.len());
    for source in sources {
        let line = match looking.take().filter(|line| line.status().connected()) {
            Some(line) => line,
            None => link.channel().await?,
        };
        let queue = core.topology.queue_of(source);
        let options = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
        let asked =
            line.attend(async { Ok(line.queue_declare(queue.as_str().into(), options, FieldTable::default()).await?) });
        match asked.await {
            Ok(found) => {
                let waiting = found.message_count().into();
                backlog.push(Some(Backlog { waiting, consumers: found.consumer_count().into() }));
                *looking = Some(line);
            }
            // The broker closes the channel over this answer.
            Err(fault) if fault.is_missing => backlog.push(None),
            Err(fault) => return Err(fault),
        }
    }
    Ok(backlog)
}

/// Waits until the worker leaves.
pub(super) async fn left(closing: &mut watch::Receiver<bool>) {
    // Without a consumer there is no worker either.
    _ = closing.wait_for(|closing| *closing).await;
}
