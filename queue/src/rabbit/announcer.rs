use super::{fault::Fault, link::Link, topology::Topology};
use jobs::JobId;
use lapin::{BasicProperties, Channel, options::BasicPublishOptions};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Hints that may wait for their sending. More are dropped: nobody relies on them.
const BACKLOG: usize = 1000;

/// Tells whoever listens which jobs are settled. Best effort: it never waits and never fails.
#[derive(Debug, Clone)]
pub(super) struct Announcer {
    hints: mpsc::Sender<JobId>,
}

impl Announcer {
    /// An announcer, and the future that somebody has to run. It ends when nobody announces any more.
    pub(super) fn new(link: Arc<Link>, topology: &Topology) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (hints, settled) = mpsc::channel(BACKLOG);
        (Self { hints }, run(settled, link, topology.settled.clone()))
    }

    pub(super) fn announce(&self, job: JobId) {
        _ = self.hints.try_send(job);
    }
}

async fn run(mut settled: mpsc::Receiver<JobId>, link: Arc<Link>, exchange: String) {
    let mut channel = None;
    while let Some(job) = settled.recv().await {
        if channel.is_none() {
            channel = link.channel_if_open().await;
        }
        if let Some(open) = &channel
            && let Err(fault) = open.attend(announce(open, &exchange, job)).await
        {
            tracing::debug!(reason = %fault.reason, %job, "a settled job was not announced");
            channel = None;
        }
    }
}

async fn announce(channel: &Channel, exchange: &str, job: JobId) -> Result<(), Fault> {
    let properties =
        BasicProperties::default().with_type("bowline.settled".into()).with_content_type("text/plain".into());
    let (options, id) = (BasicPublishOptions::default(), job.to_string());
    channel.basic_publish(exchange.into(), "".into(), options, id.as_bytes(), properties).await?;
    Ok(())
}
