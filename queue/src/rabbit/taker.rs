use super::{
    consumer::left,
    core::Core,
    counter::{Counter, End},
    fault::{Fault, Outage},
    line::Line,
    link::Link,
    receipt::{Back, Lent},
    wire,
};
use crate::{JobSource, QueueError};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use lapin::{
    Acker, Consumer,
    message::Delivery as Arrival,
    options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions},
    types::FieldTable,
};
use std::{future::pending, mem, sync::Arc, time::Duration};
use tokio::{
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        watch,
    },
    time::{sleep, timeout},
};

/// How long a job may lie here while nobody asks for it.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long to look out for a job that the broker may just be sending to a worker who leaves. It sends one as soon as
/// the last is acknowledged, and the client drops what comes after it unsubscribed: that would count as a loss.
const LULL: Duration = Duration::from_millis(250);

/// How long the broker may take over a message that replaces one taken here, before more are taken beside it.
const MOVE_PATIENCE: Duration = Duration::from_secs(5);

/// Takes jobs from the broker for one worker, one at a time, through every outage up to the limit.
pub(super) struct Taker {
    core: Arc<Core>,
    link: Arc<Link>,
    counter: Arc<Counter>,
    /// Where jobs are taken from.
    source: watch::Sender<JobSource>,
    outage: Outage,
}

impl Taker {
    pub(super) fn new(
        core: &Arc<Core>,
        link: &Arc<Link>,
        counter: &Arc<Counter>,
        source: &watch::Sender<JobSource>,
    ) -> Self {
        Self {
            core: Arc::clone(core),
            link: Arc::clone(link),
            counter: Arc::clone(counter),
            source: source.clone(),
            outage: Outage::new(core.settings.outage_limit),
        }
    }

    /// Takes jobs until the worker leaves, or the broker is out of reach for too long.
    pub(super) async fn run(mut self, mut closing: watch::Receiver<bool>) {
        loop {
            let end = self.session(&mut closing).await;
            self.counter.set_in_reach(false);
            let Err(fault) = end else { return };
            if fault.is_missing && *self.source.borrow() != JobSource::Pool {
                // The sweep has ended. The queue of the pool is always there.
                tracing::debug!(reason = %fault.reason, "a sweep's queue is gone");
                self.source.send_replace(JobSource::Pool);
                continue;
            }
            let Some(delay) = self.outage.failed() else {
                return self.counter.end(End::Unreachable { tried: self.outage.lasted(), last: fault.reason });
            };
            let address = &self.core.settings.address;
            tracing::warn!(%address, reason = %fault.reason, ?delay, "no jobs can be taken; trying again");
            tokio::select! {
                () = sleep(delay) => {}
                () = left(&mut closing) => return,
            }
        }
    }

    /// Takes jobs over one channel. It ends well only where the worker leaves.
    async fn session(&mut self, closing: &mut watch::Receiver<bool>) -> Result<(), Fault> {
        let line = tokio::select! {
            line = self.link.channel() => line?,
            () = left(closing) => return Ok(()),
        };
        line.attend(async {
            self.core.topology.declare(&line, &self.core.settings).await?;
            limit(&line, 1).await
        })
        .await?;
        self.outage.over();
        self.counter.set_in_reach(true);
        tokio::select! {
            end = self.serve(&line, closing) => end,
            fault = line.lost() => Err(fault),
        }
    }

