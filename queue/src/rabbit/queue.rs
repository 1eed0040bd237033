use super::{
    announcements::{Announcements, Listener},
    announcer::{Announcement, Announcer, settled_jobs},
    bursts::Bursts,
    connection::BrokerConnection,
    consumer::RabbitConsumer,
    deferred::Deferred,
    fault::Fault,
    outage::{Outage, wait_or_fail},
    outbox::Outbox,
    publisher_task::PublisherTask,
    sender::Sender,
    settings::RabbitSettings,
    topology::Topology,
    wire,
};
use crate::{delivery::QueuedJob, error::QueueError, publisher::JobPublisher};
use async_trait::async_trait;
use jobs::{Job, JobId};
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};
use tokio::{task::JoinSet, time::timeout};

/// How long the broker may take to report the number of waiting jobs.
const COUNT_TIMEOUT: Duration = Duration::from_secs(10);

/// A pool's queues on a RabbitMQ broker.
///
/// It implements the coordinator's role; [`consumer`](Self::consumer) makes consumers for workers. Jobs are published
/// on one connection and consumed on others: a broker that is short of memory stops reading from a connection that
/// publishes, and acknowledgements must reach it meanwhile.
#[derive(Debug)]
pub struct RabbitQueue {
    pub(super) sender: Arc<Sender>,
    pub(super) connection: Arc<BrokerConnection>,
    announcements: Arc<Announcements<JobId>>,
    bursts: Bursts,
    /// Runs from the first call of `settled`.
    listener: Mutex<JoinSet<()>>,
}

impl RabbitQueue {
    /// Connects to the broker and declares the pool's queues.
    ///
    /// # Errors
    /// At once, if the broker refuses the user or the virtual host, if its certificate is not valid, or if a queue
    /// exists with other arguments. After [`RabbitSettings::first_limit`], if the broker is unreachable.
    pub async fn connect(settings: RabbitSettings) -> Result<Self, QueueError> {
        let settings = Arc::new(settings);
        let topology = Topology::with(&settings);
        let connection = Arc::new(BrokerConnection::new(&settings, "publishing")?);
        declare_until_answered(&connection, &topology, &settings).await?;
        let mut tasks = JoinSet::new();
        let outbox = start_publisher(&connection, &topology, &settings, &mut tasks);
        let dead_letter_outbox = start_publisher(&connection, &topology, &settings, &mut tasks);
        let (announcer, announcer_task) = Announcer::new(&connection, &topology, &settings);
        tasks.spawn(announcer_task.run());
        let deferred = Deferred::default();
        let sender =
            Arc::new(Sender { settings, topology, outbox, dead_letter_outbox, announcer, deferred, _tasks: tasks });
        Ok(Self {
            sender,
            connection,
            announcements: Arc::default(),
            bursts: Bursts::default(),
            listener: Mutex::default(),
        })
    }

    /// A consumer for one worker.
    ///
    /// # Errors
    /// The file of certificates cannot be read any more.
    pub fn consumer(&self) -> Result<RabbitConsumer, QueueError> {
        Ok(RabbitConsumer::new(&self.sender, BrokerConnection::new(&self.sender.settings, "working")?))
    }

    /// How often the connection that publishes was opened again after the first time.
    pub fn reconnects(&self) -> u64 {
        self.connection.reconnects()
    }

    /// Whether that connection is open.
    pub fn is_connected(&self) -> bool {
        self.connection.is_open()
    }

    fn start_listener(&self) {
        let mut listener = self.listener.lock();
        if !listener.is_empty() {
            return;
        }
        let settled = Listener {
            connection: Arc::clone(&self.connection),
            topology: self.sender.topology.clone(),
            settings: Arc::clone(&self.sender.settings),
            exchange: self.sender.topology.settled.clone(),
            read: settled_jobs,
            announcements: Arc::clone(&self.announcements),
        };
        listener.spawn(settled.run());
    }

    async fn count(&self) -> Result<u64, Fault> {
        let channel = self.connection.channel().await?;
        let count = match channel.inspect(self.sender.topology.publish_queue()).await {
            Ok(found) => found.waiting,
            // Someone deleted the queue with its messages. It is needed again. The broker has closed the channel with
            // its answer.
            Err(fault) if fault.is_missing => {
                let channel = self.connection.channel().await?;
                channel.run(self.sender.topology.declare(&channel, &self.sender.settings)).await?;
                channel.close(200, "done".into()).await?;
                return Ok(0);
            }
            Err(fault) => return Err(fault),
        };
        channel.close(200, "done".into()).await?;
        Ok(count)
    }
}

#[async_trait]
impl JobPublisher for RabbitQueue {
    async fn publish(&self, job: &Job, sweep: &str) -> Result<(), QueueError> {
        let trace_parent = self.sender.settings.trace_parent.and_then(|current| current());
        let queued = QueuedJob { trace_parent, ..QueuedJob::first(job.clone(), sweep) };
        self.sender.outbox.send(wire::encode(&queued, self.sender.topology.publish_queue())).await?;
        // After the confirmation: workers that receive the announcement find the job in the queue. All workers look
        // into the pool's queue anyway.
        if self.sender.topology.sweep_jobs.is_some() && self.bursts.begins() {
            self.sender.announcer.announce(Announcement::Published(sweep.to_owned()));
        }
        Ok(())
    }

    async fn settled(&self) -> Vec<JobId> {
        self.start_listener();
        self.announcements.take().await
    }

    async fn waiting(&self) -> Result<Option<u64>, QueueError> {
        let mut outage = Outage::new(self.sender.settings.outage_limit);
        loop {
            // A broker that is short of memory answers nothing on a connection that publishes.
            match timeout(COUNT_TIMEOUT, self.count()).await {
                Err(_) => return Ok(None),
                Ok(Ok(count)) => return Ok(Some(count)),
                Ok(Err(fault)) => wait_or_fail(&mut outage, fault, &self.sender.settings).await?,
            }
        }
    }
}

/// Starts a task that publishes what is put into the outbox that this returns.
fn start_publisher(
    connection: &Arc<BrokerConnection>,
    topology: &Topology,
    settings: &Arc<RabbitSettings>,
    tasks: &mut JoinSet<()>,
) -> Outbox {
    let (outbox, pending) = Outbox::new();
    tasks.spawn(PublisherTask::new(pending, connection, topology, settings).run());
    outbox
}

/// Declares the queues. Tries again while the broker is unreachable, but not after a refusal.
pub(super) async fn declare_until_answered(
    connection: &BrokerConnection,
    topology: &Topology,
    settings: &RabbitSettings,
) -> Result<(), QueueError> {
    let mut outage = Outage::new(settings.first_limit);
    loop {
        let attempt = async {
            let channel = connection.channel().await?;
            channel.run(topology.declare(&channel, settings)).await
        };
        match attempt.await {
            Ok(()) => return Ok(()),
            Err(Fault { refusal: Some(refusal), .. }) => return Err(refusal),
            Err(fault) => wait_or_fail(&mut outage, fault, settings).await?,
        }
    }
}
