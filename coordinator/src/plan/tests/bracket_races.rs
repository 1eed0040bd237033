//! Points of a bracket that race.

use super::{
    racing::{Run, first, run},
    *,
};
use crate::testing::answered;
use jobs::Point;

const BRACKET: &str = "method=bracket";
/// Both tasks count the same, so that values are compared by whole numbers.
const MEAN: &str = "metric.name=mean_accuracy";
/// Two scans, of 31 and of 16 values, with the best ones at λ = 0.3 and density 0.5.
const TWO_SCANS: &str =
    "parameters={scaling: {min: 0.1, max: 0.7, step: 0.02}, density: {min: 0.05, max: 0.8, step: 0.05}}";
/// Values that hardly differ: what tells them apart is noise.
const ALIKE: &str = "parameters={scaling: {min: 0.29, max: 0.31, step: 0.001}}";

fn bracket(parameters: &str, more: &[&str]) -> Run {
    run(&[&[BRACKET, MEAN, parameters], more].concat(), 4, &|_| false, &mut first)
}

/// The right answers of a point on all examples, also where its race did not learn them.
fn right_answers(run: &Run, point: &Point) -> u64 {
    let of_point = |job: &&PlannedJob| job.phase == Phase::Search && meaning(&job.job).whole_id() == point.job;
    let job = &run.issued.iter().find(of_point).unwrap().job;
    let whole = jobs::Job::new(meaning(job).whole(), job.places.clone());
    answered(&whole).scores.iter().map(|score| score.correct).sum()
}

fn choice_is_evaluated(run: &Run) -> bool {
    let row = run.outcome.rows.last().unwrap();
    let chosen = row.jobs["validation"][0];
    run.points().iter().any(|point| point.job == chosen && point.value.is_some() && point.raced.is_none())
}

#[test]
fn a_bracket_that_races_finds_a_value_as_good_on_a_part_of_the_examples() {
    let whole = bracket(TWO_SCANS, &[]);
    let best = right_answers(&whole, whole.points().iter().max_by_key(|point| right_answers(&whole, point)).unwrap());
    for seed in 0..5 {
        let raced = bracket(TWO_SCANS, &[&format!("racing={{slice: 100, seed: {seed}}}")]);
        let found = raced.points().iter().map(|point| right_answers(&raced, point)).max().unwrap();
        // One point of 3,000 answers: two values of λ side by side differ by two of them.
        assert!(found + 30 >= best, "{seed}: {found} and {best}");
        let share = raced.examples() as f64 / whole.examples() as f64;
        assert!(share < 0.9, "{seed}: {share}");
        assert!(choice_is_evaluated(&raced), "{seed}");
        assert!(raced.points().len() <= 14, "{seed}");
    }
}

#[test]
fn a_raced_value_never_stands_as_one_of_all_examples() {
    let raced = bracket(TWO_SCANS, &["racing={slice: 100}"]);
    let of_point = |point: &Point| {
        let is_whole = |job: &&PlannedJob| job.id == point.job;
        raced.issued.iter().any(|job| is_whole(&job))
    };
    let mut without = 0;
    for point in raced.points() {
        assert_eq!(point.value.is_some(), of_point(point), "{point:?}");
        assert!(point.value.is_some() != point.raced.is_some(), "{point:?}");
        without += usize::from(point.raced.is_some());
    }
    assert!(without >= 4, "{without} of {}", raced.points().len());
}

#[test]
fn the_points_of_a_scan_of_a_bracket_answer_the_same_examples() {
    let raced = bracket(TWO_SCANS, &["racing={slice: 100}"]);
    let mut by_scan: BTreeMap<bool, Vec<Vec<Vec<u64>>>> = BTreeMap::new();
    for job in raced.issued.iter().filter(|job| job.is_slice()) {
        let meaning = meaning(&job.job);
        if meaning.slice.as_ref().is_some_and(|slice| slice.from == 0) {
            let is_second_scan = !job.label.contains("density=0.2 ");
            by_scan.entry(is_second_scan).or_default().push(meaning.slice_examples().unwrap().unwrap());
        }
    }
    let of_second = by_scan[&true][0].clone();
    assert!(by_scan[&true].iter().all(|slice| *slice == of_second) && by_scan[&true].len() >= 2);
    // The best point of the first scan answers the examples of the second one as well.
    let of_first: Vec<_> = by_scan[&false].iter().filter(|slice| **slice != of_second).collect();
    assert_eq!(by_scan[&false].len() - of_first.len(), 1);
    assert!(of_first.iter().all(|slice| *slice == of_first[0]) && of_first.len() >= 3);
}

