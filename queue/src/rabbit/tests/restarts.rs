use super::private::{Ending, PrivateBroker};
use crate::{JobConsumer, JobPublisher, QueueError, RabbitQueue, RabbitSettings, contract::job};
use futures_util::{StreamExt, stream};
use jobs::JobId;
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::mpsc,
    task::{JoinSet, spawn_blocking},
    time::timeout,
};

const JOBS: u32 = 400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_the_broker_restarts_or_dies() {
    let started = spawn_blocking(|| PrivateBroker::start(|_| {}));
    let Some(broker) = started.await.unwrap() else { return };
    let settings = RabbitSettings::new(broker.address.parse().unwrap());
    let broker = Arc::new(broker);
    let queue = Arc::new(RabbitQueue::connect(settings).await.unwrap());

    let mut tasks = JoinSet::new();
    let (done, mut finished) = mpsc::unbounded_channel();
    for _ in 0..2 {
        let worker = queue.consumer().unwrap();
        let done = done.clone();
        tasks.spawn(async move {
            while let Some(delivery) = worker.next().await.unwrap() {
                assert_eq!(delivery.attempt(), 1, "no worker reported a failure");
                let job = delivery.job().id();
                match delivery.ack().await {
                    Ok(()) => drop(done.send(job)),
                    Err(error) => assert!(matches!(error, QueueError::Lapsed { .. }), "{error}"),
                }
            }
        });
    }
    let published = Arc::new(AtomicU32::new(0));
    tasks.spawn(publish(Arc::clone(&queue), Arc::clone(&published)));

    let mut seen = BTreeSet::<JobId>::new();
    let mut endings = vec![Ending::Term, Ending::Kill];
    while seen.len() < JOBS as usize {
        let next = timeout(Duration::from_secs(120), finished.recv()).await;
        seen.insert(next.unwrap_or_else(|_| panic!("{} of {JOBS} jobs came", seen.len())).unwrap());
        if seen.len() > JOBS as usize / (endings.len() + 2)
            && let Some(ending) = endings.pop()
        {
            let broker = Arc::clone(&broker);
            spawn_blocking(move || broker.restart(ending)).await.unwrap();
        }
    }
    assert!(endings.is_empty());
    assert_eq!(published.load(Ordering::Relaxed), JOBS, "every call returned");
}

/// Publishes all jobs, some at a time.
async fn publish(queue: Arc<RabbitQueue>, published: Arc<AtomicU32>) {
    let publishing = stream::iter(0..JOBS).map(|number| {
        let queue = Arc::clone(&queue);
        async move { queue.publish(&job(number), "tests").await.expect("published") }
    });
    let mut publishing = std::pin::pin!(publishing.buffered(16));
    while publishing.next().await.is_some() {
        published.fetch_add(1, Ordering::Relaxed);
    }
}