    /// Hands out jobs as long as the channel is there and the worker stays.
    async fn serve(&self, line: &Line, closing: &mut watch::Receiver<bool>) -> Result<(), Fault> {
        // Of this channel: what came over it can be given back on no other one.
        let (back, mut returned) = unbounded_channel();
        let mut source = self.source.subscribe();
        let queue = self.core.topology.queue_of(&source.borrow_and_update());
        let mut desk = Desk::new(&self.core, &self.counter, line, back, &queue);
        loop {
            if source.has_changed().unwrap_or_default() {
                let queue = self.core.topology.queue_of(&source.borrow_and_update());
                desk.turn_to(&queue).await?;
            }
            if self.counter.is_asked() {
                desk.open().await?;
            }
            let is_left = desk.arrivals.is_some() && self.counter.is_left();
            tokio::select! {
                arrival = next(&mut desk.arrivals) => match arrival {
                    Some(arrival) => desk.receive(arrival?),
                    None if self.core.topology.declares(&desk.queue) => return Err(Fault::new("the broker ended the consumer")),
                    // The sweep has ended. What is in hand is settled over this channel.
                    None => {
                        desk.arrivals = None;
                        self.source.send_replace(JobSource::Pool);
                    }
                },
                Some(back) = returned.recv() => desk.take_back(back).await?,
                Some(moved) = desk.moving.next() => desk.settle(moved).await?,
                () = sleep(MOVE_PATIENCE), if desk.is_held_up() => desk.widen().await?,
                () = self.counter.asked() => {}
                // The sender is in `self`.
                _ = source.changed() => source.mark_changed(),
                () = sleep(PATIENCE), if is_left => if self.counter.is_left() {
                    desk.close().await?;
                },
                () = left(closing) => break,
            }
        }
        if let Ok(Some(arrival)) = timeout(LULL, next(&mut desk.arrivals)).await {
            desk.receive(arrival?);
        }
        desk.close().await?;
        desk.leave(returned).await
    }
}

/// The next message, where messages are taken.
async fn next(arrivals: &mut Option<Consumer>) -> Option<Result<Arrival, lapin::Error>> {
    match arrivals {
        Some(arrivals) => arrivals.next().await,
        None => pending().await,
    }
}

/// Limits how many messages may be here unanswered. It holds for consumers that begin later.
async fn limit(line: &Line, count: u16) -> Result<(), Fault> {
    Ok(line.basic_qos(count, BasicQosOptions::default()).await?)
}

/// A message that was taken here, and whether the broker has what replaces it.
type Moved = (Acker, Result<(), QueueError>);

/// One channel over which jobs come.
struct Desk<'a> {
    core: &'a Arc<Core>,
    counter: &'a Counter,
    line: &'a Line,
    back: UnboundedSender<Back>,
    /// Where jobs are taken from.
    queue: Arc<str>,
    /// While the broker sends jobs.
    arrivals: Option<Consumer>,
    /// Messages that are replaced by others.
    moving: FuturesUnordered<BoxFuture<'static, Moved>>,
    /// How many messages may be here unanswered: one, and those that the broker takes too long to replace.
    limit: u16,
}

impl<'a> Desk<'a> {
    fn new(
        core: &'a Arc<Core>,
        counter: &'a Counter,
        line: &'a Line,
        back: UnboundedSender<Back>,
        queue: &str,
    ) -> Self {
        let (queue, moving) = (queue.into(), FuturesUnordered::new());
        Self { core, counter, line, back, queue, arrivals: None, moving, limit: 1 }
    }

    /// Takes jobs from another queue, once it is opened again.
    async fn turn_to(&mut self, queue: &str) -> Result<(), Fault> {
        if *self.queue != *queue {
            self.close().await?;
            self.queue = queue.into();
        }
        Ok(())
    }

    /// Has the broker send jobs, unless it does.
    async fn open(&mut self) -> Result<(), Fault> {
        if self.arrivals.is_none() {
            let queue = (*self.queue).into();
            let options = BasicConsumeOptions::default();
            self.arrivals = Some(self.line.basic_consume(queue, "".into(), options, FieldTable::default()).await?);
        }
        Ok(())
    }

    /// Has the broker send no more jobs, and gives back what nobody asked for, as it was.
    ///
    /// While a job is here or in the worker's hands nothing else can be on its way.
    async fn close(&mut self) -> Result<(), Fault> {
        let Some(mut arrivals) = self.arrivals.take() else { return Ok(()) };
        self.line.basic_cancel(arrivals.tag(), BasicCancelOptions::default()).await?;
        while let Some(arrival) = arrivals.next().await {
            self.receive(arrival?);
        }
        while let Some(lent) = self.counter.take() {
            let onward = wire::letter(&lent.ticket, &lent.queue);
            self.core.send(onward).await.map_err(|error| Fault::new(error.to_string()))?;
            lent.acker.ack(BasicAckOptions::default()).await?;
        }
        Ok(())
    }

