//! What people get wrong in sweep files, and what they read then: what, where, and what to do.

use crate::bowline::Place;
use std::fmt::Write;

/// A sweep file that is right.
const RIGHT: &str = "\
name: mine
base: models/clip
tasks:
  - name: mnist
    adapter: adapters/mnist
    data: data/mnist
    head: heads/mnist.safetensors
  - name: flags
    adapter: adapters/flags
    data: {source: data/flags}
    head: heads/flags.safetensors
evaluation: {select: validation, report: test}
method: linear
metric: {name: mean_normalised_accuracy, goal: maximize}
recipe: {preset: knots_ties, density: 0.2, scaling: 0.6}
parameters:
  scaling: {min: 0.1, max: 1.0, step: 0.1}
  density: [0.1, 0.2, 0.5]
baselines:
  - {name: sum, preset: task_arithmetic, scaling: 0.3}
";

/// What is in the file in place of what is right.
struct Mistake {
    what: &'static str,
    right: &'static str,
    wrong: &'static str,
}

const fn mistake(what: &'static str, right: &'static str, wrong: &'static str) -> Mistake {
    Mistake { what, right, wrong }
}

const RECIPE: &str = "recipe: {preset: knots_ties, density: 0.2, scaling: 0.6}";
const SCALING: &str = "scaling: {min: 0.1, max: 1.0, step: 0.1}";
const DENSITY: &str = "density: [0.1, 0.2, 0.5]";
const METRIC: &str = "metric: {name: mean_normalised_accuracy, goal: maximize}";
const EVALUATION: &str = "evaluation: {select: validation, report: test}";

const MISTAKES: [Mistake; 50] = [
    mistake("a misspelt key", "parameters:", "paramters:"),
    mistake("a misspelt key in a recipe", "density: 0.2", "densty: 0.2"),
    mistake("the λ of papers", "scaling: 0.6", "lambda: 0.6"),
    mistake("λ as alpha", "scaling: 0.6", "alpha: 0.6"),
    mistake("λ as a parameter", SCALING, "lambda: {min: 0.1, max: 1.0, step: 0.1}"),
    mistake("mergekit's weight", "scaling: 0.6", "weight: 0.6"),
    mistake("mergekit's merge_method in a recipe", "preset: knots_ties", "merge_method: ties"),
    mistake("PEFT's combination_type", "preset: knots_ties", "combination_type: ties_svd"),
    mistake("PEFT's svd_rank", "scaling: 0.6", "svd_rank: 8"),
    mistake("mergekit's normalize", "scaling: 0.6", "normalize: true"),
    mistake("W&B's value", DENSITY, "density: {value: 0.3}"),
    mistake("W&B's distribution", DENSITY, "density: {distribution: uniform, min: 0.1, max: 1.0}"),
    mistake("W&B's program", "method: linear", "program: train.py\nmethod: linear"),
    mistake("W&B's bayes", "method: linear", "method: bayes"),
    mistake("W&B's early_terminate", "method: linear", "early_terminate: {type: hyperband}\nmethod: linear"),
    mistake("Optuna's low and high", SCALING, "scaling: {low: 0.1, high: 1.0}"),
    mistake("Optuna's n_trials", "method: linear", "method: tpe\nn_trials: 30"),
    mistake("Optuna's direction", METRIC, "direction: maximize"),
    mistake("a data set by path", "{source: data/flags}", "{path: data/flags}"),
    mistake("a data set as dataset", "data: data/mnist", "dataset: data/mnist"),
    mistake("the base as base_model", "base: models/clip", "base_model: models/clip"),
    mistake("a file of mergekit", "method: linear", "merge_method: ties\nmodels: []"),
    mistake("recipe keys at top level", RECIPE, "preset: knots_ties\ndensity: 0.2"),
    mistake("parameters in the recipe", "scaling: 0.6}", "scaling: 0.6, parameters: {scaling: [0.1]}}"),
    mistake("an unknown preset", "preset: knots_ties", "preset: knotties"),
    mistake("an unknown method", "method: linear", "method: gird"),
    mistake("a density above 1", "density: 0.2", "density: 20"),
    mistake("a negative λ", "scaling: 0.6", "scaling: -0.6"),
    mistake("a number in quotes", "density: 0.2", "density: \"0.2\""),
    mistake("a decimal comma", "density: 0.2", "density: 0,2"),
    mistake("a key of another space", "scaling: 0.6", "rank: 16"),
    mistake("a range with its ends exchanged", SCALING, "scaling: {min: 1.0, max: 0.1, step: 0.1}"),
    mistake("a range without a step", SCALING, "scaling: {min: 0.1, max: 1.0}"),
    mistake("a range without an end", SCALING, "scaling: {min: 0.1, step: 0.1}"),
    mistake("an empty list of values", DENSITY, "density: []"),
    mistake("trials without a method that draws", "method: linear", "method: linear\ntrials: 30"),
    mistake("a method that draws without trials", "method: linear", "method: random"),
    mistake("a seed that is a text", "method: linear", "method: random\ntrials: 3\nseed: many"),
    mistake("an unknown metric", "name: mean_normalised_accuracy", "name: accuracy"),
    mistake("the metric as a text", METRIC, "metric: mean_accuracy"),
    mistake("a metric of a task that is not there", "name: mean_normalised_accuracy", "name: accuracy:cars"),
    mistake("tasks as a map", "tasks:\n  - name: mnist\n", "tasks:\n    name: mnist\n"),
    mistake("a task without an adapter", "    adapter: adapters/mnist\n", ""),
    mistake("a task without data", "    data: data/mnist\n", ""),
    mistake("a task without a head", "    head: heads/mnist.safetensors\n", ""),
    mistake("a task twice", "name: flags", "name: mnist"),
    mistake("a key twice", EVALUATION, "evaluation: {select: validation, report: test}\nname: other"),
    mistake("a tab", "    data: data/mnist", "\tdata: data/mnist"),
    mistake("an address of the web", "base: models/clip", "base: https://huggingface.co/openai/clip-vit-base-patch32"),
    mistake(
        "four mistakes at once",
        "density: 0.2, scaling: 0.6}\n",
        "lambda: 0.2, scaling: high}\ntrails: 3\nracing: yes\n",
    ),
];

