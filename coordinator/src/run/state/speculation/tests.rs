use crate::{
    Counts, Event, PlannedJob, Resume,
    clock::Now,
    lookup::{FinalFailure, Found},
    run::{
        settings::Settings,
        state::{Action, RunState, WorkerStatuses},
    },
    testing::{answered, frozen, result, scaling},
};
use jobs::{Blame, JobId, JobInHand, Outcome, WorkerStatus};
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};
use store::Dated;
use tokio::time::Instant;

const PLAIN: &[&str] = &["metric.name=mean_accuracy"];
const RACED: &[&str] = &["racing={slice: 100}"];
const SEEDED: &[&str] = &[
    "metric.name=mean_accuracy",
    "recipe={preset: knots_dare_ties, drop_rate: 0.2, scaling: 0.6}",
    "parameters={scaling: [0.1, 0.2, 0.3, 0.4]}",
    "replicates={seed: 2}",
];

fn now() -> Now {
    Now { instant: Instant::now(), unix_ms: 0 }
}

/// Live workers, of which the first ones hold these jobs.
fn workers(count: usize, in_hand: &[JobId]) -> WorkerStatuses {
    let status = |number: usize| {
        let in_hand = in_hand.get(number).map(|job| JobInHand {
            job: *job,
            sweep: "any".to_owned(),
            attempt: 1,
            since_ms: 0,
            steps: None,
        });
        let content = WorkerStatus { job: in_hand, ..WorkerStatus::fresh(number.to_string(), "cpu", 0) };
        (number.to_string(), Ok(Dated { content, written: None }))
    };
    (0..count).map(status).collect()
}

/// A run of a sweep whose jobs end when the test says so.
struct Bench {
    state: RunState,
    /// The published jobs that have not ended, in order.
    open: Vec<PlannedJob>,
    /// What the store holds.
    ended: HashMap<JobId, Option<jobs::JobResult>>,
    /// How often each job was published.
    published: HashMap<JobId, u32>,
    /// The jobs that fail.
    failing: HashSet<JobId>,
    is_raced: bool,
}

impl Bench {
    fn new(overrides: &[&str], settings: Settings, count: usize) -> Self {
        let frozen = frozen(overrides);
        let resume = Resume::fresh(&frozen).unwrap();
        let mut state = RunState::new(&settings, &frozen, resume, now()).unwrap();
        assert_eq!(state.observe_workers(workers(count, &[]), now()), None);
        let is_raced = overrides == RACED;
        Self {
            state,
            open: Vec::new(),
            ended: HashMap::new(),
            published: HashMap::new(),
            failing: HashSet::new(),
            is_raced,
        }
    }

    fn in_pool(overrides: &[&str], count: usize) -> Self {
        Self::new(overrides, Settings { pool: Some("cpu".to_owned()), ..Settings::default() }, count)
    }

    fn found(&self, id: &JobId) -> Found {
        match self.ended.get(id) {
            None => Found::Nothing,
            Some(Some(result)) => Found::Result(Box::new(result.clone())),
            Some(None) => Found::Failed(FinalFailure { errors: vec!["no".to_owned()], blame: Some(Blame::Job) }),
        }
    }

    /// Publishes until the run waits; the outcome if it is over.
    fn publish(&mut self) -> Option<Outcome> {
        loop {
            match self.state.next_action(Instant::now()).unwrap() {
                Action::Start(jobs) => {
                    for job in jobs {
                        let found = self.found(&job.id);
                        let publication = self.state.start(job, found).unwrap();
                        publication.into_iter().for_each(|publication| self.note(publication.job));
                    }
                }
                Action::StartAhead(jobs) => {
                    for job in jobs {
                        let found = self.found(&job.id);
                        self.state.start_ahead(job, &found).into_iter().for_each(|job| self.note(job));
                    }
                }
                Action::Wait => return None,
                Action::Finish(outcome) => return Some(*outcome),
                action => unreachable!("{action:?}"),
            }
        }
    }

    fn note(&mut self, job: PlannedJob) {
        *self.published.entry(job.id).or_default() += 1;
        self.open.push(job.clone());
        self.state.published(job);
    }

