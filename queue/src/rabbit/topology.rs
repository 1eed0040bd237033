use super::{PoolName, RabbitSettings, fault::Fault};
use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

/// The names of one pool's queues and of its exchange.
#[derive(Debug, Clone)]
pub(super) struct Topology {
    /// Jobs that wait for a worker.
    pub(super) jobs: String,
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
            retry: format!("bowline.retry.{pool}"),
            parked: format!("bowline.parked.{pool}"),
            settled: format!("bowline.settled.{pool}"),
        }
    }

    /// Makes what is missing. What exists with other arguments is left alone and reported.
    pub(super) async fn declare(&self, channel: &Channel, settings: &RabbitSettings) -> Result<(), Fault> {
        for queue in [&self.jobs, &self.retry, &self.parked] {
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
fn arguments() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments
}
