//! Merges that need statistics of every task.

use super::*;

/// A sweep with RegMean as its baseline, and a search of it over numbers of examples.
const BY_INPUTS: [&str; 5] = [
    "metric.name=mean_accuracy",
    "evaluation.statistics=train",
    "baselines=[{name: fixed, preset: regmean, examples: 32}]",
    "recipe={preset: regmean}",
    "parameters={examples: [64, 128], scaling: [0.5, 1.0]}",
];

#[test]
fn merges_by_inputs_wait_for_the_statistics_of_every_task_and_name_them() {
    let mut plan = SweepPlan::new(frozen(&BY_INPUTS)).unwrap();
    let NextJobs::Publish(jobs) = plan.next(64).unwrap() else { panic!("statistics are wanted") };
    assert!(jobs.iter().all(|job| matches!(job.phase, Phase::References | Phase::Statistics)));
    let of =
        |examples: &str| ["mnist", "flags"].map(|task| format!("Gram matrices of {task} over {examples} examples"));
    assert_eq!(labels(&jobs, Phase::Statistics), [of("32"), of("64"), of("128"), of("256")].concat());
    let statistics: Vec<&PlannedJob> = jobs.iter().filter(|job| job.phase == Phase::Statistics).collect();
    let jobs::JobSpec::Statistics(spec) = statistics[0].job.spec() else { panic!("they are statistics") };
    assert_eq!((spec.examples, spec.split.as_str(), spec.head), (32, "train", None));
    assert_eq!(statistics[0].job.places.data.keys().collect::<Vec<_>>(), ["mnist"]);
    assert_eq!(statistics[0].job.places.adapters.keys().collect::<Vec<_>>(), ["mnist"]);
    for job in &statistics[1..] {
        plan.record(job.id, Completion::Artefact(&artefact(&job.job))).unwrap();
    }
    assert_eq!(plan.next(64).unwrap(), NextJobs::Wait, "one of them is missing");
    plan.record(statistics[0].id, Completion::Artefact(&artefact(&statistics[0].job))).unwrap();
    let NextJobs::Publish(merges) = plan.next(64).unwrap() else { panic!("merges can begin") };
    let baseline = merges.iter().find(|job| job.label == "fixed" && job.phase == Phase::Baselines).unwrap();
    let named: Vec<_> =
        meaning(&baseline.job).statistics.iter().map(|input| (input.task.as_str(), input.job)).collect();
    assert_eq!(named, [("mnist", statistics[0].id), ("flags", statistics[1].id)]);
    assert!(merges.iter().any(|job| job.phase == Phase::Search));
    assert!(plan.bound() >= 6, "{}", plan.bound());
}

#[test]
fn the_result_of_a_merge_by_inputs_is_loaded_with_its_statistics_alone() {
    let frozen = frozen(&BY_INPUTS);
    let recipe = frozen.sweep().baselines[0].recipe.resolve().unwrap();
    let job = frozen.job(frozen.meaning(Subject::Merge { recipe: Box::new(recipe) }, "validation"));
    let mut plan = SweepPlan::new(frozen.clone()).unwrap();
    let mut other = result(&job);
    other.meaning.statistics[0].job = other.job;
    assert_eq!(plan.load(&other), Loaded::OtherInputs);
    other.meaning.statistics.clear();
    assert_eq!(plan.load(&other), Loaded::OtherInputs);
    assert_eq!(plan.load(&result(&job)), Loaded::New);
}

#[test]
fn statistics_that_cannot_be_made_end_the_sweep_by_name() {
    let mut plan = SweepPlan::new(frozen(&BY_INPUTS)).unwrap();
    let NextJobs::Publish(jobs) = plan.next(64).unwrap() else { panic!("statistics are wanted") };
    let job = jobs.iter().find(|job| job.phase == Phase::Statistics).unwrap();
    let errors = ["the split has 50 examples".to_owned()];
    plan.record(job.id, Completion::Failed { errors: &errors, blame: Some(Blame::Job) }).unwrap();
    let error = plan.next(64).unwrap_err();
    let text =
        format!("the sweep needs the Gram matrices of task `mnist`, and job {} that makes them failed", job.id.short());
    assert_eq!(error.to_string(), text);
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), errors[0]);
}

#[test]
fn a_sweep_without_merges_by_inputs_makes_no_statistics() {
    let (_, issued) = finish(&[], 4, &|_| false, &|_| 0).unwrap();
    assert!(labels(&issued, Phase::Statistics).is_empty());
}

#[test]
fn statistics_that_no_recipe_asks_for_are_made_on_request() {
    let need = jobs::StatisticsNeed { what: jobs::StatisticsKind::Grams, examples: 8 };
    let mut plan = SweepPlan::new(frozen(&[]).also_making(need).also_making(need)).unwrap();
    assert_eq!(plan.bound(), SweepPlan::new(frozen(&[])).unwrap().bound() + 2);
    let NextJobs::Publish(jobs) = plan.next(100).unwrap() else { panic!() };
    assert_eq!(labels(&jobs, Phase::Statistics).len(), 2);
}

