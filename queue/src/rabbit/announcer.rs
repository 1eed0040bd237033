use super::{RabbitSettings, fault::Fault, line::Line, link::Link, topology::Topology};
use jobs::JobId;
use lapin::{BasicProperties, Channel, options::BasicPublishOptions};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

/// Hints that may wait for their sending. More are dropped: nobody relies on them.
const BACKLOG: usize = 1000;

/// How long a channel may take to open, and how long to wait after one that did not, or that broke.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_secs(2);

/// Tells whoever listens which jobs are settled. Best effort: it holds nobody up and never fails.
#[derive(Debug, Clone)]
pub(super) struct Announcer {
    hints: mpsc::Sender<JobId>,
}

impl Announcer {
    /// An announcer, and the future that somebody has to run. It ends when nobody announces any more.
    pub(super) fn new(
        link: &Arc<Link>,
        topology: &Topology,
        settings: &Arc<RabbitSettings>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (hints, settled) = mpsc::channel(BACKLOG);
        let crier = Crier { link: Arc::clone(link), topology: topology.clone(), settings: Arc::clone(settings) };
        (Self { hints }, crier.run(settled))
    }

    pub(super) fn announce(&self, job: JobId) {
        _ = self.hints.try_send(job);
    }
}

/// The end that works an [`Announcer`] off.
struct Crier {
    link: Arc<Link>,
    topology: Topology,
    settings: Arc<RabbitSettings>,
}

impl Crier {
    /// A hint that finds no broker waits for one: without it a coordinator learns of the job half a minute later.
    async fn run(self, mut settled: mpsc::Receiver<JobId>) {
        let mut line: Option<Line> = None;
        while let Some(job) = settled.recv().await {
            loop {
                let told = async {
                    let open = match line.take() {
                        Some(open) => open,
                        None => self.open().await?,
                    };
                    open.attend(announce(&open, &self.topology.settled, job)).await?;
                    Ok::<_, Fault>(open)
                };
                match told.await {
                    Ok(open) => {
                        line = Some(open);
                        break;
                    }
                    Err(fault) => {
                        tracing::debug!(reason = %fault.reason, %job, "a settled job was not announced; trying again");
                        sleep(PAUSE).await;
                    }
                }
            }
        }
    }

    /// A channel on which the exchange is known to be there.
    async fn open(&self) -> Result<Line, Fault> {
        let opening = async {
            let line = self.link.channel().await?;
            line.attend(self.topology.declare(&line, &self.settings)).await?;
            Ok(line)
        };
        timeout(PATIENCE, opening).await.unwrap_or_else(|_| Err(Fault::new("no channel in time")))
    }
}

async fn announce(channel: &Channel, exchange: &str, job: JobId) -> Result<(), Fault> {
    let properties =
        BasicProperties::default().with_type("bowline.settled".into()).with_content_type("text/plain".into());
    let (options, id) = (BasicPublishOptions::default(), job.to_string());
    channel.basic_publish(exchange.into(), "".into(), options, id.as_bytes(), properties).await?;
    Ok(())
}
