//! Runs that end before their searches are over, and the runs that resume them.

use super::*;

#[tokio::test]
async fn a_run_ends_when_more_jobs_fail_than_are_allowed() {
    let fixture = Fixture::new();
    let settings = Settings { max_failures: Some(1), ..Settings::default() };
    let ran = fixture.run_with(&["method=grid"], settings, usize::MAX, |job| scaling(job).is_some()).await.unwrap();
    let Ended::TooManyFailures { failed, limit: 1 } = ran.end.ended else { panic!("{:?}", ran.end) };
    assert!(failed > 1, "{failed}");
    let progress: Progress = fixture.store.document("small", Progress::DOCUMENT).await.unwrap().unwrap();
    assert_eq!((progress.ended.as_deref(), progress.failed), (Some("too many failures"), failed));
    assert_eq!(progress.failures[0].errors, ["the formula does not hold"]);
}

#[tokio::test]
async fn a_sweep_whose_base_fails_stops_with_one_message_and_the_next_run_resumes_it() {
    let fixture = Fixture::new();
    let large = ["method=grid", "parameters.scaling={min: 0.01, max: 2.0, step: 0.01}", "parameters.density=[0.5]"];
    let all = |job: &Job| !matches!(meaning(job).subject, jobs::Subject::Adapter { .. });
    let ran = fixture.run_with(&large, Settings::default(), usize::MAX, all).await.unwrap();
    let Ended::Stopped(reason @ StopReason::Base { .. }) = &ran.end.ended else { panic!("{:?}", ran.end) };
    assert!(reason.to_string().contains("failed on `validation`"), "{reason}");
    assert!(ran.end.counts.failed < 64, "{:?}", ran.end.counts);
    // Workers drop what is left in the queue, until the next run.
    let dropped: Cancellation = fixture.store.document("small", Cancellation::DOCUMENT).await.unwrap().unwrap();
    assert!(dropped.stopped.unwrap().contains("the base model itself failed"));
    let again = fixture.run_with(&large, Settings::default(), usize::MAX, |_| false).await.unwrap();
    assert!(matches!(again.end.ended, Ended::Stopped(StopReason::Base { .. })), "it failed before: {:?}", again.end);
    assert_eq!(again.computed.len(), 0);
    let mended = Settings { retry: Retry::Everything, ..Settings::default() };
    let mended = fixture.run_with(&large, mended, usize::MAX, |_| false).await.unwrap();
    assert_eq!((mended.end.counts.failed, outcome(&mended).missing), (0, 0));
    assert_eq!(fixture.store.document::<Cancellation>("small", Cancellation::DOCUMENT).await.unwrap(), None);
}

#[tokio::test]
async fn jobs_that_fail_for_the_same_reason_stop_the_sweep() {
    let fixture = Fixture::new();
    let settings = Settings { failure_streak: Some(5), window: 4, ..Settings::default() };
    let merges = |job: &Job| scaling(job).is_some();
    let ran = fixture.run_with(&["method=grid"], settings, usize::MAX, merges).await.unwrap();
    let Ended::Stopped(StopReason::SameFailure { jobs, error }) = &ran.end.ended else { panic!("{:?}", ran.end) };
    assert!((5..10).contains(jobs) && error == "the formula does not hold", "{jobs} {error}");
    let progress: Progress = fixture.store.document("small", Progress::DOCUMENT).await.unwrap().unwrap();
    assert!(progress.ended.unwrap().starts_with("stopped: "));
    let settings = Settings { failure_streak: None, retry: Retry::Everything, ..Settings::default() };
    let ran = fixture.run_with(&["method=grid"], settings, usize::MAX, merges).await.unwrap();
    assert!(matches!(ran.end.ended, Ended::Finished(_)));
}

