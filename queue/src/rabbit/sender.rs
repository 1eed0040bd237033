use super::{
    announcer::Announcer,
    deferred::Deferred,
    outbox::Outbox,
    settings::RabbitSettings,
    topology::Topology,
    wire::{self, DecodeError, Message},
};
use crate::{delivery::MAX_DEFERRALS, error::QueueError};
use lapin::BasicProperties;
use std::sync::Arc;
use tokio::task::JoinSet;

/// What every part of a process needs to send messages to the queues of its pool.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) settings: Arc<RabbitSettings>,
    pub(super) topology: Topology,
    /// For all messages but dead letters.
    pub(super) outbox: Outbox,
    /// For dead letters. The broker stops reading from a channel while a queue does not accept its messages, and a
    /// dead-letter queue that is out of order must not delay jobs.
    pub(super) dead_letter_outbox: Outbox,
    pub(super) announcer: Announcer,
    pub(super) deferred: Deferred,
    /// The tasks behind the outboxes and the announcer. They end with the last user.
    pub(super) _tasks: JoinSet<()>,
}

impl Sender {
    /// Sends `message`, and returns once the broker has confirmed it.
    pub(super) async fn send(&self, message: Message) -> Result<(), QueueError> {
        let is_dead_letter = message.queue == self.topology.dead_letters;
        let outbox = if is_dead_letter { &self.dead_letter_outbox } else { &self.outbox };
        outbox.send(message).await
    }

    /// The replacement of a message from `queue` that is no job for this worker. A message of another version waits
    /// for a worker of that version. All others are dead letters.
    pub(super) fn replacement(
        &self,
        body: Vec<u8>,
        properties: BasicProperties,
        error: &DecodeError,
        queue: &str,
    ) -> Message {
        if !error.is_other_version() || wire::deferrals(&properties) >= MAX_DEFERRALS {
            return self.dead_letter(body, properties, error);
        }
        let job = wire::named_job(&properties);
        let name = job.map(|job| job.short()).unwrap_or_default();
        if job.is_some_and(|job| self.deferred.note(job)) {
            tracing::warn!(reason = %error, job = name, "a job is deferred to a worker of another version");
        } else {
            // It returns every few seconds.
            tracing::debug!(reason = %error, job = name, "a job is deferred to a worker of another version");
        }
        Message { queue: self.topology.retry.clone(), body, properties }.deferred().returning_to(queue)
    }

    /// A message that is no job, for the dead-letter queue.
    pub(super) fn dead_letter(&self, body: Vec<u8>, properties: BasicProperties, error: &DecodeError) -> Message {
        tracing::warn!(reason = %error, queue = self.topology.dead_letters, "a message is dead-lettered");
        Message { queue: self.topology.dead_letters.clone(), body, properties }.with_reason(&error.to_string())
    }
}
