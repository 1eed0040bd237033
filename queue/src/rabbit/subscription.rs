use super::{
    buffer::LocalBuffer,
    channel::WatchedChannel,
    fault::Fault,
    pending_delivery::{PendingDelivery, Request},
    sender::Sender,
    wire,
};
use crate::error::QueueError;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use lapin::{
    Acker, Consumer,
    message::Delivery as Arrival,
    options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions},
    types::FieldTable,
};
use std::{future::pending, mem, sync::Arc, time::Duration};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::timeout,
};

/// A worker's subscription to one queue, over one channel.
pub(super) struct Subscription<'a> {
    sender: &'a Arc<Sender>,
    buffer: &'a LocalBuffer,
    channel: &'a WatchedChannel,
    requests: UnboundedSender<Request>,
    /// The queue that jobs are received from.
    queue: Arc<str>,
    /// Present while the broker sends jobs.
    consumer: Option<Consumer>,
    /// Messages that other messages replace. Each is acknowledged once the broker has confirmed its replacement.
    replacements: FuturesUnordered<BoxFuture<'static, Replaced>>,
    /// How many messages may be unacknowledged: one, plus those whose replacements the broker takes too long to
    /// confirm.
    prefetch: u16,
}

/// What happens to a subscription.
#[expect(clippy::large_enum_variant, reason = "an event is handled where it is returned, and never stored")]
pub(super) enum Event {
    /// A message arrived, or the channel failed.
    Arrived(Result<Arrival, lapin::Error>),
    /// The broker has cancelled the consumer, because its queue was deleted or has lost its leader.
    Cancelled,
    /// The broker has confirmed, or refused, the replacement of a message.
    Replaced(Replaced),
}

/// A message, and whether the broker has confirmed its replacement.
pub(super) struct Replaced {
    old: Acker,
    confirmed: Result<(), QueueError>,
}

impl<'a> Subscription<'a> {
    /// A subscription to `queue` that receives nothing yet.
    pub(super) async fn new(
        sender: &'a Arc<Sender>,
        buffer: &'a LocalBuffer,
        channel: &'a WatchedChannel,
        requests: UnboundedSender<Request>,
        queue: &str,
    ) -> Result<Self, Fault> {
        channel.run(set_prefetch(channel, 1)).await?;
        Ok(Self {
            sender,
            buffer,
            channel,
            requests,
            queue: queue.into(),
            consumer: None,
            replacements: FuturesUnordered::new(),
            prefetch: 1,
        })
    }

    pub(super) fn queue(&self) -> &str {
        &self.queue
    }

    pub(super) fn is_subscribed(&self) -> bool {
        self.consumer.is_some()
    }

    /// Selects another queue. The next call of [`subscribe`](Self::subscribe) uses it.
    pub(super) async fn switch_to(&mut self, queue: &str) -> Result<(), Fault> {
        if *self.queue != *queue {
            self.unsubscribe().await?;
            self.queue = queue.into();
        }
        Ok(())
    }

    /// Starts to receive jobs, unless it has started.
    pub(super) async fn subscribe(&mut self) -> Result<(), Fault> {
        if self.consumer.is_some() {
            return Ok(());
        }
        let queue = (*self.queue).into();
        let options = BasicConsumeOptions::default();
        self.consumer = Some(self.channel.basic_consume(queue, "".into(), options, FieldTable::default()).await?);
        Ok(())
    }

    /// Stops receiving jobs, and gives back the jobs that the worker has not taken, without a loss.
    ///
    /// With a prefetch of 1 no other delivery can be on its way while a job is unacknowledged.
    pub(super) async fn unsubscribe(&mut self) -> Result<(), Fault> {
        let Some(mut consumer) = self.consumer.take() else { return Ok(()) };
        self.channel.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await?;
        while let Some(arrival) = consumer.next().await {
            self.receive(arrival?);
        }
        while let Some(job) = self.buffer.take() {
            let message = wire::encode(&job.queued, &job.queue);
            self.sender.send(message).await.map_err(|error| Fault::new(error.to_string()))?;
            job.acker.ack(BasicAckOptions::default()).await?;
        }
        Ok(())
    }

    /// Notes that the broker has cancelled the consumer.
    pub(super) fn cancelled(&mut self) {
        self.consumer = None;
    }

    /// Waits for the next event. Cancel safe.
    pub(super) async fn next(&mut self) -> Event {
        tokio::select! {
            arrival = next_arrival(&mut self.consumer) => arrival.map_or(Event::Cancelled, Event::Arrived),
            Some(replaced) = self.replacements.next() => Event::Replaced(replaced),
        }
    }

    /// Waits for the next message. `None` if the broker has cancelled the consumer. Cancel safe.
    pub(super) async fn next_arrival(&mut self) -> Option<Result<Arrival, lapin::Error>> {
        next_arrival(&mut self.consumer).await
    }

