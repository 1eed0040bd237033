use super::{
    announcer::Announcement,
    channel::run_while_connected,
    pending_delivery::{PendingDelivery, Request},
    sender::Sender,
    wire::{self, Message},
};
use crate::{
    delivery::{Acknowledger, DEFER_DELAY, MAX_DEFERRALS, QueuedJob, Settlement},
    error::QueueError,
};
use async_trait::async_trait;
use jobs::JobId;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use std::{sync::Arc, time::Duration};
use tokio::{sync::oneshot, time::timeout};

/// How long to try to publish a job that a worker gives back, before the broker is asked to requeue it.
const GIVE_BACK_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a worker waits for the broker to store a dead letter.
const DEAD_LETTER_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct RabbitAcknowledger {
    delivery: PendingDelivery,
    sender: Arc<Sender>,
}

impl RabbitAcknowledger {
    pub(super) fn new(delivery: PendingDelivery, sender: &Arc<Sender>) -> Self {
        Self { delivery, sender: Arc::clone(sender) }
    }

    fn job(&self) -> JobId {
        self.delivery.queued.id
    }

    /// The message that replaces the delivery in the queues, if one does.
    fn replacement(&self, settlement: &Settlement) -> Option<Message> {
        let queued = &self.delivery.queued;
        let queue = &*self.delivery.queue;
        match settlement {
            Settlement::Acknowledge => None,
            Settlement::GiveBack => Some(wire::encode(queued, queue)),
            Settlement::Rest => Some(wire::encode(&queued.clone().rested(), queue)),
            Settlement::Retry { after } if after.is_zero() => Some(wire::encode(&queued.clone().retried(), queue)),
            Settlement::Retry { after } => Some(self.delayed(&queued.clone().retried(), *after)),
            Settlement::Defer if queued.deferrals >= MAX_DEFERRALS => {
                Some(self.dead_letter("no worker of its version has come for a day"))
            }
            Settlement::Defer => Some(self.delayed(&queued.clone().deferred(), DEFER_DELAY)),
            Settlement::Postpone { after } => Some(self.delayed(queued, *after)),
            Settlement::Lose { after } => Some(self.delayed(&queued.clone().lost(), *after)),
            Settlement::DeadLetter { reason } => Some(self.dead_letter(reason)),
        }
    }

    /// A message that returns to its queue after `delay`.
    fn delayed(&self, queued: &QueuedJob, delay: Duration) -> Message {
        let message = wire::encode(queued, &self.sender.topology.retry);
        message.returning_to(&self.delivery.queue).held_for(delay)
    }

    fn dead_letter(&self, reason: &str) -> Message {
        wire::encode(&self.delivery.queued, &self.sender.topology.dead_letters).with_reason(reason)
    }

    async fn ack(&self) -> Result<(), QueueError> {
        self.answer(self.delivery.acker.ack(BasicAckOptions::default())).await
    }

    /// Waits for an acknowledgement or a rejection. The broker accepts it only over the channel that delivered the
    /// message.
    async fn answer(&self, answer: impl Future<Output = Result<bool, lapin::Error>> + Send) -> Result<(), QueueError> {
        match run_while_connected(&self.delivery.connection, async { Ok(answer.await?) }).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(QueueError::Lapsed { job: self.job() }),
            Err(fault) => {
                tracing::debug!(reason = %fault.reason, job = %self.job(), "a delivery could not be settled");
                Err(QueueError::Lapsed { job: self.job() })
            }
        }
    }

    /// Sends a dead letter. Past the timeout the worker continues, because no job needs the dead-letter queue. The
    /// publisher task tries further while this process lives.
    async fn send_dead_letter(&self, message: Message) -> Result<(), QueueError> {
        timeout(DEAD_LETTER_TIMEOUT, self.sender.send(message)).await.unwrap_or_else(|_| {
            let queue = &self.sender.topology.dead_letters;
            tracing::warn!(job = %self.job(), queue, "the broker has not stored a dead letter; continuing without it");
            Ok(())
        })
    }

    async fn give_back(&self, message: Message) -> Result<(), QueueError> {
        // Otherwise the broker would deliver the job here again as soon as it is acknowledged.
        let (done, is_done) = oneshot::channel();
        if self.delivery.requests.send(Request::Unsubscribe { done }).is_ok() {
            _ = timeout(GIVE_BACK_TIMEOUT, is_done).await;
        }
        if let Ok(Ok(())) = timeout(GIVE_BACK_TIMEOUT, self.sender.send(message)).await {
            return self.ack().await;
        }
        // The job returns as a loss. That is better than a delay of minutes.
        self.answer(self.delivery.acker.nack(BasicNackOptions { requeue: true, multiple: false })).await
    }
}

#[async_trait]
impl Acknowledger for RabbitAcknowledger {
    /// Settles the delivery.
    ///
    /// The order matters. The broker confirms the replacement before the old message is acknowledged: a crash in
    /// between duplicates the job, and the other order would lose it.
    async fn settle(self: Box<Self>, settlement: Settlement) -> Result<(), QueueError> {
        // The broker has delivered the job to another worker by now. A replacement would be a second copy.
        if !self.delivery.acker.usable() {
            return Err(QueueError::Lapsed { job: self.job() });
        }
        if let Some(replacement) = self.replacement(&settlement) {
            match settlement {
                // It acknowledges by itself: only after the subscription has stopped, or with a requeue.
                Settlement::GiveBack | Settlement::Rest => return self.give_back(replacement).await,
                Settlement::DeadLetter { .. } => self.send_dead_letter(replacement).await?,
                Settlement::Acknowledge
                | Settlement::Retry { .. }
                | Settlement::Defer
                | Settlement::Postpone { .. }
                | Settlement::Lose { .. } => self.sender.send(replacement).await?,
            }
        }
        if matches!(settlement, Settlement::Defer) {
            // Before the acknowledgement: from then on the coordinator would otherwise find the job nowhere.
            let _is_new = self.sender.deferred.note(self.job());
        }
        if matches!(settlement, Settlement::DeadLetter { .. }) {
            // Before the acknowledgement, which may fail: the failure is recorded and final in any case.
            self.sender.announcer.announce(Announcement::Settled(self.job()));
        }
        self.ack().await?;
        if matches!(settlement, Settlement::Acknowledge) {
            // After the acknowledgement. If it fails, another worker gets the job, finds the result and announces it.
            self.sender.announcer.announce(Announcement::Settled(self.job()));
        }
        Ok(())
    }
}

impl Drop for RabbitAcknowledger {
    fn drop(&mut self) {
        if self.delivery.acker.usable() {
            // Fails if the subscription has ended. Then the channel is closing, and the broker requeues the message by
            // itself.
            _ = self.delivery.requests.send(Request::Requeue(self.delivery.acker.clone()));
        }
    }
}
