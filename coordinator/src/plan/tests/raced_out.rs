//! What is kept of points that are raced out.

use super::*;
use crate::testing::answered;
use jobs::Point;

const RACED: [&str; 3] = [
    "method=grid",
    "parameters={scaling: [0.1, 0.2, 0.3, 0.4, 0.5], density: [0.1, 0.3, 0.5, 0.7]}",
    "racing={slice: 100, round: 2}",
];

/// Two searches that race the same points: most of them lose.
const TWICE: [&str; 5] = [
    "method=grid",
    "recipe=null",
    "parameters=null",
    "searches=[{name: one, recipe: {preset: knots_ties}, parameters: {scaling: [0.3, 0.1, 0.5, 0.6, 0.7]}}, \
     {name: other, recipe: {preset: knots_ties}, parameters: {scaling: [0.3, 0.7, 0.6, 0.5, 0.1]}}]",
    "racing={slice: 100, round: 2}",
];

/// Answers jobs, one after the other, until the sweep is over or `most` are answered.
fn advance(plan: &mut SweepPlan, most: usize, mut look: impl FnMut(&SweepPlan)) -> Option<Outcome> {
    for _ in 0..most {
        match plan.next(1).unwrap() {
            NextJobs::Publish(jobs) => {
                for job in jobs {
                    plan.record(job.id, Completion::Result(&answered(&job.job))).unwrap();
                }
            }
            NextJobs::Wait => unreachable!("every job that was issued has ended"),
            NextJobs::Finished(outcome) => return Some(*outcome),
        }
        look(plan);
    }
    None
}

fn points(outcome: &Outcome) -> impl Iterator<Item = &Point> {
    outcome.rows.iter().flat_map(|row| match &row.kind {
        RowKind::Search { points, .. } => points.as_slice(),
        _ => &[],
    })
}

#[test]
fn the_answers_of_points_that_are_raced_out_are_not_kept() {
    let mut plan = SweepPlan::new(frozen(&RACED)).unwrap();
    let mut most = 0;
    let outcome = advance(&mut plan, usize::MAX, |plan| most = most.max(plan.known.results.answers.len())).unwrap();
    let with_value = points(&outcome).filter(|point| point.value.is_some()).count();
    assert!((4..10).contains(&with_value), "{with_value} of 20");
    // A baseline is a merge as well.
    assert_eq!(plan.known.results.answers.len(), 2, "the best point and a baseline");
    assert!(most <= 5, "{most}: the best point before, a round of two, one that has just ended, a baseline");
    assert_eq!(plan.known.results.raced_out.len(), 20 - with_value);
}

#[test]
fn a_plan_that_starts_without_these_answers_has_the_same_table() {
    let whole = advance(&mut SweepPlan::new(frozen(&RACED)).unwrap(), usize::MAX, |_| ()).unwrap();
    for answered in (0..60).step_by(4) {
        let mut first = SweepPlan::new(frozen(&RACED)).unwrap();
        if advance(&mut first, answered, |_| ()).is_some() {
            break;
        }
        let mut second = SweepPlan::with_results(frozen(&RACED), first.into_results()).unwrap();
        let resumed = advance(&mut second, usize::MAX, |_| ()).unwrap();
        assert_eq!(resumed, whole, "after {answered} answers");
    }
}

/// Runs a sweep to its end. Returns its outcome, the most answers that were kept, and how many at the end.
fn kept(overrides: &[&str]) -> (Outcome, usize, usize) {
    let mut plan = SweepPlan::new(frozen(overrides)).unwrap();
    let mut most = 0;
    let outcome = advance(&mut plan, usize::MAX, |plan| most = most.max(plan.known.results.answers.len())).unwrap();
    let left = plan.known.results.answers.len();
    (outcome, most, left)
}

#[test]
fn searches_of_different_recipes_keep_no_more_answers_than_each_by_itself() {
    let two = "searches=[{name: one, recipe: {preset: knots_ties, density: 0.2}, parameters: {scaling: {min: 0.02, max: 0.8, step: 0.02}}}, \
               {name: other, recipe: {preset: ties, density: 0.2}, parameters: {scaling: {min: 0.02, max: 0.8, step: 0.02}}}]";
    let overrides = ["method=grid", "recipe=null", "parameters=null", two, "racing={slice: 100, round: 2}"];
    let (outcome, most, left) = kept(&overrides);
    assert_eq!(points(&outcome).count(), 80);
    assert!(points(&outcome).filter(|point| point.raced.is_some()).count() > 30);
    // Of each search the best point before, a round of two, and one that has just ended; and a baseline.
    assert!(most <= 9, "{most}");
    assert_eq!(left, 3, "the best point of each search, and a baseline");
}

