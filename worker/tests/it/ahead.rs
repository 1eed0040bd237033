//! A worker that looks ahead: what that saves, and that it costs other workers nothing.

use crate::fake::{Fake, Next, computed, job};
use async_trait::async_trait;
use jobs::{Job, JobId, WorkerStatus};
use queue::{JobConsumer, JobPublisher, MemoryQueue};
use std::{
    collections::BTreeMap,
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};
use store::{
    Action, Backend, Problem, Store,
    testing::{Fault, Faulty, MemoryBackend},
};
use tokio::time::{Instant, sleep};
use worker::{AttemptContext, Compute, Computed, JobError, Limits, Worker, WorkerEnd, WorkerError};

const LATENCY: Duration = Duration::from_millis(30);
const SHORT: Duration = Duration::from_millis(100);

/// A store far away.
fn far() -> Faulty<MemoryBackend> {
    let backend = Faulty::new(MemoryBackend::new());
    for action in [Action::Read, Action::Write] {
        backend.strike(u32::MAX, action, "", Fault::IsSlow(LATENCY));
    }
    backend
}

/// A job that takes half a second and looks around meanwhile; all others take a tenth.
#[derive(Debug)]
struct Looker {
    looks_at: JobId,
    queue: MemoryQueue,
    store: Store,
    /// How many jobs waited in the queue then, and the job in the worker's heartbeat.
    seen: Mutex<Option<(u64, Option<JobId>)>>,
}

#[async_trait]
impl Compute for Looker {
    async fn compute(&self, job: &Job, _: &AttemptContext) -> Result<Computed, JobError> {
        sleep(SHORT).await;
        if job.id() == self.looks_at {
            sleep(SHORT * 4).await;
            let waiting = self.queue.waiting().await.unwrap().unwrap();
            let status = self.store.worker::<WorkerStatus>("w1").await.unwrap().unwrap();
            *self.seen.lock().unwrap() = Some((waiting, status.job.map(|in_hand| in_hand.job)));
        }
        Ok(computed(job))
    }

    fn device(&self) -> String {
        "fake".to_owned()
    }

