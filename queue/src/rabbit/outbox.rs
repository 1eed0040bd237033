use super::{pending_publish::PendingPublish, wire::Message};
use crate::error::QueueError;
use tokio::sync::{mpsc, oneshot};

/// Accepts messages for the broker.
///
/// Messages are published in the order in which [`send`](Self::send) was first polled. If the connection breaks before
/// a message is confirmed, the message is published again, even if its caller was dropped meanwhile: it may arrive
/// twice. A message that the broker refuses to store is published again later, and delays no other message.
#[derive(Debug, Clone)]
pub(super) struct Outbox {
    messages: mpsc::UnboundedSender<PendingPublish>,
}

impl Outbox {
    /// An outbox, and the messages that a [`PublisherTask`](super::publisher_task::PublisherTask) must publish.
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<PendingPublish>) {
        let (messages, pending) = mpsc::unbounded_channel();
        (Self { messages }, pending)
    }

    /// Publishes `message`, and returns once the broker has confirmed it.
    pub(super) async fn send(&self, message: Message) -> Result<(), QueueError> {
        let (done, outcome) = oneshot::channel();
        // Without waiting, so that the order holds: a caller of a full bounded channel would be overtaken. The number
        // of messages is bounded by the number of callers, since each one waits.
        self.messages.send(PendingPublish::new(message, done)).map_err(|_| QueueError::SenderEnded)?;
        // The task answers every message, unless it panics or its runtime ends.
        outcome.await.unwrap_or(Err(QueueError::SenderEnded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{contract::job, delivery::QueuedJob, rabbit::wire};

    #[tokio::test]
    async fn without_a_publisher_task_a_message_is_refused_and_does_not_wait() {
        let (outbox, mut pending) = Outbox::new();
        let message = || wire::encode(&QueuedJob::first(job(1), "tests"), "queue");
        let ends = async {
            drop(pending.recv().await);
            drop(pending);
        };
        let (taken, ()) = tokio::join!(outbox.send(message()), ends);
        for outcome in [taken, outbox.send(message()).await] {
            assert!(matches!(outcome, Err(QueueError::SenderEnded)), "{outcome:?}");
        }
    }
}
