use super::{
    RabbitSettings,
    announcer::Announcer,
    outbox::Outbox,
    topology::Topology,
    wire::{Foreign, Letter},
};
use lapin::BasicProperties;
use std::sync::Arc;
use tokio::task::JoinSet;

/// What all that sends messages needs.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) settings: Arc<RabbitSettings>,
    pub(super) topology: Topology,
    pub(super) outbox: Outbox,
    pub(super) announcer: Announcer,
    /// Whoever works the outbox and the announcer off, for as long as somebody may use them.
    pub(super) _senders: JoinSet<()>,
}

impl Core {
    /// A message that is not taken for a job, as it is kept aside.
    pub(super) fn aside(&self, body: Vec<u8>, properties: BasicProperties, why: &Foreign) -> Letter {
        tracing::warn!(reason = %why, queue = self.topology.parked, "a message is parked");
        Letter { queue: self.topology.parked.clone(), body, properties }.because(&why.to_string())
    }
}