    /// A job is laid out for the worker; whatever else comes is sent where it belongs.
    fn receive(&self, arrival: Arrival) {
        let Arrival { data, properties, acker, redelivered, .. } = arrival;
        let onward = match wire::open(&data, &properties) {
            Ok(ticket) if !redelivered => {
                let (connection, back) = (self.line.connection().clone(), self.back.clone());
                let waited = wire::waited(&properties);
                let queue = Arc::clone(&self.queue);
                return self.counter.put(Lent { ticket, queue, waited, acker, connection, back });
            }
            // Counted in a message of its own: brokers count differently, and none in a way that survives requeueing.
            Ok(ticket) => {
                let (job, attempt) = (ticket.job.id(), ticket.attempt);
                tracing::warn!(%job, attempt, "a worker lost a job; it is queued up again");
                wire::letter(&ticket.lost(), &self.queue)
            }
            Err(foreign) => self.core.onward(data, properties, &foreign, &self.queue),
        };
        let core = Arc::clone(self.core);
        self.moving.push(async move { (acker, core.send(onward).await) }.boxed());
    }

    async fn take_back(&mut self, back: Back) -> Result<(), Fault> {
        match back {
            Back::Requeue(acker) => {
                acker.nack(BasicNackOptions { requeue: true, multiple: false }).await?;
            }
            Back::Leaving { ready } => {
                self.close().await?;
                // Whoever waited may have given up.
                _ = ready.send(());
            }
        }
        Ok(())
    }

    /// Answers for a message once the broker has what replaces it, and not before.
    async fn settle(&mut self, (old, sent): Moved) -> Result<(), Fault> {
        if self.moving.is_empty() && self.limit > 1 {
            // Before there is room for a second job.
            self.close().await?;
            self.limit = 1;
            limit(self.line, self.limit).await?;
        }
        match sent {
            Ok(()) => old.ack(BasicAckOptions::default()).await?,
            // Nobody sends any more.
            Err(error @ QueueError::SenderEnded) => return Err(Fault::new(error.to_string())),
            Err(error) => {
                tracing::warn!(%error, "a message that is no job for this worker goes back to its queue");
                old.nack(BasicNackOptions { requeue: true, multiple: false }).await?
            }
        };
        Ok(())
    }

    /// Whether no job can come, because of messages that the broker takes its time to replace.
    fn is_held_up(&self) -> bool {
        self.arrivals.is_some() && self.moving.len() >= usize::from(self.limit)
    }

    /// Takes a job beside the messages that hold things up. A queue may be out of order that no job needs.
    async fn widen(&mut self) -> Result<(), Fault> {
        self.close().await?;
        self.limit = u16::try_from(self.moving.len() + 1).unwrap_or(u16::MAX);
        tracing::warn!(
            messages = self.moving.len(),
            "the broker does not confirm what replaces these messages; jobs are taken beside them"
        );
        limit(self.line, self.limit).await
    }

    /// Waits until what is in hand is settled, and closes the channel.
    async fn leave(mut self, mut returned: UnboundedReceiver<Back>) -> Result<(), Fault> {
        // The last other end is in the last receipt.
        (self.back, _) = unbounded_channel();
        while let Some(back) = returned.recv().await {
            self.take_back(back).await?;
        }
        // What the broker has not replaced by then, it sends to somebody else.
        let mut moving = mem::take(&mut self.moving);
        let settling = async {
            while let Some(moved) = moving.next().await {
                self.settle(moved).await?;
            }
            Ok::<_, Fault>(())
        };
        timeout(MOVE_PATIENCE, settling).await.unwrap_or(Ok(()))?;
        Ok(self.line.close(200, "done".into()).await?)
    }
}
