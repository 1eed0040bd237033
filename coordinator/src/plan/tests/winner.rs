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
