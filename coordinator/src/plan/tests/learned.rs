//! Merges with learned coefficients.

use super::*;

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

#[test]
fn coefficients_of_shared_directions_are_those_of_a_merge_in_their_space() {
    let shared = [LEARNED[0], "learned=[{name: shared, split: train, per: direction, basis: knots}]", LEARNED[2]];
    let mut plan = SweepPlan::new(frozen(&shared)).unwrap();
    let NextJobs::Publish(jobs) = plan.next(64).unwrap() else { panic!("something is ready") };
    for job in &jobs {
        if job.phase == Phase::Tune {
            let facts = [("direction_weights/mnist/m/0", 0.5), ("direction_weights/mnist/m/1", 0.25)];
            plan.record(job.id, Completion::Artefact(&learned(&job.job, &facts))).unwrap();
        } else {
            plan.record(job.id, Completion::Result(&result(&job.job))).unwrap();
        }
    }
    let mut merges = Vec::new();
    while let NextJobs::Publish(jobs) = plan.next(64).unwrap() {
        jobs.iter().for_each(|job| drop(plan.record(job.id, Completion::Result(&result(&job.job))).unwrap()));
        merges.extend(jobs.into_iter().filter(|job| job.phase == Phase::Learned));
    }
    let Subject::Merge { recipe } = &meaning(&merges[0].job).subject else { panic!("it is a merge") };
    assert_eq!(recipe.space, jobs::CoefficientBasis::Knots.space());
    assert_eq!(recipe.direction_weights("mnist", "m"), Some(&[0.5, 0.25][..]));
}

/// The outcome of a search beside a learned merge, and what is written. A learned merge has `learned_correct` right answers; without
/// them, no machine could learn it.
fn beside_a_search(learned_correct: Option<u64>) -> (Outcome, Vec<String>) {
    let overrides = ["learned=[{name: per task, split: train}]"];
    let mut plan = SweepPlan::new(frozen(&overrides)).unwrap().writing_winner();
    let mut written = Vec::new();
    let errors = ["no memory".to_owned()];
    loop {
        let jobs = match plan.next(64).unwrap() {
            NextJobs::Publish(jobs) => jobs,
            NextJobs::Finished(outcome) => return (*outcome, written),
            NextJobs::Wait => panic!("nothing is left to wait for"),
        };
        for job in jobs {
            let completion = match (job.phase, learned_correct) {
                (Phase::Tune, None) => Completion::Failed { errors: &errors, blame: Some(Blame::Machine) },
                (Phase::Tune, Some(_)) => Completion::Artefact(&learned(&job.job, &[("weights/mnist", 0.25)])),
                (Phase::Write, _) => {
                    written.push(job.label.clone());
                    Completion::Artefact(&artefact(&job.job))
                }
                _ => {
                    let is_learned =
                        matches!(&meaning(&job.job).subject, Subject::Merge { recipe } if recipe.weights.len() == 1);
                    let correct = learned_correct.filter(|_| is_learned);
                    let correct = correct.unwrap_or_else(|| crate::testing::correct(&meaning(&job.job).subject));
                    let result = super::references::with_correct(&job, correct);
                    drop(plan.record(job.id, Completion::Result(&result)).unwrap());
                    continue;
                }
            };
            plan.record(job.id, completion).unwrap();
        }
    }
}

#[test]
fn a_learned_merge_competes_with_the_searches() {
    let (outcome, written) = beside_a_search(Some(999));
    assert!(outcome.rows.iter().any(|row| matches!(row.kind, RowKind::Learned { .. })));
    assert_eq!(written, ["write per task"]);
    assert_eq!(beside_a_search(Some(1)).1, ["write knots_ties"]);
}

#[test]
fn no_winner_is_written_while_a_merge_could_be_learned_on_another_machine() {
    let (outcome, written) = beside_a_search(None);
    assert_eq!(outcome.missing, 1);
    assert_eq!(written, <[&str; 0]>::default());
}
