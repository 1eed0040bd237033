mod left;
mod stopping;

use crate::fake::{Fake, Next, computed, job};
use jobs::{
    BenchmarkInput, COMMAND_SEMANTICS, Cancellation, CommandInput, CommandModel, Digest, Job, JobInHand, Meaning,
    WorkerState, WorkerStatus,
};
use queue::{JobConsumer, JobPublisher, MemoryQueue};
use std::{
    collections::{BTreeMap, BTreeSet},
    future::{pending, ready},
    sync::Arc,
    time::{Duration, SystemTime},
};
use store::{
    Action, Problem, Store,
    testing::{Fault, Faulty, MemoryBackend},
};
use tempfile::TempDir;
use worker::{DeviceThread, JobError, Limits, Worker, WorkerEnd, WorkerError};

struct Bench {
    _folder: TempDir,
    store: Store,
    queue: MemoryQueue,
    fake: Arc<Fake>,
    worker: Worker,
}

/// A store that holds the sweeps that tests publish for.
fn folder_store(folder: &TempDir) -> Store {
    for sweep in ["tests", "another"] {
        let sweep = folder.path().join("sweeps").join(sweep);
        std::fs::create_dir_all(&sweep).unwrap();
        std::fs::write(sweep.join("manifest.json"), "{}").unwrap();
    }
    Store::folder(folder.path()).unwrap()
}

fn bench(script: impl IntoIterator<Item = Next>) -> Bench {
    let folder = TempDir::new().unwrap();
    let store = folder_store(&folder);
    let queue = MemoryQueue::new();
    let fake = Arc::new(Fake::new(script));
    let limits = Limits { wall_clock: Some(Duration::from_secs(60)), ..Limits::default() };
    let worker = Worker::new("w1".to_owned(), Arc::new(queue.clone()), store.clone(), fake.clone()).with_limits(limits);
    Bench { _folder: folder, store, queue, fake, worker }
}

fn passing() -> JobError {
    JobError::Panicked("the device went away".to_owned())
}

#[tokio::test]
async fn a_job_is_computed_stored_and_acknowledged() {
    let bench = bench([]);
    bench.queue.publish(&job(0.5), "tests").await.unwrap();
    bench.queue.close();
    let ended = bench.worker.run_until(pending(), pending()).await.unwrap();
    assert_eq!(ended, WorkerEnd::QueueClosed);
    let result = bench.store.result(&job(0.5).id()).await.unwrap().unwrap();
    assert_eq!((result.scores[0].correct, result.run.attempt, result.run.worker.as_str()), (7, 1, "w1"));
}