#[test]
fn searches_of_two_halves_of_a_range_keep_no_more_answers_than_each_by_itself() {
    let halves = "searches=[{name: low, recipe: {preset: knots_ties, density: 0.2}, parameters: {scaling: {min: 0.02, max: 0.4, step: 0.02}}}, \
                  {name: high, recipe: {preset: knots_ties, density: 0.2}, parameters: {scaling: {min: 0.42, max: 0.8, step: 0.02}}}]";
    let overrides = ["method=grid", "recipe=null", "parameters=null", halves, "racing={slice: 100, round: 2}"];
    let (outcome, most, left) = kept(&overrides);
    assert_eq!(points(&outcome).count(), 40);
    assert!(most <= 9, "{most}");
    assert_eq!(left, 3, "the best point of each search, and a baseline");
}

#[test]
fn searches_that_race_the_same_points_keep_answers_until_both_have_settled_a_point() {
    let (outcome, most, left) = kept(&TWICE);
    assert!(points(&outcome).any(|point| point.raced.is_some()));
    assert!(most <= 6, "{most}: five points and a baseline");
    assert_eq!(left, 2, "both searches have the same best point, and there is a baseline");
    // Nothing is computed twice: what one search has of a point serves the other.
    let mut plan = SweepPlan::new(frozen(&TWICE)).unwrap();
    let mut searched = 0;
    loop {
        match plan.next(1).unwrap() {
            NextJobs::Publish(jobs) => {
                for job in jobs {
                    plan.record(job.id, Completion::Result(&answered(&job.job))).unwrap();
                    searched += u64::from(job.phase == Phase::Search && !job.is_slice());
                }
            }
            NextJobs::Wait => unreachable!("every job that was issued has ended"),
            NextJobs::Finished(_) => break,
        }
    }
    let valued: std::collections::BTreeSet<JobId> =
        points(&outcome).filter(|point| point.value.is_some()).map(|point| point.job).collect();
    assert_eq!(searched, valued.len() as u64, "points without a value in both searches are never evaluated whole");
}

#[test]
fn two_searches_that_are_interrupted_have_the_same_table() {
    let whole = advance(&mut SweepPlan::new(frozen(&TWICE)).unwrap(), usize::MAX, |_| ()).unwrap();
    for answered in (0..60).step_by(3) {
        let mut first = SweepPlan::new(frozen(&TWICE)).unwrap();
        if advance(&mut first, answered, |_| ()).is_some() {
            break;
        }
        let mut second = SweepPlan::with_results(frozen(&TWICE), first.into_results()).unwrap();
        let resumed = advance(&mut second, usize::MAX, |_| ()).unwrap();
        for (resumed, whole) in points(&resumed).zip(points(&whole)) {
            assert_eq!(resumed.raced, whole.raced, "after {answered} answers");
            assert_eq!(resumed.slices, whole.slices, "after {answered} answers");
        }
        assert_eq!(resumed, whole, "after {answered} answers");
    }
}

#[test]
#[ignore = "it takes 15 s of processor time in a debug build: run it after changes of races or of lists of points"]
fn a_search_of_more_than_ten_thousand_points_races() {
    let overrides = [
        "method=grid",
        "recipe={preset: task_arithmetic}",
        "parameters={scaling: {min: 0.3, max: 1.3, step: 0.0001}}",
        "racing={slice: 100, round: 500}",
        "baselines=[]",
    ];
    let mut plan = SweepPlan::new(frozen(&overrides)).unwrap();
    let mut most = 0;
    let outcome = loop {
        match plan.next(1000).unwrap() {
            NextJobs::Publish(jobs) => {
                for job in jobs {
                    plan.record(job.id, Completion::Result(&answered(&job.job))).unwrap();
                }
            }
            NextJobs::Wait => unreachable!("every job that was issued has ended"),
            NextJobs::Finished(outcome) => break *outcome,
        }
        most = most.max(plan.known.results.answers.len());
    };
    let RowKind::Search { spec, points, left_out, .. } = &outcome.rows.last().unwrap().kind else {
        unreachable!("the last row is the search")
    };
    assert!((spec.scaling.unwrap() - 0.3).abs() < 0.05, "{:?}", spec.scaling);
    assert_eq!(points.len() as u64 + left_out.points, 10_001);
    assert_eq!(left_out.failed, 0);
    assert!(most < 2500, "{most}");
}
