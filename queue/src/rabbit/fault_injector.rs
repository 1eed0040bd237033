use super::{fault::Fault, settings::RabbitSettings, topology::Topology};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueuePurgeOptions},
    types::FieldTable,
};
use std::io;

/// Injects faults into a pool's queues: foreign messages and purges. Tests show that no job is lost by them.
#[derive(Debug)]
pub struct FaultInjector {
    topology: Topology,
    channel: Channel,
    connection: Connection,
}

/// The numbers of messages in a pool's queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageCounts {
    /// In the queues of jobs, of the pool and of the sweep in the settings.
    pub jobs: u64,
    /// In the retry queue.
    pub retry: u64,
    /// In the dead-letter queue.
    pub dead_letters: u64,
}

impl FaultInjector {
    /// Connects with `settings`. The pool's queues must exist.
    ///
    /// # Errors
    /// The broker is unreachable, or refuses.
    pub async fn connect(settings: &RabbitSettings) -> io::Result<Self> {
        let topology = Topology::with(settings);
        let connecting = Connection::connect_uri(settings.address.uri().clone(), ConnectionProperties::default());
        let connection = connecting.await.map_err(io::Error::other)?;
        let channel = connection.create_channel().await.map_err(io::Error::other)?;
        channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(io::Error::other)?;
        Ok(Self { topology, channel, connection })
    }

    /// Publishes a message that is no job to the pool's queue of jobs.
    ///
    /// # Errors
    /// The broker is unreachable, or does not store it.
    pub async fn publish(&self, body: &[u8]) -> io::Result<()> {
        self.publish_to(&self.topology.jobs, body).await
    }

    /// Publishes a message that is no job to every queue of the pool.
    ///
    /// # Errors
    /// The broker is unreachable, or does not store it.
    pub async fn publish_everywhere(&self, body: &[u8]) -> io::Result<()> {
        for queue in [&self.topology.jobs, &self.topology.retry, &self.topology.dead_letters] {
            self.publish_to(queue, body).await?;
        }
        Ok(())
    }

    async fn publish_to(&self, queue: &str, body: &[u8]) -> io::Result<()> {
        let options = BasicPublishOptions::default();
        let properties = BasicProperties::default().with_delivery_mode(2);
        let sending = self.channel.basic_publish("".into(), queue.into(), options, body, properties).await;
        match sending.map_err(io::Error::other)?.await.map_err(io::Error::other)? {
            Confirmation::Ack(None) => Ok(()),
            other => Err(io::Error::other(format!("the broker answered {other:?}"))),
        }
    }

    /// Purges the queues of jobs, and returns the number of messages in them.
    ///
    /// # Errors
    /// The broker is unreachable.
    pub async fn purge(&self) -> io::Result<u64> {
        let mut purged = 0;
        for queue in self.job_queues() {
            // The broker closes the channel if the queue does not exist.
            let channel = self.connection.create_channel().await.map_err(io::Error::other)?;
            let count = channel.queue_purge(queue.as_str().into(), QueuePurgeOptions::default()).await;
            purged += u64::from(unless_missing(count)?);
        }
        Ok(purged)
    }

    /// Counts the messages.
    ///
    /// # Errors
    /// The broker is unreachable.
    pub async fn waiting(&self) -> io::Result<MessageCounts> {
        Ok(MessageCounts {
            jobs: self.count_jobs().await?,
            retry: self.count(&self.topology.retry).await?,
            dead_letters: self.count(&self.topology.dead_letters).await?,
        })
    }

    fn job_queues(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.topology.jobs).chain(&self.topology.sweep_jobs)
    }

    async fn count_jobs(&self) -> io::Result<u64> {
        let mut jobs = 0;
        for queue in self.job_queues() {
            jobs += self.count(queue).await?;
        }
        Ok(jobs)
    }

    /// The number of messages in `queue`; 0 if the queue does not exist.
    async fn count(&self, queue: &str) -> io::Result<u64> {
        let channel = self.connection.create_channel().await.map_err(io::Error::other)?;
        let options = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
        let declared = channel.queue_declare(queue.into(), options, FieldTable::default()).await;
        let count = unless_missing(declared.map(|queue| queue.message_count()))?;
        // The broker may have closed the channel.
        _ = channel.close(200, "done".into()).await;
        Ok(count.into())
    }
}

/// The count, or 0 if the queue does not exist.
fn unless_missing(count: Result<u32, lapin::Error>) -> io::Result<u32> {
    match count {
        Ok(count) => Ok(count),
        Err(error) if Fault::from(error.clone()).is_missing => Ok(0),
        Err(error) => Err(io::Error::other(error)),
    }
}
