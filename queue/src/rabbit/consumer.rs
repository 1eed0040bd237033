use super::{
    acknowledger::RabbitAcknowledger,
    announcements::{Announcements, Listener},
    buffer::{EndReason, LocalBuffer},
    channel::WatchedChannel,
    connection::BrokerConnection,
    consumer_task::ConsumerTask,
    fault::Fault,
    outage::unreachable,
    retry_consumer,
    sender::Sender,
};
use crate::{
    consumer::JobConsumer,
    delivery::Delivery,
    error::QueueError,
    source::{Backlog, JobSource},
};
use async_trait::async_trait;
use jobs::JobId;
use parking_lot::Mutex;
use std::{mem, sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

/// How long the broker may take to report the lengths of queues.
const BACKLOG_TIMEOUT: Duration = Duration::from_secs(5);

/// How long closing may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// A worker's consumer of a pool's queues, on a connection of its own.
///
/// It receives jobs while [`next`](JobConsumer::next) waits, one at a time: the next job may arrive as soon as the
/// last one is settled, and is given back if the worker does not ask for it within a second. Settle the deliveries and
/// [`close`](Self::close) the consumer at the end, so that no job counts as lost. A consumer that is dropped closes in
/// the background, if its runtime lives long enough.
///
/// If the broker is unreachable for longer than the outage limit, [`next`](JobConsumer::next) fails for good.
#[derive(Debug)]
pub struct RabbitConsumer {
    sender: Arc<Sender>,
    connection: Arc<BrokerConnection>,
    buffer: Arc<LocalBuffer>,
    /// The queue to receive jobs from.
    source: watch::Sender<JobSource>,
    /// The sweeps whose runs have published jobs.
    announced_sweeps: Arc<Announcements<String>>,
    /// The channel that queries the lengths of queues.
    backlog_channel: tokio::sync::Mutex<Option<WatchedChannel>>,
    closing: CancellationToken,
    /// The consumer task and the retry consumer, once they run.
    tasks: Mutex<JoinSet<()>>,
    /// Whether it shares the connection of another consumer. That one closes the connection and runs the retry
    /// consumer.
    is_second: bool,
}

impl RabbitConsumer {
    pub(super) fn new(sender: &Arc<Sender>, connection: BrokerConnection) -> Self {
        Self::over(sender, &Arc::new(connection), false)
    }

    /// A second consumer for the same worker, which holds one job beside that of this one. It shares the connection:
    /// close it first.
    #[must_use]
    pub fn second(&self) -> Self {
        Self::over(&self.sender, &self.connection, true)
    }

    fn over(sender: &Arc<Sender>, connection: &Arc<BrokerConnection>, is_second: bool) -> Self {
        Self {
            sender: Arc::clone(sender),
            connection: Arc::clone(connection),
            buffer: Arc::default(),
            source: watch::Sender::new(JobSource::Pool),
            announced_sweeps: Arc::default(),
            backlog_channel: tokio::sync::Mutex::default(),
            closing: CancellationToken::new(),
            tasks: Mutex::default(),
            is_second,
        }
    }

    /// Stops receiving jobs, gives back a job that the worker did not ask for, waits until the deliveries are settled,
    /// and closes the connection. [`next`](JobConsumer::next) returns `None` from now on.
    pub async fn close(&self) {
        self.closing.cancel();
        let mut tasks = mem::take(&mut *self.tasks.lock());
        let closed = timeout(CLOSE_TIMEOUT, async { while tasks.join_next().await.is_some() {} }).await;
        if closed.is_err() {
            tracing::warn!("a consumer was closed before its job was settled; the job returns as a loss");
        }
        self.buffer.end(EndReason::Closed);
        if !self.is_second {
            self.connection.close().await;
        }
    }

    /// Starts to receive jobs, unless it has started.
    fn start(&self) {
        let mut tasks = self.tasks.lock();
        if !tasks.is_empty() || self.closing.is_cancelled() {
            return;
        }
        let consumer = ConsumerTask::new(&self.sender, &self.connection, &self.buffer, &self.source);
        tasks.spawn(consumer.run(self.closing.clone()));
        if !self.is_second {
            let sender = Arc::clone(&self.sender);
            let connection = Arc::clone(&self.connection);
            tasks.spawn(retry_consumer::run(sender, connection, self.closing.clone()));
            let sweeps = Listener {
                connection: Arc::clone(&self.connection),
                topology: self.sender.topology.clone(),
                settings: Arc::clone(&self.sender.settings),
                exchange: self.sender.topology.sweeps.clone(),
                read: |name| if jobs::is_name(name) { vec![name.to_owned()] } else { Vec::new() },
                announcements: Arc::clone(&self.announced_sweeps),
            };
            let closing = self.closing.clone();
            tasks.spawn(async move { _ = closing.run_until_cancelled(sweeps.run()).await });
        }
    }
}

impl Drop for RabbitConsumer {
    fn drop(&mut self) {
        self.closing.cancel();
        self.tasks.lock().detach_all();
    }
}

#[async_trait]
impl JobConsumer for RabbitConsumer {
    async fn next(&self) -> Result<Option<Delivery>, QueueError> {
        self.start();
        match self.buffer.next().await {
            Ok(pending) => {
                let queued = pending.queued.clone();
                let waited = pending.waited;
                let acknowledger = RabbitAcknowledger::new(pending, &self.sender);
                Ok(Some(Delivery::new(queued, Box::new(acknowledger)).with_waited(waited)))
            }
            Err(EndReason::Closed) => Ok(None),
            Err(EndReason::Unreachable { tried, last }) => Err(unreachable(&self.sender.settings, tried, &last)),
        }
    }

    /// True from the declaration of the queues until the connection is lost or closed.
    fn is_connected(&self) -> bool {
        self.buffer.is_connected()
    }

    fn reconnects(&self) -> u64 {
        self.connection.reconnects()
    }

    fn deferred_jobs(&self) -> Vec<JobId> {
        self.sender.deferred.recent()
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

    async fn announced_sweeps(&self) -> Vec<String> {
        self.announced_sweeps.take().await
    }

    async fn backlog(&self, sources: &[JobSource]) -> Option<Vec<Option<Backlog>>> {
        // The consumer task connects. This query must not start another attempt.
        if !self.connection.is_open() {
            return None;
        }
        let mut channel = self.backlog_channel.lock().await;
        let queried = timeout(BACKLOG_TIMEOUT, query(&self.sender, &self.connection, &mut channel, sources)).await;
        match queried {
            Ok(Ok(backlog)) => Some(backlog),
            Ok(Err(fault)) => {
                tracing::debug!(reason = %fault.reason, "the lengths of the queues are unknown");
                *channel = None;
                None
            }
            Err(_) => {
                *channel = None;
                None
            }
        }
    }
}

/// Queries the lengths of these queues, over a channel that is kept for the next query.
async fn query(
    sender: &Sender,
    connection: &BrokerConnection,
    kept: &mut Option<WatchedChannel>,
    sources: &[JobSource],
) -> Result<Vec<Option<Backlog>>, Fault> {
    let mut backlog = Vec::with_capacity(sources.len());
    for source in sources {
        let channel = match kept.take().filter(|channel| channel.status().connected()) {
            Some(channel) => channel,
            None => connection.channel().await?,
        };
        let queue = sender.topology.queue_of(source);
        match channel.inspect(&queue).await {
            Ok(found) => {
                backlog.push(Some(found));
                *kept = Some(channel);
            }
            // The broker has closed the channel with this answer.
            Err(fault) if fault.is_missing => backlog.push(None),
            Err(fault) => return Err(fault),
        }
    }
    Ok(backlog)
}