#[tokio::test]
async fn a_stored_result_is_never_computed_again() {
    let bench = bench([]);
    bench.queue.publish(&job(0.5), "tests").await.unwrap();
    bench.queue.publish(&job(0.5), "tests").await.unwrap();
    bench.queue.close();
    bench.worker.run_until(pending(), pending()).await.unwrap();
    assert_eq!(bench.fake.computed(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_transient_failure_is_recorded_and_tried_again() {
    let bench = bench([Next::Fail(passing()), Next::Succeed]);
    bench.queue.publish(&job(0.5), "tests").await.unwrap();
    bench.queue.close();
    bench.worker.run_until(pending(), pending()).await.unwrap();
    let result = bench.store.result(&job(0.5).id()).await.unwrap().unwrap();
    assert_eq!(result.run.attempt, 2);
    let failures = bench.store.failures(&job(0.5).id()).await.unwrap();
    let failure = failures.into_iter().next().unwrap().unwrap();
    assert!(!failure.is_final);
    assert_eq!(failure.errors, ["the computation panicked: the device went away"]);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_keeps_failing_is_dead_lettered_with_a_final_record() {
    let bench = bench([Next::Fail(passing()), Next::Fail(passing()), Next::Fail(passing())]);
    bench.queue.publish(&job(0.5), "tests").await.unwrap();
    bench.queue.close();
    bench.worker.run_until(pending(), pending()).await.unwrap();
    assert!(bench.store.result(&job(0.5).id()).await.unwrap().is_none());
    let failures = bench.store.failures(&job(0.5).id()).await.unwrap();
    let finals: Vec<_> = failures.into_iter().map(|failure| failure.unwrap().is_final).collect();
    assert_eq!(finals, [false, false, true]);
    assert_eq!(bench.queue.dead_letters().len(), 1);
}

#[tokio::test]
async fn bad_input_is_dead_lettered_at_once() {
    let bench = bench([Next::Fail(JobError::Incomplete("no head".to_owned()))]);
    bench.queue.publish(&job(0.5), "tests").await.unwrap();
    assert!(bench.worker.run_one().await.unwrap());
    assert_eq!((bench.fake.computed(), bench.queue.dead_letters().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_job_over_its_limit_is_stopped_recorded_and_tried_again() {
    let bench = bench([Next::WaitForStop]);
    bench.queue.publish(&job(0.5), "tests").await.unwrap();
    assert!(bench.worker.run_one().await.unwrap());
    let failures = bench.store.failures(&job(0.5).id()).await.unwrap();
    let failure = failures.into_iter().next().unwrap().unwrap();
    assert_eq!(failure.errors, ["the job took longer than its limit of 60 s"]);
    assert!(!failure.is_final);
    assert!(bench.worker.run_one().await.unwrap());
    assert_eq!(bench.store.result(&job(0.5).id()).await.unwrap().unwrap().run.attempt, 2);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_ends_its_workers_is_dead_lettered() {
    let bench = bench([]);
    bench.queue.publish(&job(0.5), "tests").await.unwrap();
    for _ in 0..5 {
        drop(bench.queue.next().await.unwrap().unwrap());
    }
    assert!(bench.worker.run_one().await.unwrap());
    assert_eq!((bench.fake.computed(), bench.queue.dead_letters().len()), (0, 1));
    let failures = bench.store.failures(&job(0.5).id()).await.unwrap();
    let failure = failures.into_iter().next().unwrap().unwrap();
    assert!(failure.is_final && failure.errors[0].starts_with("the job was lost 5 times"), "{:?}", failure.errors);
}

#[tokio::test]
async fn a_result_that_cannot_be_read_fails_its_job_and_not_the_worker() {
    let bench = bench([]);
    let id = job(0.5).id().to_string();
    let folder = bench._folder.path().join("results").join(&id[..2]);
    std::fs::create_dir_all(&folder).unwrap();
    let write = |content: &str| std::fs::write(folder.join(format!("{id}.json")), content).unwrap();
    write(r#"{"version": 1}"#);
    bench.queue.publish(&job(0.5), "tests").await.unwrap();
    assert!(bench.worker.run_one().await.unwrap());
    assert_eq!((bench.fake.computed(), bench.queue.dead_letters().len()), (0, 1));
    let failures = bench.store.failures(&job(0.5).id()).await.unwrap();
    let failure = failures.into_iter().next().unwrap().unwrap();
    assert!(failure.is_final && failure.errors[1].contains("is corrupt"), "{:?}", failure.errors);
    // Another version's is not ours to judge: the job is done.
    bench.store.clear_failures(&job(0.5).id()).await.unwrap();
    write(r#"{"version": 7}"#);
    bench.queue.publish(&job(0.5), "tests").await.unwrap();
    assert!(bench.worker.run_one().await.unwrap());
    assert_eq!((bench.fake.computed(), bench.queue.dead_letters().len()), (0, 1));
    assert!(bench.store.failures(&job(0.5).id()).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_impossible_result_is_not_stored_and_fails_only_its_job() {
    let bench = bench([Next::Exaggerate, Next::Succeed]);
    for scaling in [0.5, 0.6] {
        bench.queue.publish(&job(scaling), "tests").await.unwrap();
        assert!(bench.worker.run_one().await.unwrap());
    }
    assert_eq!(bench.store.result(&job(0.5).id()).await.unwrap(), None);
    assert!(bench.store.result(&job(0.6).id()).await.unwrap().is_some());
    let failures = bench.store.failures(&job(0.5).id()).await.unwrap();
    let failure = failures.into_iter().next().unwrap().unwrap();
    assert!(failure.is_final && failure.errors[0].contains("cannot belong to the job"), "{:?}", failure.errors);
    assert_eq!(failure.errors[1], "task `mnist` has 1000 right answers of 10 examples");
}

#[tokio::test]
async fn limits_may_be_longer_than_the_clock_can_count() {
    let bench = bench([]);
    let endless = Some(Duration::MAX);
    let worker = bench.worker.with_limits(Limits { idle: endless, wall_clock: endless, ..Limits::default() });
    bench.queue.publish(&job(0.5), "tests").await.unwrap();
    bench.queue.close();
    assert_eq!(worker.run_until(pending(), pending()).await.unwrap(), WorkerEnd::QueueClosed);
}

/// A job that runs a command.
#[tokio::test]
async fn a_worker_counts_its_jobs_by_outcome() {
    let bench = bench([Next::Succeed, Next::Fail(JobError::Incomplete("x".to_owned()))]);
    let metrics = worker::Metrics::default();
    let mut registry = prometheus_client::registry::Registry::default();
    metrics.register(&mut registry);
    let worker = bench.worker.with_metrics(metrics);
    for scaling in [0.1, 0.2, 0.1] {
        bench.queue.publish(&job(scaling), "tests").await.unwrap();
        worker.run_one().await.unwrap();
    }
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        "jobs_settled_total{outcome=\"done\"} 1",
        "jobs_settled_total{outcome=\"parked\"} 1",
        "jobs_settled_total{outcome=\"known\"} 1",
        "job_seconds_count 1",
        "job_phase_seconds_count{phase=\"store\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_unreachable_for_minutes_fails_no_job() {
    let backend = Faulty::new(MemoryBackend::new());
    let store = Store::new(backend.clone()).with_retries(Duration::from_secs(300));
    let _put = store.put_manifest("tests", &()).await.unwrap();
    let queue = MemoryQueue::new();
    let fake = Arc::new(Fake::new([]));
    let worker = Worker::new("w1".to_owned(), Arc::new(queue.clone()), store.clone(), fake.clone());
    backend.strike(6, Action::Write, "results/", Fault::Fails(Problem::Unavailable));
    queue.publish(&job(0.5), "tests").await.unwrap();
    assert!(worker.run_one().await.unwrap());
    assert_eq!(fake.computed(), 1, "the result in hand is kept until the store takes it");
    assert!(store.result(&job(0.5).id()).await.unwrap().is_some());

    backend.strike(u32::MAX, Action::Write, "results/", Fault::Fails(Problem::Unavailable));
    queue.publish(&job(0.6), "tests").await.unwrap();
    let error = worker.run_one().await.unwrap_err();
    assert!(matches!(error, WorkerError::Store { .. }), "{error}");
    assert_eq!(queue.waiting().await.unwrap(), Some(1), "the job is back for another worker");
}

#[tokio::test(start_paused = true)]
async fn a_worker_stores_a_heartbeat_and_removes_it_at_its_end() {
    let bench = bench([Next::Take(Duration::from_secs(50))]);
    let worker = bench.worker.with_heartbeat(Duration::from_secs(10));
    bench.queue.publish(&job(0.5), "tests").await.unwrap();
    bench.queue.close();
    let watching = async {
        tokio::time::sleep(Duration::from_secs(25)).await;
        let mut workers = bench.store.workers::<WorkerStatus>().await.unwrap();
        workers.remove(0).1.unwrap()
    };
    let (ended, status) = tokio::join!(worker.run_until(pending(), pending()), watching);
    ended.unwrap();
    assert_eq!((status.worker.as_str(), status.state, status.done), ("w1", WorkerState::Busy, 0));
    let in_hand = status.job.unwrap();
    assert_eq!((in_hand.job, in_hand.sweep.as_str(), in_hand.attempt), (job(0.5).id(), "tests", 1));
    assert!(bench.store.workers::<WorkerStatus>().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_panic_fails_its_job_and_not_the_thread() {
    let mut first = true;
    let thread = DeviceThread::start("fake".to_owned(), Default::default(), move |job, _| {
        if std::mem::take(&mut first) {
            panic!("out of memory");
        }
        Ok(computed(job))
    });
    let folder = TempDir::new().unwrap();
    let store = folder_store(&folder);
    let queue = MemoryQueue::new();
    let limits = Limits { attempts: 1, ..Limits::default() };
    let worker = Worker::new("w1".to_owned(), Arc::new(queue.clone()), store.clone(), Arc::new(thread));
    let worker = worker.with_limits(limits);
    queue.publish(&job(0.1), "tests").await.unwrap();
    queue.publish(&job(0.2), "tests").await.unwrap();
    queue.close();
    worker.run_until(pending(), pending()).await.unwrap();
    assert!(store.result(&job(0.1).id()).await.unwrap().is_none());
    assert!(store.result(&job(0.2).id()).await.unwrap().is_some());
}
