use super::*;
use crate::{CoefficientScope, TuneGuard, TuneObjective, TuneSettings};
use crate::{Metric, Values};
use serde_json::json;
use std::path::Path;

mod command;
mod finetune;
mod goals;
mod methods;
mod reference;
mod texts;
mod variants;

const SMALL: &str = r#"
name: small
base: base
tasks:
  - {name: mnist, adapter: adapters/mnist, data: data/mnist, head: heads/mnist.safetensors}
  - name: icons
    adapter: hf://owner/icons@v1
    data: {source: hf://owner/icons, splits: {validation: {from: train, share: [0.0, 0.1], shuffle_seed: 3}}}
    classes: [tango, oxygen]
    templates: ["an icon in {} style."]
evaluation: {benchmark: per_task, select: validation, report: test}
method: linear
metric: {name: mean_normalised_accuracy, goal: maximize}
recipe: {preset: knots_ties, density: 0.2, scaling: 0.6}
parameters:
  scaling: {min: 0.1, max: 1.0, step: 0.1}
  density: {values: [0.1, 0.2, 0.3, 0.5, 1.0]}
baselines:
  - {name: sum, preset: task_arithmetic, scaling: 0.1}
"#;

fn read(text: &str, overrides: &[&str]) -> Result<Sweep, SweepError> {
    let overrides: Vec<_> = overrides.iter().map(|&text| text.to_owned()).collect();
    Sweep::from_yaml(text, Path::new("/sweeps"), &overrides)
}

/// The error and its causes in one line each.
fn message(overrides: &[&str]) -> String {
    crate::error_chain(&read(SMALL, overrides).unwrap_err())
}

#[test]
fn a_recipe_file_may_hold_the_lines_of_a_sweep_file() {
    let bare = RecipeSpec::from_yaml("preset: knots_ties\nscaling: 0.2\n").unwrap();
    assert_eq!(RecipeSpec::from_yaml("recipe:\n  preset: knots_ties\n  scaling: 0.2\n").unwrap(), bare);
    let error = RecipeSpec::from_yaml("recipe: {preset: knots_ties}\nscaling: 0.2\n").unwrap_err();
    assert!(error.to_string().contains("recipe"), "{error}");
    assert!(RecipeSpec::from_yaml("recipe: 7").is_err());
}

#[test]
fn a_sweep_file_is_read_whole() {
    let sweep = read(SMALL, &[]).unwrap();
    assert_eq!(sweep.base, InputRef::Path("/sweeps/base".into()));
    assert_eq!(sweep.tasks[1].adapter.to_string(), "hf://owner/icons@v1");
    assert_eq!(sweep.tasks[1].data.as_ref().unwrap().source.to_string(), "hf://datasets/owner/icons");
    assert_eq!(sweep.objective.metric, Metric::MeanNormalisedAccuracy);
    let keys: Vec<_> = sweep.searches[0].parameters.iter().map(|parameter| parameter.key.as_str()).collect();
    assert_eq!(keys, ["scaling", "density"], "the file's order is the search's order");
    assert_eq!(sweep.searches[0].parameters[0].values.listed().map(<[_]>::len), Some(10));
    assert_eq!(sweep.baselines[0].name, "sum");
}

#[test]
fn a_sweep_reads_back_from_its_manifest_form() {
    let sweep = read(SMALL, &[]).unwrap();
    let json = serde_json::to_string(&sweep).unwrap();
    assert_eq!(serde_json::from_str::<Sweep>(&json).unwrap(), sweep);
}

#[test]
fn old_names_are_noted_once_wherever_they_stand() {
    let notes = |overrides: &[&str]| read(SMALL, overrides).unwrap().notes();
    assert_eq!(notes(&[]), [""; 0]);
    let searches = "searches=[{name: a, recipe: {preset: core_tsv}}, \
                    {name: b, recipe: {preset: iso_c}, parameters: {preset: [iso_c, core_tsv, knots_iso_c]}}]";
    let old = "`core_tsv` is an old name of the preset `tsv`";
    let knots = "`knots_iso_c` is an old name of the preset `iso_c`: in `knots` and in `core` it is the same merge, \
                 which is computed in `core`";
    assert_eq!(notes(&["recipe=null", "parameters=null", searches]), [old, knots]);
    assert_eq!(notes(&["baselines.sum={name: old, preset: core_tsv}"]), [old]);
}

#[test]
fn unknown_keys_are_named_with_the_nearest_valid_one() {
    assert_eq!(message(&["recipe.densty=0.2"]), "unknown key `recipe.densty`; did you mean `density`?");
    assert_eq!(message(&["paramters={}"]), "unknown key `paramters`; did you mean `parameters`?");
    assert_eq!(message(&["tasks.0.adaptor=x"]), "unknown key `tasks[0].adaptor`; did you mean `adapter`?");
    assert_eq!(
        message(&["tasks.icons.data.splits.validation.form=x"]),
        "unknown key `tasks[1].data.splits.validation.form`; did you mean `from`?"
    );
    assert_eq!(message(&["parameters.scaling.stp=1"]), "unknown key `parameters.scaling.stp`; did you mean `step`?");
    assert_eq!(message(&["baselines.sum.scalng=1"]), "unknown key `baselines[0].scalng`; did you mean `scaling`?");
}

#[test]
fn wrong_recipes_are_named_with_their_place() {
    assert_eq!(
        message(&["recipe.density=1.4"]),
        "`recipe` does not describe a merge: `density` is 1.4, outside (0, 1]"
    );
    assert_eq!(
        message(&["parameters.density.values=[0.1, 0]"]),
        "`parameters.density[1]` does not describe a merge: `density` is 0, outside (0, 1]"
    );
    assert_eq!(message(&["recipe.scaling=-1"]), "`recipe` does not describe a merge: `scaling` is -1, outside [0, ∞)");
    assert!(message(&["recipe.preset=knots"]).contains("`preset` is `knots`, which is none of"));
    assert_eq!(message(&["parameters.densty=[0.1]"]), "unknown key `parameters.densty`; did you mean `density`?");
}

#[test]
fn values_that_cannot_be_are_refused() {
    let cases = [
        ("parameters.density.values=[]", "`parameters.density.values` is empty"),
        ("parameters.scaling.step=0", "`parameters.scaling` is not a range: `step` must be positive"),
        ("tasks=[]", "`tasks` is empty; a sweep needs at least one task"),
        ("tasks.icons.name=mnist", "`tasks[1].name` is `mnist` a second time"),
        ("metric.name=accuracy:flags", "`metric.name` names a task that is not listed"),
        ("metric.name=joint_hits@3", "`metric.name` counts hits among joint labels: it needs `benchmark: joint`"),
        ("tasks.mnist.head=null", "`tasks[0]` needs a `head`, or `classes` and `templates`"),
        ("recipe.weights={flags: 2}", "`weights.flags` names a task that is not listed"),
        ("parameters.weights=[{flags: 2}]", "`parameters.weights.flags` names a task that is not listed"),
        ("trials=3", "`trials` has no effect without `method: random`, `tpe` or `cma_es`"),
        ("method=random", "`trials` is missing; `method: random` needs it"),
        (
            "base=gs://bucket",
            "`base` does not name an input: `gs://bucket` has a scheme that inputs cannot come from; use a path, `hf://owner/name[@revision]` or `s3://bucket/key`",
        ),
        ("tasks.icons.templates=[a]", "`tasks[1].templates` holds `a`, which has no `{}` for the class name"),
        ("tasks.icons.finetuned.test=93", "`tasks[1].finetuned.test` is 93, outside (0, 1]; accuracies are shares"),
        (
            "name=../x",
            "`name` is `../x`; use letters, digits, `-`, `_` and `.`, at most 100 of them, and neither `-` nor `.` first",
        ),
        (
            "name=-rf",
            "`name` is `-rf`; use letters, digits, `-`, `_` and `.`, at most 100 of them, and neither `-` nor `.` first",
        ),
        (
            "name=--help",
            "`name` is `--help`; use letters, digits, `-`, `_` and `.`, at most 100 of them, and neither `-` nor `.` first",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(message(&[text]), expected, "{text}");
    }
}

#[test]
fn a_method_for_two_tasks_is_refused_beside_three_and_weights_of_zero_everywhere() {
    let third =
        "  - {name: flags, adapter: adapters/flags, data: data/flags, head: heads/flags.safetensors}\nevaluation:";
    let three = SMALL.replacen("evaluation:", third, 1);
    let refused = |text: &str, overrides: &[&str]| crate::error_chain(&read(text, overrides).unwrap_err());
    let rest = "which takes 2 tasks, and the sweep has 3: mnist, icons, flags";
    for (overrides, expected) in [
        ("recipe={preset: slerp}", format!("`recipe` merges by `slerp`, {rest}")),
        ("baselines=[{preset: nuslerp}]", format!("`baselines[0]` merges by `nuslerp`, {rest}")),
        ("parameters={combine: [sum, slerp]}", format!("`parameters.combine[1]` merges by `slerp`, {rest}")),
    ] {
        assert_eq!(refused(&three, &[overrides]), expected);
    }
    assert!(read(SMALL, &["recipe={preset: slerp}", "parameters={position: [0.2, 0.5]}"]).is_ok());
    let nothing = "baselines=[{space: core, combine: karcher, weights: {mnist: 0, icons: 0}}]";
    let expected =
        "`baselines[0]` merges by `karcher` with a weight of 0 for every task, which leaves nothing to merge";
    assert_eq!(refused(SMALL, &[nothing]), expected);
}

#[test]
fn learned_merges_have_defaults_and_are_tuned_on_a_split_of_their_own() {
    let sweep =
        read(SMALL, &["learned=[{split: tuning}, {name: sure, split: tuning, objective: entropy, per: layer}]"]);
    let learned = sweep.unwrap().learned;
    let TuneSettings { objective, per, guard, .. } = learned[0].settings;
    assert_eq!((learned[0].name.as_str(), learned[0].examples), ("learned by agreement", None));
    assert_eq!((objective, per, guard), (TuneObjective::Agreement, CoefficientScope::Task, None));
    let guard = Some(TuneGuard { every: 5, fall: 0.02 });
    assert_eq!((learned[1].settings.per, learned[1].settings.guard), (CoefficientScope::Layer, guard));
    let directions = read(SMALL, &["learned=[{split: tuning, per: direction}]"]).unwrap();
    assert_eq!(directions.learned[0].settings.per, CoefficientScope::Direction);
    let shared = read(SMALL, &["learned=[{split: tuning, per: direction, basis: knots}]"]).unwrap();
    assert_eq!(shared.learned[0].settings.basis, crate::CoefficientBasis::Knots);
    let refused = |keys: &str| message(&[&format!("learned=[{{{keys}}}]")]);
    let shared = refused("split: a, per: layer, basis: knots");
    assert!(
        shared.starts_with("`learned[0].basis` is knots, expected left out, or beside `per: direction`"),
        "{shared}"
    );
    let same = refused("split: validation");
    assert!(same.starts_with("`learned[0].split` is `validation`, which is `evaluation.select`: "), "{same}");
    assert!(refused("split: test").starts_with("`learned[0].split` is `test`, which is `evaluation.report`: "));
    assert_eq!(refused("split: a, rate: 0"), "`learned[0].rate` is 0, expected a number above 0");
    assert_eq!(refused("split: a, examples: 0"), "`learned[0].examples` is 0");
    let twice = message(&["learned=[{split: a}, {split: a}]"]);
    assert_eq!(twice, "`learned` would appear twice as `learned by agreement`; give each a `name` of its own");
}

#[test]
fn subsets_have_none_of_the_directions_that_all_tasks_share() {
    let task = read(SMALL, &[]).unwrap().tasks[0].name.clone();
    let of = |recipe: &str| {
        [format!("baselines=[{{name: shared, combine: sum, {recipe}}}]"), "subsets={sizes: [2]}".to_owned()]
    };
    let refused = |recipe: &str| {
        let all = of(recipe);
        read(SMALL, &all.each_ref().map(String::as_str)).err().map(|error| error.to_string())
    };
    let weights = |weight: &str| format!("layer_weights: {{{task}: {{layers.0.q: {weight}}}}}");
    let listed = weights("[1.0, 0.5]");
    let problem = refused(&format!("space: knots, {listed}")).unwrap();
    assert!(problem.contains("`subsets` merges subsets of the tasks, and `shared` has a list of numbers"), "{problem}");
    assert_eq!(refused(&format!("space: full, {listed}")), None, "an adapter's own directions stay");
    assert_eq!(refused(&format!("space: knots, {}", weights("0.5"))), None);
}

#[test]
fn subsets_have_sizes_that_the_sweep_has_tasks_for() {
    let subsets = |keys: &str| read(SMALL, &[&format!("subsets={{{keys}}}")]).unwrap().subsets.unwrap();
    assert_eq!(subsets("sizes: [2, 1]"), crate::Subsets { sizes: vec![2, 1], samples: 28, seed: 0 });
    assert_eq!(subsets("sizes: [2], samples: 5, seed: 7"), crate::Subsets { sizes: vec![2], samples: 5, seed: 7 });
    for (keys, expected) in [
        ("sizes: []", "`subsets.sizes` is empty; list numbers of tasks"),
        ("sizes: [1, 0]", "`subsets.sizes[1]` is 0; a subset has at least one task"),
        ("sizes: [3]", "`subsets.sizes[0]` is 3, and the sweep has 2 tasks"),
        ("sizes: [2, 2]", "`subsets.sizes[1]` is 2 a second time"),
        ("sizes: [2], samples: 0", "`subsets.samples` is 0, expected 1 to 10000"),
        ("sizes: [2], sample: 3", "unknown key `subsets.sample`; did you mean `samples`?"),
    ] {
        assert_eq!(message(&[&format!("subsets={{{keys}}}")]), expected, "{keys}");
    }
    assert!(message(&["subsets={}"]).contains("`subsets.sizes` is missing: the numbers of tasks"));
    let joint = ["evaluation={benchmark: joint, head: a, map: b}", "metric.name=joint_hits@3", "subsets={sizes: [2]}"];
    assert!(message(&joint).starts_with("`subsets` needs `benchmark: per_task`: a joint head has the labels of all"));
}

#[test]
fn replicates_are_seeds_of_a_recipe_that_draws() {
    let draws = "recipe={preset: dare_ties, drop_rate: 0.5, seed: 420}";
    let five = crate::Replicates { key: "seed".to_owned(), count: 5 };
    let sweep = read(SMALL, &[draws, "replicates={seed: 5}"]).unwrap();
    assert_eq!(sweep.searches[0].replicates, Some(five.clone()));
    // A value of a parameter may be what makes it draw.
    let later = ["recipe={preset: knots_ties}", "parameters.drop_rate=[0.0, 0.5]", "replicates={seed: 5}"];
    assert_eq!(read(SMALL, &later).unwrap().searches[0].replicates, Some(five.clone()));
    let baseline = "baselines=[{name: dare, preset: dare_ties, replicates: {seed: 5}}]";
    assert_eq!(read(SMALL, &[baseline]).unwrap().baselines[0].replicates, Some(five));
    let searches = "searches=[{recipe: {preset: dare_ties}, replicates: {seed: 1}}]";
    let refused = |overrides: &[&str]| message(overrides);
    assert_eq!(
        refused(&["recipe=null", "parameters=null", searches]),
        "`searches[0].replicates` has 1 seeds, expected 2 to 1000"
    );
    assert_eq!(refused(&["replicates={seed: 5}"]), "`replicates` has no effect: the recipe draws nothing by `seed`");
    assert_eq!(
        refused(&[draws, "replicates={seed: 5}", "parameters.seed=[1, 2]"]),
        "`replicates` has `seed`, which is one of the `parameters` as well; take it out of one of them"
    );
    assert_eq!(
        refused(&["baselines=[{preset: dare_ties, replicates: {density: 5}}]"]),
        "`baselines[0].replicates` has the key `density`, which is no seed of a recipe; use one of `seed`, `group_seed`"
    );
    let without = refused(&["recipe=null", "parameters=null", "replicates={seed: 5}"]);
    assert!(without.starts_with("`replicates` needs a `recipe` beside it"), "{without}");
}

#[test]
fn races_have_defaults_and_are_refused_by_name() {
    assert_eq!(read(SMALL, &[]).unwrap().racing, None);
    assert_eq!(read(SMALL, &["racing={}"]).unwrap().racing, Some(crate::Racing::default()));
    let all = "racing={error_rate: 0.1, slice: 64, indifference: 0.005, round: 4, seed: 7}";
    let racing = crate::Racing { error_rate: 0.1, slice: Some(64), indifference: 0.005, round: 4, seed: 7 };
    assert_eq!(read(SMALL, &["method=grid", all]).unwrap().racing, Some(racing));
    for (value, expected) in [
        ("{error_rate: 0}", "`racing.error_rate` is 0, outside (0, 0.5]"),
        ("{slice: 0}", "`racing.slice` is 0, expected 1 to 1048576 examples"),
        ("{indifference: 1}", "`racing.indifference` is 1, outside [0, 1): 0.005 is half a point"),
        ("{round: 0}", "`racing.round` is 0, expected 1 to 1000 points"),
    ] {
        assert_eq!(message(&["method=grid", &format!("racing={value}")]), expected);
    }
    let unknown = message(&["racing={rate: 0.1}"]);
    assert!(unknown.starts_with("unknown key `racing.rate`"), "{unknown}");
    let draws = ["recipe={preset: dare_ties, drop_rate: 0.5}", "replicates={seed: 5}", "racing={}"];
    assert_eq!(
        message(&draws),
        "`racing` is for points that are one evaluation each, and the search `dare_ties` has `replicates`; take one of them out"
    );
    let none = message(&["recipe=null", "parameters=null", "racing={}"]);
    assert_eq!(none, "`racing` has no effect: nothing is searched");
}

#[test]
fn a_shuffle_may_be_that_of_another_program() {
    let rule = "tasks.icons.data.splits.validation";
    let sweep = read(SMALL, &[&format!("{rule}.shuffle_like=datasets")]).unwrap();
    assert_eq!(
        sweep.tasks[1].data.as_ref().unwrap().splits["validation"].shuffle_like,
        Some(crate::ShuffleLike::Datasets)
    );
    let seedless = [&format!("{rule}.shuffle_like=datasets"), &format!("{rule}.shuffle_seed=null")];
    let refused = message(&seedless.map(String::as_str));
    assert_eq!(refused, "`tasks[1].data.splits.validation.shuffle_like` needs a `shuffle_seed`");
    let unknown = message(&[&format!("{rule}.shuffle_like=sklearn")]);
    assert!(unknown.ends_with("splits.validation.shuffle_like` is `sklearn`; expected `datasets`"), "{unknown}");
}

#[test]
fn a_wrong_type_names_its_key() {
    let text = message(&["trials=many"]);
    assert_eq!(text, "`trials` is the text `many`; expected a whole number from 1 on");
    let text = read("name: x\nbase: y\n", &[]).unwrap_err().to_string();
    assert!(text.contains("`tasks` is missing: the tasks in merge order"), "{text}");
}

#[test]
fn words_that_older_yaml_takes_for_booleans_are_words() {
    let sweep = read(SMALL, &["tasks.icons.classes=[no, y]", "base=on"]).unwrap();
    assert_eq!(sweep.base, InputRef::Path("/sweeps/on".into()));
    assert!(matches!(&sweep.tasks[1].head, Some(HeadSpec::Prompts { classes, .. }) if classes == &["no", "y"]));
}

#[test]
fn text_that_is_no_yaml_is_refused_with_its_line() {
    let text = read("name: [x\nbase: y\n", &[]).unwrap_err().to_string();
    assert!(text.starts_with("not valid YAML: ") && text.contains("line"), "{text}");
    assert!(read("- a\n- b\n", &[]).unwrap_err().to_string().contains("map of keys"));
}

#[test]
fn overrides_reach_lists_by_number_and_name() {
    let sweep = read(SMALL, &["tasks.mnist.adapter=other", "recipe.weights.icons=0.5"]).unwrap();
    assert_eq!(sweep.tasks[0].adapter, InputRef::Path("/sweeps/other".into()).into());
    assert!((sweep.searches[0].recipe.weights["icons"] - 0.5).abs() < 1e-12);
    assert_eq!(message(&["tasks.9.name=x"]), "the override `tasks.9.name=x` leads nowhere: the list has no `9`");
    assert_eq!(message(&["name"]), "the override `name` is not of the form key=value");
}

#[test]
fn a_random_search_draws_from_a_whole_range() {
    let continuous = "parameters.scaling={min: 0.1, max: 2, log: true}";
    assert!(message(&[continuous]).contains("needs a `step`"));
    let sweep = read(SMALL, &[continuous, "method=random", "trials=20", "seed=1"]).unwrap();
    assert_eq!(sweep.method, Method::Random { trials: 20, seed: 1 });
    let expected = Values::Continuous { min: 0.1, max: 2.0, log: true };
    assert_eq!(sweep.searches[0].parameters[0].values, expected);
}

#[test]
fn several_searches_stand_side_by_side() {
    let searches = r#"searches=[{recipe: {preset: ties}, parameters: {scaling: [0.3, 0.5]}}, {name: mine, recipe: {preset: ties}}]"#;
    let sweep = read(SMALL, &["recipe=null", "parameters=null", searches]).unwrap();
    let names: Vec<_> = sweep.searches.iter().map(|search| search.name.as_str()).collect();
    assert_eq!(names, ["ties", "mine"]);
    assert_eq!(sweep.searches[0].parameters[0].values.listed(), Some(&[json!(0.3), json!(0.5)][..]));
    assert!(message(&[searches]).contains("stands beside `recipe`"));
}

#[test]
fn a_joint_benchmark_needs_class_names_or_files() {
    let joint = ["evaluation.benchmark=joint", "metric.name=joint_hits@3"];
    assert!(message(&joint).starts_with("`tasks[0]` needs `classes` and `templates`"));
    let files = ["evaluation.head=heads/joint.safetensors", "evaluation.map=heads/joint_map.json"];
    let sweep = read(SMALL, &[&joint[..], &files[..]].concat()).unwrap();
    assert!(matches!(sweep.evaluation.benchmark, Benchmark::Joint { files: Some(_) }));
    assert!(message(&["evaluation.benchmark=joint", files[0], files[1]]).contains("has no denominators"));
}

#[test]
fn a_sweep_over_images_is_stored_as_it_was_before_there_were_texts() {
    let sweep = serde_json::to_value(read(SMALL, &[]).unwrap()).unwrap();
    assert_eq!(sweep["evaluation"], json!({"benchmark": "per_task", "select": "validation", "report": "test"}));
    let data = json!({"source": {"path": "/sweeps/data/mnist"}, "image_column": "image", "label_column": "label"});
    assert_eq!(sweep["tasks"][0]["data"], data);
}

#[test]
fn every_class_has_a_name_and_a_prompt_of_its_own() {
    let empty = message(&["tasks.icons.classes=[tango, ' ']"]);
    assert_eq!(empty, "`tasks[1].classes[1]` is empty; every class needs a name");
    for twice in ["[tango, oxygen, tango]", "[tango, oxygen, ' Tango']"] {
        let twice = message(&[&format!("tasks.icons.classes={twice}")]);
        assert!(twice.starts_with("`tasks[1].classes[2]` is `"), "{twice}");
        assert!(twice.contains("which class 0 is called already"), "{twice}");
    }
}

const JOINT: [&str; 2] =
    ["evaluation={benchmark: joint, head: heads/joint.safetensors, map: heads/map.json}", "metric.name=joint_hits@3"];

#[test]
fn an_ensemble_stands_among_the_baselines_of_a_joint_benchmark() {
    let with = |baseline: &str| {
        let baselines = format!("baselines=[{baseline}, {{name: sum, preset: task_arithmetic}}]");
        read(SMALL, &[JOINT[0], JOINT[1], &baselines])
    };
    let sweep = with("{ensemble: max}").unwrap();
    assert_eq!(sweep.ensembles, [Ensemble { name: "ensemble".to_owned(), rule: EnsembleRule::Max }]);
    assert_eq!(sweep.baselines.len(), 1);
    let written = serde_json::to_value(&sweep).unwrap();
    assert_eq!(serde_json::from_value::<Sweep>(written).unwrap(), sweep);
    assert_eq!(with("{name: experts, ensemble: max}").unwrap().ensembles[0].name, "experts");
    for (baseline, words) in [
        ("{ensemble: mean}", "`baselines[0].ensemble` is `mean`; expected `max`"),
        ("{ensemble: max, scaling: 0.3}", "`baselines[0].scaling` has no effect beside `ensemble`"),
        ("{name: sum, ensemble: max}", "would appear twice as `sum`"),
    ] {
        let refused = crate::error_chain(&with(baseline).unwrap_err());
        assert!(refused.contains(words), "{baseline}: {refused}");
    }
    assert!(message(&["baselines=[{ensemble: max}]"]).contains("needs `benchmark: joint`"));
    assert!(serde_json::to_value(read(SMALL, &[]).unwrap()).unwrap().get("ensembles").is_none());
}

#[test]
fn fisher_information_needs_a_head_of_every_task() {
    let refused = read(SMALL, &[JOINT[0], JOINT[1], "baselines=[{preset: fisher}]"]).unwrap_err();
    assert!(crate::error_chain(&refused).contains("use `per_task`"), "{refused}");
    assert!(read(SMALL, &["baselines=[{preset: fisher}]"]).is_ok());
}
