use super::*;
use crate::testing::{artefact, failure, frozen, meaning, result, scaling};
use jobs::{RecipeSpec, RowKind, WriteFormat};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Runs a plan to its end: `window` jobs at a time, completions in the order that `pick` chooses.
fn finish(
    overrides: &[&str],
    window: usize,
    fails: &dyn Fn(&PlannedJob) -> bool,
    pick: &dyn Fn(usize) -> usize,
) -> Result<(Outcome, Vec<PlannedJob>), CoordinatorError> {
    let mut plan = SweepPlan::new(frozen(overrides))?;
    let (mut open, mut issued): (Vec<PlannedJob>, Vec<PlannedJob>) = (Vec::new(), Vec::new());
    loop {
        let room = window - open.len();
        match if room == 0 { NextJobs::Wait } else { plan.next(room)? } {
            NextJobs::Publish(jobs) => {
                assert!(jobs.len() <= room, "no more than issued for");
                issued.extend(jobs.clone());
                open.extend(jobs);
            }
            NextJobs::Wait => {
                assert!(!open.is_empty(), "a sweep that waits for nothing never ends");
                let job = open.remove(pick(open.len()));
                let result = result(&job.job);
                let errors = ["the formula does not hold".to_owned(), "it is made up".to_owned()];
                let answer = if fails(&job) {
                    Completion::Failed { errors: &errors, blame: Some(Blame::Job) }
                } else {
                    Completion::Result(&result)
                };
                plan.record(job.id, answer)?;
            }
            NextJobs::Finished(outcome) => return Ok((*outcome, issued)),
        }
    }
}

fn labels(jobs: &[PlannedJob], phase: Phase) -> Vec<&str> {
    jobs.iter().filter(|job| job.phase == phase).map(|job| job.label.as_str()).collect()
}

fn chosen(outcome: &Outcome, name: &str) -> RecipeSpec {
    let row = outcome.rows.iter().find(|row| row.name == name).unwrap();
    let RowKind::Search { spec, .. } = &row.kind else { panic!("{name} is no search") };
    spec.clone()
}

#[test]
fn a_sweep_issues_its_phases_in_order_and_the_report_split_once() {
    let (outcome, issued) = finish(&[], 1, &|_| false, &|_| 0).unwrap();
    assert_eq!(labels(&issued, Phase::References), ["zero-shot", "mnist alone", "flags alone"]);
    let points = [
        "knots_ties scaling=0.1 density=0.2",
        "knots_ties scaling=0.2 density=0.2",
        "knots_ties scaling=0.3 density=0.2",
        "knots_ties scaling=0.4 density=0.2",
        "knots_ties scaling=0.3 density=0.1",
        "knots_ties scaling=0.3 density=0.5",
        "knots_ties scaling=0.3 density=1.0",
    ];
    assert_eq!(labels(&issued, Phase::Search), points);
    assert_eq!(labels(&issued, Phase::Baselines), ["sum"]);
    let report =
        ["zero-shot on test", "mnist alone on test", "flags alone on test", "knots_ties on test", "sum on test"];
    assert_eq!(labels(&issued, Phase::Report), report);
    assert!(issued.iter().all(|job| (job.phase == Phase::Report) == (meaning(&job.job).split == "test")));
    let spec = chosen(&outcome, "knots_ties");
    assert_eq!((spec.scaling, spec.density), (Some(0.3), Some(0.5)));
    assert_eq!(SweepPlan::new(frozen(&[])).unwrap().bound(), 3 + 9 + 1 + 5);
}

#[test]
fn a_label_has_the_values_of_the_preset_until_the_search_sets_them() {
    let (_, issued) = finish(&["recipe={preset: knots_ties}"], 1, &|_| false, &|_| 0).unwrap();
    assert_eq!(labels(&issued, Phase::Search)[0], "knots_ties scaling=0.1 density=0.2");
}

#[test]
fn the_outcome_names_the_jobs_that_hold_its_numbers() {
    let (outcome, issued) = finish(&[], 4, &|_| false, &|_| 0).unwrap();
    let names: Vec<_> = outcome.rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["zero-shot", "fine-tuned", "sum", "knots_ties"]);
    let id = |label: &str| issued.iter().find(|job| job.label == label).unwrap().id;
    assert_eq!(outcome.rows[1].jobs["validation"], [id("mnist alone"), id("flags alone")]);
    assert_eq!(outcome.rows[3].jobs["test"], [id("knots_ties on test")]);
    assert_eq!(outcome.rows[3].jobs["validation"], [id("knots_ties scaling=0.3 density=0.5")]);
    let RowKind::Search { points, .. } = &outcome.rows[3].kind else { panic!() };
    assert_eq!(points.len(), 7);
    // 800 of 1000 right, over 900 of the adapter alone.
    assert!((points[5].value.unwrap() - 800.0 / 900.0).abs() < 1e-12);
}

#[test]
fn searches_wait_for_the_adapters_where_the_metric_is_normalised() {
    let mut plan = SweepPlan::new(frozen(&[])).unwrap();
    let NextJobs::Publish(jobs) = plan.next(100).unwrap() else { panic!() };
    assert_eq!(jobs.len(), 3, "the references alone");
    assert_eq!(plan.next(100).unwrap(), NextJobs::Wait);
    let mut plan = SweepPlan::new(frozen(&["metric.name=mean_accuracy"])).unwrap();
    let NextJobs::Publish(jobs) = plan.next(100).unwrap() else { panic!() };
    assert_eq!(jobs.len(), 5, "a first point and the baseline on top");
}

/// The result of a reference with this number of right answers of 1000.
fn with_correct(job: &PlannedJob, correct: u64) -> JobResult {
    let mut result = result(&job.job);
    result.scores.iter_mut().for_each(|score| score.correct = correct);
    result
}

