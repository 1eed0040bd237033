mod ahead;
mod ends;
mod repairs;
mod revisions;
mod statistics;
mod surveys;
mod training;
mod writes;

use super::*;
use crate::{
    Counts, Retry, StopReason, Survey, repair, survey,
    testing::{answered, artefact, failure, frozen, meaning, result, scaling},
};
use async_trait::async_trait;
use jobs::{Blame, Cancellation, FailureRecord, Finish, Job, JobId, Outcome, Progress, RowKind, WorkerStatus};
use queue::{JobConsumer, MemoryQueue, QueueError};
use std::{sync::Mutex, time::Duration};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// A store in a folder, a queue in memory and a worker that answers from a formula.
struct Fixture {
    _folder: TempDir,
    store: Store,
}

/// A queue that announces no settled jobs.
#[derive(Debug)]
struct SilentQueue(MemoryQueue);

#[async_trait]
impl JobPublisher for SilentQueue {
    async fn publish(&self, job: &Job, sweep: &str) -> Result<(), QueueError> {
        self.0.publish(job, sweep).await
    }

    async fn settled(&self) -> Vec<JobId> {
        std::future::pending().await
    }

    async fn waiting(&self) -> Result<Option<u64>, QueueError> {
        self.0.waiting().await
    }
}

/// The end of a run, with its events and the jobs that were computed.
struct Ran {
    end: RunEnd,
    events: Vec<Event>,
    computed: Vec<Job>,
}

impl Fixture {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let store = Store::folder(folder.path()).unwrap();
        Self { _folder: folder, store }
    }

    /// Edits the stored result of a job.
    fn edit(&self, job: &JobId, change: impl FnOnce(&mut serde_json::Value)) {
        let mut value = serde_json::from_slice(&std::fs::read(self.path(job)).unwrap()).unwrap();
        change(&mut value);
        std::fs::write(self.path(job), value.to_string()).unwrap();
    }

    /// The file of a job's result.
    fn path(&self, job: &JobId) -> std::path::PathBuf {
        let name = job.to_string();
        self._folder.path().join("results").join(&name[..2]).join(format!("{name}.json"))
    }

    /// Removes the compacted parts, so that single results are read.
    fn without_parts(&self) {
        std::fs::remove_dir_all(self._folder.path().join("sweeps/small/parts")).unwrap();
    }

    /// Computes a write, as a worker does.
    async fn write(&self, job: &Job, fails: Option<Blame>) {
        if let Some(blame) = fails {
            let failure = FailureRecord { blame: Some(blame), ..failure(job) };
            return self.store.put_failure(&failure).await.unwrap();
        }
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("weights"), job.id().to_string()).unwrap();
        let made = artefact(job);
        self.store.put_artefact_files(&made.job, &made.artefact, folder.path()).await.unwrap();
        let _first_or_not = self.store.put_artefact_result(&made).await.unwrap();
    }

    async fn run(&self, overrides: &[&str]) -> Ran {
        self.run_with(overrides, Settings::default(), usize::MAX, |_| false).await.unwrap()
    }

    /// Runs the sweep until `stop_after` jobs are computed; jobs for which `fails` holds fail permanently.
    async fn run_with(
        &self,
        overrides: &[&str],
        settings: Settings,
        stop_after: usize,
        fails: impl Fn(&Job) -> bool + Send + Sync,
    ) -> Result<Ran, CoordinatorError> {
        self.run_blaming(overrides, settings, stop_after, fails, Blame::Job).await
    }

    /// The same, with this blame for failures.
    async fn run_blaming(
        &self,
        overrides: &[&str],
        settings: Settings,
        stop_after: usize,
        fails: impl Fn(&Job) -> bool + Send + Sync,
        blame: Blame,
    ) -> Result<Ran, CoordinatorError> {
        let queue = MemoryQueue::new();
        let resume = if settings.repair {
            repair(&frozen(overrides), &self.store, settings.retry).await?
        } else {
            survey(&frozen(overrides), &self.store, settings.retry).await?
        };
        let coordinator = Coordinator { publisher: Arc::new(queue.clone()), store: self.store.clone(), settings };
        let computed = Mutex::new(Vec::new());
        let (stop, stopped) = oneshot::channel::<()>();
        let worker = async {
            let mut stop = Some(stop);
            while let Some(delivery) = queue.next().await.unwrap() {
                let job = delivery.job().clone();
                if job.spec().as_evaluation().is_none() {
                    self.write(&job, fails(&job).then_some(blame)).await;
                    computed.lock().unwrap().push(job);
                } else if self.store.result(&job.id()).await.unwrap().is_none() {
                    if fails(&job) {
                        let failure = FailureRecord { blame: Some(blame), ..failure(&job) };
                        self.store.put_failure(&failure).await.unwrap();
                    } else {
                        // Races need single answers.
                        let is_raced = overrides.iter().any(|text| text.starts_with("racing"));
                        let result = if is_raced { answered(&job) } else { result(&job) };
                        let _first_or_not = self.store.put_result(&result).await.unwrap();
                    }
                    computed.lock().unwrap().push(job);
                }
                delivery.ack().await.unwrap();
                if computed.lock().unwrap().len() >= stop_after {
                    if let Some(stop) = stop.take() {
                        stop.send(()).unwrap();
                    }
                    std::future::pending::<()>().await;
                }
            }
        };
        let mut events = Vec::new();
        let mut on_event = |event| events.push(event);
        let run = coordinator.run(frozen(overrides), resume, &mut on_event, async {
            // A worker that never stops the run drops its end of the channel.
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        });
        let end = tokio::select! {
            end = run => end?,
            () = worker => unreachable!("the queue is never closed"),
        };
        let computed = computed.into_inner().unwrap();
        Ok(Ran { end, events, computed })
    }
}

