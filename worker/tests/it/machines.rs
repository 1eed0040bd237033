//! Whether a failure belongs to the job or to the machine, on several machines.

use crate::fake::{Fake, Next, job};
use jobs::{Blame, Job, Progress, WorkerStatus};
use queue::{JobConsumer, JobPublisher, MemoryQueue};
use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use store::{
    Action, Problem, Store,
    testing::{Fault, Faulty, MemoryBackend},
};
use tokio::time::{Instant, timeout};
use worker::{JobError, Limits, Machine, SelfTest, Worker, WorkerEnd, WorkerError};

/// A self-test with a given outcome. It counts its runs.
#[derive(Debug, Default)]
struct FakeSelfTest {
    fails: bool,
    runs: AtomicUsize,
}

impl SelfTest for FakeSelfTest {
    fn run(&self, _: &Job) -> Result<(), JobError> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        if self.fails { Err(changed_input()) } else { Ok(()) }
    }
}

/// A cluster in one process: a store, a queue, and workers of several machines.
struct Cluster {
    backend: Faulty<MemoryBackend>,
    store: Store,
    queue: MemoryQueue,
}

impl Cluster {
    async fn new() -> Self {
        let backend = Faulty::new(MemoryBackend::new());
        let store = Store::new(backend.clone());
        let _put = store.put_manifest("tests", &()).await.unwrap();
        Self { backend, store, queue: MemoryQueue::new() }
    }

    fn worker(&self, machine: &str, script: impl IntoIterator<Item = Next>) -> Worker {
        self.worker_with(Arc::default(), machine, script)
    }

    fn worker_with(
        &self,
        self_test: Arc<FakeSelfTest>,
        machine: &str,
        script: impl IntoIterator<Item = Next>,
    ) -> Worker {
        let fake = Arc::new(Fake::new(script));
        let limits = Limits { own_faults: Some(3), wall_clock: Some(Duration::from_secs(60)), ..Limits::default() };
        Worker::new(machine.to_owned(), Arc::new(self.queue.clone()), self.store.clone(), fake)
            .with_limits(limits)
            .with_heartbeat(Duration::from_secs(10))
            .on_machine(Machine::new(machine, self_test))
    }

    /// Has the store say that a worker is alive on `machine`.
    async fn is_alive(&self, machine: &str) {
        let status = WorkerStatus { beat_ms: u64::MAX, ..WorkerStatus::fresh(machine, "fake", 0) };
        self.store.put_worker(machine, &status).await.unwrap();
    }

    async fn publish(&self, scalings: impl IntoIterator<Item = f64>) {
        for scaling in scalings {
            self.queue.publish(&job(scaling), "tests").await.unwrap();
        }
    }

    async fn finals(&self, scaling: f64) -> Vec<bool> {
        let failures = self.store.failures(&job(scaling).id()).await.unwrap();
        failures.into_iter().map(|failure| failure.unwrap().is_final).collect()
    }
}

fn changed_input() -> JobError {
    JobError::Changed { place: "/data".to_owned(), expected: "a".to_owned(), found: "b".to_owned(), file: None }
}

fn tenths(count: u32) -> impl Iterator<Item = f64> {
    (1..=count).map(|i| f64::from(i) / 10.0)
}

#[tokio::test(start_paused = true)]
async fn a_job_that_fails_on_one_machine_succeeds_on_another() {
    let cluster = Cluster::new().await;
    cluster.publish(tenths(9)).await;
    cluster.is_alive("good").await;
    let bad = cluster.worker("bad", (0..9).map(|_| Next::Fail(changed_input())));
    let error = bad.run_until(pending(), pending()).await.unwrap_err();
    assert!(matches!(&error, WorkerError::OwnFaults { count: 3, .. }), "{error}");
    assert_eq!(cluster.queue.waiting().await.unwrap(), Some(9), "every job is left");
    cluster.queue.close();
    assert_eq!(cluster.worker("good", []).run_until(pending(), pending()).await.unwrap(), WorkerEnd::QueueClosed);
    assert_eq!(cluster.store.jobs_with_results().await.unwrap().len(), 9);
    assert_eq!(cluster.finals(0.1).await, [false]);
}