#[test]
fn a_weak_adapter_is_reported_once_and_before_the_search() {
    let mut plan = SweepPlan::new(frozen(&[])).unwrap();
    let NextJobs::Publish(jobs) = plan.next(100).unwrap() else { panic!() };
    let [base, mnist, flags] = &jobs[..] else { panic!("{jobs:?}") };
    plan.record(mnist.id, Completion::Result(&with_correct(mnist, 299))).unwrap();
    assert_eq!(plan.newly_weak(), [], "the base is not known yet");
    plan.record(base.id, Completion::Result(&with_correct(base, 300))).unwrap();
    let weak = plan.newly_weak();
    let expected = "the adapter of `mnist` is worse on its own task than the base without it: 29.9 % against 30.0 % on \
                    `validation`; was it trained on this base?";
    assert_eq!(weak.iter().map(WeakAdapter::to_string).collect::<Vec<_>>(), [expected]);
    plan.record(flags.id, Completion::Result(&with_correct(flags, 300))).unwrap();
    assert_eq!(plan.newly_weak(), [], "once, and not of one that is as good");
    let NextJobs::Publish(jobs) = plan.next(100).unwrap() else { panic!() };
    assert!(jobs.iter().any(|job| job.phase == Phase::Search), "the search continues");
    let again = SweepPlan::new(frozen(&[])).unwrap().continuing(&plan);
    let mut again = SweepPlan { known: plan.known, ..again };
    assert_eq!(again.newly_weak(), [], "nor once more where the sweep is read again");
}

#[test]
fn an_accuracy_that_is_given_can_be_below_the_base() {
    let mut plan = SweepPlan::new(frozen(&["tasks.mnist.finetuned={validation: 0.2}"])).unwrap();
    let NextJobs::Publish(jobs) = plan.next(100).unwrap() else { panic!() };
    plan.record(jobs[0].id, Completion::Result(&result(&jobs[0].job))).unwrap();
    let [weak] = &plan.newly_weak()[..] else { panic!() };
    let expected = "the accuracy that is given for the adapter of `mnist`, 20.0 %, is below the base's own on `validation`, 30.0 %";
    assert_eq!(weak.to_string(), expected);
}

#[test]
fn given_accuracies_are_not_measured() {
    let given = ["tasks.mnist.finetuned={validation: 0.5, test: 0.5}", "tasks.flags.finetuned={validation: 0.8}"];
    let (outcome, issued) = finish(&given, 4, &|_| false, &|_| 0).unwrap();
    assert_eq!(labels(&issued, Phase::References), ["zero-shot"]);
    assert_eq!(outcome.given_denominators["test"], BTreeMap::from([("mnist".to_owned(), 0.5)]));
    assert_eq!((outcome.rows[1].jobs["validation"].len(), outcome.rows[1].jobs["test"].len()), (0, 1));
    let RowKind::Search { points, .. } = &outcome.rows[3].kind else { panic!() };
    assert!((points[5].value.unwrap() - (0.8 / 0.5 + 0.8 / 0.8) / 2.0).abs() < 1e-12);
}

#[test]
fn an_adapter_that_fails_ends_a_normalised_search_with_its_name() {
    let fails = |job: &PlannedJob| job.label == "flags alone";
    let error = finish(&[], 4, &fails, &|_| 0).unwrap_err();
    let text = error.to_string();
    let expected = "the adapter of task `flags` has no accuracy on split `validation` to normalise by: job ";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.ends_with(" failed; `tasks.flags.finetuned.validation` can give one"), "{text}");
    let reason = std::error::Error::source(&error).unwrap();
    assert_eq!(reason.to_string(), "the formula does not hold");
    assert_eq!(reason.source().unwrap().to_string(), "it is made up");
    assert!(reason.source().unwrap().source().is_none());
    let (outcome, _) = finish(&["metric.name=mean_accuracy"], 4, &fails, &|_| 0).unwrap();
    assert_eq!(outcome.rows[1].jobs["validation"].len(), 1, "a failed job is missing from its row");
}

#[test]
fn a_failed_point_is_skipped_and_listed() {
    let fails = |job: &PlannedJob| scaling(&job.job) == Some(0.3) && job.phase == Phase::Search;
    let (outcome, _) = finish(&[], 4, &fails, &|_| 0).unwrap();
    assert_eq!(chosen(&outcome, "knots_ties").scaling, Some(0.2));
    let RowKind::Search { points, .. } = &outcome.rows[3].kind else { panic!() };
    assert_eq!(points.iter().filter(|point| point.value.is_none()).count(), 1);
}

#[test]
fn a_search_of_failures_has_a_row_without_numbers() {
    let (outcome, issued) = finish(&[], 4, &|job| job.phase == Phase::Search, &|_| 0).unwrap();
    let row = outcome.rows.iter().find(|row| row.name == "knots_ties").unwrap();
    assert!(row.jobs.values().all(Vec::is_empty), "{row:?}");
    assert!(labels(&issued, Phase::Report).contains(&"sum on test"), "the other rows are reported");
    assert!(failure(&issued[0].job).is_final);
}

#[test]
fn a_job_that_several_phases_need_is_issued_once() {
    let same =
        ["baselines.sum={name: same, preset: knots_ties, density: 0.5, scaling: 0.3}", "evaluation.report=validation"];
    let (outcome, issued) = finish(&same, 4, &|_| false, &|_| 0).unwrap();
    let ids: std::collections::BTreeSet<_> = issued.iter().map(|job| job.id).collect();
    assert_eq!(ids.len(), issued.len());
    assert_eq!(labels(&issued, Phase::Report), [""; 0], "there is nothing that was not evaluated before");
    assert_eq!(outcome.rows[2].jobs, outcome.rows[3].jobs);
}

#[test]
fn a_joint_benchmark_has_no_denominators_and_stops_at_a_plateau() {
    let joint = [
        "evaluation={benchmark: joint, head: heads/joint.safetensors, map: heads/map.json}",
        "metric.name=mean_accuracy",
        "parameters={scaling: [0.2, 0.4, 0.3]}",
    ];
    let (outcome, issued) = finish(&joint, 4, &|_| false, &|_| 0).unwrap();
    assert_eq!(labels(&issued, Phase::References), ["zero-shot"]);
    assert_eq!(outcome.rows.iter().filter(|row| row.kind == RowKind::Finetuned).count(), 0);
    assert_eq!(chosen(&outcome, "knots_ties").scaling, Some(0.2), "0.4 is equal, so 0.3 is not looked at");
}

