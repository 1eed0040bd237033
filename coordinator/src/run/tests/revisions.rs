//! What becomes of a sweep whose file or inputs change.

use super::{
    repairs::{loser, repairing},
    *,
};
use crate::so_far;
use jobs::{Digest, Manifest, Subject};
use std::collections::BTreeMap;
use store::Revision;

const WIDER: &str = "parameters.scaling=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]";

impl Fixture {
    async fn newest(&self) -> Manifest {
        self.store.manifest("small").await.unwrap().unwrap()
    }

    async fn outcome(&self) -> Outcome {
        self.store.document("small", OUTCOME).await.unwrap().unwrap()
    }

    async fn jobs_in_parts(&self, revision: u32) -> usize {
        self.store.compacted_jobs(Revision::of("small", revision)).await.unwrap().jobs.len()
    }

    /// Runs `frozen`, with results from the formula.
    async fn run_frozen(&self, frozen: Frozen) -> RunEnd {
        let queue = MemoryQueue::new();
        let resume = survey(&frozen, &self.store, Retry::Machines).await.unwrap();
        let coordinator = Coordinator {
            publisher: Arc::new(queue.clone()),
            store: self.store.clone(),
            settings: Settings::default(),
        };
        let worker = async {
            while let Some(delivery) = queue.next().await.unwrap() {
                let _put = self.store.put_result(&result(delivery.job())).await.unwrap();
                delivery.ack().await.unwrap();
            }
        };
        let mut on_event = |_| ();
        tokio::select! {
            end = coordinator.run(frozen, resume, &mut on_event, std::future::pending()) => end.unwrap(),
            () = worker => unreachable!("the queue is never closed"),
        }
    }
}

/// The small sweep with another content of an input.
fn with_content(input: &str, content: &str) -> Frozen {
    let mut manifest = frozen(&[]).manifest(BTreeMap::new());
    manifest.digests.insert(input.to_owned(), Digest::of(content.as_bytes()));
    Frozen::from_manifest(&manifest).unwrap()
}

fn points_of(outcome: &Outcome) -> usize {
    let RowKind::Search { points, .. } = &outcome.rows.last().unwrap().kind else { panic!() };
    points.len()
}

#[tokio::test]
async fn a_wider_range_makes_a_revision_that_computes_only_the_new_points() {
    let fixture = Fixture::new();
    let first = fixture.run(&["method=grid"]).await;
    let second = fixture.run(&["method=grid", WIDER]).await;
    assert_eq!(counts(&second), (4, first.computed.len() as u64, 0));
    assert!(second.computed.iter().all(|job| scaling(job) == Some(0.6)));
    let Event::Revision(revised) = &second.events[0] else { panic!("{:?}", second.events[0]) };
    assert_eq!((revised.number, revised.is_new), (2, true));
    let newest = fixture.newest().await;
    assert_eq!((newest.revision, &newest.changes), (2, &revised.changes));
    assert_eq!(newest.changes[0].to_string(), "`searches.knots_ties.scaling.max`: 0.5 → 0.6");
    assert_eq!(fixture.outcome().await.revision, 2);
    assert_eq!(points_of(&fixture.outcome().await), 24);

    let again = fixture.run(&["method=grid", WIDER]).await;
    assert_eq!((again.computed.len(), fixture.store.newest_revision("small").await.unwrap()), (0, 2));
}

#[tokio::test]
async fn a_narrower_range_leaves_no_point_of_the_earlier_revision_in_outcome_or_parts() {
    let fixture = Fixture::new();
    fixture.run(&["method=grid", WIDER]).await;
    let narrow = fixture.run(&["method=grid", "parameters.scaling=[0.1, 0.2]"]).await;
    assert_eq!(narrow.computed.len(), 1, "the chosen recipe is another, and is reported");
    let outcome = fixture.outcome().await;
    let RowKind::Search { points, spec, .. } = &outcome.rows.last().unwrap().kind else { panic!() };
    assert_eq!((points.len(), spec.scaling), (8, Some(0.2)));
    assert!(points.iter().all(|point| point.spec.scaling < Some(0.3)));
    // Zero-shot, two adapters and the baseline on two splits, eight points, and the chosen one on the other split.
    assert_eq!(fixture.jobs_in_parts(2).await, 2 * 4 + 8 + 1);
    assert_eq!(fixture.jobs_in_parts(1).await, 2 * 4 + 24 + 1);
}

