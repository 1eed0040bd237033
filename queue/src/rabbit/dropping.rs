use super::{
    RabbitQueue,
    fault::{Fault, Outage},
    pause,
    wire::{self, Letter},
};
use crate::QueueError;
use lapin::{
    message::{BasicGetMessage, Delivery},
    options::{BasicAckOptions, BasicGetOptions, QueueDeclareOptions},
    types::FieldTable,
};

impl RabbitQueue {
    /// Takes the messages of `sweep` out of the pool's queues, and says how many there were: of every version, and whatever the
    /// name is. What workers hold at the time, jobs in their back-off among it, is not reached.
    ///
    /// Everything else goes through: it is sent once more, and only then is the old message acknowledged.
    ///
    /// # Errors
    /// The broker is out of reach for longer than its limit.
    pub async fn drop_sweep(&self, sweep: &str) -> Result<u64, QueueError> {
        let mut dropped = 0;
        let mut outage = Outage::new(self.core.settings.outage_limit);
        let jobs = self.core.topology.jobs.clone();
        let retry = self.core.topology.retry.clone();
        for queue in [jobs, retry] {
            while let Err(fault) = self.go_through(&queue, sweep, &mut dropped).await {
                pause(&mut outage, fault, &self.core.settings).await?;
            }
        }
        Ok(dropped)
    }

    /// Looks at as many messages as the queue holds now: what is sent once more comes after these.
    async fn go_through(&self, queue: &str, sweep: &str, dropped: &mut u64) -> Result<(), Fault> {
        let line = self.link.channel().await?;
        let passive = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
        let waiting = line.queue_declare(queue.into(), passive, FieldTable::default()).await?.message_count();
        for _ in 0..waiting {
            let taken = line.basic_get(queue.into(), BasicGetOptions { no_ack: false }).await?;
            let Some(BasicGetMessage { delivery, .. }) = taken else { return Ok(()) };
            if wire::sweep_of(&delivery.data).is_some_and(|found| found == sweep) {
                *dropped += 1;
            } else {
                let letter = once_more(&delivery, queue);
                self.core.outbox.send(letter).await.map_err(|error| Fault::new(error.to_string()))?;
            }
            delivery.acker.ack(BasicAckOptions::default()).await?;
        }
        Ok(line.close(200, "done".into()).await?)
    }
}

/// The message as it is, to stay where it was.
fn once_more(delivery: &Delivery, queue: &str) -> Letter {
    match wire::open(&delivery.data, &delivery.properties) {
        // The mark of the broker that a worker lost it would be lost itself.
        Ok(ticket) if delivery.redelivered => wire::letter(&ticket.lost(), queue),
        _ => Letter { queue: queue.to_owned(), body: delivery.data.clone(), properties: delivery.properties.clone() },
    }
}
