use super::{
    consumer::left,
    core::Core,
    fault::{Fault, Outage},
    link::Link,
    wire::{self, Letter},
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use lapin::{
    Channel, Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, time::sleep};

/// Jobs in their back-off that one process holds at a time. Later ones wait in the queue, and are late then.
const SEATS: u16 = 1000;

/// Holds jobs in their back-off until they are due, and then queues them up again.
///
/// Every process that takes jobs has one. They are not acknowledged meanwhile: if this process dies, another one's
/// waiting room holds them. So back-off needs no plugin and nothing of the broker's configuration.
pub(super) async fn run(core: Arc<Core>, link: Arc<Link>, mut closing: watch::Receiver<bool>) {
    let mut outage = Outage::new(Duration::MAX);
    loop {
        let end = tokio::select! {
            end = session(&core, &link, &mut outage) => end,
            () = left(&mut closing) => return,
        };
        let Err(fault) = end;
        tracing::debug!(reason = %fault.reason, "not waiting for back-offs; trying again");
        let delay = outage.failed().unwrap_or_default();
        tokio::select! {
            () = sleep(delay) => {}
            () = left(&mut closing) => return,
        }
    }
}

async fn session(core: &Core, link: &Link, outage: &mut Outage) -> Result<std::convert::Infallible, Fault> {
    let line = link.channel().await?;
    let mut arrivals = line.attend(subscribe(core, &line)).await?;
    outage.over();
    let mut seated = FuturesUnordered::new();
    loop {
        tokio::select! {
            arrival = arrivals.next() => match arrival {
                Some(delivery) => seated.push(hold(core, delivery?)),
                None => return Err(Fault::new("the broker ended the waiting for back-offs")),
            },
            Some(left) = seated.next() => left?,
            fault = line.lost() => return Err(fault),
        }
    }
}

async fn subscribe(core: &Core, channel: &Channel) -> Result<Consumer, Fault> {
    core.topology.declare(channel, &core.settings).await?;
    channel.basic_qos(SEATS, BasicQosOptions::default()).await?;
    let (queue, options) = (core.topology.retry.as_str().into(), BasicConsumeOptions::default());
    Ok(channel.basic_consume(queue, "".into(), options, FieldTable::default()).await?)
}

/// Holds one message until it is due, and sends it on.
async fn hold(core: &Core, delivery: Delivery) -> Result<(), Fault> {
    let Delivery { data, properties, acker, .. } = delivery;
    // Of another pool's queue, or of none, it is not sent anywhere: the pool's own is always there.
    let jobs = wire::job_queue(&properties).filter(|queue| core.topology.holds_jobs(queue));
    let jobs = jobs.unwrap_or_else(|| core.topology.jobs.clone());
    let onward = match wire::open(&data, &properties) {
        Ok(ticket) => {
            sleep(wire::remaining(&properties)).await;
            wire::letter(&ticket, &jobs)
        }
        // As it is: it need not be read to be held back.
        Err(foreign) if foreign.is_of_other_version() => {
            sleep(wire::remaining(&properties)).await;
            Letter { queue: jobs, body: data, properties }.requeued()
        }
        Err(foreign) => core.aside(data, properties, &foreign),
    };
    core.send(onward).await.map_err(|error| Fault::new(error.to_string()))?;
    acker.ack(BasicAckOptions::default()).await?;
    Ok(())
}
