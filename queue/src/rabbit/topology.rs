use super::{
    fault::Fault,
    settings::{PoolName, RabbitSettings},
};
use crate::source::JobSource;
use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

/// The names of a pool's queues and of its exchange.
#[derive(Debug, Clone)]
pub(super) struct Topology {
    /// Jobs of sweeps that have no queue of their own.
    pub(super) jobs: String,
    /// Jobs of the sweep that this process publishes.
    pub(super) sweep_jobs: Option<String>,
    /// Jobs in their back-off.
    pub(super) retry: String,
    /// Jobs that cannot succeed, and messages that are no jobs. It is called `parked`, as in all versions: workers of
    /// several versions share it.
    pub(super) dead_letters: String,
    /// The exchange on which workers announce settled jobs.
    pub(super) settled: String,
    /// The exchange on which runs announce that jobs of their sweep wait.
    pub(super) sweeps: String,
}

impl Topology {
    pub(super) fn of(pool: &PoolName) -> Self {
        Self {
            jobs: format!("bowline.jobs.{pool}"),
            sweep_jobs: None,
            retry: format!("bowline.retry.{pool}"),
            dead_letters: format!("bowline.parked.{pool}"),
            settled: format!("bowline.settled.{pool}"),
            sweeps: format!("bowline.sweeps.{pool}"),
        }
    }

    /// The names for `settings`, with the queue of their sweep.
    pub(super) fn with(settings: &RabbitSettings) -> Self {
        let pool = Self::of(&settings.pool);
        let sweep_jobs = settings.sweep.as_ref().map(|sweep| pool.jobs_of(sweep));
        Self { sweep_jobs, ..pool }
    }

    /// The queue of `sweep`. The name of a pool contains no dot, so no other pool has a queue of this name.
    pub(super) fn jobs_of(&self, sweep: &str) -> String {
        format!("{}.{sweep}", self.jobs)
    }

    /// The queue of `source`.
    pub(super) fn queue_of(&self, source: &JobSource) -> String {
        match source {
            JobSource::Pool => self.jobs.clone(),
            JobSource::Sweep(sweep) => self.jobs_of(sweep),
        }
    }

    /// The queue that new jobs are published to.
    pub(super) fn publish_queue(&self) -> &str {
        self.sweep_jobs.as_deref().unwrap_or(&self.jobs)
    }

    /// Whether workers of this pool take jobs from `queue`.
    pub(super) fn holds_jobs(&self, queue: &str) -> bool {
        queue.strip_prefix(&self.jobs).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// Whether [`declare`](Self::declare) declares `queue`. The queue of another sweep is declared by its run, and
    /// deleted when that sweep ends.
    pub(super) fn declares(&self, queue: &str) -> bool {
        self.declared().any(|declared| declared == queue)
    }

    fn declared(&self) -> impl Iterator<Item = &String> {
        [&self.jobs, &self.retry, &self.dead_letters].into_iter().chain(&self.sweep_jobs)
    }

    /// Declares the queues and the exchange. One that exists with other arguments is not changed, and reported.
    pub(super) async fn declare(&self, channel: &Channel, settings: &RabbitSettings) -> Result<(), Fault> {
        for queue in self.declared() {
            let declared =
                channel.queue_declare(queue.as_str().into(), QueueDeclareOptions::durable(), arguments()).await;
            declared.map_err(|error| Fault::declaring(queue, &error, settings))?;
        }
        for exchange in [&self.settled, &self.sweeps] {
            let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
            let name = exchange.as_str().into();
            let declaring = channel.exchange_declare(name, ExchangeKind::Fanout, options, FieldTable::default());
            declaring.await.map_err(|error| Fault::declaring(exchange, &error, settings))?;
        }
        Ok(())
    }
}

/// The one argument that every broker from 3.10 to 4.3 treats alike. Policies set everything else, because they can be
/// changed later.
pub(super) fn arguments() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments
}
