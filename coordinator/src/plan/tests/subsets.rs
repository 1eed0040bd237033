//! Recipes that are merged for subsets of the tasks.

use super::*;

/// A sweep over three tasks with subsets, and a baseline with a weight.
fn with_subsets(overrides: &[&str]) -> Vec<String> {
    let task = |name: &str| {
        format!("{{name: {name}, adapter: adapters/{name}, data: data/{name}, head: heads/{name}.safetensors}}")
    };
    let tasks = ["mnist", "flags", "icons"].map(task).join(", ");
    let weighted = "{name: sum, preset: task_arithmetic, scaling: 0.1, weights: {icons: 0.5}}";
    let mut all = vec![format!("tasks=[{tasks}]"), format!("baselines=[{weighted}]")];
    all.extend(overrides.iter().map(|text| (*text).to_owned()));
    all
}

#[test]
fn the_chosen_recipes_are_merged_once_for_each_subset_after_the_search() {
    let overrides = with_subsets(&["subsets={sizes: [1, 2, 3], samples: 3}"]);
    let overrides: Vec<&str> = overrides.iter().map(String::as_str).collect();
    let (outcome, issued) = finish(&overrides, 1, &|_| false, &|_| 0).unwrap();
    let pairs = ["mnist, flags", "mnist, icons", "flags, icons"];
    let labels_of = |name: &str| pairs.map(|pair| format!("{name} of {pair} on test"));
    // One task is its adapter alone, and all tasks are the row itself: both are jobs of other phases.
    assert_eq!(labels(&issued, Phase::Subsets), [labels_of("knots_ties"), labels_of("sum")].concat());
    let first = issued.iter().position(|job| job.phase == Phase::Subsets).unwrap();
    assert!(issued[first..].iter().all(|job| job.phase == Phase::Subsets), "they are the last");
    let of = |label: &str| issued.iter().find(|job| job.label == label).unwrap();
    let pair = meaning(&of("knots_ties of mnist, icons on test").job);
    let names = |meaning: &jobs::Meaning| meaning.tasks.iter().map(|task| task.name.clone()).collect::<Vec<_>>();
    assert_eq!((names(pair), pair.adapters.len()), (vec!["mnist".to_owned(), "icons".to_owned()], 2));
    let places = &of("knots_ties of mnist, icons on test").job.places;
    assert_eq!(places.data.keys().collect::<Vec<_>>(), ["icons", "mnist"]);
    let Subject::Merge { recipe } = &meaning(&of("sum of mnist, flags on test").job).subject else { panic!() };
    assert!(recipe.weights.is_empty(), "the weight of a task that takes no part is no part of the job");

    let search = outcome.rows.iter().find(|row| row.name == "knots_ties").unwrap();
    assert_eq!(search.subsets.len(), 3 + 3 + 1);
    assert_eq!(search.subsets[0].job, Some(of("mnist alone on test").id));
    assert_eq!(search.subsets[4].job, Some(of("knots_ties of mnist, icons on test").id));
    assert_eq!(search.subsets[6].job, Some(of("knots_ties on test").id));
    let plan = SweepPlan::new(frozen(&overrides)).unwrap();
    assert_eq!(plan.bound(), 4 + 9 + 1 + 6 + 2 * (3 + 1));
}

#[test]
fn results_of_subsets_are_loaded_if_their_inputs_are_those_of_the_sweep() {
    let overrides = with_subsets(&["subsets={sizes: [2]}", "metric.name=mean_accuracy"]);
    let frozen = frozen(&overrides.iter().map(String::as_str).collect::<Vec<_>>());
    let recipe = frozen.sweep().baselines[0].recipe.resolve().unwrap();
    let tasks = ["flags".to_owned(), "icons".to_owned()];
    let mut plan = SweepPlan::new(frozen.clone()).unwrap();
    let whole = frozen.job(frozen.meaning(Subject::Merge { recipe: Box::new(recipe.clone()) }, "test"));
    assert_eq!(plan.load(&result(&whole)), Loaded::New);
    let subset = result(&frozen.job(frozen.subset_meaning(&recipe, "test", &tasks)));
    let mut other = subset.clone();
    other.meaning.adapters[0].digest = jobs::Digest::of(b"another");
    assert_eq!(plan.load(&other), Loaded::OtherInputs);
    assert_eq!(plan.load(&subset), Loaded::New);
}

#[test]
fn a_failed_subset_has_no_number_and_a_given_accuracy_has_no_job() {
    let given = "tasks.mnist.finetuned={validation: 0.5, test: 0.5}";
    let overrides = with_subsets(&["subsets={sizes: [1, 2]}", given]);
    let overrides: Vec<&str> = overrides.iter().map(String::as_str).collect();
    let fails = |job: &PlannedJob| job.label == "knots_ties of mnist, flags on test";
    let (outcome, _) = finish(&overrides, 4, &fails, &|_| 0).unwrap();
    let search = outcome.rows.iter().find(|row| row.name == "knots_ties").unwrap();
    let is_known: Vec<bool> = search.subsets.iter().map(|subset| subset.job.is_some()).collect();
    assert_eq!(is_known, [false, true, true, false, true, true]);
}

