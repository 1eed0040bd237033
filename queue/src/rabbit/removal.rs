use super::{
    fault::Fault,
    outage::{Outage, wait_or_fail},
    queue::RabbitQueue,
    wire::{self, Message},
};
use crate::error::QueueError;
use lapin::{
    message::{BasicGetMessage, Delivery},
    options::{BasicAckOptions, BasicGetOptions, QueueDeleteOptions},
};

/// The longest name that AMQP allows. No queue has a longer one.
const LONGEST_NAME: usize = 255;

impl RabbitQueue {
    /// Deletes the queue of `sweep`, removes its messages from the pool's other queues, and returns their number. It
    /// removes messages of every version, and accepts every name. It does not remove jobs that workers hold at the
    /// time, jobs in their back-off included.
    ///
    /// All other messages are published again before they are acknowledged, so that none is lost.
    ///
    /// # Errors
    /// The broker is unreachable for longer than its limit.
    pub async fn drop_sweep(&self, sweep: &str) -> Result<u64, QueueError> {
        let mut removed = self.delete_queue(sweep).await?;
        let mut outage = Outage::new(self.sender.settings.outage_limit);
        let jobs = self.sender.topology.jobs.clone();
        let retry = self.sender.topology.retry.clone();
        for queue in [jobs, retry] {
            while let Err(fault) = self.remove_from(&queue, sweep, &mut removed).await {
                wait_or_fail(&mut outage, fault, &self.sender.settings).await?;
            }
        }
        Ok(removed)
    }

    /// Deletes the queue of `sweep`, and returns the number of its messages. Workers that take jobs from it finish
    /// their jobs and turn to another queue.
    ///
    /// # Errors
    /// The broker is unreachable for longer than its limit.
    pub async fn delete_queue(&self, sweep: &str) -> Result<u64, QueueError> {
        let queue = self.sender.topology.jobs_of(sweep);
        if queue.len() > LONGEST_NAME {
            return Ok(0);
        }
        let mut outage = Outage::new(self.sender.settings.outage_limit);
        loop {
            let deleting = async {
                let channel = self.connection.channel().await?;
                let options = QueueDeleteOptions::default();
                let deleted =
                    channel.run(async { Ok(channel.queue_delete(queue.as_str().into(), options).await?) }).await?;
                channel.close(200, "done".into()).await?;
                Ok::<_, Fault>(deleted)
            };
            match deleting.await {
                Ok(deleted) => return Ok(deleted.into()),
                Err(fault) => wait_or_fail(&mut outage, fault, &self.sender.settings).await?,
            }
        }
    }

    /// The number of messages in the queue that the sweeps of the pool share.
    ///
    /// # Errors
    /// The broker is unreachable for longer than its limit.
    pub async fn waiting_in_pool(&self) -> Result<u64, QueueError> {
        let mut outage = Outage::new(self.sender.settings.outage_limit);
        loop {
            let counting = async {
                let channel = self.connection.channel().await?;
                let waiting = channel.inspect(&self.sender.topology.jobs).await?.waiting;
                channel.close(200, "done".into()).await?;
                Ok::<_, Fault>(waiting)
            };
            match counting.await {
                Ok(waiting) => return Ok(waiting),
                Err(fault) => wait_or_fail(&mut outage, fault, &self.sender.settings).await?,
            }
        }
    }

    /// Reads as many messages as the queue contains now. Messages that are published again come after these.
    async fn remove_from(&self, queue: &str, sweep: &str, removed: &mut u64) -> Result<(), Fault> {
        let channel = self.connection.channel().await?;
        let waiting = channel.inspect(queue).await?.waiting;
        for _ in 0..waiting {
            let taken = channel.basic_get(queue.into(), BasicGetOptions { no_ack: false }).await?;
            let Some(BasicGetMessage { delivery, .. }) = taken else { return Ok(()) };
            if wire::sweep_of(&delivery.data).is_some_and(|found| found == sweep) {
                *removed += 1;
            } else {
                let message = republished(&delivery, queue);
                self.sender.outbox.send(message).await.map_err(|error| Fault::new(error.to_string()))?;
            }
            delivery.acker.ack(BasicAckOptions::default()).await?;
        }
        Ok(channel.close(200, "done".into()).await?)
    }
}

/// The same message to the same queue.
fn republished(delivery: &Delivery, queue: &str) -> Message {
    match wire::decode(&delivery.data, &delivery.properties) {
        // The new message does not have the broker's flag that a worker lost the job.
        Ok(queued) if delivery.redelivered => wire::encode(&queued.lost(), queue),
        _ => Message { queue: queue.to_owned(), body: delivery.data.clone(), properties: delivery.properties.clone() },
    }
}