#[test]
fn an_ensemble_is_evaluated_on_both_splits_and_never_chosen() {
    let joint = [
        "evaluation={benchmark: joint, head: heads/joint.safetensors, map: heads/map.json}",
        "metric.name=mean_accuracy",
        "baselines=[{name: sum, preset: task_arithmetic, scaling: 0.1}, {name: experts, ensemble: max}]",
    ];
    let (outcome, issued) = finish(&joint, 4, &|_| false, &|_| 0).unwrap();
    assert_eq!(labels(&issued, Phase::Baselines), ["sum", "experts"]);
    assert!(labels(&issued, Phase::Report).contains(&"experts on test"));
    let row = outcome.rows.iter().find(|row| row.name == "experts").unwrap();
    assert!(matches!(row.kind, RowKind::Ensemble { .. }));
    assert_eq!(row.jobs.values().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
    let job = issued.iter().find(|job| job.label == "experts").unwrap();
    assert_eq!((meaning(&job.job).adapters.len(), meaning(&job.job).tasks.len()), (2, 2));
    let mut plan = SweepPlan::new(frozen(&joint)).unwrap().writing_winner();
    assert_eq!(plan.bound(), bound(&crate::testing::sweep(&joint)).unwrap());
    assert!(plan.next(100).is_ok());
}

#[test]
fn statistics_that_no_recipe_asks_for_are_made_on_request() {
    let need = jobs::StatisticsNeed { what: jobs::StatisticsKind::Grams, examples: 8 };
    let mut plan = SweepPlan::new(frozen(&[]).also_making(need).also_making(need)).unwrap();
    assert_eq!(plan.bound(), SweepPlan::new(frozen(&[])).unwrap().bound() + 2);
    let NextJobs::Publish(jobs) = plan.next(100).unwrap() else { panic!() };
    assert_eq!(labels(&jobs, Phase::Statistics).len(), 2);
}

#[test]
fn a_better_point_is_reported_for_its_search() {
    let mut plan = SweepPlan::new(frozen(&["metric.name=mean_accuracy"])).unwrap();
    let NextJobs::Publish(jobs) = plan.next(100).unwrap() else { panic!() };
    let point = jobs.iter().find(|job| job.phase == Phase::Search).unwrap();
    let recorded = plan.record(point.id, Completion::Result(&result(&point.job))).unwrap();
    assert_eq!(recorded.best_of.unwrap().1.scaling, Some(0.1));
    let again = plan.record(point.id, Completion::Failed { errors: &[], blame: Some(Blame::Job) }).unwrap();
    assert_eq!(again, Recorded::default(), "the first completion stays");
}

/// The values that are announced as the best, if jobs end one by one.
fn announced(overrides: &[&str]) -> Vec<f64> {
    let mut plan = SweepPlan::new(frozen(overrides)).unwrap();
    let mut announced = Vec::new();
    loop {
        match plan.next(1).unwrap() {
            NextJobs::Publish(jobs) => {
                let recorded = plan.record(jobs[0].id, Completion::Result(&result(&jobs[0].job))).unwrap();
                announced.extend(recorded.best_of.map(|_| recorded.value.unwrap()));
            }
            NextJobs::Wait => panic!("every completion is recorded"),
            NextJobs::Finished(_) => return announced,
        }
    }
}

#[test]
fn only_points_that_are_better_than_all_before_are_reported() {
    let one = announced(&["metric.name=mean_accuracy"]);
    assert!(one.is_sorted_by(|a, b| a < b) && one.len() == 4, "{one:?}");
    // The first search reaches 0.77 at most; the second one begins below and passes it once.
    let two = announced(&[
        "metric.name=mean_accuracy",
        "parameters=null",
        "recipe=null",
        "searches=[\
            {name: one, recipe: {preset: knots_ties, density: 0.2}, parameters: {scaling: [0.2, 0.3]}}, \
            {name: two, recipe: {preset: knots_ties, density: 0.5}, parameters: {scaling: [0.1, 0.3]}}]",
    ]);
    assert!(two.is_sorted_by(|a, b| a < b), "{two:?}");
}

#[test]
fn the_bound_of_a_sweep_needs_none_of_its_inputs() {
    let joint = "evaluation={benchmark: joint, head: heads/joint.safetensors, map: heads/map.json}";
    for overrides in [
        &[][..],
        &["evaluation.report=validation"],
        &["method=grid"],
        &["tasks.mnist.finetuned={validation: 0.5}"],
        &[joint, "metric.name=mean_accuracy"],
    ] {
        let sweep = crate::testing::sweep(overrides);
        let mut plan = SweepPlan::new(frozen(overrides)).unwrap();
        let expected = plan.bound();
        assert_eq!(bound(&sweep).unwrap(), expected, "{overrides:?}");
        assert!(matches!(plan.next(2).unwrap(), NextJobs::Publish(_)));
        assert_eq!(plan.bound(), expected, "it does not depend on what was read");
    }
    assert_eq!(bound(&crate::testing::sweep(&[])).unwrap(), 3 + 9 + 1 + 5);
    assert_eq!(bound(&crate::testing::sweep(&["evaluation.report=validation"])).unwrap(), 3 + 9 + 1);
}

#[test]
fn another_name_leaves_the_jobs_as_they_are() {
    let (one, other) = (frozen(&[]), frozen(&[]).renamed("other"));
    assert_eq!((other.sweep().name.as_str(), other.digests()), ("other", one.digests()));
    let id = |frozen: &Frozen| frozen.meaning(Subject::Base, "test").id();
    assert_eq!(id(&one), id(&other));
}

#[test]
fn jobs_carry_the_locations_of_the_inputs_that_they_need() {
    let (_, issued) = finish(&[], 4, &|_| false, &|_| 0).unwrap();
    let places = |label: &str| issued.iter().find(|job| job.label == label).unwrap().job.places.clone();
    let alone = places("mnist alone");
    assert_eq!((alone.adapters.len(), alone.data.len(), alone.heads.len()), (1, 1, 1));
    assert_eq!((places("zero-shot").adapters.len(), places("zero-shot").data.len()), (0, 2));
    assert_eq!(places("sum").adapters.len(), 2);
}

proptest! {
    #[test]
    fn the_outcome_does_not_depend_on_the_window_or_the_order_of_completions(
        window in 1usize..20, step in 0usize..50, method in prop_oneof![
            Just(vec!["method=linear"]), Just(vec!["method=grid"]), Just(vec!["method=random", "trials=9"]),
        ],
    ) {
        let (outcome, issued) = finish(&method, window, &|_| false, &|open| (step + open * 5) % open).unwrap();
        let (straight, one_by_one) = finish(&method, 1, &|_| false, &|_| 0).unwrap();
        prop_assert_eq!(outcome, straight);
        let ids = |jobs: &[PlannedJob]| jobs.iter().map(|job| job.id).collect::<std::collections::BTreeSet<_>>();
        prop_assert_eq!(ids(&issued), ids(&one_by_one));
        prop_assert_eq!(ids(&issued).len(), issued.len());
    }
}

#[test]
fn the_outcome_so_far_has_the_best_known_points_and_equals_the_outcome_at_the_end() {
    for overrides in [&[][..], &["method=grid"], &["method=random", "trials=6"]] {
        let mut plan = SweepPlan::new(frozen(overrides)).unwrap();
        let (mut open, mut answered): (Vec<PlannedJob>, Vec<JobId>) = (Vec::new(), Vec::new());
        loop {
            match plan.next(3).unwrap() {
                NextJobs::Publish(jobs) => open.extend(jobs),
                NextJobs::Wait => {
                    let job = open.pop().unwrap();
                    answered.push(job.id);
                    plan.record(job.id, Completion::Result(&result(&job.job))).unwrap();
                }
                NextJobs::Finished(outcome) => {
                    assert_eq!(plan.so_far().unwrap(), *outcome);
                    break;
                }
            }
            let so_far = plan.so_far().unwrap();
            let named = so_far.rows.iter().flat_map(|row| row.jobs.values().flatten());
            assert!(named.into_iter().all(|job| answered.contains(job)));
            let row = so_far.rows.last().unwrap();
            let RowKind::Search { points, .. } = &row.kind else { panic!() };
            let best = points.iter().max_by(|one, other| one.value.partial_cmp(&other.value).unwrap());
            let leads = row.jobs["validation"].first().and_then(|job| points.iter().find(|point| point.job == *job));
            assert_eq!(leads.map(|point| point.value), best.map(|point| point.value), "{overrides:?}");
        }
    }
}

/// Completes all jobs until only a write is left, or the sweep is over.
fn up_to_the_end(plan: &mut SweepPlan) -> NextJobs {
    loop {
        match plan.next(64).unwrap() {
            NextJobs::Publish(jobs) if jobs.iter().any(|job| job.phase == Phase::Write) => {
                return NextJobs::Publish(jobs);
            }
            NextJobs::Publish(jobs) => jobs.iter().for_each(|job| {
                plan.record(job.id, Completion::Result(&result(&job.job))).unwrap();
            }),
            next => return next,
        }
    }
}

#[test]
fn the_winner_is_written_once_everything_is_evaluated_and_the_sweep_is_over_then() {
    let mut plan = SweepPlan::new(frozen(&[])).unwrap().writing_winner();
    let NextJobs::Publish(jobs) = up_to_the_end(&mut plan) else { panic!("the winner is wanted") };
    assert_eq!(labels(&jobs, Phase::Write), ["write knots_ties"]);
    let jobs::JobSpec::Write(spec) = jobs[0].job.spec() else { panic!("it writes") };
    let outcome = plan.so_far().unwrap();
    let RowKind::Search { recipe, .. } = &outcome.rows[3].kind else { panic!("a search") };
    assert_eq!(*spec.recipe, *recipe);
    assert_eq!(jobs[0].job.places.data.len(), 0, "nothing is evaluated");
    assert_eq!(plan.next(64).unwrap(), NextJobs::Wait);
    plan.record(jobs[0].id, Completion::Artefact(&artefact(&jobs[0].job))).unwrap();
    assert_eq!(plan.next(64).unwrap(), NextJobs::Finished(Box::new(outcome.clone())));

    // A sweep whose winner cannot be written has the same outcome.
    let mut plan = SweepPlan::new(frozen(&[])).unwrap().writing_winner();
    let NextJobs::Publish(jobs) = up_to_the_end(&mut plan) else { panic!("the winner is wanted") };
    let errors = ["the disk is full".to_owned()];
    plan.record(jobs[0].id, Completion::Failed { errors: &errors, blame: Some(Blame::Machine) }).unwrap();
    assert_eq!(plan.next(64).unwrap(), NextJobs::Finished(Box::new(outcome)));
}

#[test]
fn nothing_is_written_unless_asked_for_nor_where_no_adapter_can_hold_the_winner() {
    let mut plan = SweepPlan::new(frozen(&[])).unwrap();
    assert!(matches!(up_to_the_end(&mut plan), NextJobs::Finished(_)));
    let in_full_space = ["recipe.preset=ties"];
    let mut plan = SweepPlan::new(frozen(&in_full_space)).unwrap().writing_winner();
    assert!(matches!(up_to_the_end(&mut plan), NextJobs::Finished(_)));
}

#[test]
fn a_job_waits_for_the_artefacts_that_it_needs() {
    let mut plan = SweepPlan::new(frozen(&[])).unwrap();
    let needed = frozen(&[]).job(frozen(&[]).write_spec(&jobs::Preset::KnotsTies.recipe(), WriteFormat::Adapter));
    let subject = Subject::Merge { recipe: Box::new(jobs::Preset::KnotsTies.recipe().with_scaling(0.77)) };
    let mut waiting = PendingJob::evaluation(subject, "validation", "needs an artefact".to_owned());
    waiting.artefacts = vec![needed.id()];
    let first = PendingJob::evaluation(Subject::Base, "validation", "zero-shot".to_owned());
    plan.pending.begin(Phase::References, [waiting, first].into());
    let NextJobs::Publish(jobs) = plan.next(64).unwrap() else { panic!("something is ready") };
    assert_eq!(labels(&jobs, Phase::References), ["zero-shot"]);
    assert_eq!(plan.next(64).unwrap(), NextJobs::Wait);
    let _ = plan.known.read_artefact(&artefact(&needed));
    let NextJobs::Publish(jobs) = plan.next(64).unwrap() else { panic!("it is ready") };
    assert_eq!(labels(&jobs, Phase::References), ["needs an artefact"]);
}

/// A sweep with RegMean as its baseline, and a search of it over numbers of examples.
const BY_INPUTS: [&str; 5] = [
    "metric.name=mean_accuracy",
    "evaluation.statistics=train",
    "baselines=[{name: fixed, preset: regmean, examples: 32}]",
    "recipe={preset: regmean}",
    "parameters={examples: [64, 128], scaling: [0.5, 1.0]}",
];

#[test]
fn merges_by_inputs_wait_for_the_statistics_of_every_task_and_name_them() {
    let mut plan = SweepPlan::new(frozen(&BY_INPUTS)).unwrap();
    let NextJobs::Publish(jobs) = plan.next(64).unwrap() else { panic!("statistics are wanted") };
    assert!(jobs.iter().all(|job| matches!(job.phase, Phase::References | Phase::Statistics)));
    let of =
        |examples: &str| ["mnist", "flags"].map(|task| format!("Gram matrices of {task} over {examples} examples"));
    assert_eq!(labels(&jobs, Phase::Statistics), [of("32"), of("64"), of("128"), of("256")].concat());
    let statistics: Vec<&PlannedJob> = jobs.iter().filter(|job| job.phase == Phase::Statistics).collect();
    let jobs::JobSpec::Statistics(spec) = statistics[0].job.spec() else { panic!("they are statistics") };
    assert_eq!((spec.examples, spec.split.as_str(), spec.head), (32, "train", None));
    assert_eq!(statistics[0].job.places.data.keys().collect::<Vec<_>>(), ["mnist"]);
    assert_eq!(statistics[0].job.places.adapters.keys().collect::<Vec<_>>(), ["mnist"]);
    for job in &statistics[1..] {
        plan.record(job.id, Completion::Artefact(&artefact(&job.job))).unwrap();
    }
    assert_eq!(plan.next(64).unwrap(), NextJobs::Wait, "one of them is missing");
    plan.record(statistics[0].id, Completion::Artefact(&artefact(&statistics[0].job))).unwrap();
    let NextJobs::Publish(merges) = plan.next(64).unwrap() else { panic!("merges can begin") };
    let baseline = merges.iter().find(|job| job.label == "fixed" && job.phase == Phase::Baselines).unwrap();
    let named: Vec<_> =
        meaning(&baseline.job).statistics.iter().map(|input| (input.task.as_str(), input.job)).collect();
    assert_eq!(named, [("mnist", statistics[0].id), ("flags", statistics[1].id)]);
    assert!(merges.iter().any(|job| job.phase == Phase::Search));
    assert!(plan.bound() >= 6, "{}", plan.bound());
}

#[test]
fn the_result_of_a_merge_by_inputs_is_loaded_with_its_statistics_alone() {
    let frozen = frozen(&BY_INPUTS);
    let recipe = frozen.sweep().baselines[0].recipe.resolve().unwrap();
    let job = frozen.job(frozen.meaning(Subject::Merge { recipe: Box::new(recipe) }, "validation"));
    let mut plan = SweepPlan::new(frozen.clone()).unwrap();
    let mut other = result(&job);
    other.meaning.statistics[0].job = other.job;
    assert_eq!(plan.load(&other), Loaded::OtherInputs);
    other.meaning.statistics.clear();
    assert_eq!(plan.load(&other), Loaded::OtherInputs);
    assert_eq!(plan.load(&result(&job)), Loaded::New);
}

#[test]
fn statistics_that_cannot_be_made_end_the_sweep_by_name() {
    let mut plan = SweepPlan::new(frozen(&BY_INPUTS)).unwrap();
    let NextJobs::Publish(jobs) = plan.next(64).unwrap() else { panic!("statistics are wanted") };
    let job = jobs.iter().find(|job| job.phase == Phase::Statistics).unwrap();
    let errors = ["the split has 50 examples".to_owned()];
    plan.record(job.id, Completion::Failed { errors: &errors, blame: Some(Blame::Job) }).unwrap();
    let error = plan.next(64).unwrap_err();
    let text =
        format!("the sweep needs the Gram matrices of task `mnist`, and job {} that makes them failed", job.id.short());
    assert_eq!(error.to_string(), text);
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), errors[0]);
}

