use super::super::{Translated, of_document};
use super::*;

fn search(text: &str) -> Search {
    match of_document(text) {
        Ok(Translated::Search(search)) => search,
        other => panic!("{other:?}"),
    }
}

/// The form of W&B's own examples.
const BAYES: &str = "
program: merge.py
name: lora-merge
method: bayes
run_cap: 80
metric: {goal: maximize, name: val_acc}
parameters:
  lambda: {min: 0.1, max: 1.5}
  density: {values: [0.1, 0.2, 0.5]}
  merge_method: {value: ties}
  learning_rate: {distribution: log_uniform_values, min: 1e-5, max: 1e-1}
early_terminate: {type: hyperband, min_iter: 3}
";

#[test]
fn a_bayesian_sweep_keeps_what_a_recipe_has_and_names_the_rest() {
    let search = search(BAYES);
    assert_eq!((search.method, search.trials, search.metric), ("tpe", Some(80), "mean_accuracy"));
    assert_eq!(Value::from(search.recipe).to_string(), r#"{"preset":"ties"}"#);
    let expected = r#"{"scaling":{"min":0.1,"max":1.5},"density":[0.1,0.2,0.5]}"#;
    assert_eq!(Value::from(search.parameters).to_string(), expected);
    let remarks = search.remarks.all().join("\n");
    for words in [
        "`program`",
        "`early_terminate`: `racing`",
        "`parameters.learning_rate`, which no recipe has",
        "`lambda` is called `scaling`",
    ] {
        assert!(remarks.contains(words), "no `{words}` in {remarks}");
    }
}

#[test]
fn distributions_become_ranges_or_are_named() {
    let of = |setting: &str| {
        let text = format!("method: random\nparameters: {{density: {{values: [0.5]}}, scaling: {setting}}}\n");
        let search = search(&text);
        let range = search.parameters.get("scaling").map(ToString::to_string);
        range.unwrap_or_else(|| search.remarks.left_out.join("\n"))
    };
    assert_eq!(of("{min: 1, max: 4}"), r#"{"min":1.0,"max":4.0,"step":1.0}"#);
    assert_eq!(of("{distribution: q_uniform, q: 0.1, min: 0, max: 1}"), r#"{"min":0.0,"max":1.0,"step":0.1}"#);
    assert_eq!(of("{distribution: log_uniform_values, min: 0.1, max: 10}"), r#"{"min":0.1,"max":10.0,"log":true}"#);
    assert!(of("{distribution: log_uniform, min: 0, max: 1}").contains(r#""min":1.0,"max":2.718281828459"#));
    assert!(of("{distribution: normal, mu: 0, sigma: 1}").contains("`parameters.scaling"));
    assert!(of("{values: [1, 2], probabilities: [0.3, 0.7]}").contains("have probabilities"));
}

#[test]
fn a_grid_needs_single_values() {
    let search = search(
        "method: grid\nrun_cap: 5\nparameters: {density: {values: [0.1, 0.2]}, scaling: {min: 0.1, max: 1.0}}\n",
    );
    assert_eq!((search.method, search.trials, search.metric), ("grid", None, "mean_normalised_accuracy"));
    assert_eq!(Value::from(search.recipe).to_string(), r#"{"preset":"knots_ties"}"#);
    let remarks = search.remarks.all().join("\n");
    for words in ["`run_cap: 5`", "a grid needs single values", "`preset: knots_ties` is taken"] {
        assert!(remarks.contains(words), "no `{words}` in {remarks}");
    }
}

#[test]
fn a_loss_is_no_metric_here() {
    let search = search("method: random\nmetric: {name: loss}\nparameters: {density: {values: [0.1]}}\n");
    assert_eq!(search.metric, "mean_normalised_accuracy");
    assert!(search.remarks.left_out.iter().any(|what| what.starts_with("`metric` (`loss`, minimize)")), "{search:?}");
}

#[test]
fn a_sweep_over_nothing_that_a_recipe_has_is_refused() {
    let refused = of_document("method: random\nparameters: {learning_rate: {min: 0.0, max: 1.0}}\n").unwrap_err();
    assert!(refused.contains("no parameter that a recipe has"), "{refused}");
    assert!(of_document("method: hyperopt\nparameters: {}\n").unwrap_err().contains("`method: hyperopt`"));
}
