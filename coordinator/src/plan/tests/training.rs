//! Adapters that the sweep trains.

use super::*;
use jobs::{HeadSpec, InputRef, JobSpec, Sweep, TrainFamily};
use std::path::Path;

const TRAINED: [&str; 1] = ["tasks.flags.adapter={train: {steps: 25, checkpoint_steps: 10}}"];

/// Records all jobs.
fn complete(plan: &mut SweepPlan, jobs: &[PlannedJob]) {
    for job in jobs {
        if job.job.spec().as_evaluation().is_some() {
            plan.record(job.id, Completion::Result(&result(&job.job))).unwrap();
        } else {
            plan.record(job.id, Completion::Artefact(&artefact(&job.job))).unwrap();
        }
    }
}

fn next(plan: &mut SweepPlan) -> Vec<PlannedJob> {
    let NextJobs::Publish(jobs) = plan.next(100).unwrap() else { panic!("something is ready") };
    jobs
}

#[test]
fn what_needs_an_adapter_waits_for_its_training_and_nothing_else_does() {
    let mut plan = SweepPlan::new(frozen(&TRAINED)).unwrap();
    let first = next(&mut plan);
    assert_eq!(labels(&first, Phase::Train), ["flags steps 1 to 10 of 25"]);
    assert_eq!(labels(&first, Phase::References), ["zero-shot", "mnist alone"]);
    assert_eq!(first.len(), 3);
    complete(&mut plan, &first);
    let second = next(&mut plan);
    assert_eq!(labels(&second, Phase::Train), ["flags steps 11 to 20 of 25"]);
    assert_eq!(second.len(), 1);
    complete(&mut plan, &second);
    let third = next(&mut plan);
    assert_eq!(labels(&third, Phase::Train), ["flags steps 21 to 25 of 25"]);
    assert_eq!(plan.next(100).unwrap(), NextJobs::Wait);
    complete(&mut plan, &third);
    let alone = next(&mut plan);
    assert_eq!(labels(&alone, Phase::References), ["flags alone"]);
    let adapter = &meaning(&alone[0].job).adapters[0];
    assert_eq!(adapter.digest, third[0].id.digest(), "the id of the last leg stands for the adapter");
    assert_eq!(alone[0].job.places.adapters["flags"], InputRef::Artefact(third[0].id));
    complete(&mut plan, &alone);
    let merges = next(&mut plan);
    assert!(merges.iter().any(|job| job.phase == Phase::Search), "{merges:?}");
    assert_eq!(merges[0].job.places.adapters["flags"], InputRef::Artefact(third[0].id));
}

