//! Points that race against the best one so far.

use super::*;
use crate::testing::{EXAMPLES, answered};
use jobs::{JobResult, Raced};

/// A run of a plan: what was issued, in order, and what came of it.
pub(super) struct Run {
    pub(super) outcome: Outcome,
    pub(super) issued: Vec<PlannedJob>,
}

impl Run {
    /// The examples that were evaluated for the searches, where slices of one model save each other's.
    pub(super) fn examples(&self) -> u64 {
        let mut answers: BTreeMap<JobId, jobs::KnownAnswers> = BTreeMap::new();
        for job in self.issued.iter().filter(|job| job.phase == Phase::Search) {
            let result = answered(&job.job);
            let known = answers.entry(result.meaning.whole_id());
            known.or_insert_with(|| jobs::KnownAnswers::new(1, [EXAMPLES; 2])).add(&result);
        }
        answers.values().map(jobs::KnownAnswers::known).sum()
    }

    pub(super) fn points(&self) -> &[jobs::Point] {
        match &self.outcome.rows.last().unwrap().kind {
            RowKind::Search { points, .. } => points,
            _ => unreachable!("the last row is the search"),
        }
    }
}

/// Runs a plan to its end: completions in the order that `pick` chooses, answers from the formula unless `fails`.
pub(super) fn run(
    overrides: &[&str],
    window: usize,
    fails: &dyn Fn(&PlannedJob) -> bool,
    pick: &mut dyn FnMut(usize) -> usize,
) -> Run {
    let mut plan = SweepPlan::new(frozen(overrides)).unwrap();
    let mut open: Vec<PlannedJob> = Vec::new();
    let mut issued: Vec<PlannedJob> = Vec::new();
    loop {
        let room = window - open.len();
        match if room == 0 { NextJobs::Wait } else { plan.next(room).unwrap() } {
            NextJobs::Publish(jobs) => {
                issued.extend(jobs.clone());
                open.extend(jobs);
            }
            NextJobs::Wait => {
                assert!(!open.is_empty(), "a sweep that waits for nothing never ends");
                let job = open.remove(pick(open.len()));
                let result = answered(&job.job);
                let errors = ["it is made up".to_owned()];
                let failed = Completion::Failed { errors: &errors, blame: Some(Blame::Job) };
                let ended = if fails(&job) { failed } else { Completion::Result(&result) };
                plan.record(job.id, ended).unwrap();
            }
            NextJobs::Finished(outcome) => return Run { outcome: *outcome, issued },
        }
    }
}

const GRID: &str = "method=grid";
const METHODS: [&str; 3] = ["method=linear", "method=bracket", GRID];
const RACING: &str = "racing={slice: 100, round: 2}";
const FINE: &str = "parameters={scaling: [0.1, 0.2, 0.3, 0.4, 0.5], density: [0.1, 0.3, 0.5, 0.7]}";

/// The override that lets the points of a method race.
fn racing(method: &str) -> &'static str {
    if method == GRID { RACING } else { "racing={slice: 100}" }
}

pub(super) fn first(_: usize) -> usize {
    0
}

#[test]
fn a_raced_search_chooses_the_same_point_on_a_part_of_the_examples() {
    for (method, most) in [("method=linear", 0.85), (GRID, 0.5)] {
        let whole = run(&[method, FINE], 4, &|_| false, &mut first);
        let raced = run(&[method, FINE, racing(method)], 4, &|_| false, &mut first);
        assert_eq!(chosen(&raced.outcome, "knots_ties"), chosen(&whole.outcome, "knots_ties"), "{method}");
        assert_eq!(raced.outcome.rows.last().unwrap().jobs, whole.outcome.rows.last().unwrap().jobs, "{method}");
        let share = raced.examples() as f64 / whole.examples() as f64;
        assert!(share < most, "{method}: {share}");
        let job = |point: &jobs::Point| point.job;
        let points = |run: &Run| run.points().iter().map(job).collect::<Vec<_>>();
        assert_eq!(points(&raced), points(&whole), "the same way, point by point: {method}");
    }
}

