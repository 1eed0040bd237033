//! How a worker stops: asked to, idle, or with a job that does not end.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_stopped_worker_returns_its_job_uncounted() {
    let bench = bench([Next::WaitForStop]);
    bench.queue.publish(&job(0.5), "tests").await.unwrap();
    let at_work = async {
        while bench.fake.computed() == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    assert_eq!(bench.worker.run_until(pending(), at_work).await.unwrap(), WorkerEnd::Stopped);
    assert!(bench.store.failures(&job(0.5).id()).await.unwrap().is_empty());
    assert!(bench.worker.run_one().await.unwrap());
    assert_eq!(bench.store.result(&job(0.5).id()).await.unwrap().unwrap().run.attempt, 1);
}

#[tokio::test]
async fn an_idle_worker_stops_at_once() {
    let bench = bench([]);
    assert_eq!(bench.worker.run_until(ready(()), pending()).await.unwrap(), WorkerEnd::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_draining_worker_finishes_its_job_and_takes_no_other() {
    let bench = bench([Next::Take(Duration::from_secs(10))]);
    bench.queue.publish(&job(0.5), "tests").await.unwrap();
    bench.queue.publish(&job(0.6), "tests").await.unwrap();
    let drain = tokio::time::sleep(Duration::from_secs(2));
    assert_eq!(bench.worker.run_until(drain, pending()).await.unwrap(), WorkerEnd::Stopped);
    assert!(bench.store.result(&job(0.5).id()).await.unwrap().is_some());
    assert_eq!(bench.queue.waiting().await.unwrap(), Some(1), "the other job is left for others");
}

#[tokio::test(start_paused = true)]
async fn a_second_shutdown_signal_returns_the_job_of_a_draining_worker() {
    let bench = bench([Next::Take(Duration::from_secs(50))]);
    bench.queue.publish(&job(0.5), "tests").await.unwrap();
    let drain = tokio::time::sleep(Duration::from_secs(2));
    let now = tokio::time::sleep(Duration::from_secs(4));
    assert_eq!(bench.worker.run_until(drain, now).await.unwrap(), WorkerEnd::Stopped);
    assert!(bench.store.result(&job(0.5).id()).await.unwrap().is_none());
    let delivery = bench.queue.next().await.unwrap().unwrap();
    assert_eq!((delivery.attempt(), delivery.losses()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_does_not_stop_is_recorded_and_ends_the_worker() {
    let bench = bench([Next::Hang]);
    bench.queue.publish(&job(0.5), "tests").await.unwrap();
    let error = bench.worker.run_until(pending(), pending()).await.unwrap_err();
    assert!(matches!(error, WorkerError::Hangs(id) if id == job(0.5).id()), "{error}");
    let failures = bench.store.failures(&job(0.5).id()).await.unwrap();
    let failure = failures.into_iter().next().unwrap().unwrap();
    assert_eq!(failure.errors, ["the job took longer than its limit of 60 s"]);
    assert_eq!((failure.sweep.as_deref(), failure.is_final), (Some("tests"), false));
    assert_eq!(bench.queue.waiting().await.unwrap(), Some(1), "another may do it");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_does_not_stop_ends_the_worker_though_nothing_can_be_recorded() {
    let backend = Faulty::new(MemoryBackend::new());
    let store = Store::new(backend.clone());
    let _put = store.put_manifest("tests", &()).await.unwrap();
    let queue = MemoryQueue::new();
    let fake = Arc::new(Fake::new([Next::Hang]));
    let limits = Limits { wall_clock: Some(Duration::from_secs(60)), ..Limits::default() };
    let worker = Worker::new("w1".to_owned(), Arc::new(queue.clone()), store, fake).with_limits(limits);
    backend.strike(u32::MAX, Action::Write, "failures/", Fault::Fails(Problem::Unavailable));
    queue.publish(&job(0.5), "tests").await.unwrap();
    let error = worker.run_until(pending(), pending()).await.unwrap_err();
    assert!(matches!(error, WorkerError::Hangs(_)), "{error}");
    assert_eq!(queue.waiting().await.unwrap(), Some(1), "the job is back for another worker");
}

#[tokio::test(start_paused = true)]
async fn a_running_job_finishes_after_a_cancellation_that_does_not_stop_running_jobs() {
    for stops_running in [false, true] {
        let bench = bench([Next::Take(Duration::from_secs(50))]);
        bench.queue.publish(&job(0.5), "tests").await.unwrap();
        bench.queue.close();
        let cancelling = async {
            tokio::time::sleep(Duration::from_secs(7)).await;
            let cancellation = Cancellation::new(1, stops_running, 1);
            bench.store.put_document("tests", Cancellation::DOCUMENT, &cancellation).await.unwrap();
        };
        let (ended, ()) = tokio::join!(bench.worker.run_until(pending(), pending()), cancelling);
        assert_eq!(ended.unwrap(), WorkerEnd::QueueClosed);
        let result = bench.store.result(&job(0.5).id()).await.unwrap();
        assert_eq!(result.is_none(), stops_running);
        assert!(bench.store.failures(&job(0.5).id()).await.unwrap().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_worker_ends_after_its_limit() {
    let bench = bench([]);
    let worker = bench.worker.with_limits(Limits { idle: Some(Duration::from_secs(30)), ..Limits::default() });
    bench.queue.publish(&job(0.5), "tests").await.unwrap();
    assert_eq!(worker.run_until(pending(), pending()).await.unwrap(), WorkerEnd::Idle);
    assert_eq!(bench.fake.computed(), 1);
}
