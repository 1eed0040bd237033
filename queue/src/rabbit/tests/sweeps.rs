//! Queues of sweeps.

use super::broker::{TestPool, address};
use crate::{
    Backlog, Delivery, JobConsumer, JobPublisher, JobSource, RabbitCheck, RabbitConsumer, RabbitQueue, RabbitSettings,
    contract::job,
};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Far above the time of any step, on a slow machine.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The publisher of a run of `sweep`.
async fn publisher(pool: &TestPool, sweep: &str) -> RabbitQueue {
    let settings = RabbitSettings { sweep: Some(sweep.to_owned()), ..pool.settings.clone() };
    RabbitQueue::connect(settings).await.unwrap()
}

async fn next(worker: &RabbitConsumer) -> Delivery {
    timeout(TIME_LIMIT, worker.next()).await.expect("a job comes").expect("reachable").expect("open")
}

/// Waits until so many jobs wait at `source`; `None` means that the queue does not exist.
async fn waits(worker: &RabbitConsumer, source: &JobSource, waiting: Option<u64>) {
    let looked = async {
        loop {
            let backlog = worker.backlog(std::slice::from_ref(source)).await;
            if backlog.is_some_and(|found| found[0].map(|found| found.waiting) == waiting) {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(TIME_LIMIT, looked).await.expect("counted");
}

fn of(sweep: &str) -> JobSource {
    JobSource::Sweep(sweep.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_takes_jobs_of_the_selected_sweep_however_many_of_another_wait() {
    let Some(address) = address() else { return };
    let pool = TestPool::new(&address).await;
    let [big, small] = [publisher(&pool, "big").await, publisher(&pool, "small").await];
    for number in 0..50 {
        big.publish(&job(number), "big").await.unwrap();
    }
    small.publish(&job(100), "small").await.unwrap();
    small.publish(&job(101), "small").await.unwrap();

    let worker = small.consumer().unwrap();
    worker.take_from(&of("big"));
    let in_hand = next(&worker).await;
    assert_eq!(in_hand.job(), &job(0));
    // The worker holds a job. It takes no further one of the large sweep.
    worker.take_from(&of("small"));
    in_hand.ack().await.unwrap();
    for number in [100, 101] {
        let delivery = next(&worker).await;
        assert_eq!((delivery.job(), delivery.sweep()), (&job(number), "small"));
        delivery.ack().await.unwrap();
    }
    let all = [of("big"), of("small"), JobSource::Pool, of("unknown")];
    waits(&worker, &of("big"), Some(49)).await;
    let backlog = worker.backlog(&all).await.unwrap();
    assert_eq!(backlog[1].unwrap().waiting, 0);
    assert_eq!(backlog[2], Some(Backlog { waiting: 0, consumers: 0 }));
    assert_eq!(backlog[3], None);
    worker.take_from(&of("big"));
    let delivery = next(&worker).await;
    assert_eq!((delivery.sweep(), delivery.losses()), ("big", 0));
    delivery.give_back().await.unwrap();
    worker.close().await;
    assert_eq!((big.drop_sweep("big").await.unwrap(), small.drop_sweep("small").await.unwrap()), (49, 0));
    pool.delete().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_jobs_of_its_own_sweep_wait_for_a_run() {
    let Some(address) = address() else { return };
    let pool = TestPool::new(&address).await;
    let [big, small] = [publisher(&pool, "big").await, publisher(&pool, "small").await];
    for number in 0..3 {
        big.publish(&job(number), "big").await.unwrap();
    }
    let worker = big.consumer().unwrap();
    // Opens the connection of the worker.
    worker.take_from(&of("big"));
    next(&worker).await.give_back().await.unwrap();
    waits(&worker, &of("big"), Some(3)).await;
    assert_eq!(small.waiting().await.unwrap(), Some(0));
    worker.close().await;
    for sweep in ["big", "small"] {
        big.delete_queue(sweep).await.unwrap();
    }
    // A run declares its queue again.
    assert_eq!(small.waiting().await.unwrap(), Some(0));
    small.publish(&job(9), "small").await.unwrap();
    assert_eq!(small.drop_sweep("small").await.unwrap(), 1);
    pool.delete().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_returns_to_the_queue_of_its_sweep_and_to_the_pools_after_that_was_deleted() {
    let Some(address) = address() else { return };
    let pool = TestPool::new(&address).await;
    let queue = publisher(&pool, "small").await;
    queue.publish(&job(1), "small").await.unwrap();
    let workers = pool.queue().await;
    let worker = workers.consumer().unwrap();
    worker.take_from(&of("small"));
    next(&worker).await.retry(Duration::from_millis(1)).await.unwrap();
    let delivery = next(&worker).await;
    assert_eq!((delivery.job(), delivery.attempt(), worker.source()), (&job(1), 2, of("small")));

    // The sweep ends while the worker holds the job. Settling it succeeds, and the worker turns to the queue of the
    // pool.
    assert_eq!(queue.delete_queue("small").await.unwrap(), 0);
    delivery.retry(Duration::from_millis(1)).await.unwrap();
    let delivery = next(&worker).await;
    assert_eq!((delivery.job(), delivery.attempt(), delivery.losses()), (&job(1), 3, 0));
    assert_eq!(worker.source(), JobSource::Pool);
    delivery.ack().await.unwrap();
    waits(&worker, &of("small"), None).await;
    // A worker whose selected queue does not exist continues with the queue of the pool.
    worker.take_from(&of("unknown"));
    workers.publish(&job(2), "old").await.unwrap();
    let delivery = next(&worker).await;
    assert_eq!((delivery.job(), worker.source()), (&job(2), JobSource::Pool));
    delivery.ack().await.unwrap();
    worker.close().await;
    pool.delete().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_hear_of_a_sweep_whose_jobs_are_published() {
    let Some(address) = address() else { return };
    let pool = TestPool::new(&address).await;
    let small = publisher(&pool, "small").await;
    let worker = pool.queue().await.consumer().unwrap();
    // The listener runs once the worker has asked for jobs. Only what is published after that is announced to it.
    assert!(timeout(Duration::ZERO, worker.next()).await.is_err());
    let publishing = async {
        loop {
            small.publish(&job(1), "small").await.unwrap();
            sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        never = publishing => never,
        heard = timeout(TIME_LIMIT, worker.announced_sweeps()) => assert_eq!(heard.expect("announced")[0], "small"),
    }
    worker.close().await;
    small.delete_queue("small").await.unwrap();
    pool.delete().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_counts_the_jobs_of_all_given_sweeps_that_have_a_queue() {
    let Some(address) = address() else { return };
    let pool = TestPool::new(&address).await;
    let small = publisher(&pool, "small").await;
    small.publish(&job(1), "small").await.unwrap();
    let check = RabbitCheck { sweeps: vec!["ended".to_owned(), "small".to_owned()], ..RabbitCheck::default() };
    // The broker counts with a delay.
    let counted = async {
        loop {
            let report = RabbitQueue::check(pool.settings.clone(), &check).await.unwrap();
            let counts: Vec<u64> = report.queues.iter().map(|queue| queue.waiting).collect();
            if counts == [0, 1, 0, 0] {
                return report;
            }
        }
    };
    let report = timeout(TIME_LIMIT, counted).await.expect("counted");
    assert_eq!(report.queues[1].name, pool.topology.jobs_of("small"));
    small.delete_queue("small").await.unwrap();
    pool.delete().await;
}