#[test]
fn a_sweep_without_merges_by_inputs_makes_no_statistics() {
    let (_, issued) = finish(&[], 4, &|_| false, &|_| 0).unwrap();
    assert!(labels(&issued, Phase::Statistics).is_empty());
}

/// A sweep without a search, with coefficients that are learned per task and per layer.
const LEARNED: [&str; 3] = [
    "metric.name=mean_accuracy",
    "learned=[{name: per task, split: train}, {name: per layer, split: train, per: layer, objective: entropy, examples: 8}]",
    "baselines=[{name: task arithmetic, preset: task_arithmetic}]",
];

/// The artefact of a job that learns, with these coefficients.
fn learned(job: &jobs::Job, coefficients: &[(&str, f64)]) -> jobs::ArtefactResult {
    let mut made = artefact(job);
    made.artefact.facts = coefficients.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    made
}

#[test]
fn learned_merges_are_evaluated_where_they_were_tuned_chosen_and_reported() {
    let mut plan = SweepPlan::new(frozen(&LEARNED)).unwrap();
    let NextJobs::Publish(jobs) = plan.next(64).unwrap() else { panic!("something is ready") };
    assert_eq!(labels(&jobs, Phase::Tune), ["coefficients of per task", "coefficients of per layer"]);
    let tunes: Vec<&PlannedJob> = jobs.iter().filter(|job| job.phase == Phase::Tune).collect();
    let jobs::JobSpec::Tune(spec) = tunes[1].job.spec() else { panic!("it learns") };
    assert_eq!((spec.split.as_str(), spec.examples, spec.tasks.len()), ("train", Some(8), 2));
    assert!(spec.settings.guard.is_some(), "entropy has a guard");
    for job in jobs.iter().filter(|job| job.phase != Phase::Tune) {
        plan.record(job.id, Completion::Result(&result(&job.job))).unwrap();
    }
    let whole = learned(&tunes[0].job, &[("weights/mnist", 0.25), ("steps", 60.0)]);
    plan.record(tunes[0].id, Completion::Artefact(&whole)).unwrap();
    while let NextJobs::Publish(jobs) = plan.next(64).unwrap() {
        assert!(
            jobs.iter().all(|job| job.phase != Phase::Learned && job.phase != Phase::Report),
            "one is learning yet"
        );
        jobs.iter().for_each(|job| drop(plan.record(job.id, Completion::Result(&result(&job.job))).unwrap()));
    }
    let parts = learned(&tunes[1].job, &[("layer_weights/mnist/0", 0.5), ("layer_weights/flags/1", 0.75)]);
    plan.record(tunes[1].id, Completion::Artefact(&parts)).unwrap();
    let NextJobs::Publish(jobs) = plan.next(64).unwrap() else { panic!("both are learned") };
    let evaluated = ["per task", "per layer", "per task on train", "per layer on train"];
    assert_eq!(labels(&jobs, Phase::Learned), evaluated);
    assert!(labels(&jobs, Phase::Report).contains(&"per layer on test"));
    let Subject::Merge { recipe } = &meaning(&jobs[1].job).subject else { panic!("it is a merge") };
    assert_eq!(serde_json::json!(recipe.layer_weights), serde_json::json!({"flags": {"1": 0.75}, "mnist": {"0": 0.5}}));
    jobs.iter().for_each(|job| drop(plan.record(job.id, Completion::Result(&result(&job.job))).unwrap()));
    let NextJobs::Finished(outcome) = plan.next(64).unwrap() else { panic!("it is over") };
    let row = outcome.rows.iter().find(|row| row.name == "per layer").unwrap();
    assert_eq!(row.jobs.keys().collect::<Vec<_>>(), ["test", "train", "validation"]);
    assert!(row.jobs.values().all(|jobs| jobs.len() == 1));
}