fn outcome(ran: &Ran) -> &Outcome {
    match &ran.end.ended {
        Ended::Finished(outcome) => outcome,
        ended => panic!("the run ended early: {ended:?}"),
    }
}

fn counts(ran: &Ran) -> (u64, u64, u64) {
    let Counts { run, reused, failed } = ran.end.counts;
    (run, reused, failed)
}

#[tokio::test]
async fn a_sweep_runs_to_its_chosen_recipe_and_a_second_run_publishes_nothing() {
    let fixture = Fixture::new();
    let first = fixture.run(&[]).await;
    assert_eq!(counts(&first), (16, 0, 0));
    let RowKind::Search { spec, .. } = &outcome(&first).rows[3].kind else { panic!() };
    assert_eq!((spec.scaling, spec.density), (Some(0.3), Some(0.5)));
    let stored: Outcome = fixture.store.document("small", OUTCOME).await.unwrap().unwrap();
    assert_eq!(stored, *outcome(&first));

    let second = fixture.run(&[]).await;
    assert_eq!((counts(&second), second.computed.len()), ((0, 16, 0), 0));
    assert_eq!(outcome(&second), outcome(&first));
    assert!(!second.events.iter().any(|event| matches!(event, Event::Published { .. } | Event::Phase(_))));
    assert!(matches!(&second.events[0], Event::Revision(revised) if revised.number == 1 && !revised.is_new));
    assert_eq!(second.events[1], Event::Plan { bound: 18, stored: 16 });
}

#[tokio::test]
async fn every_run_reports_weak_adapters_once_and_before_the_search() {
    let fixture = Fixture::new();
    let overrides = ["tasks.mnist.finetuned={validation: 0.2, test: 0.9}"];
    for ran in [fixture.run(&overrides).await, fixture.run(&overrides).await] {
        let weak = |event: &Event| matches!(event, Event::WeakAdapter(adapter) if adapter.task == "mnist");
        assert_eq!(ran.events.iter().filter(|event| weak(event)).count(), 1, "{:?}", ran.events);
        let reported = ran.events.iter().position(weak).unwrap();
        let search = ran.events.iter().position(|event| matches!(event, Event::Phase(crate::Phase::Search)));
        assert!(search.is_none_or(|search| reported < search), "{:?}", ran.events);
    }
}

#[tokio::test]
async fn a_run_that_was_killed_anywhere_is_finished_with_exactly_the_rest() {
    let whole = Fixture::new().run(&[]).await;
    for killed_after in 1..16 {
        let fixture = Fixture::new();
        let killed = fixture.run_with(&[], Settings::default(), killed_after, |_| false).await.unwrap();
        assert_eq!(killed.end.ended, Ended::Interrupted);
        assert_eq!(killed.computed.len(), killed_after);
        let resumed = fixture.run(&[]).await;
        assert_eq!((resumed.computed.len(), counts(&resumed).1), (16 - killed_after, killed_after as u64));
        assert_eq!(outcome(&resumed), outcome(&whole));
    }
}

