//! What ends a run before its searches are over, and what goes on afterwards.

use super::*;

#[tokio::test]
async fn a_run_ends_when_more_jobs_fail_than_may() {
    let house = House::new();
    let settings = Settings { max_failures: Some(1), ..Settings::default() };
    let ran = house.run_with(&["method=grid"], settings, usize::MAX, |job| scaling(job).is_some()).await.unwrap();
    let Ended::TooManyFailures { failed, limit: 1 } = ran.report.ended else { panic!("{:?}", ran.report) };
    assert!(failed > 1, "{failed}");
    let told: Progress = house.store.document("small", Progress::DOCUMENT).await.unwrap().unwrap();
    assert_eq!((told.ended.as_deref(), told.failed), (Some("too many failures"), failed));
    assert_eq!(told.failures[0].errors, ["the formula does not hold"]);
}

#[tokio::test]
async fn a_sweep_whose_base_fails_stops_with_one_message_and_the_next_run_goes_on() {
    let house = House::new();
    let large = ["method=grid", "parameters.scaling={min: 0.01, max: 2.0, step: 0.01}", "parameters.density=[0.5]"];
    let all = |job: &Job| !matches!(meaning(job).subject, jobs::Subject::Adapter { .. });
    let ran = house.run_with(&large, Settings::default(), usize::MAX, all).await.unwrap();
    let Ended::Stopped(reason @ Stopped::Base { .. }) = &ran.report.ended else { panic!("{:?}", ran.report) };
    assert!(reason.to_string().contains("failed on `validation`"), "{reason}");
    assert!(ran.report.counts.failed < 64, "{:?}", ran.report.counts);
    // What is left in the queue is dropped by workers, and the next run takes that back.
    let dropped: Cancellation = house.store.document("small", Cancellation::DOCUMENT).await.unwrap().unwrap();
    assert!(dropped.stopped.unwrap().contains("the base model itself failed"));
    let again = house.run_with(&large, Settings::default(), usize::MAX, |_| false).await.unwrap();
    assert!(matches!(again.report.ended, Ended::Stopped(Stopped::Base { .. })), "it failed before: {:?}", again.report);
    assert_eq!(again.computed.len(), 0);
    let mended = Settings { retry: Retry::Everything, ..Settings::default() };
    let mended = house.run_with(&large, mended, usize::MAX, |_| false).await.unwrap();
    assert_eq!((mended.report.counts.failed, outcome(&mended).missing), (0, 0));
    assert_eq!(house.store.document::<Cancellation>("small", Cancellation::DOCUMENT).await.unwrap(), None);
}

#[tokio::test]
async fn jobs_that_fail_alike_stop_a_sweep_that_does_not_come_to_anything() {
    let house = House::new();
    let settings = Settings { brake: Some(5), window: 4, ..Settings::default() };
    let merges = |job: &Job| scaling(job).is_some();
    let ran = house.run_with(&["method=grid"], settings, usize::MAX, merges).await.unwrap();
    let Ended::Stopped(Stopped::Alike { jobs, error }) = &ran.report.ended else { panic!("{:?}", ran.report) };
    assert!((5..10).contains(jobs) && error == "the formula does not hold", "{jobs} {error}");
    let told: Progress = house.store.document("small", Progress::DOCUMENT).await.unwrap().unwrap();
    assert!(told.ended.unwrap().starts_with("stopped: "));
    let settings = Settings { brake: None, retry: Retry::Everything, ..Settings::default() };
    let ran = house.run_with(&["method=grid"], settings, usize::MAX, merges).await.unwrap();
    assert!(matches!(ran.report.ended, Ended::Finished(_)));
}

#[tokio::test(start_paused = true)]
async fn a_run_ends_when_it_has_taken_its_time_and_goes_on_when_it_is_given_more() {
    let house = House::new();
    let settings = |time| Settings { max_time: time, ..Settings::default() };
    let none = house.run_with(&[], settings(Some(Duration::ZERO)), usize::MAX, |_| false).await.unwrap();
    assert_eq!(none.report.ended, Ended::Stopped(Stopped::Time(Duration::ZERO)));
    let coordinator = Coordinator {
        publisher: Arc::new(MemoryQueue::new()),
        store: house.store.clone(),
        settings: settings(Some(Duration::from_secs(60))),
    };
    let resume = Resume::fresh(&frozen(&[])).unwrap();
    let start = tokio::time::Instant::now();
    let report = coordinator.run(frozen(&[]), resume, &mut |_| (), std::future::pending()).await.unwrap();
    assert_eq!(report.ended, Ended::Stopped(Stopped::Time(Duration::from_secs(60))));
    assert!((60..70).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    assert_eq!(outcome(&house.run(&[]).await).sweep, "small");
}

#[tokio::test]
async fn a_search_that_is_ended_early_reports_the_best_so_far_and_can_go_on_later() {
    for method in ["method=linear", "method=grid"] {
        let house = House::new();
        house.run_with(&[method], Settings::default(), 6, |_| false).await.unwrap();
        let finish = Settings { finish: true, ..Settings::default() };
        let ended = house.run_with(&[method], finish, usize::MAX, |_| false).await.unwrap();
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
            "no search went on"
        );
        let whole = house.run(&[method]).await;
        assert_eq!(outcome(&whole), outcome(&House::new().run(&[method]).await));
    }
}