    /// Ends an open job, with a result unless it fails.
    fn end(&mut self, place: usize, fails: bool) {
        let job = self.open.remove(place);
        let made = if self.is_raced { answered(&job.job) } else { result(&job.job) };
        self.ended.insert(job.id, (!fails).then_some(made));
        self.state.settle(job.id, self.found(&job.id)).unwrap();
    }

    /// Ends everything but points of the search.
    fn end_references(&mut self) {
        assert_eq!(self.publish(), None);
        while let Some(place) = self.open.iter().position(|job| !job.label.starts_with("knots_ties")) {
            self.end(place, false);
        }
    }

    /// The open points of the search, in the order of publishing.
    fn open_points(&self) -> Vec<f64> {
        self.open.iter().filter_map(|job| scaling(&job.job)).collect()
    }

    /// Runs to the end; `pick` chooses the next job that ends.
    fn finish(mut self, pick: &mut dyn FnMut(usize) -> usize) -> Finished {
        loop {
            if let Some(outcome) = self.publish() {
                assert!(self.published.values().all(|times| *times == 1), "a job was published twice");
                let events = self.state.take_events();
                let begun = events.iter().filter(|event| matches!(event, Event::Published { .. })).count();
                let ended =
                    events.iter().filter(|event| matches!(event, Event::Finished { is_reused: false, .. })).count();
                assert_eq!(begun, ended, "whoever counts jobs sees each begin and end");
                return Finished {
                    outcome,
                    counts: self.state.counts(),
                    published: self.published.len(),
                    unused: self.state.speculation.jobs.keys().copied().collect(),
                    ended: self.ended,
                };
            }
            let place = pick(self.open.len());
            let fails = self.failing.contains(&self.open[place].id);
            self.end(place, fails);
        }
    }
}

struct Finished {
    outcome: Outcome,
    counts: Counts,
    published: usize,
    /// The jobs that were ahead and that the search did not come to.
    unused: HashSet<JobId>,
    /// What the store holds.
    ended: HashMap<JobId, Option<jobs::JobResult>>,
}

#[test]
fn one_value_is_published_ahead_for_each_idle_worker() {
    let mut bench = Bench::in_pool(PLAIN, 3);
    bench.end_references();
    assert_eq!(bench.publish(), None);
    assert_eq!(bench.open_points(), [0.1, 0.2, 0.3]);
    // The search asks for 0.2, which is on its way, and a worker is free for the next one.
    bench.end(0, false);
    assert_eq!(bench.publish(), None);
    assert_eq!(bench.open_points(), [0.2, 0.3, 0.4]);
}

#[test]
fn nothing_is_published_ahead_without_an_idle_worker() {
    let pool = || Some("cpu".to_owned());
    let local = Settings::default();
    let limited = Settings { pool: pool(), max_workers: Some(1), ..Settings::default() };
    for (settings, count) in [(local, 4), (limited, 4), (Settings { pool: pool(), ..Settings::default() }, 1)] {
        let mut bench = Bench::new(PLAIN, settings, count);
        bench.end_references();
        assert_eq!(bench.publish(), None);
        assert_eq!(bench.open_points(), [0.1]);
    }
}

#[test]
fn a_worker_that_holds_a_job_of_another_sweep_is_not_idle() {
    let mut bench = Bench::in_pool(PLAIN, 3);
    let other = jobs::Digest::of(b"other").into();
    bench.end_references();
    let own = bench.open[0].id;
    bench.state.observe_workers(workers(3, &[other, own]), now());
    assert_eq!(bench.publish(), None);
    assert_eq!(bench.open_points(), [0.1, 0.2]);
}

#[test]
fn a_job_that_failed_ahead_counts_as_failed_once_the_search_asks_for_it_and_not_before() {
    let mut bench = Bench::in_pool(PLAIN, 3);
    bench.end_references();
    assert_eq!(bench.publish(), None);
    bench.end(2, true);
    assert_eq!(bench.publish(), None);
    assert_eq!(bench.state.counts().failed, 0);
    bench.end(0, false);
    assert_eq!(bench.publish(), None);
    bench.end(0, false);
    assert_eq!(bench.publish(), None);
    assert_eq!(bench.state.counts().failed, 1);
    let events = bench.state.take_events();
    assert!(events.iter().any(|event| matches!(event, Event::Failed { is_reused: false, .. })), "{events:?}");
}