#[tokio::test]
async fn a_failing_point_is_counted_and_not_run_again_unless_asked() {
    let fixture = Fixture::new();
    let at_0_3 = |job: &Job| scaling(job) == Some(0.3);
    let first = fixture.run_with(&[], Settings::default(), usize::MAX, at_0_3).await.unwrap();
    assert_eq!(first.end.counts.failed, 1);
    let RowKind::Search { spec, .. } = &outcome(&first).rows[3].kind else { panic!() };
    assert_eq!(spec.scaling, Some(0.2));
    let again = fixture.run(&[]).await;
    assert_eq!((again.computed.len(), again.end.counts.failed), (0, 1));
    assert!(again.events.iter().any(|event| matches!(event, Event::Failed { errors, is_reused: true, .. }
        if errors == &["the formula does not hold"])));

    let retry = Settings { retry: Retry::Everything, ..Settings::default() };
    let retried = fixture.run_with(&[], retry, usize::MAX, |_| false).await.unwrap();
    assert_eq!(retried.end.counts.failed, 0);
    let RowKind::Search { spec, .. } = &outcome(&retried).rows[3].kind else { panic!() };
    assert_eq!(spec.scaling, Some(0.3));
}

#[tokio::test]
async fn a_point_that_machines_failed_on_decides_no_search_and_is_tried_again_by_the_next_run() {
    for method in ["linear", "grid"] {
        let fixture = Fixture::new();
        let method = format!("method={method}");
        let overrides = [method.as_str()];
        let undisturbed = Fixture::new().run(&overrides).await;
        let resume = survey(&frozen(&overrides), &fixture.store, Retry::Machines).await.unwrap();
        assert_eq!(resume.survey.failed, 0);
        let at_0_2 = |job: &Job| scaling(job) == Some(0.2);
        let first =
            fixture.run_blaming(&overrides, Settings::default(), usize::MAX, at_0_2, Blame::Machine).await.unwrap();
        let RowKind::Search { points, .. } = &outcome(&first).rows[3].kind else { panic!() };
        assert!(points.iter().any(|point| point.value.is_none()));
        assert!(outcome(&first).rows[3].jobs.values().all(Vec::is_empty), "nothing was chosen");
        assert!(outcome(&first).missing > 0 && first.end.counts.failed > 0);
        // The next run retries them without a flag.
        let second = fixture.run(&overrides).await;
        assert_eq!((second.end.counts.failed, outcome(&second).missing), (0, 0));
        assert_eq!(outcome(&second), outcome(&undisturbed));
    }
}

#[tokio::test]
async fn a_corrupt_object_fails_its_job_and_not_the_sweep() {
    let fixture = Fixture::new();
    let broken = frozen(&["method=grid"]);
    let recipe = jobs::Preset::TaskArithmetic.recipe().with_scaling(0.1);
    let id = broken.meaning(jobs::Subject::Merge { recipe: Box::new(recipe) }, "validation").id().to_string();
    let folder = fixture._folder.path().join("results").join(&id[..2]);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{id}.json")), "").unwrap();
    let settings = Settings { retry: Retry::Nothing, ..Settings::default() };
    let ran = fixture.run_with(&["method=grid"], settings, usize::MAX, |_| false).await.unwrap();
    // A fixed recipe is not part of the choice if something is searched.
    assert_eq!((ran.end.counts.failed, outcome(&ran).missing), (1, 0));
    assert!(ran.events.iter().any(|event| matches!(event, Event::Failed { errors, .. }
        if errors[0].contains("`bowline run --repair` computes it again") && errors[1].contains(&id))));
}

#[tokio::test]
async fn two_coordinators_of_one_sweep_do_no_harm() {
    let fixture = Fixture::new();
    let (one, other) = tokio::join!(fixture.run(&[]), fixture.run(&[]));
    assert_eq!(outcome(&one), outcome(&other));
    let results = fixture.store.results().await.unwrap().collect().await.unwrap();
    assert_eq!(results.len(), 16, "every result is stored once");
}

#[tokio::test]
async fn results_of_another_sweep_in_the_store_are_reused() {
    let fixture = Fixture::new();
    fixture.run(&[]).await;
    let other = fixture.run(&["name=other", "method=grid"]).await;
    // Seven of the grid's 20 points exist, and the references, the baseline and the report split.
    assert_eq!(counts(&other), (13, 16, 0));
}

