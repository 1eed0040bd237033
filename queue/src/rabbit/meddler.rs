use super::{RabbitSettings, fault::Fault, topology::Topology};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueuePurgeOptions},
    types::FieldTable,
};
use std::io;

/// Somebody who does to a pool's queues what nobody should: for tests that show that no job is lost by it.
#[derive(Debug)]
pub struct Meddler {
    topology: Topology,
    channel: Channel,
    connection: Connection,
}

/// The messages that wait in a pool's queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// For a worker, in the queues of the pool and of the sweep that the settings name.
    pub jobs: u64,
    /// For the end of their back-off.
    pub retry: u64,
    /// For a person.
    pub parked: u64,
}

impl Meddler {
    /// Connects as `settings` say; the pool's queues must be there.
    ///
    /// # Errors
    /// The broker is out of reach, or refuses.
    pub async fn connect(settings: &RabbitSettings) -> io::Result<Self> {
        let topology = Topology::with(settings);
        let (uri, properties) = (settings.address.uri().clone(), ConnectionProperties::default());
        let connection = Connection::connect_uri(uri, properties).await.map_err(io::Error::other)?;
        let channel = connection.create_channel().await.map_err(io::Error::other)?;
        channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(io::Error::other)?;
        Ok(Self { topology, channel, connection })
    }

    /// Puts a message that holds no job among the jobs.
    ///
    /// # Errors
    /// The broker is out of reach, or does not take it.
    pub async fn publish(&self, body: &[u8]) -> io::Result<()> {
        self.publish_to(&self.topology.jobs, body).await
    }

    /// Puts a message that holds no job into every queue of the pool.
    ///
    /// # Errors
    /// The broker is out of reach, or does not take it.
    pub async fn publish_everywhere(&self, body: &[u8]) -> io::Result<()> {
        for queue in [&self.topology.jobs, &self.topology.retry, &self.topology.parked] {
            self.publish_to(queue, body).await?;
        }
        Ok(())
    }

    async fn publish_to(&self, queue: &str, body: &[u8]) -> io::Result<()> {
        let (queue, options) = (queue.into(), BasicPublishOptions::default());
        let properties = BasicProperties::default().with_delivery_mode(2);
        let sending = self.channel.basic_publish("".into(), queue, options, body, properties).await;
        match sending.map_err(io::Error::other)?.await.map_err(io::Error::other)? {
            Confirmation::Ack(None) => Ok(()),
            other => Err(io::Error::other(format!("the broker answers with {other:?}"))),
        }
    }

    /// Throws away the jobs that wait for a worker, and says how many.
    ///
    /// # Errors
    /// The broker is out of reach.
    pub async fn purge(&self) -> io::Result<u64> {
        let mut purged = 0;
        for queue in self.job_queues() {
            // The broker closes the channel over a queue that is not there.
            let channel = self.connection.create_channel().await.map_err(io::Error::other)?;
            let count = channel.queue_purge(queue.as_str().into(), QueuePurgeOptions::default()).await;
            purged += u64::from(unless_missing(count)?);
        }
        Ok(purged)
    }

    /// Counts the messages that wait.
    ///
    /// # Errors
    /// The broker is out of reach.
    pub async fn waiting(&self) -> io::Result<Waiting> {
        Ok(Waiting {
            jobs: self.count_jobs().await?,
            retry: self.count(&self.topology.retry).await?,
            parked: self.count(&self.topology.parked).await?,
        })
    }

    fn job_queues(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.topology.jobs).chain(&self.topology.own)
    }

    async fn count_jobs(&self) -> io::Result<u64> {
        let mut jobs = 0;
        for queue in self.job_queues() {
            jobs += self.count(queue).await?;
        }
        Ok(jobs)
    }

    /// The messages in `queue`; none where there is no such queue.
    async fn count(&self, queue: &str) -> io::Result<u64> {
        let channel = self.connection.create_channel().await.map_err(io::Error::other)?;
        let options = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
        let declared = channel.queue_declare(queue.into(), options, FieldTable::default()).await;
        let count = unless_missing(declared.map(|queue| queue.message_count()))?;
        // A channel that the broker has closed needs no leave.
        _ = channel.close(200, "done".into()).await;
        Ok(count.into())
    }
}

/// The count, or 0 where the broker does not know the queue.
fn unless_missing(count: Result<u32, lapin::Error>) -> io::Result<u32> {
    match count.map_err(|error| (Fault::from(error.clone()), error)) {
        Ok(count) => Ok(count),
        Err((fault, _)) if fault.is_missing => Ok(0),
        Err((_, error)) => Err(io::Error::other(error)),
    }
}
