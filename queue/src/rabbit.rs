//! RabbitMQ: durable quorum queues, one for the jobs of each sweep and a set per pool of workers. `docs/rabbitmq.md` describes them for operators.

mod address;
mod announcer;
mod check;
mod consumer;
mod core;
mod counter;
mod deferred;
mod dropping;
mod fault;
mod line;
mod link;
mod listener;
#[cfg(any(test, feature = "contract"))]
mod meddler;
#[cfg(any(test, feature = "contract"))]
mod messages;
mod outbox;
mod receipt;
mod settings;
mod taker;
#[cfg(test)]
mod tests;
mod topology;
mod waiting_room;
mod wire;

pub use address::{AddressError, RabbitAddress};
pub use check::{Policy, QueueReport, RabbitCheck, RabbitReport};
pub use consumer::RabbitConsumer;
#[cfg(any(test, feature = "contract"))]
pub use meddler::{Meddler, Waiting};
#[cfg(any(test, feature = "contract"))]
pub use messages::{message_body, read_message};
pub use settings::{PoolName, PoolNameError, RabbitSettings};
pub use wire::WIRE_VERSION;

use self::{
    announcer::Announcer,
    core::Core,
    deferred::Deferred,
    fault::{Fault, Outage},
    link::Link,
    listener::Heard,
    outbox::Outbox,
    topology::Topology,
};
use crate::{JobPublisher, QueueError, delivery::Ticket};
use async_trait::async_trait;
use jobs::{Job, JobId};
use lapin::{options::QueueDeclareOptions, types::FieldTable};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

/// How long to wait for the number of waiting jobs.
const COUNT_PATIENCE: Duration = Duration::from_secs(10);

/// A pool's queues on a RabbitMQ broker.
///
/// It is the coordinator's end itself; [`consumer`](Self::consumer) makes workers' ends. Messages are published on a
/// connection apart from those on which jobs are taken: a broker short of memory stops reading from the former, and
/// what is taken must be acknowledged meanwhile.
#[derive(Debug)]
pub struct RabbitQueue {
    core: Arc<Core>,
    link: Arc<Link>,
    heard: Arc<Heard>,
    /// Runs from the first call of `settled`.
    listener: Mutex<JoinSet<()>>,
}

impl RabbitQueue {
    /// Connects to the broker and makes the pool's queues where they are missing.
    ///
    /// # Errors
    /// The broker refuses the user, the virtual host, its certificate does not hold, or a queue of that name is another
    /// one: at once. It is out of reach: after [`RabbitSettings::first_limit`].
    pub async fn connect(settings: RabbitSettings) -> Result<Self, QueueError> {
        let settings = Arc::new(settings);
        let topology = Topology::with(&settings);
        let link = Arc::new(Link::new(&settings, "publishing")?);
        first_contact(&link, &topology, &settings).await?;
        let mut senders = JoinSet::new();
        let (outbox, postman) = Outbox::new(&link, &topology, &settings);
        senders.spawn(postman.run());
        let (parking, postman) = Outbox::new(&link, &topology, &settings);
        senders.spawn(postman.run());
        let (announcer, announcing) = Announcer::new(&link, &topology, &settings);
        senders.spawn(announcing);
        let deferred = Deferred::default();
        let core = Arc::new(Core { settings, topology, outbox, parking, announcer, deferred, _senders: senders });
        Ok(Self { core, link, heard: Arc::default(), listener: Mutex::default() })
    }

    /// A worker's end.
    ///
    /// # Errors
    /// The file of certificates cannot be read any more.
    pub fn consumer(&self) -> Result<RabbitConsumer, QueueError> {
        Ok(RabbitConsumer::new(&self.core, Link::new(&self.core.settings, "working")?))
    }

    /// How often the connection on which messages are published was made anew.
    pub fn reconnects(&self) -> u64 {
        self.link.reconnects()
    }

    /// Whether that connection is there.
    pub fn is_in_reach(&self) -> bool {
        self.link.is_open()
    }

    fn listen(&self) {
        let mut listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if listener.is_empty() {
            let (link, heard) = (Arc::clone(&self.link), Arc::clone(&self.heard));
            let (topology, settings) = (self.core.topology.clone(), Arc::clone(&self.core.settings));
            listener.spawn(listener::listen(link, topology, settings, heard));
        }
    }

    async fn count(&self) -> Result<u64, Fault> {
        let line = self.link.channel().await?;
        let options = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
        let asked = line.queue_declare(self.core.topology.fresh().into(), options, FieldTable::default()).await;
        let counted = match asked.map_err(Fault::from) {
            Ok(queue) => queue.message_count().into(),
            // What was in it is lost, and it is needed again. The broker closes the channel over this answer.
            Err(fault) if fault.is_missing => {
                let line = self.link.channel().await?;
                line.attend(self.core.topology.declare(&line, &self.core.settings)).await?;
                line.close(200, "done".into()).await?;
                return Ok(0);
            }
            Err(fault) => return Err(fault),
        };
        line.close(200, "done".into()).await?;
        Ok(counted)
    }
}

#[async_trait]
impl JobPublisher for RabbitQueue {
    async fn publish(&self, job: &Job, sweep: &str) -> Result<(), QueueError> {
        let trace_parent = self.core.settings.trace_parent.and_then(|current| current());
        let ticket = Ticket { trace_parent, ..Ticket::first(job.clone(), sweep) };
        self.core.outbox.send(wire::letter(&ticket, self.core.topology.fresh())).await
    }

    async fn settled(&self) -> Vec<JobId> {
        self.listen();
        self.heard.take().await
    }

    async fn waiting(&self) -> Result<Option<u64>, QueueError> {
        let mut outage = Outage::new(self.core.settings.outage_limit);
        loop {
            // A broker that is short of memory answers nothing on a connection that publishes.
            match timeout(COUNT_PATIENCE, self.count()).await {
                Err(_) => return Ok(None),
                Ok(Ok(count)) => return Ok(Some(count)),
                Ok(Err(fault)) => pause(&mut outage, fault, &self.core.settings).await?,
            }
        }
    }
}

/// Tries until the broker answers, and takes a refusal for what it is.
async fn first_contact(link: &Link, topology: &Topology, settings: &RabbitSettings) -> Result<(), QueueError> {
    let mut outage = Outage::new(settings.first_limit);
    loop {
        let attempt = async {
            let line = link.channel().await?;
            line.attend(topology.declare(&line, settings)).await
        };
        match attempt.await {
            Ok(()) => return Ok(()),
            Err(Fault { refusal: Some(refusal), .. }) => return Err(refusal),
            Err(fault) => pause(&mut outage, fault, settings).await?,
        }
    }
}

/// Waits before the next attempt, or fails past the limit.
async fn pause(outage: &mut Outage, fault: Fault, settings: &RabbitSettings) -> Result<(), QueueError> {
    let Some(delay) = outage.failed() else {
        return Err(outbox::unreachable(settings, outage.lasted(), &fault.reason));
    };
    tracing::warn!(address = %settings.address, reason = %fault.reason, ?delay, "the broker is out of reach; trying again");
    sleep(delay).await;
    Ok(())
}