#[test]
fn a_merge_whose_coefficients_cannot_be_learned_has_a_row_without_numbers() {
    let mut plan = SweepPlan::new(frozen(&LEARNED)).unwrap();
    let outcome = loop {
        match plan.next(64).unwrap() {
            NextJobs::Publish(jobs) => {
                for job in &jobs {
                    let errors = ["the loss is not finite".to_owned()];
                    let completion = match job.phase {
                        Phase::Tune => Completion::Failed { errors: &errors, blame: Some(Blame::Job) },
                        _ => Completion::Result(&result(&job.job)),
                    };
                    plan.record(job.id, completion).unwrap();
                }
            }
            NextJobs::Finished(outcome) => break outcome,
            NextJobs::Wait => panic!("nothing is left to wait for"),
        }
    };
    let row = outcome.rows.iter().find(|row| row.name == "per layer").unwrap();
    assert!(row.jobs.values().all(Vec::is_empty), "{row:?}");
    assert!(outcome.rows.iter().any(|row| row.name == "task arithmetic" && !row.jobs["test"].is_empty()));
}

/// A sweep over three tasks with subsets, and a baseline with a weight.
fn with_subsets(overrides: &[&str]) -> Vec<String> {
    let task = |name: &str| {
        format!("{{name: {name}, adapter: adapters/{name}, data: data/{name}, head: heads/{name}.safetensors}}")
    };
    let tasks = ["mnist", "flags", "icons"].map(task).join(", ");
    let weighted = "{name: sum, preset: task_arithmetic, scaling: 0.1, weights: {icons: 0.5}}";
    let mut all = vec![format!("tasks=[{tasks}]"), format!("baselines=[{weighted}]")];
    all.extend(overrides.iter().map(|text| (*text).to_owned()));
    all
}

