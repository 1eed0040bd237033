use super::super::{PoolName, RabbitConsumer, RabbitQueue, RabbitSettings, topology::Topology, wire};
use crate::DeadLetter;
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

/// The address of the broker for tests, if there is one.
pub(super) fn address() -> Option<String> {
    let address = std::env::var_os("BOWLINE_TEST_AMQP_URL").map(|address| address.into_string().expect("an address"));
    if address.is_none() {
        println!("skipped: no broker, `BOWLINE_TEST_AMQP_URL` is not set");
    }
    // Fails if another test of this process has set it.
    _ = tracing_subscriber::fmt().with_test_writer().with_max_level(tracing::Level::DEBUG).try_init();
    address
}

/// A pool of one test, with a direct connection to the broker.
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

    /// Takes a message from `queue`, beside the code under test.
    pub(super) async fn take(&self, queue: &str) -> Option<BasicGetMessage> {
        self.channel().await.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.unwrap()
    }

    /// Takes the dead letters.
    pub(super) async fn take_dead_letters(&self) -> Vec<DeadLetter> {
        let mut dead_letters = Vec::new();
        while let Some(message) = self.take(&self.topology.dead_letters).await {
            let queued = wire::decode(&message.data, &message.properties).unwrap();
            dead_letters.push(DeadLetter { job: queued.job, attempt: queued.attempt, reason: reason(&message) });
        }
        dead_letters
    }

    /// Deletes the queues and the exchange.
    pub(super) async fn delete(&self) {
        let channel = self.channel().await;
        for queue in [&self.topology.jobs, &self.topology.retry, &self.topology.dead_letters] {
            channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
        }
        for exchange in [&self.topology.settled, &self.topology.sweeps] {
            channel.exchange_delete(exchange.as_str().into(), ExchangeDeleteOptions::default()).await.unwrap();
        }
    }
}

/// The reason in a dead letter.
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
