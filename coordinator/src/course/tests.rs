use super::*;
use crate::testing::{artefact, failure, frozen, meaning, result, scaling};
use jobs::RowKind;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Runs a course to its end: `window` jobs at a time, answers in the order that `pick` chooses.
fn finish(
    overrides: &[&str],
    window: usize,
    fails: &dyn Fn(&Wanted) -> bool,
    pick: &dyn Fn(usize) -> usize,
) -> Result<(Outcome, Vec<Wanted>), CoordinatorError> {
    let mut course = Course::new(frozen(overrides))?;
    let (mut open, mut asked): (Vec<Wanted>, Vec<Wanted>) = (Vec::new(), Vec::new());
    loop {
        let room = window - open.len();
        match if room == 0 { Step::Wait } else { course.next(room)? } {
            Step::Run(wanted) => {
                assert!(wanted.len() <= room, "no more than asked for");
                asked.extend(wanted.clone());
                open.extend(wanted);
            }
            Step::Wait => {
                assert!(!open.is_empty(), "a sweep that waits for nothing never ends");
                let wanted = open.remove(pick(open.len()));
                let result = result(&wanted.job);
                let errors = ["the formula does not hold".to_owned(), "it is made up".to_owned()];
                let answer = match fails(&wanted) {
                    true => Answer::Failed { errors: &errors, blame: Some(Blame::Job) },
                    false => Answer::Result(&result),
                };
                course.record(wanted.id, answer)?;
            }
            Step::Finished(outcome) => return Ok((*outcome, asked)),
        }
    }
}

fn labels(wanted: &[Wanted], phase: Phase) -> Vec<&str> {
    wanted.iter().filter(|wanted| wanted.phase == phase).map(|wanted| wanted.label.as_str()).collect()
}

fn chosen(outcome: &Outcome, name: &str) -> RecipeSpec {
    let row = outcome.rows.iter().find(|row| row.name == name).unwrap();
    let RowKind::Search { spec, .. } = &row.kind else { panic!("{name} is no search") };
    spec.clone()
}

#[test]
fn a_sweep_wants_its_phases_in_order_and_the_report_split_once() {
    let (outcome, asked) = finish(&[], 1, &|_| false, &|_| 0).unwrap();
    assert_eq!(labels(&asked, Phase::References), ["zero-shot", "mnist alone", "flags alone"]);
    let points = [
        "knots_ties scaling=0.1 density=0.2",
        "knots_ties scaling=0.2 density=0.2",
        "knots_ties scaling=0.3 density=0.2",
        "knots_ties scaling=0.4 density=0.2",
        "knots_ties scaling=0.3 density=0.1",
        "knots_ties scaling=0.3 density=0.5",
        "knots_ties scaling=0.3 density=1.0",
    ];
    assert_eq!(labels(&asked, Phase::Search), points);
    assert_eq!(labels(&asked, Phase::Baselines), ["sum"]);
    let report =
        ["zero-shot on test", "mnist alone on test", "flags alone on test", "knots_ties on test", "sum on test"];
    assert_eq!(labels(&asked, Phase::Report), report);
    assert!(asked.iter().all(|wanted| (wanted.phase == Phase::Report) == (meaning(&wanted.job).split == "test")));
    let spec = chosen(&outcome, "knots_ties");
    assert_eq!((spec.scaling, spec.density), (Some(0.3), Some(0.5)));
    assert_eq!(Course::new(frozen(&[])).unwrap().bound(), 3 + 9 + 1 + 5);
}

#[test]
fn a_point_is_called_by_what_the_preset_says_where_the_search_says_nothing_yet() {
    let (_, asked) = finish(&["recipe={preset: knots_ties}"], 1, &|_| false, &|_| 0).unwrap();
    assert_eq!(labels(&asked, Phase::Search)[0], "knots_ties scaling=0.1 density=0.2");
}

#[test]
fn the_outcome_names_the_jobs_that_hold_its_numbers() {
    let (outcome, asked) = finish(&[], 4, &|_| false, &|_| 0).unwrap();
    let names: Vec<_> = outcome.rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["zero-shot", "fine-tuned", "sum", "knots_ties"]);
    let id = |label: &str| asked.iter().find(|wanted| wanted.label == label).unwrap().id;
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
    let mut course = Course::new(frozen(&[])).unwrap();
    let Step::Run(wanted) = course.next(100).unwrap() else { panic!() };
    assert_eq!(wanted.len(), 3, "the references alone");
    assert_eq!(course.next(100).unwrap(), Step::Wait);
    let mut course = Course::new(frozen(&["metric.name=mean_accuracy"])).unwrap();
    let Step::Run(wanted) = course.next(100).unwrap() else { panic!() };
    assert_eq!(wanted.len(), 5, "a first point and the baseline on top");
}

