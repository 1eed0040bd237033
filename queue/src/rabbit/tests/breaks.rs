use super::broker::{TestPool, address};
use crate::{JobConsumer, JobPublisher, QueueError, RabbitQueue, contract::job, proxy::Proxy};
use futures_util::{StreamExt, stream};
use jobs::JobId;
use lapin::options::QueueDeleteOptions;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    time::Duration,
};
use tokio::{task::JoinSet, time::timeout};

/// Far above the time of any step, on a slow machine.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// A proxy to the broker, and a pool whose settings use the proxy.
async fn behind_a_proxy(address: &str) -> (Proxy, TestPool) {
    let url: url::Url = address.parse().unwrap();
    let proxy = Proxy::before(&format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5672))).await.unwrap();
    let mut pool = TestPool::new(address).await;
    pool.settings.address = through(address, &proxy).parse().unwrap();
    (proxy, pool)
}

/// The address of the broker, through the proxy.
fn through(address: &str, proxy: &Proxy) -> String {
    let mut url: url::Url = address.parse().unwrap();
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(proxy.address().port())).unwrap();
    url.to_string()
}

async fn publish_all(queue: &RabbitQueue, count: u32, during: impl Fn(u32)) {
    let publishing =
        stream::iter(0..count).map(async |number| queue.publish(&job(number), "tests").await.map(|()| number));
    let mut publishing = std::pin::pin!(publishing.buffered(256));
    while let Some(number) = publishing.next().await {
        during(number.expect("published"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_published_at_once_arrive_in_order() {
    let Some(address) = address() else { return };
    let pool = TestPool::new(&address).await;
    let queue = pool.queue().await;
    publish_all(&queue, 1000, |_| {}).await;
    let worker = queue.consumer().unwrap();
    for number in 0..1000 {
        let delivery = worker.next().await.unwrap().unwrap();
        assert_eq!(delivery.job().id(), job(number).id(), "job {number} should come now");
        delivery.ack().await.unwrap();
    }
    worker.close().await;
    pool.delete().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_job_arrives_although_connections_are_cut_while_publishing() {
    const JOBS: u32 = 2000;
    let Some(address) = address() else { return };
    let (proxy, pool) = behind_a_proxy(&address).await;
    let queue = pool.queue().await;
    // Hundreds of messages are unconfirmed at each cut.
    publish_all(&queue, JOBS, |number| {
        if number % 500 == 100 {
            proxy.cut();
        }
    })
    .await;
    assert!(proxy.connections() > 4, "{} connections", proxy.connections());
    all_arrived(&pool, 0..JOBS).await;
    pool.delete().await;
}

/// Takes all jobs from the broker. Each of `numbers` must be among them, unchanged.
async fn all_arrived(pool: &TestPool, numbers: Range<u32>) {
    let mut seen = BTreeSet::<JobId>::new();
    while let Some(message) = pool.take(&pool.topology.jobs).await {
        let queued = super::super::wire::decode(&message.data, &message.properties).unwrap();
        assert_eq!((queued.attempt, queued.losses), (1, 0));
        seen.insert(queued.job.id());
    }
    let missing: Vec<u32> = numbers.filter(|number| !seen.contains(&job(*number).id())).collect();
    assert!(missing.is_empty(), "{} arrived, but not {missing:?}", seen.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_published_into_a_queue_that_was_deleted_arrive() {
    let Some(address) = address() else { return };
    let pool = TestPool::new(&address).await;
    let queue = pool.queue().await;
    for round in 0..5 {
        // The channel is open by then: only the returned messages show that the queue was deleted.
        queue.publish(&job(10_000), "tests").await.unwrap();
        let jobs = pool.topology.jobs.as_str().into();
        pool.channel().await.queue_delete(jobs, QueueDeleteOptions::default()).await.unwrap();
        publish_all(&queue, 300, |_| {}).await;
        println!("round {round}");
        all_arrived(&pool, 0..300).await;
    }
    pool.delete().await;
}

/// Has `workers` do jobs until each of `count` was done at least once. Returns how often each was done, and the sum of
/// losses.
async fn work(queue: &RabbitQueue, workers: usize, count: usize, proxy: &Proxy) -> (BTreeMap<JobId, u32>, u32) {
    let (done, mut finished) = tokio::sync::mpsc::unbounded_channel();
    let mut working = JoinSet::new();
    for _ in 0..workers {
        let worker = queue.consumer().unwrap();
        let done = done.clone();
        working.spawn(async move {
            while let Some(delivery) = worker.next().await.unwrap() {
                let job = delivery.job().id();
                let attempt = delivery.attempt();
                let losses = delivery.losses();
                match delivery.ack().await {
                    Ok(()) => done.send((job, attempt, losses)).unwrap(),
                    Err(error) => assert!(matches!(error, QueueError::Lapsed { .. }), "{error}"),
                }
            }
        });
    }
    let mut seen = BTreeMap::<JobId, u32>::new();
    let mut lost = 0;
    let mut settled = 0;
    while seen.len() < count {
        let next = timeout(TIME_LIMIT, finished.recv()).await;
        let (job, attempt, losses) = next.unwrap_or_else(|_| panic!("{} of {count} jobs came", seen.len())).unwrap();
        assert_eq!(attempt, 1, "no worker reported a failure");
        *seen.entry(job).or_default() += 1;
        lost += losses;
        settled += 1;
        if settled % 50 == 20 {
            proxy.cut();
        }
    }
    (seen, lost)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_job_arrives_although_connections_are_cut_while_working() {
    const JOBS: u32 = 200;
    let Some(address) = address() else { return };
    let (proxy, pool) = behind_a_proxy(&address).await;
    let queue = pool.queue().await;
    publish_all(&queue, JOBS, |_| {}).await;
    let (seen, lost) = work(&queue, 3, JOBS as usize, &proxy).await;
    assert!((0..JOBS).all(|number| seen.contains_key(&job(number).id())));
    println!("{} connections, {lost} losses, {} doubled", proxy.connections(), seen.values().sum::<u32>() - JOBS);
    drop(queue);
    pool.delete().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_goes_on_announcing_what_it_settles_after_its_connections_broke() {
    let Some(address) = address() else { return };
    let (proxy, pool) = behind_a_proxy(&address).await;
    let remote = pool.queue().await;
    let worker = remote.consumer().unwrap();
    let mut direct = pool.settings.clone();
    direct.address = address.parse().unwrap();
    let coordinator = RabbitQueue::connect(direct).await.unwrap();
    assert!(
        timeout(Duration::from_secs(1), coordinator.settled()).await.is_err(),
        "the listener runs, and nothing is settled"
    );
    for number in 0..3 {
        coordinator.publish(&job(number), "tests").await.unwrap();
        let delivery = timeout(TIME_LIMIT, worker.next()).await.expect("the job comes").unwrap().unwrap();
        delivery.ack().await.unwrap();
        let announced = timeout(TIME_LIMIT, coordinator.settled()).await.expect("it is announced");
        assert_eq!(announced, [job(number).id()]);
        proxy.cut();
    }
    worker.close().await;
    pool.delete().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_worker_died_comes_back_as_a_loss_and_cannot_be_settled_twice() {
    let Some(address) = address() else { return };
    let (proxy, pool) = behind_a_proxy(&address).await;
    let queue = pool.queue().await;
    let dying = queue.consumer().unwrap();
    let other = queue.consumer().unwrap();
    queue.publish(&job(1), "tests").await.unwrap();
    for losses in 0..3 {
        let delivery = timeout(TIME_LIMIT, dying.next()).await.unwrap().unwrap().unwrap();
        assert_eq!((delivery.attempt(), delivery.losses()), (1, losses));
        proxy.cut();
        // Broker and client notice the cut. No other connection can settle this delivery.
        let next = timeout(TIME_LIMIT, other.next()).await.unwrap().unwrap().unwrap();
        assert_eq!((next.attempt(), next.losses()), (1, losses + 1));
        let job = delivery.job().id();
        let late = delivery.ack().await.unwrap_err();
        assert!(matches!(late, QueueError::Lapsed { job: named } if named == job), "{late}");
        assert!(late.is_retryable(), "a worker can continue");
        next.give_back().await.unwrap();
    }
    dying.close().await;
    other.close().await;
    pool.delete().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_back_off_outlives_the_worker_that_asked_for_it() {
    let Some(address) = address() else { return };
    let pool = TestPool::new(&address).await;
    let queue = pool.queue().await;
    let leaving = queue.consumer().unwrap();
    let staying = queue.consumer().unwrap();
    queue.publish(&job(1), "tests").await.unwrap();
    leaving.next().await.unwrap().unwrap().retry(Duration::from_secs(3)).await.unwrap();
    // Its retry consumer holds the job: there is no other one.
    leaving.close().await;
    assert!(leaving.next().await.unwrap().is_none(), "a consumer that was closed gives no job");
    let delivery = timeout(TIME_LIMIT, staying.next()).await.unwrap().unwrap().unwrap();
    assert_eq!((delivery.job(), delivery.attempt(), delivery.losses()), (&job(1), 2, 0));
    delivery.ack().await.unwrap();
    staying.close().await;
    pool.delete().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_closes_gives_back_the_job_that_the_worker_did_not_ask_for() {
    let Some(address) = address() else { return };
    let pool = TestPool::new(&address).await;
    let queue = pool.queue().await;
    let leaving = queue.consumer().unwrap();
    let staying = queue.consumer().unwrap();
    for number in 0..2 {
        queue.publish(&job(number), "tests").await.unwrap();
    }
    leaving.next().await.unwrap().unwrap().ack().await.unwrap();
    // By now the broker has sent the second job.
    leaving.close().await;
    let delivery = timeout(TIME_LIMIT, staying.next()).await.unwrap().unwrap().unwrap();
    assert_eq!((delivery.job(), delivery.attempt(), delivery.losses()), (&job(1), 1, 0));
    delivery.ack().await.unwrap();
    staying.close().await;
    pool.delete().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_with_two_consumers_holds_two_jobs_over_one_connection() {
    let Some(address) = address() else { return };
    let pool = TestPool::new(&address).await;
    let queue = pool.queue().await;
    let worker = queue.consumer().unwrap();
    let ahead = worker.second();
    for number in 0..3 {
        queue.publish(&job(number), "tests").await.unwrap();
    }
    let first = timeout(TIME_LIMIT, worker.next()).await.unwrap().unwrap().unwrap();
    let second = timeout(TIME_LIMIT, ahead.next()).await.unwrap().unwrap().unwrap();
    assert_eq!((first.job(), second.job()), (&job(0), &job(1)));
    second.give_back().await.unwrap();
    ahead.close().await;
    first.ack().await.unwrap();
    for number in [2, 1] {
        let delivery = timeout(TIME_LIMIT, worker.next()).await.unwrap().unwrap().unwrap();
        assert_eq!((delivery.job(), delivery.attempt(), delivery.losses()), (&job(number), 1, 0));
        delivery.ack().await.unwrap();
    }
    worker.close().await;
    pool.delete().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_that_were_deleted_are_declared_again() {
    let Some(address) = address() else { return };
    let pool = TestPool::new(&address).await;
    let queue = pool.queue().await;
    let worker = queue.consumer().unwrap();
    queue.publish(&job(1), "tests").await.unwrap();
    worker.next().await.unwrap().unwrap().ack().await.unwrap();
    for name in [&pool.topology.jobs, &pool.topology.retry] {
        pool.channel().await.queue_delete(name.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    }
    queue.publish(&job(2), "tests").await.unwrap();
    let delivery = timeout(TIME_LIMIT, worker.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(delivery.job(), &job(2));
    delivery.ack().await.unwrap();
    worker.close().await;
    pool.delete().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_the_outage_limit_calls_fail_and_before_it_they_wait() {
    let Some(address) = address() else { return };
    let (proxy, mut pool) = behind_a_proxy(&address).await;
    pool.settings.outage_limit = Duration::from_secs(2);
    let queue = pool.queue().await;
    let worker = queue.consumer().unwrap();
    queue.publish(&job(1), "tests").await.unwrap();
    worker.next().await.unwrap().unwrap().ack().await.unwrap();
    assert!(worker.is_connected());

    proxy.go_down();
    let second = job(2);
    let (published, taken) = tokio::join!(queue.publish(&second, "tests"), worker.next());
    for error in [published.unwrap_err(), taken.map(|taken| taken.is_some()).unwrap_err()] {
        assert!(matches!(error, QueueError::Unreachable { .. }), "{error:?}");
        let shown = pool.settings.address.to_string();
        assert!(error.to_string().starts_with(&format!("RabbitMQ at `{shown}` is out of reach")), "{error}");
    }
    assert!(!worker.is_connected(), "the absence of jobs means nothing now");
    proxy.come_up();
    queue.publish(&job(3), "tests").await.expect("a publisher outlives an outage");
    pool.delete().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_hangs_is_noticed_on_both_sides() {
    let Some(address) = address() else { return };
    let (proxy, mut hanging) = behind_a_proxy(&address).await;
    hanging.settings.address = format!("{}?heartbeat=1", through(&address, &proxy)).parse().unwrap();
    let mut direct = hanging.settings.clone();
    direct.address = address.parse().unwrap();
    let queue = hanging.queue().await;
    let elsewhere = RabbitQueue::connect(direct).await.unwrap();
    let worker = queue.consumer().unwrap();
    let other = elsewhere.consumer().unwrap();
    queue.publish(&job(1), "tests").await.unwrap();
    let delivery = timeout(TIME_LIMIT, worker.next()).await.unwrap().unwrap().unwrap();
    proxy.pause();
    // No side sees an end of the connection: only the missing heartbeats show it.
    let again = timeout(TIME_LIMIT, other.next()).await.unwrap().unwrap().unwrap();
    assert_eq!((again.attempt(), again.losses()), (1, 1));
    let late = delivery.ack().await.unwrap_err();
    assert!(matches!(late, QueueError::Lapsed { .. }), "{late}");
    again.ack().await.unwrap();
    proxy.resume();
    elsewhere.publish(&job(2), "tests").await.unwrap();
    other.close().await;
    let delivery = timeout(TIME_LIMIT, worker.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(delivery.job(), &job(2));
    delivery.ack().await.unwrap();
    worker.close().await;
    hanging.delete().await;
}