#[test]
fn without_a_search_nothing_is_reported_before_the_statistics_are_there() {
    let fixed = ["recipe=null", "parameters=null"];
    let overrides = [&BY_INPUTS[..3], &fixed[..]].concat();
    let NextJobs::Publish(jobs) = SweepPlan::new(frozen(&overrides)).unwrap().next(64).unwrap() else { panic!() };
    assert!(!labels(&jobs, Phase::Statistics).is_empty());
    assert_eq!(labels(&jobs, Phase::Baselines).len() + labels(&jobs, Phase::Report).len(), 0, "{jobs:?}");
}

/// A sweep with RegMean++ as its baseline and in a search.
const LAYERWISE: [&str; 5] = [
    "metric.name=mean_accuracy",
    "evaluation.statistics=train",
    "baselines=[{name: fixed, preset: regmean_plus_plus, examples: 32}]",
    "recipe={preset: regmean_plus_plus}",
    "parameters={off_diagonal: [0.5, 0.9], scaling: [0.5, 1.0]}",
];

#[test]
fn merges_that_are_made_layer_by_layer_wait_for_one_job_of_all_tasks() {
    let mut plan = SweepPlan::new(frozen(&LAYERWISE)).unwrap();
    let NextJobs::Publish(jobs) = plan.next(64).unwrap() else { panic!("solutions are wanted") };
    let labels = labels(&jobs, Phase::Statistics);
    assert_eq!(labels.len(), 3, "{labels:?}");
    assert_eq!(labels[0], "layers of mnist, flags over 32 examples");
    let solutions: Vec<&PlannedJob> = jobs.iter().filter(|job| job.phase == Phase::Statistics).collect();
    let jobs::JobSpec::Layerwise(spec) = solutions[0].job.spec() else { panic!("it merges layer by layer") };
    assert_eq!((spec.split.as_str(), spec.settings.examples, spec.adapters.len()), ("train", 32, 2));
    assert!(spec.tasks.iter().all(|task| task.head.is_none()));
    assert_eq!(solutions[0].job.places.data.keys().collect::<Vec<_>>(), ["flags", "mnist"]);
    for job in &solutions {
        plan.record(job.id, Completion::Artefact(&artefact(&job.job))).unwrap();
    }
    let NextJobs::Publish(merges) = plan.next(64).unwrap() else { panic!("merges can begin") };
    let baseline = merges.iter().find(|job| job.label == "fixed" && job.phase == Phase::Baselines).unwrap();
    let named: Vec<_> =
        meaning(&baseline.job).statistics.iter().map(|input| (input.task.as_str(), input.job)).collect();
    assert_eq!(named, [("mnist", solutions[0].id), ("flags", solutions[0].id)]);
}

#[test]
fn layers_that_cannot_be_merged_end_the_sweep_by_name() {
    let mut plan = SweepPlan::new(frozen(&LAYERWISE)).unwrap();
    let NextJobs::Publish(jobs) = plan.next(64).unwrap() else { panic!("solutions are wanted") };
    let job = jobs.iter().find(|job| job.phase == Phase::Statistics).unwrap();
    let errors = ["the sum has no inverse".to_owned()];
    plan.record(job.id, Completion::Failed { errors: &errors, blame: Some(Blame::Job) }).unwrap();
    let error = plan.next(64).unwrap_err();
    let text =
        format!("the sweep needs a merge that is made layer by layer, and job {} that makes it failed", job.id.short());
    assert_eq!(error.to_string(), text);
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), errors[0]);
}

#[test]
fn the_result_of_a_merge_is_loaded_with_the_solution_of_its_own_numbers_alone() {
    let frozen = frozen(&LAYERWISE);
    let recipe = frozen.sweep().baselines[0].recipe.resolve().unwrap();
    let job = frozen.job(frozen.meaning(Subject::Merge { recipe: Box::new(recipe.clone()) }, "validation"));
    let mut plan = SweepPlan::new(frozen.clone()).unwrap();
    let mut other = result(&job);
    other.meaning.statistics[1].job = other.job;
    assert_eq!(plan.load(&other), Loaded::OtherInputs);
    assert_eq!(plan.load(&result(&job)), Loaded::New);
    let solution = frozen.layerwise_spec(&recipe.layerwise().unwrap(), |_| true).unwrap();
    assert!(frozen.has_inputs_of_job(&solution.clone().into()));
    let other = jobs::LayerwiseSpec { split: "validation".to_owned(), ..solution };
    assert!(!frozen.has_inputs_of_job(&other.into()));
}
