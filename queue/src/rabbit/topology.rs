use super::{PoolName, RabbitSettings, fault::Fault};
use crate::JobSource;
use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

/// The names of one pool's queues and of its exchange.
#[derive(Debug, Clone)]
pub(super) struct Topology {
    /// Jobs that wait for a worker and are of no sweep with a queue of its own.
    pub(super) jobs: String,
    /// Jobs of the sweep that this process publishes for.
    pub(super) own: Option<String>,
    /// Jobs in their back-off.
    pub(super) retry: String,
    /// Jobs, and messages of others, that are kept aside.
    pub(super) parked: String,
    /// The exchange on which workers tell which jobs they settled.
    pub(super) settled: String,
}

impl Topology {
    pub(super) fn of(pool: &PoolName) -> Self {
        Self {
            jobs: format!("bowline.jobs.{pool}"),
            own: None,
            retry: format!("bowline.retry.{pool}"),
            parked: format!("bowline.parked.{pool}"),
            settled: format!("bowline.settled.{pool}"),
        }
    }

    /// The queues that `settings` ask for.
    pub(super) fn with(settings: &RabbitSettings) -> Self {
        let pool = Self::of(&settings.pool);
        let own = settings.sweep.as_ref().map(|sweep| pool.jobs_of(sweep));
        Self { own, ..pool }
    }

    /// The queue of the jobs of `sweep`. A pool's name holds no dot, so that no other pool has a queue of this name.
    pub(super) fn jobs_of(&self, sweep: &str) -> String {
        format!("{}.{sweep}", self.jobs)
    }

    /// The queue from which workers take the jobs of `source`.
    pub(super) fn queue_of(&self, source: &JobSource) -> String {
        match source {
            JobSource::Pool => self.jobs.clone(),
            JobSource::Sweep(sweep) => self.jobs_of(sweep),
        }
    }

    /// The queue that fresh jobs are published to.
    pub(super) fn fresh(&self) -> &str {
        self.own.as_deref().unwrap_or(&self.jobs)
    }

    /// Whether `queue` is one of this pool's from which workers take jobs.
    pub(super) fn holds_jobs(&self, queue: &str) -> bool {
        queue.strip_prefix(&self.jobs).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// Whether [`declare`](Self::declare) makes `queue` anew where it is missing. Queues of other processes' sweeps are
    /// deleted when their sweep ends.
    pub(super) fn declares(&self, queue: &str) -> bool {
        [&self.jobs, &self.retry, &self.parked].into_iter().chain(&self.own).any(|known| known == queue)
    }

    /// Makes what is missing. What exists with other arguments is left alone and reported.
    pub(super) async fn declare(&self, channel: &Channel, settings: &RabbitSettings) -> Result<(), Fault> {
        for queue in [&self.jobs, &self.retry, &self.parked].into_iter().chain(&self.own) {
            let declared =
                channel.queue_declare(queue.as_str().into(), QueueDeclareOptions::durable(), arguments()).await;
            declared.map_err(|error| Fault::using(queue, &error, settings))?;
        }
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let declared = channel.exchange_declare(
            self.settled.as_str().into(),
            ExchangeKind::Fanout,
            options,
            FieldTable::default(),
        );
        declared.await.map_err(|error| Fault::using(&self.settled, &error, settings))
    }
}

/// The one argument that every broker from 3.10 to 4.3 takes alike. The rest is policy, which can be changed later.
pub(super) fn arguments() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments
}
