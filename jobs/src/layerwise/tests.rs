use super::*;
use crate::{JobKind, JobSpec, Preset};
use serde_json::json;
use std::{collections::BTreeSet, path::Path};

fn spec() -> LayerwiseSpec {
    let adapter = |task: &str| AdapterInput { task: task.to_owned(), digest: Digest::of(task.as_bytes()) };
    let task = |name: &str| TaskInput { name: name.to_owned(), data: Digest::of(b"data"), head: None };
    LayerwiseSpec {
        semantics: LAYERWISE_SEMANTICS,
        statistics: STATISTICS_SEMANTICS,
        evaluation: crate::EVALUATION_SEMANTICS,
        base: Digest::of(b"base"),
        adapters: vec![adapter("mnist"), adapter("flags")],
        tasks: vec![task("mnist"), task("flags")],
        split: "train".to_owned(),
        settings: LayerwiseSettings { examples: 256, off_diagonal: 0.9, ridge: 0.0, weights: BTreeMap::new() },
        precision: Precision::F32,
    }
}

fn resolved(spec: serde_json::Value) -> Recipe {
    serde_json::from_value::<RecipeSpec>(spec).unwrap().resolve().unwrap()
}

fn sweep(recipes: &str) -> Result<Sweep, crate::SweepError> {
    let tasks = ["a", "b"].map(|name| format!("  - {{name: {name}, adapter: {name}, data: d, head: h.safetensors}}\n"));
    let text = format!("name: small\nbase: base\ntasks:\n{}evaluation: {{}}\n{recipes}", tasks.concat());
    Sweep::from_yaml(&text, Path::new("/sweeps"), &[])
}

#[test]
fn the_id_of_a_merge_that_is_made_layer_by_layer_is_the_same_in_every_release() {
    let spec = JobSpec::from(spec());
    assert_eq!(spec.kind(), JobKind::Statistics);
    assert_eq!(spec.id().to_string(), "a933e05a46bfa938d87df57100a8253114b2f8999b669237b46a0ff20fbfd6ff");
    let text = serde_json::to_string(&spec).unwrap();
    assert_eq!(serde_json::from_str::<JobSpec>(&text).unwrap(), spec);
}

#[test]
fn what_decides_a_merge_that_is_made_layer_by_layer_changes_its_id() {
    let changes: [fn(&mut LayerwiseSpec); 12] = [
        |spec| spec.semantics += 1,
        |spec| spec.statistics += 1,
        |spec| spec.evaluation += 1,
        |spec| spec.base = Digest::of(b"other"),
        |spec| spec.adapters.swap(0, 1),
        |spec| spec.tasks[0].data = Digest::of(b"other"),
        |spec| spec.split = "validation".to_owned(),
        |spec| spec.settings.examples = 255,
        |spec| spec.settings.off_diagonal = 0.5,
        |spec| spec.settings.ridge = 0.1,
        |spec| spec.settings.weights = [("mnist".to_owned(), 0.5)].into(),
        |spec| spec.precision = Precision::Bf16,
    ];
    let mut ids = BTreeSet::from([JobSpec::from(spec()).id()]);
    for change in changes {
        let mut changed = spec();
        change(&mut changed);
        assert!(ids.insert(JobSpec::from(changed.clone()).id()), "{changed:?}");
    }
}

#[test]
fn a_merge_of_another_version_is_told_from_ours() {
    assert_eq!(spec().check_semantics(), Ok(()));
    let other = LayerwiseSpec { semantics: 9, ..spec() }.check_semantics().unwrap_err();
    assert_eq!(other.part, "layer-by-layer merge");
    assert_eq!(LayerwiseSpec { statistics: 9, ..spec() }.check_semantics().unwrap_err().part, "statistics");
    assert_eq!(LayerwiseSpec { evaluation: 9, ..spec() }.check_semantics().unwrap_err().part, "evaluation");
}

#[test]
fn the_recipe_decides_all_but_the_scaling() {
    let preset = resolved(json!({"preset": "regmean_plus_plus"}));
    assert_eq!(preset, Preset::RegmeanPlusPlus.recipe());
    assert_eq!(Preset::of(&preset), Some(Preset::RegmeanPlusPlus));
    assert_eq!(Preset::of(&resolved(json!({"preset": "regmean"}))), Some(Preset::Regmean));
    assert_eq!(preset.layerwise(), Some(spec().settings));
    assert_eq!(preset.statistics(), None, "no task has statistics of its own");
    assert!(preset.merges_by_data() && preset.is_low_rank());
    assert_eq!(preset.with_scaling(0.5).layerwise(), preset.layerwise());
    let weighed = resolved(json!({"preset": "regmean", "gram": "merged_inputs", "weights": {"a": 0.5, "b": 1.0}}));
    assert_eq!(weighed.layerwise().unwrap().weights, [("a".to_owned(), 0.5)].into());
    assert_eq!(weighed.for_tasks(&["b".to_owned()]).layerwise().unwrap().weights, BTreeMap::new());
    assert_eq!(resolved(json!({"preset": "regmean"})).layerwise(), None);
}

