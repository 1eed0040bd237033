use super::{
    core::Core,
    line::attended,
    wire::{self, Letter},
};
use crate::{
    QueueError,
    delivery::{DEFERRAL, MOST_DEFERRALS, Receipt, Ticket, Verdict},
};
use async_trait::async_trait;
use jobs::JobId;
use lapin::{
    Acker, ConnectionStatus,
    options::{BasicAckOptions, BasicNackOptions},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc::UnboundedSender, oneshot},
    time::timeout,
};

/// How long to try to send a job on that a leaving worker gives back, before the broker is asked to queue it up again.
const GIVE_BACK_PATIENCE: Duration = Duration::from_secs(5);

/// How long a worker waits for the broker to take what is parked.
const PARK_PATIENCE: Duration = Duration::from_secs(5);

/// A job as it came over a channel, on which alone it can be settled.
#[derive(Debug)]
pub(super) struct Lent {
    pub(super) ticket: Ticket,
    /// The queue that it came from.
    pub(super) queue: Arc<str>,
    /// How long it was in the queue, where that is known.
    pub(super) waited: Option<Duration>,
    pub(super) acker: Acker,
    /// Whether that channel can still be there.
    pub(super) connection: ConnectionStatus,
    /// To whoever takes jobs over that channel.
    pub(super) back: UnboundedSender<Back>,
}

/// What a worker asks of whoever takes its jobs.
#[derive(Debug)]
pub(super) enum Back {
    /// A delivery was dropped unsettled.
    Requeue(Acker),
    /// The worker is about to give its job back: no more are to come, unless it asks for one.
    Leaving {
        /// Told when none will come any more.
        ready: oneshot::Sender<()>,
    },
}

#[derive(Debug)]
pub(super) struct RabbitReceipt {
    lent: Lent,
    core: Arc<Core>,
}

impl RabbitReceipt {
    pub(super) fn new(lent: Lent, core: &Arc<Core>) -> Self {
        Self { lent, core: Arc::clone(core) }
    }

    fn job(&self) -> JobId {
        self.lent.ticket.job.id()
    }

    /// What stands in for the job in the queues, if anything does: the broker has it before it forgets the old one.
    fn successor(&self, verdict: &Verdict) -> Option<Letter> {
        let topology = &self.core.topology;
        let ticket = &self.lent.ticket;
        let queue = &*self.lent.queue;
        let later = |ticket: &Ticket| wire::letter(ticket, &topology.retry).returning_to(queue);
        match verdict {
            Verdict::Done => None,
            Verdict::GiveBack => Some(wire::letter(ticket, queue)),
            Verdict::Retry { after } if after.is_zero() => Some(wire::letter(&ticket.clone().retried(), queue)),
            Verdict::Retry { after } => Some(later(&ticket.clone().retried()).held_for(*after)),
            Verdict::Defer if ticket.deferrals >= MOST_DEFERRALS => {
                Some(wire::letter(ticket, &topology.parked).because("no worker of its version has come for a day"))
            }
            Verdict::Defer => Some(later(&ticket.clone().deferred()).held_for(DEFERRAL)),
            Verdict::Postpone { after } => Some(later(ticket).held_for(*after)),
            Verdict::Lose { after } => Some(later(&ticket.clone().lost()).held_for(*after)),
            Verdict::Park { reason } => Some(wire::letter(ticket, &topology.parked).because(reason)),
        }
    }

    async fn ack(&self) -> Result<(), QueueError> {
        self.answer(self.lent.acker.ack(BasicAckOptions::default())).await
    }

    /// Gives the broker an answer about the message, which it takes only over the channel that it came by.
    async fn answer(&self, answer: impl Future<Output = Result<bool, lapin::Error>> + Send) -> Result<(), QueueError> {
        match attended(&self.lent.connection, async { Ok(answer.await?) }).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(QueueError::Lapsed { job: self.job() }),
            Err(fault) => {
                tracing::debug!(reason = %fault.reason, job = %self.job(), "a delivery could not be settled");
                Err(QueueError::Lapsed { job: self.job() })
            }
        }
    }

    /// Sends what people may look at. It is tried for as long as this process lives, but no worker is held up by a queue
    /// that no job needs.
    async fn park(&self, successor: Letter) -> Result<(), QueueError> {
        timeout(PARK_PATIENCE, self.core.send(successor)).await.unwrap_or_else(|_| {
            let queue = &self.core.topology.parked;
            tracing::warn!(job = %self.job(), queue, "the broker has not taken a failed job to be parked; going on");
            Ok(())
        })
    }

    async fn give_back(&self, successor: Letter) -> Result<(), QueueError> {
        // Otherwise the broker would send the job here again as soon as it is acknowledged.
        let (ready, is_ready) = oneshot::channel();
        if self.lent.back.send(Back::Leaving { ready }).is_ok() {
            _ = timeout(GIVE_BACK_PATIENCE, is_ready).await;
        }
        if let Ok(Ok(())) = timeout(GIVE_BACK_PATIENCE, self.core.send(successor)).await {
            return self.ack().await;
        }
        // Comes back as a loss, which is better than late.
        self.answer(self.lent.acker.nack(BasicNackOptions { requeue: true, multiple: false })).await
    }
}

#[async_trait]
impl Receipt for RabbitReceipt {
    async fn settle(self: Box<Self>, verdict: Verdict) -> Result<(), QueueError> {
        // The broker has given the job to someone else by now: a successor would be a second one.
        if !self.lent.acker.usable() {
            return Err(QueueError::Lapsed { job: self.job() });
        }
        match (self.successor(&verdict), &verdict) {
            (Some(successor), Verdict::GiveBack) => return self.give_back(successor).await,
            (Some(successor), Verdict::Park { .. }) => self.park(successor).await?,
            (Some(successor), _) => self.core.send(successor).await?,
            (None, _) => {}
        }
        if matches!(verdict, Verdict::Park { .. }) {
            self.core.announcer.announce(self.job());
        }
        if matches!(verdict, Verdict::Defer) {
            let _is_new = self.core.deferred.note(self.job());
        }
        self.ack().await?;
        if matches!(verdict, Verdict::Done) {
            self.core.announcer.announce(self.job());
        }
        Ok(())
    }
}

impl Drop for RabbitReceipt {
    fn drop(&mut self) {
        // Nobody there any more: then the channel is closing, which gives the job back as well.
        if self.lent.acker.usable() {
            _ = self.lent.back.send(Back::Requeue(self.lent.acker.clone()));
        }
    }
}
