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

/// An announcement of one process to all others that listen. Nothing relies on it: it saves the time until their next
/// lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Announcement {
    /// A worker has settled a job. Coordinators listen.
    Settled(JobId),
    /// A run has published jobs of this sweep. Workers listen.
    Published(String),
}

/// Sends announcements. Best effort: it never fails and never waits.
#[derive(Debug, Clone)]
pub(super) struct Announcer {
    announcements: mpsc::Sender<Announcement>,
}

/// The task that sends what an [`Announcer`] announces.
pub(super) struct AnnouncerTask {
    announcements: mpsc::Receiver<Announcement>,
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
        let (sender, announcements) = mpsc::channel(MAX_WAITING);
        let task = AnnouncerTask {
            announcements,
            connection: Arc::clone(connection),
            topology: topology.clone(),
            settings: Arc::clone(settings),
        };
        (Self { announcements: sender }, task)
    }

    pub(super) fn announce(&self, announcement: Announcement) {
        // Fails if too many wait, or if the task has ended. The listeners look up the job a little later anyway.
        _ = self.announcements.try_send(announcement);
    }
}

impl AnnouncerTask {
    /// Sends announcements until the last announcer is dropped.
    ///
    /// An announcement waits for the broker if it is unreachable: without it the coordinator finds the result half a
    /// minute later.
    pub(super) async fn run(mut self) {
        let mut kept: Option<WatchedChannel> = None;
        while let Some(announcement) = self.announcements.recv().await {
            loop {
                match self.send(&announcement, kept.take()).await {
                    Ok(channel) => {
                        kept = Some(channel);
                        break;
                    }
                    Err(fault) => {
                        tracing::debug!(reason = %fault.reason, ?announcement, "nothing can be announced; trying again");
                        sleep(RETRY_DELAY).await;
                    }
                }
            }
        }
    }

    /// Sends one announcement over `channel`, or over a new one, and returns the channel.
    async fn send(
        &self,
        announcement: &Announcement,
        channel: Option<WatchedChannel>,
    ) -> Result<WatchedChannel, Fault> {
        let channel = match channel {
            Some(channel) => channel,
            None => self.open().await?,
        };
        channel.run(publish(&channel, &self.topology, announcement)).await?;
        Ok(channel)
    }

    /// Opens a channel, and declares the exchanges.
    async fn open(&self) -> Result<WatchedChannel, Fault> {
        let opening = async {
            let channel = self.connection.channel().await?;
            channel.run(self.topology.declare(&channel, &self.settings)).await?;
            Ok(channel)
        };
        timeout(OPEN_TIMEOUT, opening).await.unwrap_or_else(|_| Err(Fault::new("no channel in time")))
    }
}

async fn publish(channel: &Channel, topology: &Topology, announcement: &Announcement) -> Result<(), Fault> {
    let (kind, exchange, body) = match announcement {
        Announcement::Settled(job) => ("bowline.settled", &topology.settled, job.to_string()),
        Announcement::Published(sweep) => ("bowline.published", &topology.sweeps, sweep.clone()),
    };
    let properties = BasicProperties::default().with_type(kind.into()).with_content_type("text/plain".into());
    let options = BasicPublishOptions::default();
    channel.basic_publish(exchange.as_str().into(), "".into(), options, body.as_bytes(), properties).await?;
    Ok(())
}
