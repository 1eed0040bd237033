use super::{
    channel::WatchedChannel, connection::BrokerConnection, fault::Fault, settings::RabbitSettings, topology::Topology,
};
use jobs::JobId;
use lapin::{BasicProperties, Channel, options::BasicPublishOptions};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout},
};

/// Announcements that may wait to be sent. Further ones are dropped: nothing relies on them.
const MAX_WAITING: usize = 1000;

/// The shortest time between two sends. Workers with jobs of a millisecond would otherwise send one message more for each job, as
/// costly for the broker as the job's own. A worker with longer jobs announces each of them at once.
const PAUSE: Duration = Duration::from_millis(50);

/// Announcements that are sent together.
const MAX_TOGETHER: usize = 100;

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
    /// Sends announcements until the last announcer is dropped: the first one after a [`PAUSE`] at once, and those that follow
    /// together.
    ///
    /// An announcement waits for the broker if it is unreachable: without it the coordinator finds the result half a
    /// minute later.
    pub(super) async fn run(mut self) {
        let mut kept: Option<WatchedChannel> = None;
        let mut waiting = Vec::new();
        let mut next_send = Instant::now();
        loop {
            sleep_until(next_send).await;
            if self.announcements.recv_many(&mut waiting, MAX_TOGETHER).await == 0 {
                return;
            }
            next_send = Instant::now() + PAUSE;
            for message in messages(&self.topology, waiting.drain(..)) {
                kept = Some(self.send_at_last(&message, kept.take()).await);
            }
        }
    }

    /// Sends a message once the broker can be reached.
    async fn send_at_last(&self, message: &AnnouncementMessage, mut channel: Option<WatchedChannel>) -> WatchedChannel {
        loop {
            match self.send(message, channel.take()).await {
                Ok(channel) => return channel,
                Err(fault) => {
                    tracing::debug!(reason = %fault.reason, ?message, "nothing can be announced; trying again");
                    sleep(RETRY_DELAY).await;
                }
            }
        }
    }

    /// Sends a message over `channel`, or over a new one, and returns the channel.
    async fn send(
        &self,
        message: &AnnouncementMessage,
        channel: Option<WatchedChannel>,
    ) -> Result<WatchedChannel, Fault> {
        let channel = match channel {
            Some(channel) => channel,
            None => self.open().await?,
        };
        channel.run(publish(&channel, message)).await?;
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

/// A message of one or more announcements.
#[derive(Debug, PartialEq, Eq)]
struct AnnouncementMessage {
    kind: &'static str,
    exchange: String,
    /// A line for each announcement.
    body: String,
}

/// The messages for `announcements`: one for all settled jobs, and one for each sweep.
fn messages(topology: &Topology, announcements: impl Iterator<Item = Announcement>) -> Vec<AnnouncementMessage> {
    let mut messages = Vec::new();
    let mut settled: Vec<String> = Vec::new();
    for announcement in announcements {
        match announcement {
            Announcement::Settled(job) => settled.push(job.to_string()),
            Announcement::Published(sweep) => messages.push(AnnouncementMessage {
                kind: "bowline.published",
                exchange: topology.sweeps.clone(),
                body: sweep,
            }),
        }
    }
    if !settled.is_empty() {
        let body = settled.join("\n");
        messages.push(AnnouncementMessage { kind: "bowline.settled", exchange: topology.settled.clone(), body });
    }
    messages
}

/// The settled jobs that a message announces. What is no id is ignored: any program may publish to the exchange.
pub(super) fn settled_jobs(body: &str) -> Vec<JobId> {
    body.lines().filter_map(|line| line.parse().ok()).collect()
}

async fn publish(channel: &Channel, message: &AnnouncementMessage) -> Result<(), Fault> {
    let AnnouncementMessage { kind, exchange, body } = message;
    let properties = BasicProperties::default().with_type((*kind).into()).with_content_type("text/plain".into());
    let options = BasicPublishOptions::default();
    channel.basic_publish(exchange.as_str().into(), "".into(), options, body.as_bytes(), properties).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PoolName;

    #[test]
    fn settled_jobs_go_together_and_read_back() {
        let topology = Topology::of(&PoolName::default());
        let jobs: Vec<JobId> = (0..3).map(|number| crate::contract::job(number).id()).collect();
        let announced = [
            Announcement::Settled(jobs[0]),
            Announcement::Published("a".to_owned()),
            Announcement::Settled(jobs[1]),
            Announcement::Settled(jobs[2]),
            Announcement::Published("b".to_owned()),
        ];
        let messages = messages(&topology, announced.into_iter());
        let bodies: Vec<&str> = messages.iter().map(|message| message.body.as_str()).collect();
        assert_eq!(bodies[..2], ["a", "b"]);
        assert_eq!(messages.len(), 3);
        assert_eq!(settled_jobs(bodies[2]), jobs);
        assert_eq!(settled_jobs(&format!("no id\n{}\n", jobs[1])), [jobs[1]]);
    }
}
