use super::wire::Message;
use crate::error::QueueError;
use std::{sync::Arc, time::Duration};
use tokio::{sync::oneshot, time::Instant};

/// A message that the broker has not confirmed, and the caller that waits for the confirmation.
#[derive(Debug)]
pub(super) struct PendingPublish {
    pub(super) message: Arc<Message>,
    caller: oneshot::Sender<Result<(), QueueError>>,
    /// How often the broker refused to store it.
    pub(super) refusals: u32,
    /// When a reachable broker did not accept it for the first time.
    refused_since: Option<Instant>,
}

impl PendingPublish {
    pub(super) fn new(message: Message, caller: oneshot::Sender<Result<(), QueueError>>) -> Self {
        Self { message: Arc::new(message), caller, refusals: 0, refused_since: None }
    }

    /// A message whose caller received the confirmation.
    pub(super) fn without_caller(message: Message) -> Self {
        Self::new(message, oneshot::channel().0)
    }

    pub(super) fn with_message(self, message: Message) -> Self {
        Self { message: Arc::new(message), ..self }
    }

    /// Whether it is the message `body` to `queue`.
    pub(super) fn is(&self, queue: &str, body: &[u8]) -> bool {
        self.message.queue == queue && self.message.body == body
    }

    /// How long a reachable broker has not accepted it. The time starts with the first call.
    pub(super) fn refused_for(&mut self) -> Duration {
        self.refused_since.get_or_insert_with(Instant::now).elapsed()
    }

    /// Reports the outcome to the caller, unless the caller was dropped.
    pub(super) fn finish(self, outcome: Result<(), QueueError>) {
        _ = self.caller.send(outcome);
    }
}