#[test]
fn slices_that_fail_ahead_and_that_no_race_needs_fail_nothing_and_decide_nothing() {
    let sound = Bench::in_pool(RACED, 6).finish(&mut |_| 0);
    assert!(!sound.unused.is_empty());
    let mut bench = Bench::in_pool(RACED, 6);
    bench.failing = sound.unused.clone();
    let failed = bench.finish(&mut |_| 0);
    assert!(failed.ended.values().any(Option::is_none), "some of them end before the sweep does");
    assert_eq!((&failed.outcome, failed.counts), (&sound.outcome, sound.counts));
    assert_eq!(failed.counts.failed, 0);
    // A run that finds these failures in the store looks at none of them.
    let mut again = Bench::in_pool(RACED, 6);
    again.ended = failed.ended;
    let again = again.finish(&mut |_| 0);
    assert_eq!((again.counts.run, again.counts.failed), (0, 0));
    assert_eq!(again.outcome, sound.outcome);
}

#[test]
fn a_slice_that_failed_ahead_leaves_its_point_to_all_examples_once_a_race_needs_it() {
    let mut bench = Bench::in_pool(RACED, 6);
    bench.end_references();
    assert_eq!(bench.publish(), None);
    // The first slice of the second value.
    let place = bench.open_points().iter().position(|scaling| (*scaling - 0.2).abs() < 1e-9).unwrap();
    assert!(bench.open[place].is_slice() && place > 0, "{:?}", bench.open_points());
    let point = crate::testing::meaning(&bench.open[place].job).whole_id();
    bench.end(place, true);
    assert_eq!(bench.publish(), None);
    assert!(!bench.open.iter().any(|job| job.id == point));
    bench.end(0, false);
    assert_eq!(bench.publish(), None);
    assert!(bench.open.iter().any(|job| job.id == point), "{:?}", bench.open_points());
    assert_eq!(bench.state.counts().failed, 0);
    let finished = bench.finish(&mut |_| 0);
    assert_eq!(finished.counts.failed, 0);
}

#[test]
fn a_search_that_ends_early_leaves_nothing_ahead() {
    let mut bench = Bench::in_pool(PLAIN, 3);
    bench.end_references();
    assert_eq!(bench.publish(), None);
    bench.state.end_searches();
    assert_eq!(bench.state.outstanding(), 0);
    assert_eq!(bench.state.speculation.open(), 0);
}

#[test]
fn the_time_of_a_job_counts_once_whether_the_search_asks_for_it_or_not() {
    let mut bench = Bench::in_pool(PLAIN, 2);
    bench.end_references();
    assert_eq!(bench.publish(), None);
    let job = bench.open.remove(1);
    let timings = jobs::Timings { merge_s: 2.0, ..jobs::Timings::default() };
    let seconds = timings.total_s();
    bench.ended.insert(job.id, Some(jobs::JobResult { timings, ..result(&job.job) }));
    bench.state.settle(job.id, bench.found(&job.id)).unwrap();
    assert!((bench.state.progress(None, now()).device_s - seconds).abs() < 1e-9);
    bench.end(0, false);
    assert_eq!(bench.publish(), None);
    assert!((bench.state.progress(None, now()).device_s - seconds).abs() < 1e-9);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn points_ahead_change_no_choice_no_table_and_no_count(
        count in 2usize..7,
        picks in proptest::collection::vec(0usize..1000, 40..41),
    ) {
        for overrides in [PLAIN, RACED, SEEDED] {
            let alone = Bench::in_pool(overrides, 1).finish(&mut |_| 0);
            let mut turn = 0;
            let mut pick = |open: usize| {
                turn += 1;
                picks[turn % picks.len()] % open
            };
            let ahead = Bench::in_pool(overrides, count).finish(&mut pick);
            prop_assert_eq!(&ahead.outcome, &alone.outcome);
            prop_assert_eq!(ahead.counts, alone.counts);
            prop_assert!(ahead.published >= alone.published);
        }
    }
}