#[test]
fn a_point_that_is_raced_out_has_no_value_and_says_on_how_many_examples_it_rests() {
    let raced = run(&[GRID, FINE, RACING], 4, &|_| false, &mut first);
    let whole = run(&[GRID, FINE], 4, &|_| false, &mut first);
    let mut eliminated = 0;
    for (point, known) in raced.points().iter().zip(whole.points()) {
        match point.raced {
            Some(Raced { led, examples, of }) => {
                assert!(point.value.is_none() && !point.is_failed() && !led);
                assert!((100..3000).contains(&examples) && of == 2 * EXAMPLES, "{examples}");
                eliminated += 1;
            }
            None => assert_eq!(point.value, known.value),
        }
    }
    assert!(eliminated >= 10, "{eliminated} of 20");
    let read: Outcome = serde_json::from_value(serde_json::to_value(&raced.outcome).unwrap()).unwrap();
    assert_eq!(read, raced.outcome);
    assert_eq!(serde_json::to_value(&raced.outcome).unwrap()["version"], 4);
}

#[test]
fn the_evaluation_of_a_point_that_stays_is_made_of_its_slices() {
    let raced = run(&[GRID, FINE, RACING], 4, &|_| false, &mut first);
    let is_search = |job: &&PlannedJob| job.phase == Phase::Search;
    let whole = raced.issued.iter().filter(is_search).filter(|job| !job.is_slice()).skip(1);
    let mut made_of_slices = 0;
    for job in whole {
        let id = job.id;
        let slices = raced.issued.iter().filter(|other| other.is_slice() && meaning(&other.job).whole_id() == id);
        assert_eq!(job.job.places.slices, slices.map(|slice| slice.id).collect::<Vec<_>>(), "{}", job.label);
        made_of_slices += usize::from(!job.job.places.slices.is_empty());
    }
    assert!(made_of_slices > 0);
    let labels = labels(&raced.issued, Phase::Search);
    assert!(labels.contains(&"knots_ties scaling=0.2 density=0.1 examples 1-100"), "{labels:?}");
}

#[test]
fn a_slice_that_fails_leaves_its_point_to_the_evaluation_on_all_examples() {
    for method in METHODS {
        let whole = run(&[method, FINE], 4, &|_| false, &mut first);
        let raced = run(&[method, FINE, racing(method)], 4, &|job| job.is_slice(), &mut first);
        assert_eq!(chosen(&raced.outcome, "knots_ties"), chosen(&whole.outcome, "knots_ties"), "{method}");
        assert!(!raced.points().iter().any(jobs::Point::is_failed), "{method}");
        let of_all = |raced: Raced| raced.examples == raced.of;
        assert!(raced.points().iter().filter_map(|point| point.raced).all(of_all), "{method}");
    }
}

#[test]
fn a_leader_whose_evaluation_on_all_examples_fails_gives_way_to_the_best_point_before_it() {
    let is_best = |job: &PlannedJob| job.phase == Phase::Search && !job.is_slice() && scaling(&job.job) == Some(0.3);
    for method in ["method=linear", GRID] {
        let raced = run(&[method, FINE, racing(method)], 4, &is_best, &mut first);
        let scaling = chosen(&raced.outcome, "knots_ties").scaling;
        assert!([Some(0.2), Some(0.4)].contains(&scaling), "{method}: {scaling:?}");
        assert!(raced.outcome.rows.last().unwrap().jobs.values().all(|jobs| jobs.len() == 1), "{method}");
        let failed = raced.points().iter().filter(|point| point.spec.scaling == Some(0.3) && point.is_failed());
        assert!(failed.count() > 0, "{method}");
    }
}