#[tokio::test]
async fn other_data_make_a_revision_that_reuses_nothing_measured_on_them() {
    let fixture = Fixture::new();
    fixture.run(&[]).await;
    let frozen = with_content("data.mnist.validation", "mended");
    let end = fixture.run_frozen(frozen.clone()).await;
    // Single adapters are evaluated on their own tasks: that of flags on validation, and everything on test, is as it
    // was but for what was not chosen before.
    let Ended::Finished(outcome) = end.ended else { panic!() };
    let select: Vec<JobId> = outcome.rows.iter().flat_map(|row| row.jobs["validation"].clone()).collect();
    for job in select {
        let result = fixture.store.result(&job).await.unwrap().unwrap();
        let is_mnist = result.meaning.tasks.iter().any(|task| task.name == "mnist");
        let is_mended = result.meaning.tasks.iter().any(|task| task.data == Digest::of(b"mended"));
        assert_eq!(is_mnist, is_mended, "{:?}", result.meaning.subject);
    }
    assert_eq!(end.counts.reused, 6, "the adapter of flags, and the report split");
}

#[tokio::test]
async fn an_adapter_of_an_earlier_revision_is_no_denominator_of_later_ones() {
    let fixture = Fixture::new();
    fixture.run(&[]).await;
    // Parts of revision 2 hold the accuracy of the old adapter, as a superseded run may leave them.
    let old = frozen(&[]);
    let job = old.job(old.meaning(Subject::Adapter { task: "mnist".to_owned() }, "validation"));
    let mut wrong = result(&job);
    wrong.scores[0].correct = 1;
    fixture.store.put_part(Revision::of("small", 2), vec![wrong]).await.unwrap();
    let frozen = with_content("adapters.mnist", "mended");
    let before = survey(&frozen, &fixture.store, Retry::Machines).await.unwrap();
    assert_eq!((before.revision.number, before.survey.stored), (2, 2), "zero-shot and flags alone");
    let Ended::Finished(outcome) = fixture.run_frozen(frozen).await.ended else { panic!() };
    let RowKind::Search { points, .. } = &outcome.rows.last().unwrap().kind else { panic!() };
    assert!(
        points.iter().all(|point| point.value < Some(1.0)),
        "by the old accuracy each would be some hundreds: {points:?}"
    );
}

#[tokio::test]
async fn a_revision_that_was_killed_anywhere_is_finished_with_exactly_the_rest() {
    let fixture = Fixture::new();
    fixture.run(&["method=grid"]).await;
    let first = fixture.outcome().await;
    for killed_after in 1..4 {
        let settings = Settings::default();
        let killed = fixture.run_with(&["method=grid", WIDER], settings, 1, |_| false).await.unwrap();
        assert_eq!((killed.end.ended, killed.computed.len()), (Ended::Interrupted, 1));
        assert_eq!(
            fixture.outcome().await,
            first,
            "the outcome of the earlier revision stays until there is a later one"
        );
        let resume = survey(&frozen(&["method=grid", WIDER]), &fixture.store, Retry::Machines).await.unwrap();
        assert_eq!((resume.revision.number, resume.revision.is_new), (2, false));
        assert_eq!(resume.survey.missing, 4 - killed_after);
    }
    let rest = fixture.run(&["method=grid", WIDER]).await;
    assert_eq!((rest.computed.len(), fixture.outcome().await.revision), (1, 2));
}

#[tokio::test]
async fn a_revision_that_was_made_and_not_begun_is_continued() {
    let fixture = Fixture::new();
    fixture.run(&[]).await;
    // The coordinator died between the first write and the second.
    let changed = frozen(&["method=grid"]);
    crate::revision::store_revision(&fixture.store, &changed, &BTreeMap::new()).await.unwrap();
    let (so_far, survey) = so_far(&changed.at_revision(2), &fixture.store).await.unwrap();
    assert_eq!((so_far.revision, survey.stored), (2, 11), "references, baseline and the points that both want");
    assert_eq!(fixture.jobs_in_parts(2).await, 0);
    fixture.run(&["method=grid"]).await;
    assert_eq!((fixture.newest().await.revision, fixture.outcome().await.revision), (2, 2));
}