    /// Puts a job into the buffer. Replaces a message that is no job for this worker, or that was lost with another
    /// worker.
    pub(super) fn receive(&self, arrival: Arrival) {
        let Arrival { data, properties, acker, redelivered, .. } = arrival;
        let replacement = match wire::decode(&data, &properties) {
            Ok(queued) if !redelivered => {
                return self.buffer.put(PendingDelivery {
                    queued,
                    queue: Arc::clone(&self.queue),
                    waited: wire::waited(&properties),
                    acker,
                    connection: self.channel.connection().clone(),
                    requests: self.requests.clone(),
                });
            }
            // The loss is counted in a new message. Versions of the broker count redeliveries differently, and no
            // header of a requeued message can be changed.
            Ok(queued) => {
                let job = queued.id;
                let attempt = queued.attempt;
                tracing::warn!(%job, attempt, "a worker lost a job; it is queued again");
                wire::encode(&queued.lost(), &self.queue)
            }
            Err(error) => self.sender.replacement(data, properties, &error, &self.queue),
        };
        let sender = Arc::clone(self.sender);
        let replacing = async move { Replaced { old: acker, confirmed: sender.send(replacement).await } };
        self.replacements.push(replacing.boxed());
    }

    pub(super) async fn handle(&mut self, request: Request) -> Result<(), Fault> {
        match request {
            Request::Requeue(acker) => {
                acker.nack(BasicNackOptions { requeue: true, multiple: false }).await?;
            }
            Request::Unsubscribe { done } => {
                self.unsubscribe().await?;
                // The delivery that asked may have been dropped.
                _ = done.send(());
            }
        }
        Ok(())
    }

    /// Acknowledges a message whose replacement is confirmed. If it was refused, the message returns to its queue.
    pub(super) async fn finish(&mut self, replaced: Replaced) -> Result<(), Fault> {
        if self.replacements.is_empty() && self.prefetch > 1 {
            // Before the acknowledgement: otherwise the broker would send a second job.
            self.unsubscribe().await?;
            self.prefetch = 1;
            set_prefetch(self.channel, self.prefetch).await?;
        }
        match replaced.confirmed {
            Ok(()) => replaced.old.ack(BasicAckOptions::default()).await?,
            Err(error @ QueueError::SenderEnded) => return Err(Fault::new(error.to_string())),
            Err(error) => {
                tracing::warn!(%error, "a message that is no job for this worker returns to its queue");
                replaced.old.nack(BasicNackOptions { requeue: true, multiple: false }).await?
            }
        };
        Ok(())
    }

    /// Whether no job can arrive, because the replacements of earlier messages are not confirmed.
    pub(super) fn is_blocked(&self) -> bool {
        self.consumer.is_some() && self.replacements.len() >= usize::from(self.prefetch)
    }

    /// Allows one job beside the unconfirmed replacements. They may go to a queue that is out of order and that no job
    /// needs.
    pub(super) async fn raise_prefetch(&mut self) -> Result<(), Fault> {
        self.unsubscribe().await?;
        self.prefetch = u16::try_from(self.replacements.len() + 1).unwrap_or(u16::MAX);
        tracing::warn!(
            messages = self.replacements.len(),
            "the broker does not confirm the replacements of these messages; jobs are received beside them"
        );
        set_prefetch(self.channel, self.prefetch).await
    }

    /// Waits until all deliveries are settled, and closes the channel.
    ///
    /// Replacements that are not confirmed within `limit` are left: the broker delivers the old messages again.
    pub(super) async fn close(
        mut self,
        mut requests: UnboundedReceiver<Request>,
        limit: Duration,
    ) -> Result<(), Fault> {
        // Drops our own sender of requests. The unsettled deliveries hold the others, so `recv` ends with the last
        // delivery.
        self.requests = unbounded_channel().0;
        while let Some(request) = requests.recv().await {
            self.handle(request).await?;
        }
        let mut replacements = mem::take(&mut self.replacements);
        let finishing = async {
            while let Some(replaced) = replacements.next().await {
                self.finish(replaced).await?;
            }
            Ok::<_, Fault>(())
        };
        timeout(limit, finishing).await.unwrap_or(Ok(()))?;
        Ok(self.channel.close(200, "done".into()).await?)
    }
}

/// Waits for the next message, for ever if there is no consumer.
async fn next_arrival(consumer: &mut Option<Consumer>) -> Option<Result<Arrival, lapin::Error>> {
    match consumer {
        Some(consumer) => consumer.next().await,
        None => pending().await,
    }
}

/// Sets how many messages may be unacknowledged. It applies to consumers that start later.
async fn set_prefetch(channel: &WatchedChannel, count: u16) -> Result<(), Fault> {
    Ok(channel.basic_qos(count, BasicQosOptions::default()).await?)
}
