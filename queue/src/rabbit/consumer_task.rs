use super::{
    buffer::{EndReason, LocalBuffer},
    channel::WatchedChannel,
    connection::BrokerConnection,
    fault::Fault,
    outage::Outage,
    sender::Sender,
    subscription::{Event, Subscription},
};
use crate::source::JobSource;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc::unbounded_channel, watch},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// How long a job may stay in the buffer while the worker does not ask for it.
const BUFFER_TIMEOUT: Duration = Duration::from_secs(1);

/// How long to wait for one more delivery before unsubscribing for good. The broker sends the next job as soon as the
/// last one is acknowledged, and the client drops deliveries that arrive after the subscription has ended: such a job
/// would count as a loss.
const LAST_DELIVERY_TIMEOUT: Duration = Duration::from_millis(250);

/// How long the broker may take to confirm the replacement of a message, before jobs are received beside it.
const REPLACEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// The task that receives jobs from the broker for one worker, one at a time. It survives every outage up to the limit.
pub(super) struct ConsumerTask {
    sender: Arc<Sender>,
    connection: Arc<BrokerConnection>,
    buffer: Arc<LocalBuffer>,
    /// The queue to receive jobs from.
    source: watch::Sender<JobSource>,
    outage: Outage,
}

impl ConsumerTask {
    pub(super) fn new(
        sender: &Arc<Sender>,
        connection: &Arc<BrokerConnection>,
        buffer: &Arc<LocalBuffer>,
        source: &watch::Sender<JobSource>,
    ) -> Self {
        Self {
            sender: Arc::clone(sender),
            connection: Arc::clone(connection),
            buffer: Arc::clone(buffer),
            source: source.clone(),
            outage: Outage::new(sender.settings.outage_limit),
        }
    }

    /// Receives jobs until the consumer is closed, or the broker is unreachable for too long.
    pub(super) async fn run(mut self, closing: CancellationToken) {
        loop {
            let end = self.session(&closing).await;
            self.buffer.set_connected(false);
            let Err(fault) = end else { return };
            if fault.is_missing && *self.source.borrow() != JobSource::Pool {
                // The sweep has ended, and its queue was deleted. The queue of the pool always exists.
                tracing::debug!(reason = %fault.reason, "the queue of a sweep was deleted");
                self.source.send_replace(JobSource::Pool);
                continue;
            }
            let Some(delay) = self.outage.failed() else {
                let tried = self.outage.duration();
                return self.buffer.end(EndReason::Unreachable { tried, last: fault.reason });
            };
            let address = &self.sender.settings.address;
            tracing::warn!(%address, reason = %fault.reason, ?delay, "no jobs can be received; trying again");
            tokio::select! {
                () = sleep(delay) => {}
                () = closing.cancelled() => return,
            }
        }
    }

    /// Receives jobs over one channel. It returns `Ok` only if the consumer is closed.
    async fn session(&mut self, closing: &CancellationToken) -> Result<(), Fault> {
        let channel = tokio::select! {
            channel = self.connection.channel() => channel?,
            () = closing.cancelled() => return Ok(()),
        };
        let declaring = self.sender.topology.declare(&channel, &self.sender.settings);
        channel.run(declaring).await?;
        self.outage.over();
        self.buffer.set_connected(true);
        tokio::select! {
            end = self.serve(&channel, closing) => end,
            fault = channel.lost() => Err(fault),
        }
    }

    /// Fills the buffer while the channel is open and the consumer is not closed.
    async fn serve(&self, channel: &WatchedChannel, closing: &CancellationToken) -> Result<(), Fault> {
        // One queue of requests per channel: a delivery can be settled only over the channel that delivered it.
        let (sender, mut requests) = unbounded_channel();
        let mut source = self.source.subscribe();
        let queue = self.sender.topology.queue_of(&source.borrow_and_update());
        let mut subscription = Subscription::new(&self.sender, &self.buffer, channel, sender, &queue).await?;
        loop {
            if source.has_changed().unwrap_or_default() {
                let queue = self.sender.topology.queue_of(&source.borrow_and_update());
                subscription.switch_to(&queue).await?;
            }
            if self.buffer.is_requested() {
                subscription.subscribe().await?;
            }
            let is_blocked = subscription.is_blocked();
            let has_unrequested = subscription.is_subscribed() && self.buffer.has_unrequested();
            tokio::select! {
                event = subscription.next() => match event {
                    Event::Arrived(arrival) => subscription.receive(arrival?),
                    Event::Cancelled => self.consumer_cancelled(&mut subscription)?,
                    Event::Replaced(replaced) => subscription.finish(replaced).await?,
                },
                Some(request) = requests.recv() => subscription.handle(request).await?,
                () = sleep(REPLACEMENT_TIMEOUT), if is_blocked => subscription.raise_prefetch().await?,
                () = self.buffer.requested() => {}
                // Never an error: `self` holds the sender. The beginning of the loop reads the new source.
                _ = source.changed() => source.mark_changed(),
                () = sleep(BUFFER_TIMEOUT), if has_unrequested => if self.buffer.has_unrequested() {
                    subscription.unsubscribe().await?;
                },
                () = closing.cancelled() => break,
            }
        }
        if let Ok(Some(arrival)) = timeout(LAST_DELIVERY_TIMEOUT, subscription.next_arrival()).await {
            subscription.receive(arrival?);
        }
        subscription.unsubscribe().await?;
        subscription.close(requests, REPLACEMENT_TIMEOUT).await
    }

    /// Handles a consumer that the broker has cancelled.
    fn consumer_cancelled(&self, subscription: &mut Subscription<'_>) -> Result<(), Fault> {
        if self.sender.topology.declares(subscription.queue()) {
            return Err(Fault::new("the broker ended the consumer"));
        }
        // The sweep has ended, and its queue was deleted. The channel stays open: unsettled deliveries need it.
        subscription.cancelled();
        self.source.send_replace(JobSource::Pool);
        Ok(())
    }
}