#[test]
fn the_chosen_recipes_are_merged_once_for_each_subset_after_the_search() {
    let overrides = with_subsets(&["subsets={sizes: [1, 2, 3], samples: 3}"]);
    let overrides: Vec<&str> = overrides.iter().map(String::as_str).collect();
    let (outcome, issued) = finish(&overrides, 1, &|_| false, &|_| 0).unwrap();
    let pairs = ["mnist, flags", "mnist, icons", "flags, icons"];
    let labels_of = |name: &str| pairs.map(|pair| format!("{name} of {pair} on test"));
    // One task is its adapter alone, and all tasks are the row itself: both are jobs of other phases.
    assert_eq!(labels(&issued, Phase::Subsets), [labels_of("knots_ties"), labels_of("sum")].concat());
    let first = issued.iter().position(|job| job.phase == Phase::Subsets).unwrap();
    assert!(issued[first..].iter().all(|job| job.phase == Phase::Subsets), "they are the last");
    let of = |label: &str| issued.iter().find(|job| job.label == label).unwrap();
    let pair = meaning(&of("knots_ties of mnist, icons on test").job);
    let names = |meaning: &jobs::Meaning| meaning.tasks.iter().map(|task| task.name.clone()).collect::<Vec<_>>();
    assert_eq!((names(pair), pair.adapters.len()), (vec!["mnist".to_owned(), "icons".to_owned()], 2));
    let places = &of("knots_ties of mnist, icons on test").job.places;
    assert_eq!(places.data.keys().collect::<Vec<_>>(), ["icons", "mnist"]);
    let Subject::Merge { recipe } = &meaning(&of("sum of mnist, flags on test").job).subject else { panic!() };
    assert!(recipe.weights.is_empty(), "the weight of a task that takes no part is no part of the job");

    let search = outcome.rows.iter().find(|row| row.name == "knots_ties").unwrap();
    assert_eq!(search.subsets.len(), 3 + 3 + 1);
    assert_eq!(search.subsets[0].job, Some(of("mnist alone on test").id));
    assert_eq!(search.subsets[4].job, Some(of("knots_ties of mnist, icons on test").id));
    assert_eq!(search.subsets[6].job, Some(of("knots_ties on test").id));
    let plan = SweepPlan::new(frozen(&overrides)).unwrap();
    assert_eq!(plan.bound(), 4 + 9 + 1 + 6 + 2 * (3 + 1));
}