#[tokio::test(start_paused = true)]
async fn a_run_ends_at_its_time_limit_and_a_longer_limit_resumes_it() {
    let fixture = Fixture::new();
    let settings = |time| Settings { max_time: time, ..Settings::default() };
    let none = fixture.run_with(&[], settings(Some(Duration::ZERO)), usize::MAX, |_| false).await.unwrap();
    assert_eq!(none.end.ended, Ended::Stopped(StopReason::Time(Duration::ZERO)));
    let coordinator = Coordinator {
        publisher: Arc::new(MemoryQueue::new()),
        store: fixture.store.clone(),
        settings: settings(Some(Duration::from_secs(60))),
    };
    let resume = Resume::fresh(&frozen(&[])).unwrap();
    let start = tokio::time::Instant::now();
    let end = coordinator.run(frozen(&[]), resume, &mut |_| (), std::future::pending()).await.unwrap();
    assert_eq!(end.ended, Ended::Stopped(StopReason::Time(Duration::from_secs(60))));
    assert!((60..70).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    assert_eq!(outcome(&fixture.run(&[]).await).sweep, "small");
}

#[tokio::test]
async fn a_search_that_ends_early_reports_the_best_so_far_and_can_be_resumed() {
    for method in ["method=linear", "method=grid"] {
        let fixture = Fixture::new();
        fixture.run_with(&[method], Settings::default(), 6, |_| false).await.unwrap();
        let finish = Settings { finish: true, ..Settings::default() };
        let ended = fixture.run_with(&[method], finish, usize::MAX, |_| false).await.unwrap();
        let table = outcome(&ended);
        assert!(table.ended_early && table.missing == 0);
        let RowKind::Search { spec, points, .. } = &table.rows[3].kind else { panic!() };
        let best =
            points.iter().filter_map(|point| Some((point.value?, &point.spec))).max_by(|a, b| a.0.total_cmp(&b.0));
        assert_eq!(Some(spec), best.map(|(_, spec)| spec), "{method}");
        assert!(table.rows[3].jobs.values().all(|jobs| jobs.len() == 1), "{:?}", table.rows[3].jobs);
        assert!(
            ended
                .computed
                .iter()
                .all(|job| scaling(job).is_none() || meaning(job).split == "test" || { scaling(job) == Some(0.1) }),
            "no search continued"
        );
        let whole = fixture.run(&[method]).await;
        assert_eq!(outcome(&whole), outcome(&Fixture::new().run(&[method]).await));
    }
}

#[tokio::test]
async fn a_race_that_ends_early_reports_its_leader_and_can_be_resumed() {
    for method in ["method=linear", "method=grid"] {
        let fixture = Fixture::new();
        let overrides = [method, "racing={slice: 100}"];
        fixture.run_with(&overrides, Settings::default(), 9, |_| false).await.unwrap();
        let finish = Settings { finish: true, ..Settings::default() };
        let ended = fixture.run_with(&overrides, finish, usize::MAX, |_| false).await.unwrap();
        let table = outcome(&ended);
        assert!(table.ended_early && table.missing == 0, "{method}");
        assert!(table.rows[3].jobs.values().all(|jobs| jobs.len() == 1), "{method}: {:?}", table.rows[3]);
        let searched = ended.computed.iter().filter(|job| scaling(job).is_some() && meaning(job).split != "test");
        assert!(!searched.clone().any(|job| meaning(job).slice.is_some()), "no race continued: {method}");
        let whole = fixture.run(&overrides).await;
        let undisturbed = Fixture::new().run(&overrides).await;
        // The value of a leader that was evaluated for the early end is shown, and decides nothing.
        let jobs = |ran: &Ran| outcome(ran).rows.iter().map(|row| row.jobs.clone()).collect::<Vec<_>>();
        assert_eq!(jobs(&whole), jobs(&undisturbed), "{method}");
    }
}

#[tokio::test]
async fn slices_that_fail_count_as_no_failures_and_stop_no_sweep() {
    let fixture = Fixture::new();
    let overrides = ["method=grid", "racing={slice: 100}"];
    let is_slice = |job: &Job| job.spec().as_evaluation().is_some_and(|meaning| meaning.slice.is_some());
    let settings = Settings { max_failures: Some(0), failure_streak: Some(2), ..Settings::default() };
    let ran = fixture.run_with(&overrides, settings.clone(), usize::MAX, is_slice).await.unwrap();
    let table = outcome(&ran).clone();
    assert_eq!((ran.end.counts.failed, table.missing), (0, 0));
    assert!(!ran.events.iter().any(|event| matches!(event, Event::Failed { .. })));
    let known = survey(&frozen(&overrides), &fixture.store, Retry::Nothing).await.unwrap();
    assert_eq!(known.survey.failed, 0);
    let again = fixture.run_with(&overrides, settings, usize::MAX, is_slice).await.unwrap();
    assert_eq!((again.end.counts.failed, outcome(&again)), (0, &table));
}

/// The outcome of a run that receives a request to end the searches of `revision`.
async fn requested_to_finish(revision: u32) -> Outcome {
    let fixture = Fixture::new();
    let queue = MemoryQueue::new();
    let settings = Settings { window: 3, ..Settings::default() };
    let coordinator = Coordinator { publisher: Arc::new(queue.clone()), store: fixture.store.clone(), settings };
    let worker = async {
        let mut done = 0;
        while let Some(delivery) = queue.next().await.unwrap() {
            let _put = fixture.store.put_result(&result(delivery.job())).await.unwrap();
            delivery.ack().await.unwrap();
            done += 1;
            if done == 8 {
                fixture.store.put_document("small", Finish::DOCUMENT, &Finish::new(revision, 1)).await.unwrap();
                // Time for the run to read the request.
                tokio::time::sleep(Duration::from_secs(30)).await;
            }
        }
    };
    let resume = Resume::fresh(&frozen(&["method=grid"])).unwrap();
    let mut on_event = |_| ();
    let end = tokio::select! {
        end = coordinator.run(frozen(&["method=grid"]), resume, &mut on_event, std::future::pending()) => end.unwrap(),
        () = worker => unreachable!("the queue is never closed"),
    };
    let Ended::Finished(table) = end.ended else { panic!("{end:?}") };
    *table
}

#[tokio::test(start_paused = true)]
async fn a_run_follows_a_request_to_end_its_searches_and_ignores_one_for_another_revision() {
    assert!(!requested_to_finish(2).await.ended_early);
    let table = requested_to_finish(1).await;
    assert!(table.ended_early);
    let RowKind::Search { points, .. } = &table.rows[3].kind else { panic!() };
    assert!(points.len() < 20, "{}", points.len());
    assert!(table.rows[3].jobs.values().all(|jobs| jobs.len() == 1));
}

#[tokio::test]
async fn device_time_is_counted_over_all_runs_of_a_sweep() {
    let fixture = Fixture::new();
    let none = fixture.run_with(&[], Settings::default(), 5, |_| false).await.unwrap();
    assert_eq!(none.end.ended, Ended::Interrupted);
    let mut progress: Progress = fixture.store.document("small", Progress::DOCUMENT).await.unwrap().unwrap();
    progress.device_s += 7200.0;
    fixture.store.put_document("small", Progress::DOCUMENT, &progress).await.unwrap();
    let two_hours = Some(Duration::from_secs(7200));
    let settings = Settings { max_device_time: two_hours, ..Settings::default() };
    let ran = fixture.run_with(&[], settings, usize::MAX, |_| false).await.unwrap();
    assert!(matches!(ran.end.ended, Ended::Stopped(StopReason::DeviceTime(_))), "{:?}", ran.end);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_sweep_ends_and_does_not_start_again_before_the_cancellation_is_withdrawn() {
    let fixture = Fixture::new();
    let coordinator = Coordinator {
        publisher: Arc::new(MemoryQueue::new()),
        store: fixture.store.clone(),
        settings: Settings::default(),
    };
    let run = async || {
        let resume = Resume::fresh(&frozen(&[])).unwrap();
        coordinator.run(frozen(&[]), resume, &mut |_| (), std::future::pending()).await
    };
    let cancelling = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        fixture.store.put_document("small", Cancellation::DOCUMENT, &Cancellation::new(1, false, 7)).await.unwrap();
    };
    let (end, ()) = tokio::join!(run(), cancelling);
    assert_eq!(end.unwrap().ended, Ended::Cancelled);
    let again = run().await.unwrap_err();
    assert!(matches!(&again, CoordinatorError::Cancelled { cancelled_ms: 7, .. }), "{again}");
    fixture.store.delete_document("small", Cancellation::DOCUMENT).await.unwrap();
    assert_eq!(outcome(&fixture.run(&[]).await).sweep, "small");
}

#[tokio::test]
async fn workers_drop_the_leftover_messages_of_a_finished_sweep_until_it_is_run_again() {
    let fixture = Fixture::new();
    let remote = || Settings { pool: Some("cpu".to_owned()), ..Settings::default() };
    let mark = async || fixture.store.cancellation("small").await.unwrap();
    let ran = fixture.run_with(&[], remote(), usize::MAX, |_| false).await.unwrap();
    assert!(matches!(ran.end.ended, Ended::Finished(_)));
    let left = mark().await.unwrap();
    assert!(left.is_finished && left.covers(1) && !left.is_requested_for(1) && !left.stops_running, "{left:?}");
    let progress: Progress = fixture.store.document("small", Progress::DOCUMENT).await.unwrap().unwrap();
    assert_eq!(progress.pool.as_deref(), Some("cpu"));
    // A later revision has jobs of its own, which must not be dropped.
    let ran = fixture.run_with(&["parameters.scaling=[0.01, 0.77]"], remote(), 1, |_| false).await.unwrap();
    assert!(matches!(ran.end.ended, Ended::Interrupted), "{:?}", ran.end);
    assert_eq!(mark().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_run_continues_when_another_run_of_the_sweep_has_finished() {
    let fixture = Fixture::new();
    let settings = Settings { pool: Some("cpu".to_owned()), window: 1, ..Settings::default() };
    let queue = MemoryQueue::new();
    let coordinator = Coordinator { publisher: Arc::new(queue.clone()), store: fixture.store.clone(), settings };
    let other = async {
        let delivery = queue.next().await.unwrap().unwrap();
        fixture.store.put_document("small", Cancellation::DOCUMENT, &Cancellation::finished(1, 1)).await.unwrap();
        while fixture.store.cancellation("small").await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let _put = fixture.store.put_result(&result(delivery.job())).await.unwrap();
        delivery.ack().await.unwrap();
        queue.next().await.unwrap().unwrap()
    };
    let mut on_event = |_| ();
    let resume = Resume::fresh(&frozen(&[])).unwrap();
    tokio::select! {
        end = coordinator.run(frozen(&[]), resume, &mut on_event, std::future::pending()) => panic!("{end:?}"),
        next = other => drop(next),
    }
}
