use crate::fake::{Fake, Next, computed, job};
use queue::{JobPublisher, MemoryQueue};
use std::{sync::Arc, time::Duration};
use store::Store;
use tempfile::TempDir;
use worker::{DeviceThread, Ended, JobError, Limits, Worker};

struct Bench {
    _folder: TempDir,
    store: Store,
    queue: MemoryQueue,
    fake: Arc<Fake>,
    worker: Worker,
}

fn bench(script: impl IntoIterator<Item = Next>) -> Bench {
    let folder = TempDir::new().unwrap();
    let store = Store::folder(folder.path()).unwrap();
    let (queue, fake) = (MemoryQueue::new(), Arc::new(Fake::new(script)));
    let limits = Limits { attempts: 3, back_off: Duration::from_secs(1), wall_clock: Some(Duration::from_secs(60)) };
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
    let ended = bench.worker.run_until(std::future::pending()).await.unwrap();
    assert_eq!(ended, Ended::QueueClosed);
    let result = bench.store.result(&job(0.5).id()).await.unwrap().unwrap();
    assert_eq!((result.scores[0].correct, result.run.attempt, result.run.worker.as_str()), (7, 1, "w1"));
}

#[tokio::test]
async fn a_stored_result_is_never_computed_again() {
    let bench = bench([]);
    bench.queue.publish(&job(0.5), "tests").await.unwrap();
    bench.queue.publish(&job(0.5), "tests").await.unwrap();
    bench.queue.close();
    bench.worker.run_until(std::future::pending()).await.unwrap();
    assert_eq!(bench.fake.computed(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_passing_failure_is_recorded_and_tried_again() {
    let bench = bench([Next::Fail(passing()), Next::Succeed]);
    bench.queue.publish(&job(0.5), "tests").await.unwrap();
    bench.queue.close();
    bench.worker.run_until(std::future::pending()).await.unwrap();
    let result = bench.store.result(&job(0.5).id()).await.unwrap().unwrap();
    assert_eq!(result.run.attempt, 2);
    let failures = bench.store.failures(&job(0.5).id()).await.unwrap();
    let failure = failures.into_iter().next().unwrap().unwrap();
    assert!(!failure.is_final);
    assert_eq!(failure.errors, ["the computation panicked: the device went away"]);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_keeps_failing_is_parked_with_a_final_record() {
    let bench = bench([Next::Fail(passing()), Next::Fail(passing()), Next::Fail(passing())]);
    bench.queue.publish(&job(0.5), "tests").await.unwrap();
    bench.queue.close();
    bench.worker.run_until(std::future::pending()).await.unwrap();
    assert!(bench.store.result(&job(0.5).id()).await.unwrap().is_none());
    let failures = bench.store.failures(&job(0.5).id()).await.unwrap();
    let finals: Vec<_> = failures.into_iter().map(|failure| failure.unwrap().is_final).collect();
    assert_eq!(finals, [false, false, true]);
    assert_eq!(bench.queue.parked().len(), 1);
}

#[tokio::test]
async fn bad_input_is_parked_at_once() {
    let bench = bench([Next::Fail(JobError::Incomplete("no head".to_owned()))]);
    bench.queue.publish(&job(0.5), "tests").await.unwrap();
    assert!(bench.worker.run_one().await.unwrap());
    assert_eq!((bench.fake.computed(), bench.queue.parked().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_stopped_worker_gives_its_job_back_uncounted() {
    let bench = bench([Next::WaitForStop]);
    bench.queue.publish(&job(0.5), "tests").await.unwrap();
    let at_work = async {
        while bench.fake.computed() == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    assert_eq!(bench.worker.run_until(at_work).await.unwrap(), Ended::Stopped);
    assert!(bench.store.failures(&job(0.5).id()).await.unwrap().is_empty());
    assert!(bench.worker.run_one().await.unwrap());
    assert_eq!(bench.store.result(&job(0.5).id()).await.unwrap().unwrap().run.attempt, 1);
}

#[tokio::test]
async fn an_idle_worker_stops_at_once() {
    let bench = bench([]);
    assert_eq!(bench.worker.run_until(std::future::ready(())).await.unwrap(), Ended::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_job_over_its_limit_is_stopped_and_recorded() {
    let bench = bench([Next::WaitForStop]);
    bench.queue.publish(&job(0.5), "tests").await.unwrap();
    assert!(bench.worker.run_one().await.unwrap());
    let failures = bench.store.failures(&job(0.5).id()).await.unwrap();
    let failure = failures.into_iter().next().unwrap().unwrap();
    assert_eq!(failure.errors, ["the job took longer than its limit of 60 s"]);
    assert!(failure.is_final);
}

#[tokio::test]
async fn a_panic_costs_the_job_and_not_the_thread() {
    let mut first = true;
    let thread = DeviceThread::start("fake".to_owned(), Default::default(), move |job, _| {
        if std::mem::take(&mut first) {
            panic!("out of memory");
        }
        Ok(computed(job))
    });
    let folder = TempDir::new().unwrap();
    let (store, queue) = (Store::folder(folder.path()).unwrap(), MemoryQueue::new());
    let limits = Limits { attempts: 1, ..Limits::default() };
    let worker = Worker::new("w1".to_owned(), Arc::new(queue.clone()), store.clone(), Arc::new(thread));
    let worker = worker.with_limits(limits);
    queue.publish(&job(0.1), "tests").await.unwrap();
    queue.publish(&job(0.2), "tests").await.unwrap();
    queue.close();
    worker.run_until(std::future::pending()).await.unwrap();
    assert!(store.result(&job(0.1).id()).await.unwrap().is_none());
    assert!(store.result(&job(0.2).id()).await.unwrap().is_some());
}