/// Whether a race of the points was decided against their values on all examples.
fn has_error(run: &Run) -> bool {
    let mut best: Option<u64> = None;
    for point in run.points() {
        let right = right_answers(run, point);
        let has_lost = point.raced.is_some_and(|raced| !raced.led);
        let has_won = point.raced.is_some_and(|raced| raced.led);
        match best {
            Some(best) if has_lost && right > best => return true,
            Some(best) if has_won && right < best => return true,
            _ => {}
        }
        // A point with a value took the lead if that is better.
        if has_won || (!has_lost && best.is_none_or(|best| right > best)) {
            best = Some(right);
        }
    }
    false
}

#[test]
fn of_a_hundred_brackets_over_values_that_hardly_differ_no_more_err_than_the_error_rate_allows() {
    let mut errors = 0;
    let mut decided = 0;
    for seed in 0..100 {
        let raced = bracket(ALIKE, &[&format!("racing={{slice: 100, seed: {seed}, error_rate: 0.1}}")]);
        errors += usize::from(has_error(&raced));
        decided += raced.points().iter().filter(|point| point.raced.is_some()).count();
    }
    // More than 20 of 100 at a rate of 0.1 have a probability of one in a thousand.
    assert!(errors <= 20, "{errors} of 100");
    assert!(decided > 0);
}

/// The recipe's own λ is 0.2, where the scan begins; the best one is beside it.
const BESIDE: [&str; 3] = [
    BRACKET,
    "recipe={preset: knots_ties, density: 0.2, scaling: 0.2}",
    "parameters={scaling: [0.1, 0.2, 0.3, 0.4, 0.5]}",
];

#[test]
fn a_leader_of_a_bracket_whose_evaluation_fails_gives_way_to_the_one_before_it() {
    let is_best = |job: &PlannedJob| job.phase == Phase::Search && !job.is_slice() && scaling(&job.job) == Some(0.3);
    let raced = run(&[&BESIDE[..], &["racing={slice: 100}"]].concat(), 4, &is_best, &mut first);
    assert_eq!(chosen(&raced.outcome, "knots_ties").scaling, Some(0.2));
    assert!(choice_is_evaluated(&raced));
    assert!(raced.points().iter().any(|point| point.spec.scaling == Some(0.3) && point.is_failed()));
}

#[test]
fn a_bracket_whose_first_point_fails_races_from_the_next_one() {
    let is_low = |job: &PlannedJob| job.phase == Phase::Search && scaling(&job.job) < Some(0.25);
    let raced = run(&[&BESIDE[..], &["racing={slice: 100}"]].concat(), 4, &is_low, &mut first);
    assert_eq!(chosen(&raced.outcome, "knots_ties").scaling, Some(0.3));
    assert!(raced.points()[0].is_failed() && choice_is_evaluated(&raced));
}

#[test]
fn an_indifferent_bracket_takes_fewer_examples() {
    let with = bracket(ALIKE, &["racing={slice: 100, indifference: 0.02}"]);
    let without = bracket(ALIKE, &["racing={slice: 100}"]);
    assert!(with.examples() < without.examples(), "{} and {}", with.examples(), without.examples());
    assert!(choice_is_evaluated(&with));
}

#[test]
fn a_minimized_metric_races_the_other_way() {
    let goal = "metric={name: mean_accuracy, goal: minimize}";
    let parameters = "parameters={scaling: {min: 0.1, max: 0.7, step: 0.1}}";
    let whole = run(&[BRACKET, parameters, goal], 4, &|_| false, &mut first);
    let raced = run(&[BRACKET, parameters, goal, "racing={slice: 100}"], 4, &|_| false, &mut first);
    assert_eq!(chosen(&raced.outcome, "knots_ties"), chosen(&whole.outcome, "knots_ties"));
    assert!(raced.examples() < whole.examples());
}

#[test]
fn the_error_rate_of_a_bracket_covers_every_pair_of_values_of_a_scan() {
    let duels = |parameters: &str| {
        let sweep = crate::testing::sweep(&[BRACKET, parameters]);
        let ranking = crate::strategy::Ranking {
            objective: sweep.objective.clone(),
            seeks_trade_offs: false,
            ties: crate::strategy::Ties::Last,
        };
        let search = &sweep.searches[0];
        crate::strategy::SearchState::new(search, sweep.method_of(search), ranking).unwrap().race_form().duels
    };
    assert_eq!(duels("parameters={scaling: {min: 0.1, max: 1.0, step: 0.1}}"), 55);
    assert_eq!(duels("parameters={scaling: {min: 0.1, max: 1.0}}"), 2211);
    assert_eq!(duels("parameters={scaling: {min: 0.1, max: 1.0, step: 0.1}, density: [0.1, 0.5]}"), 58);
}