    fn versions(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
}

async fn with_sweep(backend: impl Backend) -> Store {
    let store = Store::new(backend);
    let _put = store.put_manifest("tests", &()).await.unwrap();
    store
}

async fn publish(queue: &MemoryQueue, count: u32) {
    for number in 1..=count {
        queue.publish(&job(f64::from(number) / 100.0), "tests").await.unwrap();
    }
}

fn worker(queue: &MemoryQueue, store: &Store, compute: Arc<dyn Compute>) -> Worker {
    Worker::new("w1".to_owned(), Arc::new(queue.clone()), store.clone(), compute).with_limits(Limits::default())
}

fn looking_ahead(queue: &MemoryQueue, store: &Store, compute: Arc<dyn Compute>) -> Worker {
    worker(queue, store, compute).looking_ahead(Arc::new(queue.clone()))
}

/// Two short jobs, so that the worker looks ahead, and then what `script` says.
fn after_two_short(script: impl IntoIterator<Item = Next>) -> Arc<Fake> {
    Arc::new(Fake::new([Next::Take(SHORT), Next::Take(SHORT)].into_iter().chain(script)))
}

/// How long twenty jobs of a tenth of a second take.
async fn time_of_twenty(worker: impl Fn(&MemoryQueue, &Store, Arc<dyn Compute>) -> Worker) -> Duration {
    let queue = MemoryQueue::new();
    let store = with_sweep(far()).await;
    publish(&queue, 20).await;
    queue.close();
    let fake = Arc::new(Fake::new((0..20).map(|_| Next::Take(SHORT))));
    let start = Instant::now();
    let ended = worker(&queue, &store, fake.clone()).run_until(pending(), pending()).await.unwrap();
    assert_eq!((ended, fake.computed()), (WorkerEnd::QueueClosed, 20));
    assert_eq!(store.jobs_with_results().await.unwrap().len(), 20);
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_looks_ahead_computes_short_jobs_without_pauses() {
    let alone = time_of_twenty(worker).await;
    assert!(alone > (SHORT + LATENCY * 2) * 20, "{alone:?}: each job waits for the store twice");
    let ahead = time_of_twenty(looking_ahead).await;
    assert!(ahead < SHORT * 20 + LATENCY * 10, "{ahead:?}: all but the first and the last store beside others");
}

#[tokio::test(start_paused = true)]
async fn a_job_taken_ahead_is_returned_if_the_one_before_it_takes_long() {
    let queue = MemoryQueue::new();
    let store = with_sweep(MemoryBackend::new()).await;
    publish(&queue, 4).await;
    let fake = after_two_short([Next::Take(Duration::from_secs(3600))]);
    let worker = looking_ahead(&queue, &store, fake.clone());
    let other = async {
        while fake.computed() < 3 {
            sleep(Duration::from_millis(1)).await;
        }
        // The worker has the fourth job as well by now.
        sleep(SHORT).await;
        assert_eq!(queue.waiting().await.unwrap(), Some(0));
        let delivery = queue.next().await.unwrap().unwrap();
        assert_eq!((delivery.job(), delivery.attempt(), delivery.losses()), (&job(0.04), 1, 0));
        delivery.ack().await.unwrap();
    };
    let start = Instant::now();
    assert_eq!(worker.run_until(pending(), other).await.unwrap(), WorkerEnd::Stopped);
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert_eq!(fake.computed(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_worker_of_long_jobs_takes_the_next_one_only_near_the_end() {
    let queue = MemoryQueue::new();
    let store = with_sweep(MemoryBackend::new()).await;
    publish(&queue, 3).await;
    let long = || Next::Take(Duration::from_secs(30));
    let fake = Arc::new(Fake::new([long(), long(), long()]));
    let worker = looking_ahead(&queue, &store, fake.clone());
    let others = async {
        while fake.computed() < 2 {
            sleep(Duration::from_millis(100)).await;
        }
        sleep(Duration::from_secs(28)).await;
        assert_eq!(queue.waiting().await.unwrap(), Some(1), "the third job waits for the first free worker");
        sleep(Duration::from_millis(1500)).await;
        assert_eq!((fake.computed(), queue.waiting().await.unwrap()), (2, Some(0)), "it is taken in the last second");
    };
    assert_eq!(worker.run_until(others, pending()).await.unwrap(), WorkerEnd::Stopped);
}

#[tokio::test(start_paused = true)]
async fn jobs_of_seconds_do_not_wait_for_a_distant_store() {
    let queue = MemoryQueue::new();
    let store = with_sweep(far()).await;
    publish(&queue, 20).await;
    queue.close();
    let takes = Duration::from_secs(3);
    let fake = Arc::new(Fake::new((0..20).map(|_| Next::Take(takes))));
    let start = Instant::now();
    let ended = looking_ahead(&queue, &store, fake.clone()).run_until(pending(), pending()).await.unwrap();
    assert_eq!((ended, store.jobs_with_results().await.unwrap().len()), (WorkerEnd::QueueClosed, 20));
    let lost = start.elapsed() - takes * 20;
    assert!(lost < LATENCY * 10, "{lost:?}: all but the first, the second and the last store beside others");
}

/// A job that is taken ahead in the last moment of a job that is no longer short, and looked up until after its end. `short` jobs
/// go before: which of the two loops takes it ahead depends on their number.
async fn take_late(short: u32) {
    let backend = Faulty::new(MemoryBackend::new());
    let store = with_sweep(backend.clone()).await;
    let queue = MemoryQueue::new();
    publish(&queue, short + 1).await;
    let script = (0..short).map(|_| Next::Take(SHORT)).chain([Next::Take(SHORT * 12), Next::Take(SHORT)]);
    let fake = Arc::new(Fake::new(script));
    let worker = looking_ahead(&queue, &store, fake.clone());
    let late = async {
        while fake.computed() <= short as usize {
            sleep(Duration::from_millis(1)).await;
        }
        sleep(SHORT * 9).await;
        backend.strike(u32::MAX, Action::Read, "", Fault::IsSlow(SHORT * 4));
        queue.publish(&job(0.99), "tests").await.unwrap();
        sleep(Duration::from_secs(5)).await;
        assert_eq!(store.jobs_with_results().await.unwrap().len(), short as usize + 2, "after {short}");
    };
    assert_eq!(worker.run_until(late, pending()).await.unwrap(), WorkerEnd::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_job_taken_ahead_is_computed_although_jobs_became_long_while_it_was_looked_up() {
    for short in 2..=5 {
        take_late(short).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_draining_worker_finishes_its_job_and_returns_the_one_taken_ahead() {
    let queue = MemoryQueue::new();
    let store = with_sweep(MemoryBackend::new()).await;
    publish(&queue, 4).await;
    let fake = after_two_short([Next::Take(SHORT * 5)]);
    let worker = looking_ahead(&queue, &store, fake.clone());
    let drain = async {
        while fake.computed() < 3 {
            sleep(Duration::from_millis(1)).await;
        }
        sleep(SHORT).await;
        assert_eq!(queue.waiting().await.unwrap(), Some(0), "the fourth job was taken ahead");
    };
    assert_eq!(worker.run_until(drain, pending()).await.unwrap(), WorkerEnd::Stopped);
    assert_eq!((fake.computed(), store.jobs_with_results().await.unwrap().len()), (3, 3));
    let delivery = queue.next().await.unwrap().unwrap();
    assert_eq!((delivery.job(), delivery.attempt(), delivery.losses()), (&job(0.04), 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_store_is_unreachable_returns_all_its_jobs() {
    let backend = Faulty::new(MemoryBackend::new());
    let store = with_sweep(backend.clone()).await;
    let queue = MemoryQueue::new();
    publish(&queue, 5).await;
    let fake = after_two_short([Next::Take(SHORT * 3), Next::Take(SHORT * 3), Next::Take(SHORT * 3)]);
    let worker = looking_ahead(&queue, &store, fake.clone());
    let breaking = async {
        while fake.computed() < 3 {
            sleep(Duration::from_millis(1)).await;
        }
        backend.strike(u32::MAX, Action::Write, "results/", Fault::Fails(Problem::NoSpace));
        pending::<()>().await;
    };
    let ended = tokio::select! {
        ended = worker.run_until(pending(), pending()) => ended,
        () = breaking => unreachable!("it waits for ever"),
    };
    assert!(matches!(ended, Err(WorkerError::Store { .. })), "{ended:?}");
    let mut back = Vec::new();
    while queue.waiting().await.unwrap() > Some(0) {
        let delivery = queue.next().await.unwrap().unwrap();
        assert_eq!((delivery.attempt(), delivery.losses()), (1, 0));
        back.push(delivery.job().id());
        delivery.ack().await.unwrap();
    }
    back.sort_unstable();
    let mut expected = [job(0.03).id(), job(0.04).id(), job(0.05).id()];
    expected.sort_unstable();
    assert_eq!(back, expected);
}

/// Ten jobs, of which the fifth looks around; `lost` says whether it was lost before.
async fn look_around(lost: bool) -> (u64, Option<JobId>) {
    let queue = MemoryQueue::new();
    let store = with_sweep(MemoryBackend::new()).await;
    let looks_at = job(0.05).id();
    publish(&queue, 10).await;
    if lost {
        let mut taken = Vec::new();
        while taken.len() < 10 {
            taken.push(queue.next().await.unwrap().unwrap());
        }
        // Given back from last to first, they keep their order.
        for delivery in taken.into_iter().rev() {
            if delivery.job().id() == looks_at {
                drop(delivery);
            } else {
                delivery.give_back().await.unwrap();
            }
        }
    }
    queue.close();
    let looker = Looker { looks_at, queue: queue.clone(), store: store.clone(), seen: Mutex::default() };
    let looker = Arc::new(looker);
    let worker = looking_ahead(&queue, &store, looker.clone()).with_heartbeat(Duration::from_millis(50));
    worker.run_until(pending(), pending()).await.unwrap();
    assert_eq!(store.jobs_with_results().await.unwrap().len(), 10);
    let seen = looker.seen.lock().unwrap().take();
    seen.unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_heartbeat_names_the_job_that_computes_and_not_the_one_taken_ahead() {
    let (waiting, computing) = look_around(false).await;
    assert_eq!(computing, Some(job(0.05).id()));
    assert_eq!(waiting, 4, "of the five jobs after it, one was taken ahead");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_was_lost_before_is_alone_in_its_worker() {
    let (waiting, computing) = look_around(true).await;
    assert_eq!(computing, Some(job(0.05).id()));
    // It went back once, since it came while another job computed; which jobs went before it meanwhile is no matter.
    assert!(waiting <= 5, "{waiting}");
}
