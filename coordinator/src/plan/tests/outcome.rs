//! The rows of the outcome, and those so far.

use super::*;

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
        let mut open: Vec<PlannedJob> = Vec::new();
        let mut answered: Vec<JobId> = Vec::new();
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
