use super::super::{PoolName, RabbitConsumer, RabbitQueue, RabbitSettings, topology::Topology};
use crate::Parked;
use lapin::{
    Channel, Connection, ConnectionProperties,
    message::BasicGetMessage,
    options::{BasicGetOptions, ExchangeDeleteOptions, QueueDeleteOptions},
    types::AMQPValue,
};
use std::{
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The broker for tests, if there is one.
pub(super) fn address() -> Option<String> {
    let address = std::env::var_os("BOWLINE_TEST_AMQP_URL").map(|address| address.into_string().expect("an address"));
    if address.is_none() {
        println!("skipped: no broker, `BOWLINE_TEST_AMQP_URL` is not set");
    }
    // Told twice by tests of one process.
    _ = tracing_subscriber::fmt().with_test_writer().with_max_level(tracing::Level::DEBUG).try_init();
    address
}

/// A pool that nobody else uses, with a look at the broker from outside.
pub(super) struct TestPool {
    pub(super) settings: RabbitSettings,
    pub(super) topology: Topology,
    direct: Connection,
}

impl TestPool {
    pub(super) async fn new(address: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
        let name = format!("test-{}-{nanos}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let pool: PoolName = name.parse().unwrap();
        let topology = Topology::of(&pool);
        let mut settings = RabbitSettings::new(address.parse().unwrap());
        settings.pool = pool;
        settings.first_limit = Duration::from_secs(20);
        settings.outage_limit = Duration::from_secs(60);
        let direct = Connection::connect(address, ConnectionProperties::default()).await.unwrap();
        Self { settings, topology, direct }
    }

    pub(super) async fn queue(&self) -> RabbitQueue {
        RabbitQueue::connect(self.settings.clone()).await.unwrap()
    }

    pub(super) async fn channel(&self) -> Channel {
        self.direct.create_channel().await.unwrap()
    }

    /// Takes a message straight from `queue`.
    pub(super) async fn take(&self, queue: &str) -> Option<BasicGetMessage> {
        self.channel().await.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.unwrap()
    }

    /// Takes the parked jobs.
    pub(super) async fn take_parked(&self) -> Vec<Parked> {
        let mut parked = Vec::new();
        while let Some(message) = self.take(&self.topology.parked).await {
            let ticket = super::super::wire::open(&message.data, &message.properties).unwrap();
            parked.push(Parked { job: ticket.job, attempt: ticket.attempt, reason: reason(&message) });
        }
        parked
    }

    /// Leaves nothing behind.
    pub(super) async fn delete(&self) {
        let channel = self.channel().await;
        for queue in [&self.topology.jobs, &self.topology.retry, &self.topology.parked] {
            channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
        }
        let exchange = self.topology.settled.as_str().into();
        channel.exchange_delete(exchange, ExchangeDeleteOptions::default()).await.unwrap();
    }
}

/// The reason with which a message is parked.
pub(super) fn reason(message: &BasicGetMessage) -> String {
    match message.properties.headers().as_ref().and_then(|headers| headers.inner().get("bowline-reason")) {
        Some(AMQPValue::LongString(reason)) => reason.to_string(),
        other => panic!("no reason, but {other:?}"),
    }
}

/// A queue with two workers.
pub(super) struct Pool {
    pub(super) queue: RabbitQueue,
    pub(super) workers: [RabbitConsumer; 2],
    pub(super) pool: TestPool,
}

impl Pool {
    pub(super) async fn new(address: &str) -> Self {
        let pool = TestPool::new(address).await;
        let queue = pool.queue().await;
        let workers = [queue.consumer().unwrap(), queue.consumer().unwrap()];
        Self { queue, workers, pool }
    }

    pub(super) async fn delete(self) {
        for worker in &self.workers {
            worker.close().await;
        }
        self.pool.delete().await;
    }
}
