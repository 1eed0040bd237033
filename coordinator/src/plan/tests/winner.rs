//! Writing the winner.

use super::*;

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
fn a_sweep_that_minimises_stops_at_the_first_rise_and_writes_the_smallest_value() {
    let overrides = ["metric={name: mean_accuracy, goal: minimize}", "parameters={scaling: [0.1, 0.2, 0.3, 0.4]}"];
    // Behind the rise at 0.3 there is a smaller value, which a search by the largest one would not reach either.
    let correct = |recipe: &jobs::Recipe| match (recipe.scaling * 10.0).round() as u64 {
        1 => Some(300),
        2 => Some(200),
        3 => Some(400),
        _ => Some(100),
    };
    let (outcome, issued) = super::replicates::finish_with(&overrides, 1, &correct);
    assert_eq!(chosen(&outcome, "knots_ties").scaling, Some(0.2));
    let tried: Vec<_> = labels(&issued, Phase::Search);
    assert_eq!(tried, ["knots_ties scaling=0.1", "knots_ties scaling=0.2", "knots_ties scaling=0.3"]);
    let jobs::JobSpec::Write(spec) = issued.last().unwrap().job.spec() else { panic!("the winner is written last") };
    assert!((spec.recipe.scaling - 0.2).abs() < 1e-9);
}