/// What a run comes to that is told under way to end the searches of a `revision`.
async fn told_to_finish(revision: u32) -> Outcome {
    let house = House::new();
    let queue = MemoryQueue::new();
    let settings = Settings { window: 3, ..Settings::default() };
    let coordinator = Coordinator { publisher: Arc::new(queue.clone()), store: house.store.clone(), settings };
    let worker = async {
        let mut done = 0;
        while let Some(delivery) = queue.next().await.unwrap() {
            let _put = house.store.put_result(&result(delivery.job())).await.unwrap();
            delivery.ack().await.unwrap();
            done += 1;
            if done == 8 {
                house.store.put_document("small", Finish::DOCUMENT, &Finish::new(revision, 1)).await.unwrap();
                // Jobs that take their time.
                tokio::time::sleep(Duration::from_secs(30)).await;
            }
        }
    };
    let resume = Resume::fresh(&frozen(&["method=grid"])).unwrap();
    let mut on_event = |_| ();
    let report = tokio::select! {
        report = coordinator.run(frozen(&["method=grid"]), resume, &mut on_event, std::future::pending()) => report.unwrap(),
        () = worker => unreachable!("the queue is never closed"),
    };
    let Ended::Finished(table) = report.ended else { panic!("{report:?}") };
    *table
}

#[tokio::test(start_paused = true)]
async fn a_run_under_way_hears_that_its_searches_are_to_end_and_no_wish_of_another_revision() {
    assert!(!told_to_finish(2).await.ended_early);
    let table = told_to_finish(1).await;
    assert!(table.ended_early);
    let RowKind::Search { points, .. } = &table.rows[3].kind else { panic!() };
    assert!(points.len() < 20, "{}", points.len());
    assert!(table.rows[3].jobs.values().all(|jobs| jobs.len() == 1));
}

#[tokio::test]
async fn device_time_is_counted_over_all_runs_of_a_sweep() {
    let house = House::new();
    let none = house.run_with(&[], Settings::default(), 5, |_| false).await.unwrap();
    assert_eq!(none.report.ended, Ended::Interrupted);
    let mut told: Progress = house.store.document("small", Progress::DOCUMENT).await.unwrap().unwrap();
    told.device_s += 7200.0;
    house.store.put_document("small", Progress::DOCUMENT, &told).await.unwrap();
    let two_hours = Some(Duration::from_secs(7200));
    let settings = Settings { max_device_time: two_hours, ..Settings::default() };
    let ran = house.run_with(&[], settings, usize::MAX, |_| false).await.unwrap();
    assert!(matches!(ran.report.ended, Ended::Stopped(Stopped::DeviceTime(_))), "{:?}", ran.report);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_sweep_ends_and_does_not_start_again_before_that_is_taken_back() {
    let house = House::new();
    let coordinator = Coordinator {
        publisher: Arc::new(MemoryQueue::new()),
        store: house.store.clone(),
        settings: Settings::default(),
    };
    let run = async || {
        let resume = Resume::fresh(&frozen(&[])).unwrap();
        coordinator.run(frozen(&[]), resume, &mut |_| (), std::future::pending()).await
    };
    let cancelling = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        house.store.put_document("small", Cancellation::DOCUMENT, &Cancellation::new(1, false, 7)).await.unwrap();
    };
    let (report, ()) = tokio::join!(run(), cancelling);
    assert_eq!(report.unwrap().ended, Ended::Cancelled);
    let again = run().await.unwrap_err();
    assert!(matches!(&again, CoordinatorError::Cancelled { cancelled_ms: 7, .. }), "{again}");
    house.store.delete_document("small", Cancellation::DOCUMENT).await.unwrap();
    assert_eq!(outcome(&house.run(&[]).await).sweep, "small");
}

#[tokio::test]
async fn a_finished_sweep_has_workers_drop_what_is_left_in_their_queue_until_it_is_run_again() {
    let house = House::new();
    let remote = || Settings { pool: Some("cpu".to_owned()), ..Settings::default() };
    let mark = async || house.store.cancellation("small").await.unwrap();
    let ran = house.run_with(&[], remote(), usize::MAX, |_| false).await.unwrap();
    assert!(matches!(ran.report.ended, Ended::Finished(_)));
    let left = mark().await.unwrap();
    assert!(left.is_finished && left.covers(1) && !left.is_wished_of(1) && !left.stops_running, "{left:?}");
    let told: Progress = house.store.document("small", Progress::DOCUMENT).await.unwrap().unwrap();
    assert_eq!(told.pool.as_deref(), Some("cpu"));
    // A later revision has jobs of its own, which are wanted; so has a run that goes on for more.
    let ran = house.run_with(&["parameters.scaling=[0.01, 0.77]"], remote(), 1, |_| false).await.unwrap();
    assert!(matches!(ran.report.ended, Ended::Interrupted), "{:?}", ran.report);
    assert_eq!(mark().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_run_goes_on_when_another_of_the_same_sweep_has_finished() {
    let house = House::new();
    let settings = Settings { pool: Some("cpu".to_owned()), window: 1, ..Settings::default() };
    let queue = MemoryQueue::new();
    let coordinator = Coordinator { publisher: Arc::new(queue.clone()), store: house.store.clone(), settings };
    let other = async {
        let delivery = queue.next().await.unwrap().unwrap();
        house.store.put_document("small", Cancellation::DOCUMENT, &Cancellation::finished(1, 1)).await.unwrap();
        while house.store.cancellation("small").await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let _put = house.store.put_result(&result(delivery.job())).await.unwrap();
        delivery.ack().await.unwrap();
        queue.next().await.unwrap().unwrap()
    };
    let mut on_event = |_| ();
    let resume = Resume::fresh(&frozen(&[])).unwrap();
    tokio::select! {
        report = coordinator.run(frozen(&[]), resume, &mut on_event, std::future::pending()) => panic!("{report:?}"),
        next = other => drop(next),
    }
}
