use super::{
    RabbitSettings,
    announcer::Announcer,
    deferred::Deferred,
    outbox::Outbox,
    topology::Topology,
    wire::{self, Foreign, Letter},
};
use crate::{QueueError, delivery::MOST_DEFERRALS};
use lapin::BasicProperties;
use std::sync::Arc;
use tokio::task::JoinSet;

/// What all that sends messages needs.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) settings: Arc<RabbitSettings>,
    pub(super) topology: Topology,
    /// For all messages but those of the queue for what is parked.
    pub(super) outbox: Outbox,
    /// For those: the broker's end of a channel stands still over a message to a queue that is out of order, and jobs need
    /// no such message.
    pub(super) parking: Outbox,
    pub(super) announcer: Announcer,
    pub(super) deferred: Deferred,
    /// Whoever works the outboxes and the announcer off, for as long as somebody may use them.
    pub(super) _senders: JoinSet<()>,
}

impl Core {
    /// Sends `letter`, and returns once the broker has taken it over.
    pub(super) async fn send(&self, letter: Letter) -> Result<(), QueueError> {
        let outbox = if letter.queue == self.topology.parked { &self.parking } else { &self.outbox };
        outbox.send(letter).await
    }

    /// What becomes of a message that is not taken for a job: one of another version waits for a worker of that version, the
    /// rest is kept aside. It came from `queue`.
    pub(super) fn onward(&self, body: Vec<u8>, properties: BasicProperties, why: &Foreign, queue: &str) -> Letter {
        if !why.is_of_other_version() || wire::deferrals(&properties) >= MOST_DEFERRALS {
            return self.aside(body, properties, why);
        }
        let job = wire::named(&properties);
        let name = job.map(|job| job.short()).unwrap_or_default();
        match job.is_some_and(|job| self.deferred.note(job)) {
            true => tracing::warn!(reason = %why, job = name, "a job is left to a worker of another version"),
            // It comes by again and again.
            false => tracing::debug!(reason = %why, job = name, "a job is left to a worker of another version"),
        }
        Letter { queue: self.topology.retry.clone(), body, properties }.deferred().returning_to(queue)
    }

    /// A message that is not taken for a job, as it is kept aside.
    pub(super) fn aside(&self, body: Vec<u8>, properties: BasicProperties, why: &Foreign) -> Letter {
        tracing::warn!(reason = %why, queue = self.topology.parked, "a message is parked");
        Letter { queue: self.topology.parked.clone(), body, properties }.because(&why.to_string())
    }
}