#[test]
fn results_of_subsets_are_loaded_if_their_inputs_are_those_of_the_sweep() {
    let overrides = with_subsets(&["subsets={sizes: [2]}", "metric.name=mean_accuracy"]);
    let frozen = frozen(&overrides.iter().map(String::as_str).collect::<Vec<_>>());
    let recipe = frozen.sweep().baselines[0].recipe.resolve().unwrap();
    let tasks = ["flags".to_owned(), "icons".to_owned()];
    let mut plan = SweepPlan::new(frozen.clone()).unwrap();
    let whole = frozen.job(frozen.meaning(Subject::Merge { recipe: Box::new(recipe.clone()) }, "test"));
    assert_eq!(plan.load(&result(&whole)), Loaded::New);
    let subset = result(&frozen.job(frozen.subset_meaning(&recipe, "test", &tasks)));
    let mut other = subset.clone();
    other.meaning.adapters[0].digest = jobs::Digest::of(b"another");
    assert_eq!(plan.load(&other), Loaded::OtherInputs);
    assert_eq!(plan.load(&subset), Loaded::New);
}

#[test]
fn a_failed_subset_has_no_number_and_a_given_accuracy_has_no_job() {
    let given = "tasks.mnist.finetuned={validation: 0.5, test: 0.5}";
    let overrides = with_subsets(&["subsets={sizes: [1, 2]}", given]);
    let overrides: Vec<&str> = overrides.iter().map(String::as_str).collect();
    let fails = |job: &PlannedJob| job.label == "knots_ties of mnist, flags on test";
    let (outcome, _) = finish(&overrides, 4, &fails, &|_| 0).unwrap();
    let search = outcome.rows.iter().find(|row| row.name == "knots_ties").unwrap();
    let is_known: Vec<bool> = search.subsets.iter().map(|subset| subset.job.is_some()).collect();
    assert_eq!(is_known, [false, true, true, false, true, true]);
}

#[test]
fn a_subset_merges_by_the_statistics_of_its_own_tasks() {
    let sweep = with_subsets(&["subsets={sizes: [2]}", "evaluation.statistics=train", "recipe={preset: regmean}"]);
    let sweep: Vec<&str> = sweep.iter().map(String::as_str).chain(["parameters={}", "baselines=[]"]).collect();
    let frozen = frozen(&sweep);
    let recipe = frozen.sweep().searches[0].recipe.resolve().unwrap();
    let tasks = ["mnist".to_owned(), "icons".to_owned()];
    let subset = frozen.subset_meaning(&recipe, "test", &tasks);
    let named: Vec<&str> = subset.statistics.iter().map(|input| input.task.as_str()).collect();
    assert_eq!(named, ["mnist", "icons"]);
    assert!(frozen.has_inputs_of(&subset));
}

/// A sweep whose search and baseline draw.
const REPLICATED: [&str; 3] = [
    "recipe={preset: knots_dare_ties, density: 0.2, scaling: 0.1, drop_rate: 0.5, seed: 7}",
    "parameters={scaling: [0.1, 0.2]}",
    "baselines=[{name: dare, preset: dare_ties, scaling: 0.3, replicates: {seed: 2}}]",
];

/// A plan run to its end, with a number of right answers for each merge.
fn finish_with(
    overrides: &[&str],
    limit: usize,
    correct: &dyn Fn(&jobs::Recipe) -> Option<u64>,
) -> (Outcome, Vec<PlannedJob>) {
    let mut plan = SweepPlan::new(frozen(overrides)).unwrap().writing_winner();
    let mut issued: Vec<PlannedJob> = Vec::new();
    let mut open: Vec<PlannedJob> = Vec::new();
    loop {
        match plan.next(limit).unwrap() {
            NextJobs::Publish(jobs) => {
                assert!(jobs.len() <= limit, "no more than issued for");
                issued.extend(jobs.clone());
                open.extend(jobs);
            }
            NextJobs::Wait => {
                let job = open.pop().expect("a sweep that waits for nothing never ends");
                if job.phase == Phase::Write {
                    plan.record(job.id, Completion::Artefact(&artefact(&job.job))).unwrap();
                    continue;
                }
                let correct = match &meaning(&job.job).subject {
                    Subject::Merge { recipe } => correct(recipe),
                    subject => Some(crate::testing::correct(subject)),
                };
                let errors = ["a seed of ill luck".to_owned()];
                let result = correct.map(|correct| with_correct(&job, correct));
                let completion = match &result {
                    Some(result) => Completion::Result(result),
                    None => Completion::Failed { errors: &errors, blame: Some(Blame::Job) },
                };
                plan.record(job.id, completion).unwrap();
            }
            NextJobs::Finished(outcome) => {
                assert_eq!(plan.so_far().unwrap(), *outcome);
                return (*outcome, issued);
            }
        }
    }
}

fn seed_of(recipe: &jobs::Recipe) -> u64 {
    recipe.drop.map_or(0, |drop| drop.seed)
}