#[test]
fn a_subset_merges_by_the_statistics_of_its_own_tasks() {
    let sweep = with_subsets(&["subsets={sizes: [2]}", "evaluation.statistics=train", "recipe={preset: regmean}"]);
    let sweep: Vec<&str> = sweep.iter().map(String::as_str).chain(["parameters={}", "baselines=[]"]).collect();
    let frozen = frozen(&sweep);
    let recipe = frozen.sweep().searches[0].recipe.resolve().unwrap();
    let tasks = ["mnist".to_owned(), "icons".to_owned()];
    let subset = frozen.subset_meaning(&recipe, "test", &tasks);
    let named: Vec<&str> = subset.statistics.iter().map(|input| input.task.as_str()).collect();
    assert_eq!(named, ["mnist", "icons"]);
    assert!(frozen.has_inputs_of(&subset));
}

/// A sweep whose only recipe is merged layer by layer, for all pairs of three tasks.
fn layerwise() -> Vec<String> {
    let fixed = "baselines=[{name: pp, preset: regmean_plus_plus, examples: 8, weights: {icons: 0.5}}]";
    with_subsets(&["subsets={sizes: [2]}", "evaluation.statistics=train", "recipe=null", "parameters=null", fixed])
}

#[test]
fn every_subset_is_merged_layer_by_layer_for_itself_before_it_is_evaluated() {
    let overrides = layerwise();
    let overrides: Vec<&str> = overrides.iter().map(String::as_str).collect();
    for limit in [1, 64] {
        let (outcome, issued) = finish(&overrides, limit, &|_| false, &|_| 0).unwrap();
        let row = outcome.rows.iter().find(|row| row.name == "pp").unwrap();
        assert!(row.subsets.iter().all(|subset| subset.job.is_some()), "{row:?}");
        for pair in ["mnist, flags", "mnist, icons", "flags, icons"] {
            let place = |label: &str| issued.iter().position(|job| job.label.starts_with(label)).unwrap();
            let layers = place(&format!("layers of {pair} over 8 examples,"));
            let evaluation = place(&format!("pp of {pair} on test"));
            assert!(layers < evaluation, "{limit}");
            let named = &meaning(&issued[evaluation].job).statistics;
            assert!(named.len() == 2 && named.iter().all(|input| input.job == issued[layers].id), "{named:?}");
            let jobs::JobSpec::Layerwise(spec) = issued[layers].job.spec() else { panic!("it merges layer by layer") };
            assert_eq!(spec.settings.weights.contains_key("icons"), pair.contains("icons"));
        }
    }
    let plan = SweepPlan::new(frozen(&overrides)).unwrap();
    let (_, issued) = finish(&overrides, 64, &|_| false, &|_| 0).unwrap();
    assert!(plan.bound() >= issued.len() as u64, "{} {}", plan.bound(), issued.len());
}

#[test]
fn a_subset_whose_layers_cannot_be_merged_has_no_number_and_the_sweep_ends() {
    let overrides = layerwise();
    let overrides: Vec<&str> = overrides.iter().map(String::as_str).collect();
    let fails = |job: &PlannedJob| job.label.starts_with("layers of mnist, icons over 8 examples,");
    let (outcome, issued) = finish(&overrides, 64, &fails, &|_| 0).unwrap();
    let row = outcome.rows.iter().find(|row| row.name == "pp").unwrap();
    assert_eq!(row.subsets.iter().map(|subset| subset.job.is_some()).collect::<Vec<_>>(), [true, false, true]);
    assert!(!issued.iter().any(|job| job.label == "pp of mnist, icons on test"));
}

#[test]
fn subsets_of_a_fixed_recipe_with_replicates_wait_for_all_of_its_seeds() {
    let replicated = "baselines=[{name: dare, preset: dare_ties, scaling: 0.3, replicates: {seed: 3}}]";
    let overrides = with_subsets(&["subsets={sizes: [2]}", "recipe=null", "parameters=null", replicated]);
    let overrides: Vec<&str> = overrides.iter().map(String::as_str).collect();
    let seed = |recipe: &jobs::Recipe| recipe.drop.map_or(0, |drop| drop.seed);
    for limit in [1, 64] {
        let best_is_the_last = |recipe: &jobs::Recipe| Some(400 + 100 * seed(recipe));
        let (outcome, issued) = replicates::finish_with(&overrides, limit, &best_is_the_last);
        let subsets: Vec<&PlannedJob> = issued.iter().filter(|job| job.phase == Phase::Subsets).collect();
        assert_eq!(subsets.len(), 3, "{limit}");
        for job in subsets {
            let Subject::Merge { recipe } = &meaning(&job.job).subject else { panic!("a merge") };
            assert_eq!(seed(recipe), 2, "the best of the seeds 0 to 2");
        }
        let row = outcome.rows.iter().find(|row| row.name == "dare").unwrap();
        assert!(row.subsets.iter().all(|subset| subset.job.is_some()), "{row:?}");
    }
}
