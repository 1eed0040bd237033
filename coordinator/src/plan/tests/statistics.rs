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
    assert_eq!(labels[0], "layers of mnist, flags over 32 examples, off_diagonal 0.9, ridge 0");
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
fn a_merge_whose_layers_cannot_be_merged_is_a_failed_point_or_a_row_without_numbers() {
    for window in [1, 64] {
        let place = std::cell::Cell::new(0);
        // The second layer-by-layer merge is that of the search's first value.
        let fails_second = |job: &PlannedJob| {
            let is_layerwise =
                matches!(job.job.spec(), jobs::JobSpec::Layerwise(spec) if spec.settings.off_diagonal < 0.7);
            place.set(place.get() + usize::from(is_layerwise));
            is_layerwise
        };
        let (outcome, issued) = finish(&LAYERWISE, window, &fails_second, &|_| 0).unwrap();
        assert_eq!(place.get(), 1, "one merge failed");
        assert!(
            !issued.iter().any(|job| job.label.contains("off_diagonal=0.5")),
            "nothing is evaluated without layers"
        );
        let row = outcome.rows.iter().find(|row| matches!(row.kind, RowKind::Search { .. })).unwrap();
        let RowKind::Search { points, .. } = &row.kind else { panic!("a search") };
        assert!(points.iter().any(|point| point.value.is_none()) && points.iter().any(|point| point.value.is_some()));
        assert!(row.jobs.values().all(|jobs| !jobs.is_empty()), "the others decide: {row:?}");
        assert_eq!(outcome.missing, 0);

        let fails_first =
            |job: &PlannedJob| job.label == "layers of mnist, flags over 32 examples, off_diagonal 0.9, ridge 0";
        let (outcome, _) = finish(&LAYERWISE, window, &fails_first, &|_| 0).unwrap();
        let fixed = outcome.rows.iter().find(|row| row.name == "fixed").unwrap();
        assert!(fixed.jobs.values().all(Vec::is_empty), "{fixed:?}");
    }
}

#[test]
fn a_merge_whose_layers_no_machine_could_merge_is_a_missing_point() {
    let mut plan = SweepPlan::new(frozen(&LAYERWISE)).unwrap();
    loop {
        match plan.next(64).unwrap() {
            NextJobs::Publish(jobs) => {
                for job in jobs {
                    let blame = Some(Blame::Machine);
                    let evaluated = job.job.spec().as_evaluation().map(|_| result(&job.job));
                    let written = artefact(&job.job);
                    let answer = match (&evaluated, job.job.spec()) {
                        (Some(result), _) => Completion::Result(result),
                        (None, jobs::JobSpec::Layerwise(_)) => Completion::Failed { errors: &[], blame },
                        (None, _) => Completion::Artefact(&written),
                    };
                    plan.record(job.id, answer).unwrap();
                }
            }
            NextJobs::Wait => panic!("every job has ended"),
            NextJobs::Finished(outcome) => {
                assert!(outcome.missing > 0, "{outcome:?}");
                return;
            }
        }
    }
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