#[tokio::test]
async fn the_same_content_in_another_place_is_the_same_sweep() {
    let fixture = Fixture::new();
    fixture.run(&[]).await;
    let moved = fixture.run(&["base=/elsewhere/base"]).await;
    assert_eq!(counts(&moved), (0, 16, 0));
    assert_eq!(fixture.store.newest_revision("small").await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn results_are_found_without_an_announcement() {
    let fixture = Fixture::new();
    let queue = MemoryQueue::new();
    let coordinator = Coordinator {
        publisher: Arc::new(SilentQueue(queue.clone())),
        store: fixture.store.clone(),
        settings: Settings { window: 1, ..Settings::default() },
    };
    let resume = Resume::fresh(&frozen(&[])).unwrap();
    let worker = async {
        while let Some(delivery) = queue.next().await.unwrap() {
            assert_eq!(fixture.store.put_result(&result(delivery.job())).await.unwrap(), store::Put::Created);
            delivery.ack().await.unwrap();
        }
    };
    let mut most_open = 0i64;
    let mut open = 0i64;
    let mut on_event = |event| {
        match event {
            Event::Published { .. } => open += 1,
            Event::Finished { is_reused: false, .. } => open -= 1,
            _ => {}
        }
        most_open = most_open.max(open);
    };
    let end = tokio::select! {
        end = coordinator.run(frozen(&[]), resume, &mut on_event, std::future::pending()) => end.unwrap(),
        () = worker => unreachable!("the queue is never closed"),
    };
    assert_eq!(end.counts.run, 16);
    assert_eq!(most_open, 1, "no more than the window is published at a time");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_the_queue_forgot_is_published_again() {
    let fixture = Fixture::new();
    let queue = MemoryQueue::new();
    let resume = Resume::fresh(&frozen(&[])).unwrap();
    let settings = Settings { lost_after: Duration::from_secs(100), ..Settings::default() };
    let coordinator =
        Coordinator { publisher: Arc::new(SilentQueue(queue.clone())), store: fixture.store.clone(), settings };
    let mut forgotten = std::collections::BTreeSet::new();
    let worker = async {
        while let Some(delivery) = queue.next().await.unwrap() {
            // The first delivery of every job is lost: it is acknowledged and not computed.
            if !forgotten.insert(delivery.job().id()) {
                let _put = fixture.store.put_result(&result(delivery.job())).await.unwrap();
            }
            delivery.ack().await.unwrap();
        }
    };
    let mut on_event = |_| ();
    let end = tokio::select! {
        end = coordinator.run(frozen(&[]), resume, &mut on_event, std::future::pending()) => end.unwrap(),
        () = worker => unreachable!("the queue is never closed"),
    };
    assert_eq!(end.counts.run, 16);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_waits_for_a_worker_of_its_version_is_not_lost() {
    let fixture = Fixture::new();
    let queue = MemoryQueue::new();
    let resume = Resume::fresh(&frozen(&[])).unwrap();
    let settings = Settings { lost_after: Duration::from_secs(100), window: 1, ..Settings::default() };
    let coordinator = Coordinator { publisher: Arc::new(queue.clone()), store: fixture.store.clone(), settings };
    // A worker of another version defers every job, and lists these jobs in its status for ten minutes.
    let worker = async {
        let mut left = std::collections::BTreeSet::new();
        for beat_ms in 0..60 {
            while let Ok(next) = tokio::time::timeout(Duration::from_secs(10), queue.next()).await {
                let delivery = next.unwrap().unwrap();
                assert!(left.insert(delivery.job().id()), "{:?} was published again", delivery.job());
                delivery.ack().await.unwrap();
            }
            let left = left.iter().copied().collect();
            let status = WorkerStatus { left, beat_ms, ..WorkerStatus::fresh("w", "cpu", 0) };
            fixture.store.put_worker("w", &status).await.unwrap();
        }
        fixture.store.remove_worker("w").await.unwrap();
        let again = queue.next().await.unwrap().unwrap();
        assert!(left.contains(&again.job().id()), "without the worker's status it is lost");
    };
    let mut on_event = |_| ();
    tokio::select! {
        end = coordinator.run(frozen(&[]), resume, &mut on_event, std::future::pending()) => panic!("{end:?}"),
        () = worker => {}
    }
}