#[test]
fn legs_name_their_splits_their_head_and_the_leg_before() {
    let frozen = frozen(&TRAINED);
    let legs = frozen.train_specs("flags");
    let jobs: Vec<_> = legs.iter().map(|leg| frozen.job(leg.clone())).collect();
    assert_eq!(frozen.trained_by("flags"), Some(jobs[2].id()));
    assert_eq!(legs[1].leg.from, Some(jobs[0].id()));
    assert!(frozen.train_specs("mnist").is_empty() && frozen.trained_by("mnist").is_none());
    let apart: Vec<&str> = legs[0].apart.iter().map(|split| split.name.as_str()).collect();
    assert_eq!((legs[0].training.name.as_str(), apart), ("train", vec!["validation", "test"]));
    assert_eq!(legs[0].head, Some(jobs::Digest::of(b"heads.flags")));
    for job in &jobs {
        assert_eq!(job.places.data.keys().collect::<Vec<_>>(), ["flags"]);
        assert_eq!(job.places.heads.keys().collect::<Vec<_>>(), ["flags"]);
        assert!(job.places.adapters.is_empty());
        assert!(frozen.has_inputs_of_job(job.spec()));
        let message = serde_json::to_string(job).unwrap();
        assert!(message.starts_with(r#"{"version":3,"#), "{message}");
        assert_eq!(serde_json::from_str::<jobs::Job>(&message).unwrap(), *job);
    }
    let evaluation = frozen.job(frozen.meaning(Subject::Adapter { task: "flags".to_owned() }, "test"));
    assert!(serde_json::to_string(&evaluation).unwrap().starts_with(r#"{"version":3,"#), "older programs defer it");
    let allowed = crate::testing::frozen(&[TRAINED[0], "training.overlap=allow"]);
    assert!(allowed.train_specs("flags")[0].apart.is_empty());
    assert_ne!(allowed.trained_by("flags"), frozen.trained_by("flags"));
}

#[test]
fn a_change_of_settings_makes_other_jobs_of_what_is_trained_and_no_others() {
    let one = frozen(&TRAINED);
    let other = frozen(&["tasks.flags.adapter={train: {steps: 25, checkpoint_steps: 10, rank: 4}}"]);
    let id = |frozen: &Frozen, subject: Subject| frozen.meaning(subject, "test").id();
    let alone = |task: &str| Subject::Adapter { task: task.to_owned() };
    assert_eq!(id(&one, Subject::Base), id(&other, Subject::Base));
    assert_eq!(id(&one, alone("mnist")), id(&other, alone("mnist")));
    assert_ne!(id(&one, alone("flags")), id(&other, alone("flags")));
}

#[test]
fn statistics_of_a_task_wait_for_its_adapter_alone() {
    let overrides = [
        TRAINED[0],
        "metric.name=mean_accuracy",
        "evaluation.statistics=train",
        "recipe=null",
        "parameters=null",
        "baselines=[{name: fixed, preset: regmean, examples: 32}]",
    ];
    let mut plan = SweepPlan::new(frozen(&overrides)).unwrap();
    let first = next(&mut plan);
    assert_eq!(labels(&first, Phase::Statistics), ["Gram matrices of mnist over 32 examples"]);
    complete(&mut plan, &first);
    let mut later = Vec::new();
    while labels(&later, Phase::Statistics).is_empty() {
        later = next(&mut plan);
        complete(&mut plan, &later);
    }
    assert_eq!(labels(&later, Phase::Statistics), ["Gram matrices of flags over 32 examples"]);
    assert_eq!(labels(&later, Phase::Train).len() + labels(&later, Phase::Baselines).len(), 0);
}

#[test]
fn a_leg_that_fails_ends_the_sweep_by_the_name_of_its_task() {
    let mut plan = SweepPlan::new(frozen(&TRAINED)).unwrap();
    let jobs = next(&mut plan);
    let errors = ["the adapter of `flags` cannot be trained".to_owned(), "the loss is not finite in step 3".to_owned()];
    plan.record(jobs[0].id, Completion::Failed { errors: &errors, blame: Some(Blame::Job) }).unwrap();
    let error = plan.next(64).unwrap_err();
    let text = format!("the adapter of task `flags` cannot be trained: job {} failed", jobs[0].id.short());
    assert_eq!(error.to_string(), text);
    assert!(jobs::error_chain(&error).contains("the loss is not finite in step 3"));
}

#[test]
fn training_ends_with_the_sweep_in_whatever_order_jobs_end() {
    let (one, issued) = finish(&TRAINED, 4, &|_| false, &|_| 0).unwrap();
    let (other, _) = finish(&TRAINED, 7, &|_| false, &|open| open - 1).unwrap();
    assert_eq!(one, other);
    assert_eq!(labels(&issued, Phase::Train).len(), 3);
    let plan = SweepPlan::new(frozen(&TRAINED)).unwrap();
    assert_eq!(plan.bound(), SweepPlan::new(frozen(&[])).unwrap().bound() + 3);
}

#[test]
fn a_plan_that_knows_the_legs_issues_none_of_them() {
    let mut plan = SweepPlan::new(frozen(&TRAINED)).unwrap();
    for _ in 0..3 {
        let jobs = next(&mut plan);
        complete(&mut plan, &jobs);
    }
    let mut resumed = SweepPlan::with_results(frozen(&TRAINED), plan.into_results()).unwrap();
    let jobs = next(&mut resumed);
    assert!(labels(&jobs, Phase::Train).is_empty());
    assert_eq!(labels(&jobs, Phase::References), ["flags alone"]);
}

/// Two tasks of texts, the first of which is trained.
fn texts(first: &str) -> Sweep {
    let task =
        |name: &str, rest: &str| format!("  - {{name: {name}, data: {{source: d, convention: {name}}}, {rest}}}\n");
    let tasks = task("rte", first) + &task("qnli", "adapter: a");
    let text = format!(
        "name: t\nbase: b\ntasks:\n{tasks}evaluation: {{}}\nrecipe: {{preset: ties}}\nparameters: {{scaling: [1.0]}}\n"
    );
    Sweep::from_yaml(&text, Path::new("/sweeps"), &[]).unwrap()
}

fn frozen_texts(first: &str) -> Frozen {
    let sweep = texts(first).with_train_family(TrainFamily::Texts);
    let mut keys = vec!["base".to_owned(), "heads.rte".to_owned(), "heads.qnli".to_owned(), "adapters.qnli".to_owned()];
    for task in &sweep.tasks {
        keys.extend(sweep.splits_of(task).into_iter().map(|split| format!("data.{}.{split}", task.name)));
    }
    let digests = keys.into_iter().map(|key| (key.clone(), jobs::Digest::of(key.as_bytes()))).collect();
    Frozen::new(sweep, digests, BTreeMap::new()).unwrap()
}

#[test]
fn a_head_that_is_trained_comes_with_its_adapter_and_one_that_is_not_stays() {
    let head = |frozen: &Frozen| {
        let job = frozen.job(frozen.meaning(Subject::Base, "test"));
        (meaning(&job).tasks[0].head, job.places.heads["rte"].clone())
    };
    for first in [
        "adapter: {train: {steps: 5, checkpoint_steps: 5}}",
        "adapter: {train: {steps: 5, checkpoint_steps: 5}}, head: h",
    ] {
        let frozen = frozen_texts(first);
        let job = frozen.trained_by("rte").unwrap();
        assert_eq!(head(&frozen), (Some(job.digest()), HeadSpec::Adapter(InputRef::Artefact(job))), "{first}");
        let leg = frozen.job(frozen.train_specs("rte")[0].clone());
        let JobSpec::Train(spec) = leg.spec() else { panic!("it trains") };
        assert_eq!(spec.head.is_some(), first.contains("head"));
        assert_eq!(leg.places.heads.len(), usize::from(first.contains("head")));
    }
    let fixed = frozen_texts("adapter: {train: {steps: 5, train_head: false}}, head: h");
    let place = HeadSpec::File(InputRef::Path("/sweeps/h".into()));
    assert_eq!(head(&fixed), (Some(jobs::Digest::of(b"heads.rte")), place));
}

#[test]
fn references_to_the_base_wait_for_heads_that_are_trained() {
    let mut plan = SweepPlan::new(frozen_texts("adapter: {train: {steps: 5, checkpoint_steps: 5}}")).unwrap();
    let first = next(&mut plan);
    assert_eq!(labels(&first, Phase::Train), ["rte steps 1 to 5 of 5"]);
    assert_eq!(labels(&first, Phase::References), ["qnli alone"], "zero-shot needs the head of every task");
}

#[test]
fn a_training_that_no_program_can_follow_is_refused_when_the_sweep_is_frozen() {
    let refused = |sweep: Sweep| {
        let digest = |key: &str| (key.to_owned(), jobs::Digest::of(key.as_bytes()));
        let error = Frozen::new(sweep, BTreeMap::from([digest("base")]), BTreeMap::new()).unwrap_err();
        jobs::error_chain(&error)
    };
    let unknown = refused(texts("adapter: {train: {steps: 5, checkpoint_steps: 5}}"));
    assert!(unknown.contains("the family of the base model is not known"), "{unknown}");
    let family = |first: &str, family| refused(texts(first).with_train_family(family));
    let fixed = family("adapter: {train: {steps: 5, train_head: false}}", TrainFamily::Texts);
    assert!(fixed.contains("`tasks[0].adapter.train.train_head` is false, expected true, or a `head`"), "{fixed}");
    let flipped = family("adapter: {train: {steps: 5, augmentation: flip}}", TrainFamily::Texts);
    assert!(flipped.contains("`tasks[0].adapter.train.augmentation` is flip, expected `none`"), "{flipped}");
}