/// The outcome of a sweep that ends with the results of `stored`, and the jobs that its searches still need.
fn ended_early(overrides: &[&str], stored: &BTreeMap<JobId, JobResult>) -> (Outcome, Vec<PlannedJob>) {
    let mut survey = SweepPlan::new(frozen(overrides)).unwrap();
    while let NextJobs::Publish(jobs) = survey.next(1000).unwrap() {
        for result in jobs.iter().filter_map(|job| stored.get(&job.id)) {
            survey.record(result.job, Completion::Result(result)).unwrap();
        }
    }
    let mut plan = SweepPlan::with_results(frozen(overrides), survey.into_results()).unwrap();
    plan.end_early();
    let mut searched = Vec::new();
    loop {
        match plan.next(16).unwrap() {
            NextJobs::Publish(jobs) => {
                for job in jobs {
                    plan.record(job.id, Completion::Result(&answered(&job.job))).unwrap();
                    searched.extend(Some(job).filter(|job| job.phase == Phase::Search));
                }
            }
            NextJobs::Wait => unreachable!("every job that was issued has ended"),
            NextJobs::Finished(outcome) => return (*outcome, searched),
        }
    }
}

#[test]
fn a_race_that_is_ended_early_chooses_its_leader_and_evaluates_at_most_that() {
    for method in METHODS {
        let overrides = [method, FINE, racing(method)];
        let ordered = run(&overrides, 4, &|_| false, &mut first);
        for kept in (0..ordered.issued.len()).step_by(3) {
            let part = &ordered.issued[..kept];
            let stored = part.iter().map(|job| (job.id, answered(&job.job))).collect();
            let (outcome, searched) = ended_early(&overrides, &stored);
            let has_begun = part.iter().any(|job| job.phase == Phase::Search);
            let row = outcome.rows.last().unwrap();
            assert_eq!(row.jobs.values().all(|jobs| jobs.len() == 1), has_begun, "{method}, {kept} jobs: {row:?}");
            assert!(searched.len() <= 2 && !searched.iter().any(PlannedJob::is_slice), "{method}, {kept} jobs");
        }
    }
}

#[test]
fn a_race_that_is_ended_while_its_leader_is_evaluated_waits_for_that_evaluation() {
    let mut plan = SweepPlan::new(frozen(&["method=linear", FINE, racing("method=linear")])).unwrap();
    let is_leader = |job: &PlannedJob| job.phase == Phase::Search && !job.is_slice();
    let leader = loop {
        let NextJobs::Publish(jobs) = plan.next(1).unwrap() else { panic!("the leader is never evaluated") };
        if let Some(job) = jobs.iter().find(|job| is_leader(job)) {
            break job.clone();
        }
        jobs.iter().for_each(|job| drop(plan.record(job.id, Completion::Result(&answered(&job.job))).unwrap()));
    };
    assert_eq!(plan.end_early(), [leader.id]);
    let mut searched = Vec::new();
    loop {
        let NextJobs::Publish(jobs) = plan.next(1).unwrap() else { panic!("nothing was chosen") };
        if jobs[0].phase == Phase::Report {
            break;
        }
        plan.record(jobs[0].id, Completion::Result(&answered(&jobs[0].job))).unwrap();
        searched.extend(jobs.into_iter().filter(|job| job.phase == Phase::Search));
    }
    assert!(searched.len() <= 2 && searched.iter().all(is_leader), "{searched:?}");
}

#[test]
fn points_that_fail_are_no_incumbents() {
    let is_low = |job: &PlannedJob| job.phase == Phase::Search && scaling(&job.job) < Some(0.25);
    for method in ["method=linear", GRID] {
        let whole = run(&[method, FINE], 4, &is_low, &mut first);
        let raced = run(&[method, FINE, racing(method)], 4, &is_low, &mut first);
        assert_eq!(chosen(&raced.outcome, "knots_ties"), chosen(&whole.outcome, "knots_ties"), "{method}");
        assert!(raced.points()[0].is_failed() && raced.examples() < whole.examples(), "{method}");
    }
}

#[test]
fn less_is_better_where_the_metric_is_minimized() {
    let minimize = "metric={name: mean_accuracy, goal: minimize}";
    let whole = run(&[GRID, FINE, minimize], 4, &|_| false, &mut first);
    let raced = run(&[GRID, FINE, minimize, RACING], 4, &|_| false, &mut first);
    assert_eq!(chosen(&raced.outcome, "knots_ties"), chosen(&whole.outcome, "knots_ties"));
    assert!(raced.examples() < whole.examples());
}

