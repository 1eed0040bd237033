use super::{
    channel::WatchedChannel, connection::BrokerConnection, fault::Fault, outage::Outage, settings::RabbitSettings,
    topology::Topology,
};
use futures_util::StreamExt;
use lapin::{
    Consumer,
    options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions},
    types::FieldTable,
};
use parking_lot::Mutex;
use std::{collections::VecDeque, convert::Infallible, mem, sync::Arc, time::Duration};
use tokio::{sync::Notify, time::sleep};

/// Announcements that are kept for a process that does not ask for them.
const MAX_ANNOUNCEMENTS: usize = 10_000;

/// What other processes have announced on one exchange, and this one has not asked for.
#[derive(Debug)]
pub(super) struct Announcements<T> {
    announced: Mutex<VecDeque<T>>,
    changed: Notify,
}

impl<T> Default for Announcements<T> {
    fn default() -> Self {
        Self { announced: Mutex::default(), changed: Notify::default() }
    }
}

impl<T> Announcements<T> {
    /// Waits for announcements and takes them. Cancel safe.
    pub(super) async fn take(&self) -> Vec<T> {
        loop {
            let announced = mem::take(&mut *self.announced.lock());
            if !announced.is_empty() {
                return announced.into();
            }
            // `notify_one` keeps a permit, so a change between the check above and this wait is not missed.
            self.changed.notified().await;
        }
    }

    fn put(&self, new: T) {
        let mut announced = self.announced.lock();
        if announced.len() == MAX_ANNOUNCEMENTS {
            announced.pop_front();
        }
        announced.push_back(new);
        self.changed.notify_one();
    }
}

/// Receives the announcements of one exchange.
pub(super) struct Listener<T> {
    pub(super) connection: Arc<BrokerConnection>,
    pub(super) topology: Topology,
    pub(super) settings: Arc<RabbitSettings>,
    pub(super) exchange: String,
    /// Reads the body of a message. Any program may publish to the exchange: an unknown body announces nothing.
    pub(super) read: fn(&str) -> Vec<T>,
    pub(super) announcements: Arc<Announcements<T>>,
}

impl<T: Send> Listener<T> {
    /// Receives announcements, through every outage.
    pub(super) async fn run(self) {
        let mut outage = Outage::new(Duration::MAX);
        loop {
            let Err(fault) = self.session(&mut outage).await;
            tracing::debug!(reason = %fault.reason, "no announcements can be received; trying again");
            sleep(outage.failed().unwrap_or_default()).await;
        }
    }

    async fn session(&self, outage: &mut Outage) -> Result<Infallible, Fault> {
        let channel = self.connection.channel().await?;
        let mut consumer = channel.run(self.subscribe(&channel)).await?;
        outage.over();
        loop {
            tokio::select! {
                arrival = consumer.next() => match arrival {
                    Some(arrival) => {
                        let data = arrival?.data;
                        let announced = std::str::from_utf8(&data).map(self.read).unwrap_or_default();
                        announced.into_iter().for_each(|announced| self.announcements.put(announced));
                    }
                    None => return Err(Fault::new("the broker ended the consumer of announcements")),
                },
                fault = channel.lost() => return Err(fault),
            }
        }
    }

    async fn subscribe(&self, channel: &WatchedChannel) -> Result<Consumer, Fault> {
        self.topology.declare(channel, &self.settings).await?;
        // Exclusive to this connection and deleted with it: old announcements have no use.
        let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let queue = channel.queue_declare("".into(), options, FieldTable::default()).await?.name().clone();
        let exchange = self.exchange.as_str().into();
        let bind = QueueBindOptions::default();
        channel.queue_bind(queue.clone(), exchange, "".into(), bind, FieldTable::default()).await?;
        let options = BasicConsumeOptions { no_ack: true, exclusive: true, ..BasicConsumeOptions::default() };
        Ok(channel.basic_consume(queue, "".into(), options, FieldTable::default()).await?)
    }
}