#[tokio::test]
async fn a_later_revision_is_repaired_as_itself() {
    let fixture = Fixture::new();
    fixture.run(&[]).await;
    let whole = fixture.run(&[WIDER]).await;
    fixture.without_parts();
    std::fs::remove_dir_all(fixture._folder.path().join("sweeps/small/revisions/2")).unwrap();
    fixture.edit(&loser(&whole), |value| value["scores"][0]["n"] = 4000.into());
    let broken = fixture.run(&[WIDER]).await;
    assert_eq!((broken.computed.len(), counts(&broken).2), (0, 1));
    let repaired = fixture.run_with(&[WIDER], repairing(), usize::MAX, |_| false).await.unwrap();
    assert_eq!((repaired.computed.len(), counts(&repaired).2), (1, 0));
    assert_eq!(outcome(&repaired), outcome(&whole));
    assert_eq!((fixture.newest().await.revision, fixture.outcome().await.revision), (2, 2));
}

#[tokio::test]
async fn a_mark_that_cannot_be_read_cancels_any_revision_and_stays() {
    let fixture = Fixture::new();
    fixture.run(&[]).await;
    let mark = fixture._folder.path().join("sweeps/small").join(Cancellation::DOCUMENT);
    std::fs::write(&mark, "").unwrap();
    let cancelled = fixture.run_with(&["method=grid"], Settings::default(), usize::MAX, |_| false).await;
    assert!(matches!(cancelled, Err(CoordinatorError::Cancelled { .. })));
    assert!(mark.exists(), "a person takes it back");
}

#[tokio::test]
async fn the_mark_of_a_cancelled_revision_does_not_cancel_the_next_one() {
    let fixture = Fixture::new();
    fixture.run(&[]).await;
    fixture.store.put_document("small", Cancellation::DOCUMENT, &Cancellation::new(1, true, 7)).await.unwrap();
    let again = fixture.run_with(&[], Settings::default(), usize::MAX, |_| false).await;
    assert!(matches!(again, Err(CoordinatorError::Cancelled { .. })));
    fixture.run(&["method=grid"]).await;
    let mark = fixture.store.document::<Cancellation>("small", Cancellation::DOCUMENT).await.unwrap();
    assert_eq!(mark, None, "workers go by it as well");
    fixture.store.put_document("small", Cancellation::DOCUMENT, &Cancellation::new(2, true, 7)).await.unwrap();
    let cancelled = fixture.run_with(&["method=grid"], Settings::default(), usize::MAX, |_| false).await;
    assert!(matches!(cancelled, Err(CoordinatorError::Cancelled { .. })));
}

#[tokio::test]
async fn a_stop_of_a_revision_does_not_stop_the_next_one() {
    let fixture = Fixture::new();
    fixture.run(&[]).await;
    let mark = Cancellation::stopped(1, "all failed alike".to_owned(), 7);
    fixture.store.put_document("small", Cancellation::DOCUMENT, &mark).await.unwrap();
    fixture.store.put_document("small", Finish::DOCUMENT, &Finish::new(1, 7)).await.unwrap();
    let next = fixture.run(&["method=grid"]).await;
    assert_eq!((outcome(&next).revision, outcome(&next).ended_early), (2, false));
    let mark = fixture.store.document::<Cancellation>("small", Cancellation::DOCUMENT).await.unwrap();
    assert_eq!(mark, None, "workers go by it as well");
}