#[test]
fn a_metric_of_one_task_draws_from_that_task_alone() {
    let one = "metric.name=accuracy:flags";
    let raced = run(&[GRID, FINE, one, RACING], 4, &|_| false, &mut first);
    let slices = raced.issued.iter().filter(|job| job.is_slice());
    for job in slices {
        let examples = meaning(&job.job).slice_examples().unwrap().unwrap();
        assert!(examples[0].is_empty() && !examples[1].is_empty(), "{}", job.label);
    }
    assert_eq!(chosen(&raced.outcome, "knots_ties").scaling, Some(0.3));
}

/// The examples of the first slice of each point of a linear search over λ and then the density, by the density of the point.
fn first_slices(racing: &str) -> BTreeMap<bool, Vec<Vec<Vec<u64>>>> {
    let raced = run(&["method=linear", FINE, racing], 4, &|_| false, &mut first);
    let mut slices: BTreeMap<bool, Vec<_>> = BTreeMap::new();
    let mut seen = std::collections::BTreeSet::new();
    for job in raced.issued.iter().filter(|job| job.is_slice()) {
        assert!(seen.insert(job.id), "{} was issued twice", job.label);
        let meaning = meaning(&job.job);
        let is_first = meaning.slice.as_ref().is_some_and(|slice| slice.from == 0);
        // The first scan leaves the density at 0.2, which is none of those of the second.
        let is_second_scan = !job.label.contains("density=0.2");
        if is_first {
            slices.entry(is_second_scan).or_default().push(meaning.slice_examples().unwrap().unwrap());
        }
    }
    slices
}

#[test]
fn the_points_of_a_scan_answer_the_same_examples_and_the_next_scan_has_others() {
    let mut slices = first_slices("racing={slice: 100}");
    // The best point of the first scan is the incumbent of the second.
    let of_second = slices[&true][0].clone();
    let all = slices[&false].len();
    slices.get_mut(&false).unwrap().retain(|slice| *slice != of_second);
    assert_eq!(all - slices[&false].len(), 1);
    assert!(slices[&false].len() >= 3 && slices[&true].len() >= 3, "{}", slices[&true].len());
    for scan in slices.values() {
        assert!(scan.iter().all(|slice| *slice == scan[0]));
    }
    assert_ne!(slices[&false][0], slices[&true][0]);
    // Another seed has other sequences in all of its scans.
    let others = first_slices("racing={slice: 100, seed: 1}");
    for other in others.values() {
        assert!(slices.values().all(|scan| scan[0] != other[0]));
    }
}

#[test]
fn slices_count_as_no_jobs_of_their_own() {
    let plan = |overrides: &[&str]| SweepPlan::new(frozen(overrides)).unwrap().bound();
    assert_eq!(plan(&[GRID, FINE, RACING]), plan(&[GRID, FINE]));
}

/// The outcome without the slices that its points were evaluated on.
fn without_slices(mut outcome: Outcome) -> Outcome {
    for row in &mut outcome.rows {
        if let RowKind::Search { points, .. } = &mut row.kind {
            points.iter_mut().for_each(|point| point.slices.clear());
        }
    }
    outcome
}

/// What a run leaves in the store.
fn stored(run: &Run) -> BTreeMap<JobId, JobResult> {
    run.issued.iter().map(|job| (job.id, answered(&job.job))).collect()
}