/// At scaling 0.1 seed 8 is the best of all, but 0.2 is better on average.
fn lucky(recipe: &jobs::Recipe) -> Option<u64> {
    let at = |scaling: f64| (recipe.scaling - scaling).abs() < 1e-9;
    Some(match (seed_of(recipe), at(0.1)) {
        (8, true) => 800,
        (_, true) => 400,
        (9, false) if at(0.2) => 620,
        (_, false) if at(0.2) => 600,
        (_, false) => 500,
    })
}

#[test]
fn a_search_with_replicates_ranks_its_points_by_the_mean_over_seeds() {
    for limit in [1, 2, 64] {
        let overrides = [&REPLICATED[..], &["replicates={seed: 3}"]].concat();
        let (outcome, issued) = finish_with(&overrides, limit, &lucky);
        let point = |scaling: &str| [7, 8, 9].map(|seed| format!("knots_dare_ties scaling={scaling} seed={seed}"));
        assert_eq!(labels(&issued, Phase::Search), [point("0.1"), point("0.2")].concat(), "{limit}");
        let row = outcome.rows.iter().find(|row| row.name == "knots_dare_ties").unwrap();
        let RowKind::Search { spec, recipe, points, .. } = &row.kind else { panic!("a search") };
        assert_eq!(
            (spec.scaling, spec.seed, seed_of(recipe)),
            (Some(0.2), Some(9), 9),
            "the best seed of the best mean"
        );
        assert_eq!(points.len(), 6);
        assert!((points[1].value.unwrap() - 800.0 / 900.0).abs() < 1e-12 && points[1].spec.seed == Some(8));
        let replicates = row.replicates.as_ref().unwrap();
        assert_eq!(replicates.runs.iter().map(|run| run.seed).collect::<Vec<_>>(), [7, 8, 9]);
        assert_eq!(row.jobs["validation"], [replicates.runs[2].jobs["validation"]]);
        assert_eq!(row.jobs["test"], [replicates.runs[2].jobs["test"]]);
        let on_test = labels(&issued, Phase::Report);
        for seed in [7, 8, 9] {
            assert!(on_test.contains(&format!("knots_dare_ties seed={seed} on test").as_str()), "{on_test:?}");
        }
        let jobs::JobSpec::Write(spec) = issued.last().unwrap().job.spec() else {
            panic!("the winner is written last")
        };
        assert_eq!(seed_of(&spec.recipe), 9);
        assert_eq!(labels(&issued, Phase::Baselines), ["dare seed=0", "dare seed=1"]);
        let baseline = outcome.rows.iter().find(|row| row.name == "dare").unwrap();
        assert!(baseline.replicates.as_ref().unwrap().runs.iter().all(|run| run.jobs.len() == 2));
        let bound = SweepPlan::new(frozen(&overrides)).unwrap().bound();
        assert_eq!(bound, (3 + 3) + 2 * 3 + 2 + 2 + 3);
    }
}

#[test]
fn a_point_fails_if_one_of_its_seeds_fails() {
    let overrides = [&REPLICATED[..], &["replicates={seed: 2}", "method=grid"]].concat();
    let correct = |recipe: &jobs::Recipe| {
        lucky(recipe).filter(|_| !(seed_of(recipe) == 8 && (recipe.scaling - 0.2).abs() < 1e-9))
    };
    let (outcome, _) = finish_with(&overrides, 64, &correct);
    let row = outcome.rows.iter().find(|row| row.name == "knots_dare_ties").unwrap();
    let RowKind::Search { spec, points, .. } = &row.kind else { panic!("a search") };
    assert_eq!((spec.scaling, spec.seed), (Some(0.1), Some(8)));
    assert_eq!(points.iter().filter(|point| point.value.is_none()).count(), 1);
}

#[test]
fn the_seeds_that_another_search_has_computed_are_not_issued_again() {
    let searches = "searches=[{name: single, recipe: {preset: dare_ties, seed: 7}, parameters: {scaling: [0.1, 0.2]}}, \
                    {name: several, recipe: {preset: dare_ties, seed: 6}, parameters: {scaling: [0.1, 0.2]}, \
                    replicates: {seed: 2}}]";
    let (outcome, issued) =
        finish_with(&["recipe=null", "parameters=null", "baselines=[]", searches, "method=grid"], 1, &lucky);
    let ids: std::collections::BTreeSet<JobId> = issued.iter().map(|job| job.id).collect();
    assert_eq!(ids.len(), issued.len());
    assert_eq!(labels(&issued, Phase::Search).len(), 4, "two seeds at two scalings");
    assert!(outcome.rows.iter().all(|row| !row.jobs["test"].is_empty()));
}

#[test]
fn a_search_that_is_ended_early_keeps_the_points_of_which_all_seeds_are_known() {
    let overrides = [&REPLICATED[..], &["replicates={seed: 2}", "metric.name=mean_accuracy", "baselines=[]"]].concat();
    let mut plan = SweepPlan::new(frozen(&overrides)).unwrap();
    let mut seen = 0;
    while let NextJobs::Publish(jobs) = plan.next(1).unwrap() {
        for job in jobs {
            // Both seeds of the first point, and one of the second.
            seen += usize::from(job.phase == Phase::Search);
            if seen > 3 {
                break;
            }
            plan.record(job.id, Completion::Result(&result(&job.job))).unwrap();
        }
        if seen > 3 {
            break;
        }
    }
    plan.end_early();
    while let NextJobs::Publish(jobs) = plan.next(64).unwrap() {
        jobs.iter().for_each(|job| drop(plan.record(job.id, Completion::Result(&result(&job.job))).unwrap()));
    }
    let NextJobs::Finished(outcome) = plan.next(64).unwrap() else { panic!("it is over") };
    let row = outcome.rows.iter().find(|row| row.name == "knots_dare_ties").unwrap();
    let RowKind::Search { spec, .. } = &row.kind else { panic!("a search") };
    assert_eq!((spec.scaling, row.jobs["test"].len()), (Some(0.1), 1));
}