#[tokio::test]
async fn a_sweep_that_was_removed_may_begin_anew() {
    let fixture = Fixture::new();
    fixture.run(&[]).await;
    fixture.store.remove_sweep("small", None).await.unwrap();
    fixture.store.put_document("small", Cancellation::DOCUMENT, &Cancellation::of_removed(7)).await.unwrap();
    let again = fixture.run(&["method=grid"]).await;
    assert_eq!((outcome(&again).revision, counts(&again)), (1, (13, 16, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_superseded_run_ends_and_writes_nothing_more() {
    let fixture = Fixture::new();
    let coordinator = Coordinator {
        publisher: Arc::new(MemoryQueue::new()),
        store: fixture.store.clone(),
        settings: Settings::default(),
    };
    let running = async {
        let resume = Resume::fresh(&frozen(&[])).unwrap();
        coordinator.run(frozen(&[]), resume, &mut |_| (), std::future::pending()).await
    };
    let overtaking = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        fixture.run(&["method=grid"]).await
    };
    let (overtaken, other) = tokio::join!(running, overtaking);
    let error = overtaken.unwrap_err();
    assert!(matches!(&error, CoordinatorError::Superseded { revision: 1, newest: 2, .. }), "{error}");
    let progress: Progress = fixture.store.document("small", Progress::DOCUMENT).await.unwrap().unwrap();
    assert_eq!((progress.revision, progress.ended.as_deref()), (2, Some("finished")));
    assert_eq!((outcome(&other).revision, fixture.outcome().await.revision), (2, 2));
}

#[tokio::test]
async fn a_run_that_is_superseded_at_its_end_does_not_replace_the_later_outcome() {
    let fixture = Fixture::new();
    fixture.run(&[]).await;
    // A run that has all results, and reads the store again after another run has finished.
    let resume = survey(&frozen(&[]), &fixture.store, Retry::Machines).await.unwrap();
    let late = Coordinator {
        publisher: Arc::new(MemoryQueue::new()),
        store: fixture.store.clone(),
        settings: Settings::default(),
    };
    let mut is_first = true;
    let (begun, has_begun) = oneshot::channel::<()>();
    let mut begun = Some(begun);
    let mut on_event = |_| {
        if std::mem::take(&mut is_first) {
            begun.take().unwrap().send(()).unwrap();
        }
    };
    let run = late.run(frozen(&[]), resume, &mut on_event, std::future::pending());
    let other = async {
        has_begun.await.unwrap();
        crate::revision::store_revision(&fixture.store, &frozen(&["method=grid"]), &BTreeMap::new()).await.unwrap();
    };
    let (ran, ()) = tokio::join!(run, other);
    // Whether or not it saw the other revision before its last write, no reader takes its document for that of the
    // newest revision.
    match ran {
        Ok(end) => assert!(matches!(end.ended, Ended::Finished(outcome) if outcome.revision == 1)),
        Err(error) => assert!(matches!(error, CoordinatorError::Superseded { .. }), "{error}"),
    }
    assert_eq!((fixture.outcome().await.revision, fixture.newest().await.revision), (1, 2));
}

#[tokio::test]
async fn two_runs_of_different_files_at_once_leave_one_outcome_that_is_whole() {
    let fixture = Fixture::new();
    let settings = || Settings { tick: Duration::from_millis(1), ..Settings::default() };
    let (one, other) = tokio::join!(
        fixture.run_with(&["method=grid"], settings(), usize::MAX, |_| false),
        fixture.run_with(&["method=grid", WIDER], settings(), usize::MAX, |_| false),
    );
    let newest = fixture.newest().await;
    assert_eq!(newest.revision, 2);
    let ran = [one, other];
    let overtaken = ran.iter().filter(|ran| matches!(ran, Err(CoordinatorError::Superseded { .. }))).count();
    assert!(overtaken <= 1, "one of the two continues");
    // Whichever is the newest: running it again computes at most what is missing, and ends with its own outcome.
    let overrides: &[&str] =
        if newest.changes[0].to_string().ends_with("0.6") { &["method=grid", WIDER] } else { &["method=grid"] };
    fixture.run(overrides).await;
    assert_eq!(fixture.outcome().await.revision, 2);
    assert_eq!(points_of(&fixture.outcome().await), 4 * if overrides.len() == 2 { 6 } else { 5 });
}

#[tokio::test]
async fn a_sweep_without_documents_leaves_only_results() {
    let fixture = Fixture::new();
    let settings = Settings { is_kept: false, ..Settings::default() };
    let ran = fixture.run_with(&[], settings, usize::MAX, |_| false).await.unwrap();
    assert_eq!((outcome(&ran).rows.len(), ran.computed.len()), (4, 16));
    assert!(!ran.events.iter().any(|event| matches!(event, Event::Revision(_))));
    let entries = |name: &str| std::fs::read_dir(fixture._folder.path().join(name)).map_or(0, Iterator::count);
    assert_eq!(entries("sweeps"), 0);
    assert!(entries("results") > 0);
}