/// The result of a reference with this number of right answers of 1000.
fn with_correct(wanted: &Wanted, correct: u64) -> JobResult {
    let mut result = result(&wanted.job);
    result.scores.iter_mut().for_each(|score| score.correct = correct);
    result
}

#[test]
fn an_adapter_that_is_worse_than_the_base_is_said_once_and_before_the_search() {
    let mut course = Course::new(frozen(&[])).unwrap();
    let Step::Run(wanted) = course.next(100).unwrap() else { panic!() };
    let [base, mnist, flags] = &wanted[..] else { panic!("{wanted:?}") };
    course.record(mnist.id, Answer::Result(&with_correct(mnist, 299))).unwrap();
    assert_eq!(course.newly_weak(), [], "the base is not known yet");
    course.record(base.id, Answer::Result(&with_correct(base, 300))).unwrap();
    let weak = course.newly_weak();
    let expected = "the adapter of `mnist` is worse on its own task than the base without it: 29.9 % against 30.0 % on \
                    `validation`; was it trained on this base?";
    assert_eq!(weak.iter().map(WeakAdapter::to_string).collect::<Vec<_>>(), [expected]);
    course.record(flags.id, Answer::Result(&with_correct(flags, 300))).unwrap();
    assert_eq!(course.newly_weak(), [], "once, and not of one that is as good");
    let Step::Run(wanted) = course.next(100).unwrap() else { panic!() };
    assert!(wanted.iter().any(|wanted| wanted.phase == Phase::Search), "the search goes on");
    let again = Course::new(frozen(&[])).unwrap().after(&course);
    let mut again = Course { known: course.known, ..again };
    assert_eq!(again.newly_weak(), [], "nor once more where the sweep is read again");
}

#[test]
fn an_accuracy_that_is_given_can_be_below_the_base() {
    let mut course = Course::new(frozen(&["tasks.mnist.finetuned={validation: 0.2}"])).unwrap();
    let Step::Run(wanted) = course.next(100).unwrap() else { panic!() };
    course.record(wanted[0].id, Answer::Result(&result(&wanted[0].job))).unwrap();
    let [weak] = &course.newly_weak()[..] else { panic!() };
    let expected = "the accuracy that is given for the adapter of `mnist`, 20.0 %, is below the base's own on `validation`, 30.0 %";
    assert_eq!(weak.to_string(), expected);
}

#[test]
fn given_accuracies_are_not_measured() {
    let given = ["tasks.mnist.finetuned={validation: 0.5, test: 0.5}", "tasks.flags.finetuned={validation: 0.8}"];
    let (outcome, asked) = finish(&given, 4, &|_| false, &|_| 0).unwrap();
    assert_eq!(labels(&asked, Phase::References), ["zero-shot"]);
    assert_eq!(outcome.given_denominators["test"], BTreeMap::from([("mnist".to_owned(), 0.5)]));
    assert_eq!((outcome.rows[1].jobs["validation"].len(), outcome.rows[1].jobs["test"].len()), (0, 1));
    let RowKind::Search { points, .. } = &outcome.rows[3].kind else { panic!() };
    assert!((points[5].value.unwrap() - (0.8 / 0.5 + 0.8 / 0.8) / 2.0).abs() < 1e-12);
}

