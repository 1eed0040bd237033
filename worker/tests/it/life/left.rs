//! Jobs that a worker leaves to others, and jobs of sweeps that need them no more.

use super::*;

fn of_later_semantics() -> jobs::Job {
    let own = job(0.5);
    let mut meaning = own.spec().as_evaluation().unwrap().clone();
    meaning.evaluation += 1;
    jobs::Job::new(meaning, own.places)
}

#[tokio::test(start_paused = true)]
async fn a_job_of_another_semantics_is_left_to_another_worker_and_not_computed() {
    let bench = bench([]);
    let later = of_later_semantics();
    bench.queue.publish(&later, "tests").await.unwrap();
    assert!(bench.worker.run_one().await.unwrap());
    assert_eq!((bench.fake.computed(), bench.queue.waiting().await.unwrap()), (0, Some(1)));
    assert!(
        bench.queue.dead_letters().is_empty() && bench.store.jobs_with_failures().await.unwrap().is_empty(),
        "nothing has failed"
    );
    let delivery = bench.queue.next().await.unwrap().unwrap();
    assert_eq!((delivery.job().id(), delivery.attempt(), delivery.losses()), (later.id(), 1, 0), "as it was");
    delivery.ack().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_receives_only_jobs_of_other_versions_is_idle() {
    let bench = bench([]);
    let later = of_later_semantics();
    bench.queue.publish(&later, "tests").await.unwrap();
    // The job comes by every quarter of a minute.
    let worker = bench.worker.with_limits(Limits { idle: Some(Duration::from_secs(40)), ..Limits::default() });
    let ended = tokio::time::timeout(Duration::from_secs(60), worker.run_until(pending(), pending())).await;
    assert_eq!(ended.expect("it is idle").unwrap(), WorkerEnd::Idle);
}

fn of_command() -> Job {
    let job = job(0.5);
    let command = CommandInput {
        semantics: COMMAND_SEMANTICS,
        base: Digest::of(b"base"),
        argv: vec!["true".to_owned()],
        files: BTreeMap::new(),
        environment: BTreeMap::new(),
        pass: BTreeSet::new(),
        write: CommandModel::Adapter,
    };
    let benchmark = BenchmarkInput::Command(Box::new(command));
    Job::new(Meaning { benchmark, ..job.spec().as_evaluation().unwrap().clone() }, job.places.clone())
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_receives_only_commands_that_it_may_not_run_is_idle() {
    let bench = bench([]);
    bench.queue.publish(&of_command(), "tests").await.unwrap();
    let worker = bench.worker.with_limits(Limits { idle: Some(Duration::from_secs(40)), ..Limits::default() });
    let ended = tokio::time::timeout(Duration::from_secs(60), worker.run_until(pending(), pending())).await;
    assert_eq!(ended.expect("it is idle").unwrap(), WorkerEnd::Idle);
    assert_eq!(bench.fake.computed(), 0);
}

#[tokio::test]
async fn a_leftover_job_of_a_removed_sweep_is_discarded_and_ends_no_worker() {
    let bench = bench([]);
    let mark = Cancellation::of_removed(1);
    bench.store.put_document("removed", Cancellation::DOCUMENT, &mark).await.unwrap();
    bench.queue.publish(&job(0.5), "removed").await.unwrap();
    assert!(bench.worker.run_one().await.unwrap());
    assert_eq!((bench.fake.computed(), bench.queue.waiting().await.unwrap()), (0, Some(0)));
}

#[tokio::test(start_paused = true)]
async fn a_leftover_job_of_a_finished_sweep_is_acknowledged_and_not_computed() {
    let bench = bench([]);
    bench.store.put_document("tests", Cancellation::DOCUMENT, &Cancellation::finished(1, 1)).await.unwrap();
    for scaling in [0.5, 0.5, 0.6] {
        bench.queue.publish(&job(scaling), "tests").await.unwrap();
    }
    bench.queue.publish(&job(0.5), "another").await.unwrap();
    bench.queue.close();
    bench.worker.run_until(pending(), pending()).await.unwrap();
    assert_eq!((bench.fake.computed(), bench.queue.waiting().await.unwrap()), (1, Some(0)));
    assert!(bench.queue.dead_letters().is_empty());
    assert!(bench.store.result(&job(0.6).id()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_worker_beside_its_coordinator_computes_jobs_of_sweeps_that_no_store_holds() {
    let bench = bench([]);
    let worker = bench.worker.sharing_the_store();
    bench.queue.publish(&job(0.5), "evaluated and not kept").await.unwrap();
    assert!(worker.run_one().await.unwrap());
    assert_eq!(bench.fake.computed(), 1);
    assert!(bench.store.result(&job(0.5).id()).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_job_that_another_live_worker_computes_is_not_dead_lettered() {
    let bench = bench([]);
    let status = |beat_ms| {
        let in_hand = JobInHand { job: job(0.5).id(), sweep: "tests".to_owned(), attempt: 1, since_ms: 0, steps: None };
        WorkerStatus { state: WorkerState::Busy, job: Some(in_hand), beat_ms, ..WorkerStatus::fresh("w2", "fake", 0) }
    };
    bench.queue.publish(&job(0.5), "tests").await.unwrap();
    for _ in 0..5 {
        drop(bench.queue.next().await.unwrap().unwrap());
    }
    // Its clock is years behind: only the store's time of the heartbeat counts.
    bench.store.put_worker("w2", &status(0)).await.unwrap();
    assert!(bench.worker.run_one().await.unwrap());
    assert_eq!((bench.queue.dead_letters().len(), bench.queue.waiting().await.unwrap()), (0, Some(1)));
    // One whose clock is ahead is not alive for ever.
    bench.store.put_worker("w2", &status(u64::MAX)).await.unwrap();
    let file = std::fs::File::options().write(true).open(bench._folder.path().join("workers/w2.json")).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(61)).unwrap();
    assert!(bench.worker.run_one().await.unwrap());
    assert_eq!((bench.queue.dead_letters().len(), bench.queue.waiting().await.unwrap()), (1, Some(0)));
}

#[tokio::test(start_paused = true)]
async fn jobs_of_a_cancelled_sweep_are_dropped() {
    let bench = bench([]);
    let cancel = |stops_running| Cancellation::new(1, stops_running, 1);
    bench.store.put_document("tests", Cancellation::DOCUMENT, &cancel(false)).await.unwrap();
    bench.queue.publish(&job(0.5), "tests").await.unwrap();
    bench.queue.publish(&job(0.6), "another").await.unwrap();
    bench.queue.close();
    bench.worker.run_until(pending(), pending()).await.unwrap();
    assert_eq!(bench.fake.computed(), 1);
    assert!(bench.store.result(&job(0.6).id()).await.unwrap().is_some());
    assert!(bench.store.failures(&job(0.5).id()).await.unwrap().is_empty());
}
