use super::{
    connection::BrokerConnection,
    fault::Fault,
    outage::Outage,
    sender::Sender,
    wire::{self, Message},
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use lapin::{
    Channel, Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Jobs in their back-off that one process holds at a time. Further ones stay in the retry queue, and are late.
const PREFETCH: u16 = 1000;

/// Holds jobs of the retry queue until they are due, and then publishes them again.
///
/// Every process that consumes jobs runs one. The messages are not acknowledged meanwhile: if this process dies, the
/// retry consumer of another one gets them. So back-off needs no plugin and no configuration of the broker.
pub(super) async fn run(sender: Arc<Sender>, connection: Arc<BrokerConnection>, closing: CancellationToken) {
    let mut outage = Outage::new(Duration::MAX);
    loop {
        let end = tokio::select! {
            end = session(&sender, &connection, &mut outage) => end,
            () = closing.cancelled() => return,
        };
        let Err(fault) = end;
        tracing::debug!(reason = %fault.reason, "the retry queue cannot be consumed; trying again");
        let delay = outage.failed().unwrap_or_default();
        tokio::select! {
            () = sleep(delay) => {}
            () = closing.cancelled() => return,
        }
    }
}

async fn session(sender: &Sender, connection: &BrokerConnection, outage: &mut Outage) -> Result<Infallible, Fault> {
    let channel = connection.channel().await?;
    let mut consumer = channel.run(subscribe(sender, &channel)).await?;
    outage.over();
    let mut held = FuturesUnordered::new();
    loop {
        tokio::select! {
            arrival = consumer.next() => match arrival {
                Some(delivery) => held.push(hold(sender, delivery?)),
                None => return Err(Fault::new("the broker ended the consumer of the retry queue")),
            },
            Some(published) = held.next() => published?,
            fault = channel.lost() => return Err(fault),
        }
    }
}

async fn subscribe(sender: &Sender, channel: &Channel) -> Result<Consumer, Fault> {
    sender.topology.declare(channel, &sender.settings).await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let queue = sender.topology.retry.as_str().into();
    let options = BasicConsumeOptions::default();
    Ok(channel.basic_consume(queue, "".into(), options, FieldTable::default()).await?)
}

/// Holds one message until it is due, and publishes it again.
async fn hold(sender: &Sender, delivery: Delivery) -> Result<(), Fault> {
    let Delivery { data, properties, acker, .. } = delivery;
    // A message that names no queue, or a queue of another pool, goes to the queue of this pool.
    let queue = wire::job_queue(&properties).filter(|queue| sender.topology.holds_jobs(queue));
    let queue = queue.unwrap_or_else(|| sender.topology.jobs.clone());
    let message = match wire::decode(&data, &properties) {
        Ok(queued) => {
            sleep(wire::remaining(&properties)).await;
            wire::encode(&queued, &queue)
        }
        // Byte for byte: a message of another version need not be decoded to be held.
        Err(error) if error.is_other_version() => {
            sleep(wire::remaining(&properties)).await;
            Message { queue, body: data, properties }.requeued()
        }
        Err(error) => sender.dead_letter(data, properties, &error),
    };
    // The broker confirms the new message before the old one is acknowledged, so that a crash cannot lose the job.
    sender.send(message).await.map_err(|error| Fault::new(error.to_string()))?;
    acker.ack(BasicAckOptions::default()).await?;
    Ok(())
}