#[test]
fn an_adapter_that_fails_ends_a_normalised_search_with_its_name() {
    let fails = |wanted: &Wanted| wanted.label == "flags alone";
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
fn a_failed_point_is_passed_over_and_listed() {
    let fails = |wanted: &Wanted| scaling(&wanted.job) == Some(0.3) && wanted.phase == Phase::Search;
    let (outcome, _) = finish(&[], 4, &fails, &|_| 0).unwrap();
    assert_eq!(chosen(&outcome, "knots_ties").scaling, Some(0.2));
    let RowKind::Search { points, .. } = &outcome.rows[3].kind else { panic!() };
    assert_eq!(points.iter().filter(|point| point.value.is_none()).count(), 1);
}

#[test]
fn a_search_of_failures_has_a_row_without_numbers() {
    let (outcome, asked) = finish(&[], 4, &|wanted| wanted.phase == Phase::Search, &|_| 0).unwrap();
    let row = outcome.rows.iter().find(|row| row.name == "knots_ties").unwrap();
    assert!(row.jobs.values().all(Vec::is_empty), "{row:?}");
    assert!(labels(&asked, Phase::Report).contains(&"sum on test"), "the other rows are reported");
    assert!(failure(&asked[0].job).is_final);
}

#[test]
fn a_job_that_several_parts_want_is_wanted_once() {
    let same =
        ["baselines.sum={name: same, preset: knots_ties, density: 0.5, scaling: 0.3}", "evaluation.report=validation"];
    let (outcome, asked) = finish(&same, 4, &|_| false, &|_| 0).unwrap();
    let ids: std::collections::BTreeSet<_> = asked.iter().map(|wanted| wanted.id).collect();
    assert_eq!(ids.len(), asked.len());
    assert_eq!(labels(&asked, Phase::Report), [""; 0], "there is nothing that was not evaluated before");
    assert_eq!(outcome.rows[2].jobs, outcome.rows[3].jobs);
}

#[test]
fn a_joint_benchmark_has_no_denominators_and_stops_at_a_plateau() {
    let joint = [
        "evaluation={benchmark: joint, head: heads/joint.safetensors, map: heads/map.json}",
        "metric.name=mean_accuracy",
        "parameters={scaling: [0.2, 0.4, 0.3]}",
    ];
    let (outcome, asked) = finish(&joint, 4, &|_| false, &|_| 0).unwrap();
    assert_eq!(labels(&asked, Phase::References), ["zero-shot"]);
    assert_eq!(outcome.rows.iter().filter(|row| row.kind == RowKind::Finetuned).count(), 0);
    assert_eq!(chosen(&outcome, "knots_ties").scaling, Some(0.2), "0.4 is equal, so 0.3 is not looked at");
}

#[test]
fn a_better_point_is_announced_for_its_search() {
    let mut course = Course::new(frozen(&["metric.name=mean_accuracy"])).unwrap();
    let Step::Run(wanted) = course.next(100).unwrap() else { panic!() };
    let point = wanted.iter().find(|wanted| wanted.phase == Phase::Search).unwrap();
    let recorded = course.record(point.id, Answer::Result(&result(&point.job))).unwrap();
    assert_eq!(recorded.best_of.unwrap().1.scaling, Some(0.1));
    let again = course.record(point.id, Answer::Failed { errors: &[], blame: Some(Blame::Job) }).unwrap();
    assert_eq!(again, Recorded::default(), "the first answer stays");
}

/// The values that are announced as the best, when answers come one by one.
fn announced(overrides: &[&str]) -> Vec<f64> {
    let mut course = Course::new(frozen(overrides)).unwrap();
    let mut announced = Vec::new();
    loop {
        match course.next(1).unwrap() {
            Step::Run(wanted) => {
                let recorded = course.record(wanted[0].id, Answer::Result(&result(&wanted[0].job))).unwrap();
                announced.extend(recorded.best_of.map(|_| recorded.value.unwrap()));
            }
            Step::Wait => panic!("every answer is there"),
            Step::Finished(_) => return announced,
        }
    }
}

#[test]
fn only_what_is_better_than_all_before_is_announced() {
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
        let mut course = Course::new(frozen(overrides)).unwrap();
        let expected = course.bound();
        assert_eq!(bound(&sweep).unwrap(), expected, "{overrides:?}");
        assert!(matches!(course.next(2).unwrap(), Step::Run(_)));
        assert_eq!(course.bound(), expected, "it does not depend on what was read");
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
fn jobs_carry_the_places_of_what_they_need() {
    let (_, asked) = finish(&[], 4, &|_| false, &|_| 0).unwrap();
    let places = |label: &str| asked.iter().find(|wanted| wanted.label == label).unwrap().job.places.clone();
    let alone = places("mnist alone");
    assert_eq!((alone.adapters.len(), alone.data.len(), alone.heads.len()), (1, 1, 1));
    assert_eq!((places("zero-shot").adapters.len(), places("zero-shot").data.len()), (0, 2));
    assert_eq!(places("sum").adapters.len(), 2);
}

proptest! {
    #[test]
    fn the_outcome_does_not_depend_on_the_window_or_the_order_of_answers(
        window in 1usize..20, step in 0usize..50, method in prop_oneof![
            Just(vec!["method=linear"]), Just(vec!["method=grid"]), Just(vec!["method=random", "trials=9"]),
        ],
    ) {
        let (outcome, asked) = finish(&method, window, &|_| false, &|open| (step + open * 5) % open).unwrap();
        let (straight, one_by_one) = finish(&method, 1, &|_| false, &|_| 0).unwrap();
        prop_assert_eq!(outcome, straight);
        let ids = |wanted: &[Wanted]| wanted.iter().map(|wanted| wanted.id).collect::<std::collections::BTreeSet<_>>();
        prop_assert_eq!(ids(&asked), ids(&one_by_one));
        prop_assert_eq!(ids(&asked).len(), asked.len());
    }
}

#[test]
fn what_a_sweep_came_to_so_far_is_the_best_of_what_is_known_and_at_its_end_the_outcome() {
    for overrides in [&[][..], &["method=grid"], &["method=random", "trials=6"]] {
        let mut course = Course::new(frozen(overrides)).unwrap();
        let (mut open, mut answered): (Vec<Wanted>, Vec<JobId>) = (Vec::new(), Vec::new());
        loop {
            match course.next(3).unwrap() {
                Step::Run(wanted) => open.extend(wanted),
                Step::Wait => {
                    let wanted = open.pop().unwrap();
                    answered.push(wanted.id);
                    course.record(wanted.id, Answer::Result(&result(&wanted.job))).unwrap();
                }
                Step::Finished(outcome) => {
                    assert_eq!(course.so_far().unwrap(), *outcome);
                    break;
                }
            }
            let so_far = course.so_far().unwrap();
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

/// Answers all that is wanted until nothing but what writes is left, or the sweep is over.
fn up_to_the_end(course: &mut Course) -> Step {
    loop {
        match course.next(64).unwrap() {
            Step::Run(wanted) if wanted.iter().any(|wanted| wanted.phase == Phase::Write) => return Step::Run(wanted),
            Step::Run(wanted) => wanted.iter().for_each(|wanted| {
                course.record(wanted.id, Answer::Result(&result(&wanted.job))).unwrap();
            }),
            step => return step,
        }
    }
}

#[test]
fn the_winner_is_written_once_everything_is_evaluated_and_the_sweep_is_over_then() {
    let mut course = Course::new(frozen(&[])).unwrap().writing();
    let Step::Run(wanted) = up_to_the_end(&mut course) else { panic!("the winner is wanted") };
    assert_eq!(labels(&wanted, Phase::Write), ["write knots_ties"]);
    let jobs::JobSpec::Write(spec) = &wanted[0].job.spec else { panic!("it writes") };
    let outcome = course.so_far().unwrap();
    let RowKind::Search { recipe, .. } = &outcome.rows[3].kind else { panic!("a search") };
    assert_eq!(spec.recipe, *recipe);
    assert_eq!(wanted[0].job.places.data.len(), 0, "nothing is evaluated");
    assert_eq!(course.next(64).unwrap(), Step::Wait);
    course.record(wanted[0].id, Answer::Artefact(&artefact(&wanted[0].job))).unwrap();
    assert_eq!(course.next(64).unwrap(), Step::Finished(Box::new(outcome.clone())));

    // A sweep whose winner cannot be written comes to the same.
    let mut course = Course::new(frozen(&[])).unwrap().writing();
    let Step::Run(wanted) = up_to_the_end(&mut course) else { panic!("the winner is wanted") };
    let errors = ["the disk is full".to_owned()];
    course.record(wanted[0].id, Answer::Failed { errors: &errors, blame: Some(Blame::Machine) }).unwrap();
    assert_eq!(course.next(64).unwrap(), Step::Finished(Box::new(outcome)));
}

#[test]
fn nothing_is_written_unless_asked_for_nor_where_no_adapter_can_hold_the_winner() {
    let mut course = Course::new(frozen(&[])).unwrap();
    assert!(matches!(up_to_the_end(&mut course), Step::Finished(_)));
    let in_full_space = ["recipe.preset=ties"];
    let mut course = Course::new(frozen(&in_full_space)).unwrap().writing();
    assert!(matches!(up_to_the_end(&mut course), Step::Finished(_)));
}

#[test]
fn a_job_waits_for_the_artefacts_that_it_needs() {
    let mut course = Course::new(frozen(&[])).unwrap();
    let needed = frozen(&[]).job(frozen(&[]).writing(&jobs::Preset::KnotsTies.recipe(), WriteFormat::Adapter));
    let subject = Subject::Merge { recipe: jobs::Preset::KnotsTies.recipe().with_scaling(0.77) };
    let mut waiting = Planned::evaluation(subject, "validation", "needs an artefact".to_owned());
    waiting.artefacts = vec![needed.id()];
    let first = Planned::evaluation(Subject::Base, "validation", "zero-shot".to_owned());
    course.plans.insert(Phase::References, [waiting, first].into());
    let Step::Run(wanted) = course.next(64).unwrap() else { panic!("something is ready") };
    assert_eq!(labels(&wanted, Phase::References), ["zero-shot"]);
    assert_eq!(course.next(64).unwrap(), Step::Wait);
    let _ = course.known.read_artefact(&artefact(&needed));
    let Step::Run(wanted) = course.next(64).unwrap() else { panic!("it is ready") };
    assert_eq!(labels(&wanted, Phase::References), ["needs an artefact"]);
}
