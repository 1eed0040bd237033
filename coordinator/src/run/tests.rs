use super::*;
use crate::{
    Survey,
    testing::{failure, frozen, result, scaling},
};
use jobs::{Job, RowKind};
use queue::{JobConsumer, MemoryQueue};
use std::sync::Mutex;
use tempfile::TempDir;
use tokio::sync::oneshot;

/// A store in a folder, a queue in memory and a worker that answers from a formula.
struct House {
    _folder: TempDir,
    store: Store,
}

/// What one run did.
struct Ran {
    report: Report,
    events: Vec<Event>,
    computed: Vec<Job>,
}

impl House {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let store = Store::folder(folder.path()).unwrap();
        Self { _folder: folder, store }
    }

    async fn run(&self, overrides: &[&str]) -> Ran {
        self.run_with(overrides, Settings::default(), usize::MAX, |_| false).await.unwrap()
    }

    /// Runs the sweep until `stop_after` jobs are computed; those for which `fails` holds fail for good.
    async fn run_with(
        &self,
        overrides: &[&str],
        settings: Settings,
        stop_after: usize,
        fails: impl Fn(&Job) -> bool + Send + Sync,
    ) -> Result<Ran, CoordinatorError> {
        let queue = MemoryQueue::new();
        let hint = Arc::new(Notify::new());
        let coordinator = Coordinator {
            publisher: Arc::new(queue.clone()),
            store: self.store.clone(),
            hint: Arc::clone(&hint),
            settings,
        };
        let computed = Mutex::new(Vec::new());
        let (stop, stopped) = oneshot::channel::<()>();
        let worker = async {
            let mut stop = Some(stop);
            while let Some(delivery) = queue.next().await.unwrap() {
                let job = delivery.job().clone();
                if self.store.result(&job.id()).await.unwrap().is_none() {
                    match fails(&job) {
                        true => self.store.put_failure(&failure(&job)).await.unwrap(),
                        false => drop(self.store.put_result(&result(&job)).await.unwrap()),
                    }
                    computed.lock().unwrap().push(job);
                }
                delivery.ack().await.unwrap();
                hint.notify_one();
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
        let run = coordinator.run(frozen(overrides), &mut on_event, async {
            // A worker that never stops the run drops its end: wait for ever then.
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        });
        let report = tokio::select! {
            report = run => report?,
            () = worker => unreachable!("the queue is never closed"),
        };
        let computed = computed.into_inner().unwrap();
        Ok(Ran { report, events, computed })
    }
}

fn outcome(ran: &Ran) -> &Outcome {
    match &ran.report.ended {
        Ended::Finished(outcome) => outcome,
        Ended::Interrupted => panic!("the run was interrupted"),
    }
}

fn counts(ran: &Ran) -> (u64, u64, u64) {
    let Counts { run, reused, failed } = ran.report.counts;
    (run, reused, failed)
}

#[tokio::test]
async fn a_sweep_runs_to_its_chosen_recipe_and_a_second_run_publishes_nothing() {
    let house = House::new();
    let first = house.run(&[]).await;
    assert_eq!(counts(&first), (16, 0, 0));
    let RowKind::Search { spec, .. } = &outcome(&first).rows[3].kind else { panic!() };
    assert_eq!((spec.scaling, spec.density), (Some(0.3), Some(0.5)));
    let stored: Outcome = house.store.document("small", OUTCOME).await.unwrap().unwrap();
    assert_eq!(stored, *outcome(&first));

    let second = house.run(&[]).await;
    assert_eq!((counts(&second), second.computed.len()), ((0, 16, 0), 0));
    assert_eq!(outcome(&second), outcome(&first));
    assert!(!second.events.iter().any(|event| matches!(event, Event::Published { .. } | Event::Phase(_))));
    assert_eq!(second.events[0], Event::Plan { bound: 18, stored: 16 });
}

#[tokio::test]
async fn a_run_that_was_killed_anywhere_is_finished_with_exactly_the_rest() {
    let whole = House::new().run(&[]).await;
    for killed_after in 1..16 {
        let house = House::new();
        let killed = house.run_with(&[], Settings::default(), killed_after, |_| false).await.unwrap();
        assert_eq!(killed.report.ended, Ended::Interrupted);
        assert_eq!(killed.computed.len(), killed_after);
        let resumed = house.run(&[]).await;
        assert_eq!((resumed.computed.len(), counts(&resumed).1), (16 - killed_after, killed_after as u64));
        assert_eq!(outcome(&resumed), outcome(&whole));
    }
}

#[tokio::test]
async fn a_failing_point_is_counted_and_not_run_again_unless_asked() {
    let house = House::new();
    let at_0_3 = |job: &Job| scaling(job) == Some(0.3);
    let first = house.run_with(&[], Settings::default(), usize::MAX, at_0_3).await.unwrap();
    assert_eq!(first.report.counts.failed, 1);
    let RowKind::Search { spec, .. } = &outcome(&first).rows[3].kind else { panic!() };
    assert_eq!(spec.scaling, Some(0.2));
    let again = house.run(&[]).await;
    assert_eq!((again.computed.len(), again.report.counts.failed), (0, 1));
    assert!(again.events.iter().any(|event| matches!(event, Event::Failed { errors, is_reused: true, .. }
        if errors == &["the formula does not hold"])));

    let retry = Settings { retry_failed: true, ..Settings::default() };
    let retried = house.run_with(&[], retry, usize::MAX, |_| false).await.unwrap();
    assert_eq!(retried.report.counts.failed, 0);
    let RowKind::Search { spec, .. } = &outcome(&retried).rows[3].kind else { panic!() };
    assert_eq!(spec.scaling, Some(0.3));
}

#[tokio::test]
async fn two_coordinators_of_one_sweep_do_no_harm() {
    let house = House::new();
    let (one, other) = tokio::join!(house.run(&[]), house.run(&[]));
    assert_eq!(outcome(&one), outcome(&other));
    let results = house.store.results().await.unwrap().collect().await.unwrap();
    assert_eq!(results.len(), 16, "every result is stored once");
}

#[tokio::test]
async fn results_of_another_sweep_in_the_store_are_reused() {
    let house = House::new();
    house.run(&[]).await;
    let other = house.run(&["name=other", "method=grid"]).await;
    // Of the grid's 20 points 7 are there, the references, the baseline and the report's as well.
    assert_eq!(counts(&other), (13, 16, 0));
}

#[tokio::test]
async fn another_sweep_of_the_same_name_is_refused_with_what_differs() {
    let house = House::new();
    house.run(&[]).await;
    let changed = ["method=grid", "recipe.scaling=0.7"];
    let refused = house.run_with(&changed, Settings::default(), usize::MAX, |_| false).await;
    let text = refused.err().unwrap().to_string();
    assert!(text.contains("holds another sweep named `small`: `method`, `searches` differ; give this one"), "{text}");
    let moved = house.run(&["base=/elsewhere/base"]).await;
    assert_eq!(counts(&moved), (0, 16, 0), "the same content in another place is the same sweep");
}

#[tokio::test(start_paused = true)]
async fn results_are_found_without_a_hint() {
    let house = House::new();
    let queue = MemoryQueue::new();
    let coordinator = Coordinator {
        publisher: Arc::new(queue.clone()),
        store: house.store.clone(),
        hint: Arc::new(Notify::new()),
        settings: Settings { window: 1, ..Settings::default() },
    };
    let worker = async {
        while let Some(delivery) = queue.next().await.unwrap() {
            assert_eq!(house.store.put_result(&result(delivery.job())).await.unwrap(), store::Put::Created);
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
    let report = tokio::select! {
        report = coordinator.run(frozen(&[]), &mut on_event, std::future::pending()) => report.unwrap(),
        () = worker => unreachable!("the queue is never closed"),
    };
    assert_eq!(report.counts.run, 16);
    assert_eq!(most_open, 1, "no more than the window is published at a time");
}

#[tokio::test]
async fn a_survey_counts_without_publishing() {
    let house = House::new();
    let fresh = survey(&frozen(&[]), &house.store, false).await.unwrap();
    assert_eq!(fresh, Survey { bound: 18, stored: 0, failed: 0, missing: 3 });
    house.run_with(&[], Settings::default(), 5, |_| false).await.unwrap();
    let begun = survey(&frozen(&[]), &house.store, false).await.unwrap();
    assert_eq!((begun.stored, begun.failed), (5, 0));
    assert!(begun.missing >= 1);
}
