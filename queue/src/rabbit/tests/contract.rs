use super::broker::{Pool, address};
use crate::{
    DeadLetter, JobConsumer, JobPublisher,
    contract::{Harness, RULES},
};
use async_trait::async_trait;
use tokio::task::JoinSet;

#[async_trait]
impl Harness for Pool {
    fn publisher(&self) -> &dyn JobPublisher {
        &self.queue
    }

    fn consumers(&self) -> [&dyn JobConsumer; 2] {
        [&self.workers[0], &self.workers[1]]
    }

    async fn dead_letters(&self) -> Vec<DeadLetter> {
        self.pool.take_dead_letters().await
    }

    /// A queue on a broker exists longer than its publishers.
    async fn close(&self) -> bool {
        false
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queue_on_a_broker_keeps_the_contract() {
    let Some(address) = address() else { return };
    let mut checks = JoinSet::new();
    for rule in RULES {
        let address = address.clone();
        checks.spawn(async move {
            let pool = Pool::new(&address).await;
            (rule.check)(&pool).await;
            pool.delete().await;
            println!("{}", rule.name);
        });
    }
    while let Some(check) = checks.join_next().await {
        check.unwrap();
    }
}