/// A plan that finds the results of `stored`, and computes the others.
fn resumed(overrides: &[&str], stored: &BTreeMap<JobId, JobResult>) -> (Outcome, usize) {
    let mut plan = SweepPlan::new(frozen(overrides)).unwrap();
    let mut computed = 0;
    loop {
        match plan.next(16).unwrap() {
            NextJobs::Publish(jobs) => {
                for job in jobs {
                    computed += usize::from(!stored.contains_key(&job.id));
                    plan.record(job.id, Completion::Result(&answered(&job.job))).unwrap();
                }
            }
            NextJobs::Wait => unreachable!("every job that was issued has ended"),
            NextJobs::Finished(outcome) => return (*outcome, computed),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_order_of_results_changes_nothing(seed: u64, window in 1usize..12, method in 0..METHODS.len()) {
        let method = METHODS[method];
        let overrides = [method, FINE, racing(method)];
        let ordered = run(&overrides, 4, &|_| false, &mut first);
        let mut state = seed | 1;
        let mut pick = |open: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % open
        };
        let shuffled = run(&overrides, window, &|_| false, &mut pick);
        prop_assert_eq!(shuffled.outcome, ordered.outcome);
    }

    /// Slices may fail, and results of compacted parts are known before any job is issued.
    #[test]
    fn a_resumed_sweep_that_has_lost_slices_has_the_same_table(lost in 1u8..200, method in 0..METHODS.len()) {
        let method = METHODS[method];
        let overrides = [method, FINE, racing(method)];
        let fails = |job: &PlannedJob| job.is_slice() && job.id.to_string().as_bytes() < format!("{lost:02x}").as_bytes();
        let ordered = run(&overrides, 4, &fails, &mut first);
        let mut plan = SweepPlan::new(frozen(&overrides)).unwrap();
        for _ in 0..2 {
            for job in ordered.issued.iter().filter(|job| !job.is_slice()) {
                plan.load(&answered(&job.job));
            }
        }
        let outcome = loop {
            match plan.next(16).unwrap() {
                NextJobs::Publish(jobs) => for job in jobs {
                    let errors = ["it is made up".to_owned()];
                    let failed = Completion::Failed { errors: &errors, blame: Some(Blame::Job) };
                    let result = answered(&job.job);
                    let ended = if fails(&job) { failed } else { Completion::Result(&result) };
                    plan.record(job.id, ended).unwrap();
                },
                NextJobs::Wait => unreachable!("every job that was issued has ended"),
                NextJobs::Finished(outcome) => break *outcome,
            }
        };
        // A plan that knows evaluations on all examples asks for no slices of theirs: a run keeps those of the stored outcome.
        prop_assert_eq!(without_slices(outcome), without_slices(ordered.outcome));
    }

    /// Whatever part of the results an interrupted run has left.
    #[test]
    fn a_resumed_sweep_has_the_same_table_and_computes_what_is_missing(kept: Vec<bool>, method in 0..METHODS.len()) {
        let method = METHODS[method];
        let overrides = [method, FINE, racing(method)];
        let ordered = run(&overrides, 4, &|_| false, &mut first);
        let all = stored(&ordered);
        let is_kept = |place: usize| kept.get(place % kept.len().max(1)).copied().unwrap_or(false);
        let part: BTreeMap<_, _> = all.clone().into_iter().enumerate().filter(|(place, _)| is_kept(*place)).map(|(_, one)| one).collect();
        let missing = all.len() - part.len();
        let (outcome, computed) = resumed(&overrides, &part);
        prop_assert_eq!(outcome, ordered.outcome);
        prop_assert_eq!(computed, missing);
    }
}

#[test]
fn a_resumed_sweep_that_knows_every_value_makes_the_same_decisions() {
    for method in METHODS {
        let overrides = [method, FINE, racing(method)];
        let ordered = run(&overrides, 4, &|_| false, &mut first);
        // All points were evaluated on all examples, by a sweep without races.
        let whole = run(&[method, FINE], 4, &|_| false, &mut first);
        let mut plan = SweepPlan::new(frozen(&overrides)).unwrap();
        for _ in 0..2 {
            stored(&whole).values().for_each(|result| {
                plan.load(result);
            });
        }
        let NextJobs::Finished(outcome) = plan.next(16).unwrap() else { panic!("nothing is missing: {method}") };
        let choice = chosen(&outcome, "knots_ties");
        assert_eq!(choice, chosen(&ordered.outcome, "knots_ties"), "{method}");
    }
}
