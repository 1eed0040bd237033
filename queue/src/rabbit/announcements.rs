use super::{
    channel::WatchedChannel, connection::BrokerConnection, fault::Fault, outage::Outage, settings::RabbitSettings,
    topology::Topology,
};
use futures_util::StreamExt;
use jobs::JobId;
use lapin::{
    Consumer,
    options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions},
    types::FieldTable,
};
use parking_lot::Mutex;
use std::{collections::VecDeque, convert::Infallible, mem, sync::Arc, time::Duration};
use tokio::{sync::Notify, time::sleep};

/// Announcements that are kept for a publisher that does not ask for them.
const MAX_ANNOUNCEMENTS: usize = 10_000;

/// The settled jobs that workers have announced and the publisher has not asked for.
#[derive(Debug, Default)]
pub(super) struct Announcements {
    jobs: Mutex<VecDeque<JobId>>,
    changed: Notify,
}

impl Announcements {
    /// Waits for announcements and takes them. Cancel safe.
    pub(super) async fn take(&self) -> Vec<JobId> {
        loop {
            let jobs = mem::take(&mut *self.jobs.lock());
            if !jobs.is_empty() {
                return jobs.into();
            }
            // `notify_one` keeps a permit, so a change between the check above and this wait is not missed.
            self.changed.notified().await;
        }
    }

    fn put(&self, job: JobId) {
        let mut jobs = self.jobs.lock();
        if jobs.len() == MAX_ANNOUNCEMENTS {
            jobs.pop_front();
        }
        jobs.push_back(job);
        self.changed.notify_one();
    }
}

/// Receives announcements, through every outage.
pub(super) async fn listen(
    connection: Arc<BrokerConnection>,
    topology: Topology,
    settings: Arc<RabbitSettings>,
    announcements: Arc<Announcements>,
) {
    let mut outage = Outage::new(Duration::MAX);
    loop {
        let Err(fault) = session(&connection, &topology, &settings, &announcements, &mut outage).await;
        tracing::debug!(reason = %fault.reason, "no announcements can be received; trying again");
        sleep(outage.failed().unwrap_or_default()).await;
    }
}

async fn session(
    connection: &BrokerConnection,
    topology: &Topology,
    settings: &RabbitSettings,
    announcements: &Announcements,
    outage: &mut Outage,
) -> Result<Infallible, Fault> {
    let channel = connection.channel().await?;
    let mut consumer = channel.run(subscribe(&channel, topology, settings)).await?;
    outage.over();
    loop {
        tokio::select! {
            arrival = consumer.next() => match arrival {
                Some(arrival) => {
                    let data = arrival?.data;
                    // Anyone may publish to the exchange. A body that is no job's id is ignored.
                    let job = std::str::from_utf8(&data).ok().and_then(|id| id.parse().ok());
                    if let Some(job) = job {
                        announcements.put(job);
                    }
                }
                None => return Err(Fault::new("the broker ended the consumer of announcements")),
            },
            fault = channel.lost() => return Err(fault),
        }
    }
}

async fn subscribe(
    channel: &WatchedChannel,
    topology: &Topology,
    settings: &RabbitSettings,
) -> Result<Consumer, Fault> {
    topology.declare(channel, settings).await?;
    // Exclusive to this connection and deleted with it: old announcements have no use.
    let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare("".into(), options, FieldTable::default()).await?.name().clone();
    let bind = QueueBindOptions::default();
    channel.queue_bind(queue.clone(), topology.settled.as_str().into(), "".into(), bind, FieldTable::default()).await?;
    let options = BasicConsumeOptions { no_ack: true, exclusive: true, ..BasicConsumeOptions::default() };
    Ok(channel.basic_consume(queue, "".into(), options, FieldTable::default()).await?)
}
