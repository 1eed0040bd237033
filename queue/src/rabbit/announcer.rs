use super::{
    channel::WatchedChannel, connection::BrokerConnection, fault::Fault, settings::RabbitSettings, topology::Topology,
};
use jobs::JobId;
use lapin::{BasicProperties, Channel, options::BasicPublishOptions};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

/// Announcements that may wait to be sent. Further ones are dropped: nothing relies on them.
const MAX_WAITING: usize = 1000;

/// How long opening a channel may take.
const OPEN_TIMEOUT: Duration = Duration::from_secs(20);

/// The delay after a channel failed.
const RETRY_DELAY: Duration = Duration::from_secs(2);

/// Announces settled jobs to coordinators. Best effort: it never fails and never waits.
#[derive(Debug, Clone)]
pub(super) struct Announcer {
    settled: mpsc::Sender<JobId>,
}

/// The task that sends what an [`Announcer`] announces.
pub(super) struct AnnouncerTask {
    settled: mpsc::Receiver<JobId>,
    connection: Arc<BrokerConnection>,
    topology: Topology,
    settings: Arc<RabbitSettings>,
}

impl Announcer {
    /// An announcer, and the task that must run. The task ends with the last announcer.
    pub(super) fn new(
        connection: &Arc<BrokerConnection>,
        topology: &Topology,
        settings: &Arc<RabbitSettings>,
    ) -> (Self, AnnouncerTask) {
        let (sender, settled) = mpsc::channel(MAX_WAITING);
        let task = AnnouncerTask {
            settled,
            connection: Arc::clone(connection),
            topology: topology.clone(),
            settings: Arc::clone(settings),
        };
        (Self { settled: sender }, task)
    }

    pub(super) fn announce(&self, job: JobId) {
        // Fails if too many wait, or if the task has ended. The coordinator finds the result at its next look.
        _ = self.settled.try_send(job);
    }
}

impl AnnouncerTask {
    /// Sends announcements until the last announcer is dropped.
    ///
    /// An announcement waits for the broker if it is unreachable: without it the coordinator hears of the job half a
    /// minute later.
    pub(super) async fn run(mut self) {
        let mut kept: Option<WatchedChannel> = None;
        while let Some(job) = self.settled.recv().await {
            loop {
                match self.send(job, kept.take()).await {
                    Ok(channel) => {
                        kept = Some(channel);
                        break;
                    }
                    Err(fault) => {
                        tracing::debug!(reason = %fault.reason, %job, "a settled job was not announced; trying again");
                        sleep(RETRY_DELAY).await;
                    }
                }
            }
        }
    }

    /// Sends one announcement over `channel`, or over a new one, and returns the channel.
    async fn send(&self, job: JobId, channel: Option<WatchedChannel>) -> Result<WatchedChannel, Fault> {
        let channel = match channel {
            Some(channel) => channel,
            None => self.open().await?,
        };
        channel.run(publish(&channel, &self.topology.settled, job)).await?;
        Ok(channel)
    }

    /// Opens a channel, and declares the exchange.
    async fn open(&self) -> Result<WatchedChannel, Fault> {
        let opening = async {
            let channel = self.connection.channel().await?;
            channel.run(self.topology.declare(&channel, &self.settings)).await?;
            Ok(channel)
        };
        timeout(OPEN_TIMEOUT, opening).await.unwrap_or_else(|_| Err(Fault::new("no channel in time")))
    }
}

async fn publish(channel: &Channel, exchange: &str, job: JobId) -> Result<(), Fault> {
    let properties =
        BasicProperties::default().with_type("bowline.settled".into()).with_content_type("text/plain".into());
    let options = BasicPublishOptions::default();
    let id = job.to_string();
    channel.basic_publish(exchange.into(), "".into(), options, id.as_bytes(), properties).await?;
    Ok(())
}
