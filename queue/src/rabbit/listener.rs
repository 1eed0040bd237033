use super::{
    RabbitSettings,
    fault::{Fault, Outage},
    link::Link,
    topology::Topology,
};
use futures_util::StreamExt;
use jobs::JobId;
use lapin::{
    Channel, Consumer,
    options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions},
    types::FieldTable,
};
use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::Notify, time::sleep};

/// Hints that are kept for a publisher who does not listen.
const MAX_HINTS: usize = 10_000;

/// What workers announced and nobody has asked for.
#[derive(Debug, Default)]
pub(super) struct Heard {
    jobs: Mutex<VecDeque<JobId>>,
    changed: Notify,
}

impl Heard {
    /// Waits for hints and takes them. Cancel safe.
    pub(super) async fn take(&self) -> Vec<JobId> {
        loop {
            // A permit stays for whoever looks later, so that nothing is missed between look and wait.
            let jobs = mem::take(&mut *self.jobs.lock().unwrap_or_else(PoisonError::into_inner));
            if !jobs.is_empty() {
                return jobs.into();
            }
            self.changed.notified().await;
        }
    }

    fn put(&self, job: JobId) {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if jobs.len() == MAX_HINTS {
            jobs.pop_front();
        }
        jobs.push_back(job);
        self.changed.notify_one();
    }
}

/// Listens for as long as somebody runs it, through every outage.
pub(super) async fn listen(link: Arc<Link>, topology: Topology, settings: Arc<RabbitSettings>, heard: Arc<Heard>) {
    let mut outage = Outage::new(Duration::MAX);
    loop {
        let Err(fault) = session(&link, &topology, &settings, &heard, &mut outage).await;
        tracing::debug!(reason = %fault.reason, "not listening for settled jobs; trying again");
        sleep(outage.failed().unwrap_or_default()).await;
    }
}

async fn session(
    link: &Link,
    topology: &Topology,
    settings: &RabbitSettings,
    heard: &Heard,
    outage: &mut Outage,
) -> Result<std::convert::Infallible, Fault> {
    let line = link.channel().await?;
    let mut hints = line.attend(subscribe(&line, topology, settings)).await?;
    outage.over();
    loop {
        tokio::select! {
            hint = hints.next() => match hint {
                // What is no job's name is nobody's hint.
                Some(hint) => if let Some(job) = std::str::from_utf8(&hint?.data).ok().and_then(|id| id.parse().ok()) {
                    heard.put(job);
                },
                None => return Err(Fault::new("the broker ended the listening")),
            },
            fault = line.lost() => return Err(fault),
        }
    }
}

async fn subscribe(channel: &Channel, topology: &Topology, settings: &RabbitSettings) -> Result<Consumer, Fault> {
    topology.declare(channel, settings).await?;
    // Nobody else can use it, and it goes with the connection: hints are worth nothing later.
    let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare("".into(), options, FieldTable::default()).await?.name().clone();
    let bind = QueueBindOptions::default();
    channel.queue_bind(queue.clone(), topology.settled.as_str().into(), "".into(), bind, FieldTable::default()).await?;
    let options = BasicConsumeOptions { no_ack: true, exclusive: true, ..BasicConsumeOptions::default() };
    Ok(channel.basic_consume(queue, "".into(), options, FieldTable::default()).await?)
}
