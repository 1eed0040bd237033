mod bound;
mod bracket_races;
mod improvements;
mod learned;
mod methods;
mod outcome;
mod phases;
mod raced_out;
mod racing;
mod references;
mod replicates;
mod statistics;
mod subsets;
mod training;
mod winner;

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
    let mut open: Vec<PlannedJob> = Vec::new();
    let mut issued: Vec<PlannedJob> = Vec::new();
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
                let evaluated = job.job.spec().as_evaluation().map(|_| result(&job.job));
                let written;
                let errors = ["the formula does not hold".to_owned(), "it is made up".to_owned()];
                let answer = if fails(&job) {
                    Completion::Failed { errors: &errors, blame: Some(Blame::Job) }
                } else if let Some(result) = &evaluated {
                    Completion::Result(result)
                } else {
                    written = artefact(&job.job);
                    Completion::Artefact(&written)
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
fn another_name_leaves_the_jobs_as_they_are() {
    let one = frozen(&[]);
    let other = frozen(&[]).renamed("other");
    assert_eq!((other.sweep().name.as_str(), other.digests()), ("other", one.digests()));
    let id = |frozen: &Frozen| frozen.meaning(Subject::Base, "test").id();
    assert_eq!(id(&one), id(&other));
}
