//! Points that are better than all before.

use super::*;

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