#[test]
fn every_common_mistake_is_told_with_what_where_and_what_to_do() {
    let place = Place::new();
    let mut shown = String::new();
    for Mistake { what, right, wrong } in MISTAKES {
        assert_eq!(RIGHT.matches(right).count().min(1), 1, "{what}: `{right}` is not in the file");
        let text = RIGHT.replacen(right, wrong, 1);
        place.write("sweep.yaml", &text);
        let ran = place.run(&["plan", "sweep.yaml"]);
        assert_eq!(ran.code, Some(65), "{what}: {ran:?}");
        assert_eq!(ran.stdout, "", "{what}");
        for word in ["struct ", "enum ", "Policy", "serde", "panicked", "DuplicateKey", "variant `"] {
            assert!(!ran.stderr.contains(word), "{what}: `{word}` in {}", ran.stderr);
        }
        write!(shown, "# {what}\n{}\n\n", ran.stderr.trim_end()).unwrap();
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn mistakes_in_several_places_are_told_together_in_the_order_of_the_file() {
    let place = Place::new();
    let text = RIGHT
        .replace("adapter: adapters/mnist", "adaptor: adapters/mnist")
        .replace("density: 0.2", "density: high")
        .replace("method: linear", "method: gird");
    place.write("sweep.yaml", text);
    let ran = place.run(&["plan", "sweep.yaml"]);
    ran.fails(
        65,
        &[
            "has 3 problems",
            "line 5, column 5: ",
            "did you mean `adapter`?",
            "line 13, column 1: ",
            "did you mean `grid`?",
        ],
    );
    let lines: Vec<usize> =
        ["line 5", "line 13", "line 15"].iter().map(|line| ran.stderr.find(line).unwrap()).collect();
    assert!(lines.is_sorted(), "{}", ran.stderr);
}

#[test]
fn what_is_wrong_by_itself_is_told_beside_other_things() {
    let place = Place::new();
    let text = RIGHT
        .replace("base: models/clip", "base: ftp://models/clip")
        .replace("head: heads/mnist.safetensors", "head: heads/mnist.safetensors\n    classes: [a]")
        .replace("density: 0.2", "density: 1.2");
    place.write("sweep.yaml", text);
    let words = [
        "has 3 problems",
        "ftp://",
        "`head` beside `classes`",
        "`density` is 1.2, outside (0, 1]",
        "density is the share",
    ];
    place.run(&["plan", "sweep.yaml"]).fails(65, &words);
}

#[test]
fn a_recipe_file_is_read_in_the_same_words() {
    let place = Place::new();
    let told = |text: &str| {
        place.write("recipe.yaml", text);
        place.run(&["merge", "--base", "b", "--adapter", "a=x", "--recipe", "recipe.yaml", "--out", "out"])
    };
    told("preset: ties\nlambda: 0.3\n")
        .fails(65, &["recipe.yaml", "in line 2, column 1", "unknown key `lambda`; λ, the factor"]);
    told("preset: ties\ndensity: high\n").fails(65, &["`density` is the text `high`; expected a number"]);
    told("recipe: {preset: ties, densty: 1}\n").fails(65, &["`recipe.densty`; did you mean `density`?"]);
}

#[test]
fn a_sweep_file_needs_no_evaluation_and_takes_a_single_value() {
    let place = Place::new();
    let text = std::fs::read_to_string(place.path("sweep.yaml")).unwrap();
    let without: String =
        text.lines().filter(|line| !line.starts_with("evaluation:")).map(|line| format!("{line}\n")).collect();
    place.write("sweep.yaml", without);
    let plan = place.run(&["plan", "sweep.yaml", "-o", "parameters.density=0.3", "--json"]).succeeds().json();
    let listed = place.run(&["plan", "sweep.yaml", "-o", "parameters.density=[0.3]", "--json"]).succeeds().json();
    assert_eq!(plan["jobs_at_most"], listed["jobs_at_most"]);
}
