use crate::delivery::QueuedJob;
use lapin::{Acker, ConnectionStatus};
use std::{sync::Arc, time::Duration};
use tokio::sync::{mpsc::UnboundedSender, oneshot};

/// A job that was delivered and is not settled. It can be settled only over the channel that delivered it.
#[derive(Debug)]
pub(super) struct PendingDelivery {
    pub(super) queued: QueuedJob,
    /// The queue that delivered it.
    pub(super) queue: Arc<str>,
    /// How long it was in the queue, if known.
    pub(super) waited: Option<Duration>,
    pub(super) acker: Acker,
    /// The status of the connection of that channel.
    pub(super) connection: ConnectionStatus,
    /// To the subscription that uses that channel.
    pub(super) requests: UnboundedSender<Request>,
}

/// What a delivery asks of the subscription that delivered it.
#[derive(Debug)]
pub(super) enum Request {
    /// The delivery was dropped unsettled: return its message to the queue.
    Requeue(Acker),
    /// The worker is about to give its job back: receive no more jobs until it asks for one.
    Unsubscribe {
        /// Notified when no more jobs will arrive.
        done: oneshot::Sender<()>,
    },
}
