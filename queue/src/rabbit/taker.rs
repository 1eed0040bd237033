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
use futures_util::StreamExt;
use lapin::{
    Acker, Consumer,
    message::Delivery as Arrival,
    options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions},
    types::FieldTable,
};
use std::{future::pending, sync::Arc, time::Duration};
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

/// Takes jobs from the broker for one worker, one at a time, through every outage up to the limit.
pub(super) struct Taker {
    core: Arc<Core>,
    link: Arc<Link>,
    counter: Arc<Counter>,
    outage: Outage,
}

impl Taker {
    pub(super) fn new(core: &Arc<Core>, link: &Arc<Link>, counter: &Arc<Counter>) -> Self {
        let outage = Outage::new(core.settings.outage_limit);
        Self { core: Arc::clone(core), link: Arc::clone(link), counter: Arc::clone(counter), outage }
    }

    /// Takes jobs until the worker leaves, or the broker is out of reach for too long.
    pub(super) async fn run(mut self, mut closing: watch::Receiver<bool>) {
        loop {
            let end = self.session(&mut closing).await;
            self.counter.set_in_reach(false);
            let Err(fault) = end else { return };
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
            // Before consuming: a limit that is set later does not hold for what is on its way.
            Ok(line.basic_qos(1, BasicQosOptions::default()).await?)
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
        let mut desk = Desk { core: &self.core, counter: &self.counter, line, back, arrivals: None };
        loop {
            if self.counter.is_asked() {
                desk.open().await?;
            }
            let is_left = desk.arrivals.is_some() && self.counter.is_left();
            tokio::select! {
                arrival = next(&mut desk.arrivals) => match arrival {
                    Some(arrival) => desk.receive(arrival?).await?,
                    None => return Err(Fault::new("the broker ended the consumer")),
                },
                Some(back) = returned.recv() => desk.take_back(back).await?,
                () = self.counter.asked() => {}
                () = sleep(PATIENCE), if is_left => if self.counter.is_left() {
                    desk.close().await?;
                },
                () = left(closing) => break,
            }
        }
        if let Ok(Some(arrival)) = timeout(LULL, next(&mut desk.arrivals)).await {
            desk.receive(arrival?).await?;
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

/// One channel over which jobs come.
struct Desk<'a> {
    core: &'a Core,
    counter: &'a Counter,
    line: &'a Line,
    back: UnboundedSender<Back>,
    /// While the broker sends jobs.
    arrivals: Option<Consumer>,
}

impl Desk<'_> {
    /// Has the broker send jobs, unless it does.
    async fn open(&mut self) -> Result<(), Fault> {
        if self.arrivals.is_none() {
            let (queue, options) = (self.core.topology.jobs.as_str().into(), BasicConsumeOptions::default());
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
            self.receive(arrival?).await?;
        }
        while let Some(lent) = self.counter.take() {
            self.send_on(wire::letter(&lent.ticket, &self.core.topology.jobs), &lent.acker).await?;
        }
        Ok(())
    }

    /// A job is laid out for the worker; whatever else comes is sent where it belongs.
    async fn receive(&self, arrival: Arrival) -> Result<(), Fault> {
        let Arrival { data, properties, acker, redelivered, .. } = arrival;
        let onward = match wire::open(&data, &properties) {
            Ok(ticket) if !redelivered => {
                let (connection, back) = (self.line.connection().clone(), self.back.clone());
                self.counter.put(Lent { ticket, acker, connection, back });
                return Ok(());
            }
            // Counted in a message of its own: brokers count differently, and none in a way that survives requeueing.
            Ok(ticket) => {
                let (job, attempt) = (ticket.job.id(), ticket.attempt);
                tracing::warn!(%job, attempt, "a worker lost a job; it is queued up again");
                wire::letter(&ticket.lost(), &self.core.topology.jobs)
            }
            Err(foreign) => self.core.aside(data, properties, &foreign),
        };
        self.send_on(onward, &acker).await
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

    /// Replaces a message: the broker has the new one before it forgets the old.
    async fn send_on(&self, onward: wire::Letter, old: &Acker) -> Result<(), Fault> {
        self.core.outbox.send(onward).await.map_err(|error| Fault::new(error.to_string()))?;
        old.ack(BasicAckOptions::default()).await?;
        Ok(())
    }

    /// Waits until what is in hand is settled, and closes the channel.
    async fn leave(mut self, mut returned: UnboundedReceiver<Back>) -> Result<(), Fault> {
        // The last other end is in the last receipt.
        (self.back, _) = unbounded_channel();
        while let Some(back) = returned.recv().await {
            self.take_back(back).await?;
        }
        Ok(self.line.close(200, "done".into()).await?)
    }
}