#[test]
fn a_sweep_needs_a_merge_for_each_combination_of_what_decides_it() {
    let by_number = sweep(
        "baselines: [{name: fixed, preset: regmean_plus_plus}, {preset: ties}]\nrecipe: {preset: regmean_plus_plus}\n\
         parameters: {off_diagonal: [0.5, 0.9], scaling: [0.8, 1.0]}",
    );
    let numbers: Vec<_> = by_number.unwrap().layerwise_needs().into_iter().map(|need| need.off_diagonal).collect();
    assert_eq!(numbers, [0.9, 0.5]);
    let by_word = "recipe: {preset: ties}\nparameters: {preset: [ties, regmean, regmean_plus_plus], examples: [8, 16]}";
    let by_word = sweep(by_word);
    // The word alone decides that `examples` means anything, so that the start takes none.
    assert!(by_word.is_err());
    let by_preset = sweep("recipe: {preset: ties}\nparameters: {preset: [ties, regmean, regmean_plus_plus]}").unwrap();
    assert_eq!(by_preset.layerwise_needs().len(), 1);
    assert_eq!(by_preset.statistics_needs().len(), 1, "the word alone needs statistics");
    assert_eq!(by_preset.measured_examples(), 256);
    assert!(sweep("baselines: [{preset: regmean}]").unwrap().layerwise_needs().is_empty());
}

#[test]
fn numbers_that_are_drawn_from_a_range_cannot_decide_what_is_made_before_the_search() {
    let drawn = |recipe: &str, parameters: &str| {
        sweep(&format!("method: random\ntrials: 3\nrecipe: {{{recipe}}}\nparameters: {{{parameters}}}"))
    };
    let refused = drawn("preset: regmean_plus_plus", "off_diagonal: {min: 0.1, max: 0.9}").unwrap_err().to_string();
    assert!(refused.contains("`parameters.off_diagonal` decides what is merged layer by layer"), "{refused}");
    assert!(refused.contains("list the `values`, or give a `step`"), "{refused}");
    let refused = drawn("preset: regmean_plus_plus", "weights.a: {min: 0.1, max: 0.9}").unwrap_err().to_string();
    assert!(refused.contains("`parameters.weights.a`"), "{refused}");
    drawn("preset: regmean_plus_plus", "scaling: {min: 0.1, max: 0.9}").unwrap();
    drawn("preset: regmean", "off_diagonal: {min: 0.1, max: 0.9}").unwrap();
}

#[test]
fn a_grid_needs_the_combinations_of_listed_values_alone() {
    let needs = |parameters: &str| {
        let text = format!("method: grid\nrecipe: {{preset: regmean_plus_plus}}\nparameters: {{{parameters}}}");
        sweep(&text).unwrap().layerwise_needs()
    };
    let both = needs("off_diagonal: [0.2, 0.4], ridge: [0.1, 0.2, 0.3], scaling: [0.8, 1.0]");
    assert_eq!(both.len(), 6);
    assert!(both.iter().all(|need| need.off_diagonal < 0.5 && need.ridge > 0.05), "no value of the preset: {both:?}");
    assert_eq!(needs("scaling: [0.8, 1.0]").len(), 1);
}

#[test]
fn a_linear_search_needs_the_values_of_one_deciding_key_and_its_start() {
    let of = |parameters: &str| sweep(&format!("recipe: {{preset: regmean_plus_plus}}\nparameters: {{{parameters}}}"));
    let numbers = |parameters: &str| {
        of(parameters).unwrap().layerwise_needs().iter().map(|need| need.off_diagonal).collect::<Vec<_>>()
    };
    assert_eq!(numbers("off_diagonal: [0.2, 0.4]"), [0.2, 0.4]);
    // While λ is scanned, the recipe has its own value.
    assert_eq!(numbers("scaling: [0.8, 1.0], off_diagonal: [0.2, 0.4]"), [0.9, 0.2, 0.4]);
    let refused = of("off_diagonal: [0.2, 0.4], ridge: [0.1, 0.2]").unwrap_err().to_string();
    let expected =
        ["`parameters.ridge` decides what is merged", "beside `parameters.off_diagonal`", "use `method: grid`"];
    assert!(expected.iter().all(|part| refused.contains(part)), "{refused}");
}

#[test]
fn more_merges_than_the_limit_are_refused_before_they_are_listed() {
    let of = |ridges: usize| {
        let ridges: Vec<String> = (1..=ridges).map(|ridge| format!("0.{ridge:03}")).collect();
        let text = format!(
            "method: grid\nrecipe: {{preset: regmean_plus_plus}}\n\
             parameters: {{off_diagonal: [0.2, 0.4], ridge: [{}]}}",
            ridges.join(", ")
        );
        sweep(&text)
    };
    assert_eq!(of(32).unwrap().layerwise_needs().len(), 64);
    let refused = of(33).unwrap_err().to_string();
    assert!(refused.contains("with 66 combinations") && refused.contains("at most 64"), "{refused}");
    let weights: Vec<String> =
        ["a", "b"].map(|task| format!("weights.{task}: {{min: 0, max: 1, step: 0.00001}}")).into();
    let text = format!("method: grid\nrecipe: {{preset: regmean_plus_plus}}\nparameters: {{{}}}", weights.join(", "));
    let refused = sweep(&text).unwrap_err().to_string();
    assert!(refused.contains("at most 64 are merged before a search"), "{refused}");
}