#[tokio::test(start_paused = true)]
async fn a_restarted_worker_counts_as_the_same_machine() {
    let cluster = Cluster::new().await;
    cluster.publish([0.5]).await;
    cluster.is_alive("good").await;
    // Without what a restart keeps it from: jobs are taken one by one.
    for _ in 0..12 {
        let bad = cluster.worker("bad", [Next::Fail(changed_input())]);
        assert!(bad.run_one().await.unwrap());
    }
    assert_eq!(cluster.finals(0.5).await, [false], "it failed once, and was left to others from then on");
    let good = cluster.worker("good", []);
    assert!(good.run_one().await.unwrap());
    assert_eq!(cluster.store.result(&job(0.5).id()).await.unwrap().unwrap().run.attempt, 2);
}

#[tokio::test(start_paused = true)]
async fn a_job_does_not_wait_for_a_machine_that_never_receives_it() {
    let cluster = Cluster::new().await;
    cluster.publish([0.5]).await;
    let elsewhere =
        WorkerStatus { beat_ms: u64::MAX, pool: Some("b".to_owned()), ..WorkerStatus::fresh("w1", "fake", 0) };
    cluster.store.put_worker("w1", &elsewhere).await.unwrap();
    let newer = WorkerStatus { left: vec![job(0.5).id()], beat_ms: u64::MAX, ..WorkerStatus::fresh("w2", "fake", 0) };
    cluster.store.put_worker("w2", &newer).await.unwrap();
    let limits = Limits { attempts: 1, machine_wait: Duration::ZERO, ..Limits::default() };
    let machine = Machine::new("a", Arc::<FakeSelfTest>::default()).in_pool("a");
    let worker = cluster.worker("a", [Next::Fail(changed_input())]).with_limits(limits).on_machine(machine);
    assert!(worker.run_one().await.unwrap());
    assert_eq!(cluster.finals(0.5).await, [true]);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_fails_on_every_machine_fails_permanently_and_blames_the_machines() {
    let cluster = Cluster::new().await;
    cluster.publish([0.5]).await;
    let worker = |machine: &str| {
        let limits = Limits { machine_wait: Duration::ZERO, ..Limits::default() };
        cluster.worker(machine, (0..9).map(|_| Next::Fail(changed_input()))).with_limits(limits)
    };
    for machine in ["a", "b", "c"] {
        assert!(worker(machine).run_one().await.unwrap());
    }
    assert_eq!(cluster.finals(0.5).await, [false, false, true]);
    let last = cluster.store.failures(&job(0.5).id()).await.unwrap().pop().unwrap().unwrap();
    assert_eq!((last.blame, last.machine.as_deref()), (Some(Blame::Machine), Some("c")));
}

#[tokio::test]
async fn bad_input_fails_at_once_and_blames_the_job() {
    let cluster = Cluster::new().await;
    cluster.is_alive("good").await;
    cluster.publish([0.5]).await;
    let worker = cluster.worker("w", [Next::Fail(JobError::Incomplete("no head".to_owned()))]);
    assert!(worker.run_one().await.unwrap());
    let failure = cluster.store.failures(&job(0.5).id()).await.unwrap().pop().unwrap().unwrap();
    assert_eq!((failure.is_final, failure.blame), (true, Some(Blame::Job)));
}

#[tokio::test(start_paused = true)]
async fn one_job_that_fails_repeatedly_does_not_end_the_worker() {
    let cluster = Cluster::new().await;
    cluster.publish([0.5]).await;
    let worker = cluster.worker("w", (0..4).map(|_| Next::Fail(changed_input())));
    for _ in 0..4 {
        assert!(worker.run_one().await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn a_machine_with_faults_waits_longer_each_time_and_takes_no_job_before_its_self_test_passes() {
    let cluster = Cluster::new().await;
    cluster.publish(tenths(9)).await;
    let bad = cluster.worker("w", (0..3).map(|_| Next::Fail(changed_input())));
    bad.run_until(pending(), pending()).await.unwrap_err();
    let still_bad = Arc::new(FakeSelfTest { fails: true, ..FakeSelfTest::default() });
    let mut waited = Vec::new();
    for _ in 0..3 {
        let start = Instant::now();
        let worker = cluster.worker_with(Arc::clone(&still_bad), "w", []);
        let error = worker.run_until(pending(), pending()).await.unwrap_err();
        assert!(matches!(&error, WorkerError::OwnFaults { count: 1, .. }), "{error}");
        waited.push(start.elapsed().as_millis());
    }
    // The pauses are kept by the machine's clock, of which tests take next to nothing.
    for (waited, pause) in waited.iter().zip([2000, 4000, 8000]) {
        assert!((pause - 500..=pause + 50).contains(waited), "{waited} {pause}");
    }
    assert_eq!((still_bad.runs.load(Ordering::Relaxed), cluster.queue.waiting().await.unwrap()), (3, Some(9)));
    assert!(cluster.store.jobs_with_results().await.unwrap().is_empty());
    // Mended, it does what there is, and nothing is known against it any more.
    cluster.queue.close();
    let mended = Arc::<FakeSelfTest>::default();
    let worker = cluster.worker_with(Arc::clone(&mended), "w", []);
    assert_eq!(worker.run_until(pending(), pending()).await.unwrap(), WorkerEnd::QueueClosed);
    assert_eq!((mended.runs.load(Ordering::Relaxed), cluster.store.jobs_with_results().await.unwrap().len()), (1, 9));
    assert_eq!(cluster.store.machine::<serde_json::Value>("w").await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_waits_after_its_faults_ends_at_a_shutdown_signal() {
    let cluster = Cluster::new().await;
    cluster.publish(tenths(3)).await;
    let bad = cluster.worker("w", (0..3).map(|_| Next::Fail(changed_input())));
    bad.run_until(pending(), pending()).await.unwrap_err();
    let drain = tokio::time::sleep(Duration::from_millis(500));
    assert_eq!(cluster.worker("w", []).run_until(drain, pending()).await.unwrap(), WorkerEnd::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_store_refuses_a_write_takes_no_job() {
    let cluster = Cluster::new().await;
    cluster.publish([0.5]).await;
    cluster.backend.strike(u32::MAX, Action::Write, "", Fault::Fails(Problem::NoSpace));
    let error = cluster.worker("w", []).run_until(pending(), pending()).await.unwrap_err();
    assert!(matches!(&error, WorkerError::Unwritable(_)), "{error}");
    assert_eq!(cluster.queue.waiting().await.unwrap(), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_result_that_the_store_refuses_counts_neither_an_attempt_nor_a_loss() {
    for prefix in ["results/", "failures/"] {
        let cluster = Cluster::new().await;
        cluster.publish([0.5]).await;
        cluster.backend.strike(u32::MAX, Action::Write, prefix, Fault::Fails(Problem::Permission));
        let next = if prefix == "results/" { Next::Succeed } else { Next::Fail(changed_input()) };
        let error = cluster.worker("w", [next]).run_one().await.unwrap_err();
        assert!(matches!(&error, WorkerError::Store { .. }), "{error}");
        let delivery = cluster.queue.next().await.unwrap().unwrap();
        assert_eq!((delivery.attempt(), delivery.losses()), (1, 0));
        delivery.ack().await.unwrap();
        let record = cluster.store.machine::<serde_json::Value>("w").await.unwrap();
        assert_eq!(record.is_some(), prefix == "results/", "work in vain is not begun again at once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_was_lost_on_a_machine_is_left_to_another() {
    let cluster = Cluster::new().await;
    cluster.publish([0.5]).await;
    cluster.is_alive("large").await;
    // The machine of the first loss is not known.
    drop(cluster.queue.next().await.unwrap().unwrap());
    let small = cluster.worker("small", [Next::Hang]);
    let taken = timeout(Duration::from_secs(3), small.run_one()).await;
    assert!(taken.is_err(), "it is at the job when its process dies");
    drop(small);
    for _ in 0..20 {
        let small = cluster.worker("small", [Next::Hang]);
        assert!(timeout(Duration::from_secs(30), small.run_one()).await.expect("it leaves the job").unwrap());
    }
    assert!(cluster.finals(0.5).await.is_empty(), "one machine, however many processes");
    assert!(cluster.worker("large", []).run_one().await.unwrap());
    assert!(cluster.store.result(&job(0.5).id()).await.unwrap().is_some());
    let notes = cluster.store.trials::<serde_json::Value>(&job(0.5).id()).await.unwrap();
    assert!(notes.is_empty(), "{notes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_was_lost_on_every_machine_is_dead_lettered_with_their_names() {
    let cluster = Cluster::new().await;
    cluster.publish([0.5]).await;
    let limits = || Limits { losses: 3, machine_wait: Duration::ZERO, ..Limits::default() };
    for machine in ["a", "b", "c"] {
        let worker = cluster.worker(machine, [Next::Hang]).with_limits(limits());
        drop(timeout(Duration::from_secs(3), worker.run_one()).await);
    }
    // The first loss left no note, so that `a` has not tried it as far as is known.
    let worker = cluster.worker("a", [Next::Hang]).with_limits(limits());
    drop(timeout(Duration::from_secs(3), worker.run_one()).await);
    assert!(cluster.worker("b", []).with_limits(limits()).run_one().await.unwrap());
    let failure = cluster.store.failures(&job(0.5).id()).await.unwrap().pop().unwrap().unwrap();
    let lost = "the job was lost 4 times on 3 machines, `a`, `b`, `c`: workers took the job and did not settle it";
    assert_eq!((failure.errors.as_slice(), failure.is_final), (&[lost.to_owned()][..], true));
    assert_eq!(failure.blame, Some(Blame::Machine));
}

#[tokio::test(start_paused = true)]
async fn a_download_does_not_count_towards_the_limit_of_a_job() {
    let cluster = Cluster::new().await;
    let slow = Next::Load(Duration::from_secs(3000), Duration::from_secs(50));
    let endless = Next::Load(Duration::from_secs(9000), Duration::ZERO);
    let long = Next::Load(Duration::from_secs(3000), Duration::from_secs(70));
    let limits = Limits {
        own_faults: Some(3),
        wall_clock: Some(Duration::from_secs(60)),
        loading: Some(Duration::from_secs(7200)),
        ..Limits::default()
    };
    let worker = cluster.worker("w", [slow, endless, long]).with_limits(limits);
    for scaling in tenths(3) {
        cluster.publish([scaling]).await;
        assert!(worker.run_one().await.unwrap());
        while let Ok(next) = timeout(Duration::from_secs(5), cluster.queue.next()).await {
            next.unwrap().unwrap().ack().await.unwrap();
        }
    }
    assert!(cluster.store.result(&job(0.1).id()).await.unwrap().is_some());
    let failed = async |scaling| cluster.store.failures(&job(scaling).id()).await.unwrap().pop().unwrap().unwrap();
    let load = failed(0.2).await;
    let compute = failed(0.3).await;
    assert_eq!(load.errors, ["the inputs of the job were not read within the limit of 7200 s"]);
    assert_eq!(compute.errors, ["the job took longer than its limit of 60 s"]);
    assert_eq!((load.is_final, load.blame, compute.blame), (false, Some(Blame::Machine), Some(Blame::Machine)));
}

#[tokio::test(start_paused = true)]
async fn jobs_of_a_removed_sweep_are_dead_lettered_and_end_no_worker() {
    let cluster = Cluster::new().await;
    for sweep in ["gone", "gone-too", "tests"] {
        cluster.queue.publish(&job(0.5), sweep).await.unwrap();
    }
    let progress = Progress { ended: None, ..running() };
    cluster.store.put_document("tests", Progress::DOCUMENT, &progress).await.unwrap();
    cluster.queue.close();
    let worker = cluster.worker("w", []);
    assert_eq!(worker.run_until(pending(), pending()).await.unwrap(), WorkerEnd::QueueClosed);
    assert!(cluster.store.result(&job(0.5).id()).await.unwrap().is_some());
    let reasons: Vec<String> = cluster.queue.dead_letters().into_iter().map(|dead| dead.reason).collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons.iter().all(|reason| reason.contains("does not hold the sweep `gone")), "{reasons:?}");
    assert!(cluster.store.jobs_with_failures().await.unwrap().is_empty(), "the job itself has not failed");
}

#[tokio::test(start_paused = true)]
async fn a_worker_with_another_store_than_the_coordinator_computes_nothing_and_ends() {
    let cluster = Cluster::new().await;
    for sweep in ["one", "two", "three"] {
        cluster.queue.publish(&job(0.5), sweep).await.unwrap();
    }
    let error = cluster.worker("w", []).run_until(pending(), pending()).await.unwrap_err();
    let WorkerError::OtherStore { sweeps, .. } = &error else { panic!("{error}") };
    assert_eq!(sweeps.as_slice(), ["one", "three", "two"]);
    assert_eq!(cluster.queue.waiting().await.unwrap(), Some(3));

    let empty = Store::new(MemoryBackend::new());
    let worker = Worker::new("w".to_owned(), Arc::new(cluster.queue.clone()), empty, Arc::new(Fake::new([])));
    let error = worker.run_one().await.unwrap_err();
    assert!(matches!(&error, WorkerError::OtherStore { sweeps, .. } if sweeps.len() == 1), "{error}");
}

fn running() -> Progress {
    Progress {
        revision: 1,
        pool: None,
        phase: None,
        bound: 1,
        run: 0,
        reused: 0,
        failed: 0,
        outstanding: 1,
        rate: None,
        best: None,
        failures: Vec::new(),
        device_s: 0.0,
        started_ms: 0,
        updated_ms: u64::MAX,
        ended: None,
    }
}
