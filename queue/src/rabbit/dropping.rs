use super::{
    RabbitQueue,
    fault::{Fault, Outage},
    pause,
    wire::{self, Letter},
};
use crate::QueueError;
use lapin::{
    message::{BasicGetMessage, Delivery},
    options::{BasicAckOptions, BasicGetOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::FieldTable,
};

/// The longest name of a queue that a message of AMQP can hold. There is no queue of a longer one.
const LONGEST_NAME: usize = 255;

impl RabbitQueue {
    /// Deletes the queue of `sweep`, takes its messages out of the pool's other queues, and says how many there were: of every
    /// version, and whatever the name is. What workers hold at the time, jobs in their back-off among it, is not reached.
    ///
    /// Everything else goes through: it is sent once more, and only then is the old message acknowledged.
    ///
    /// # Errors
    /// The broker is out of reach for longer than its limit.
    pub async fn drop_sweep(&self, sweep: &str) -> Result<u64, QueueError> {
        let mut dropped = self.delete_queue(sweep).await?;
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

    /// Deletes the queue of `sweep`, and says how many messages were in it. Workers that take jobs from it look for others, and
    /// finish what they have in hand.
    ///
    /// # Errors
    /// The broker is out of reach for longer than its limit.
    pub async fn delete_queue(&self, sweep: &str) -> Result<u64, QueueError> {
        let queue = self.core.topology.jobs_of(sweep);
        if queue.len() > LONGEST_NAME {
            return Ok(0);
        }
        let mut outage = Outage::new(self.core.settings.outage_limit);
        loop {
            let deleting = async {
                let line = self.link.channel().await?;
                let options = QueueDeleteOptions::default();
                let deleted =
                    line.attend(async { Ok(line.queue_delete(queue.as_str().into(), options).await?) }).await?;
                line.close(200, "done".into()).await?;
                Ok::<_, Fault>(deleted)
            };
            match deleting.await {
                Ok(deleted) => return Ok(deleted.into()),
                Err(fault) => pause(&mut outage, fault, &self.core.settings).await?,
            }
        }
    }

    /// How many messages wait in the queue that all sweeps of the pool share.
    ///
    /// # Errors
    /// The broker is out of reach for longer than its limit.
    pub async fn waiting_in_pool(&self) -> Result<u64, QueueError> {
        let mut outage = Outage::new(self.core.settings.outage_limit);
        loop {
            let counting = async {
                let line = self.link.channel().await?;
                let passive = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
                let queue = self.core.topology.jobs.as_str().into();
                let counting = async { Ok(line.queue_declare(queue, passive, FieldTable::default()).await?) };
                let counted = line.attend(counting).await?.message_count();
                line.close(200, "done".into()).await?;
                Ok::<_, Fault>(counted)
            };
            match counting.await {
                Ok(counted) => return Ok(counted.into()),
                Err(fault) => pause(&mut outage, fault, &self.core.settings).await?,
            }
        }
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
