use super::super::{Merge, Translated, of_document};
use jobs::RecipeSpec;

fn merge(text: &str) -> Merge {
    match of_document(text) {
        Ok(Translated::Merge(merge)) => {
            let recipe: RecipeSpec = serde_json::from_value(merge.recipe.clone().into()).unwrap();
            assert!(recipe.resolve().is_ok(), "{:?}: {:?}", merge.recipe, recipe.resolve());
            merge
        }
        other => panic!("{other:?}"),
    }
}

fn recipe(text: &str) -> String {
    serde_json::Value::from(merge(text).recipe).to_string()
}

fn refused(text: &str) -> String {
    of_document(text).unwrap_err()
}

/// The example of TIES in mergekit's documentation, with adapters.
const TIES: &str = "
models:
  - model: meta-llama/Llama-3.1-8B+me/lora-math
    parameters:
      density: 0.5
      weight: 0.5
  - model: meta-llama/Llama-3.1-8B+me/lora-code
    parameters:
      density: 0.5
      weight: 0.3
merge_method: ties
base_model: meta-llama/Llama-3.1-8B
parameters:
  normalize: true
  int8_mask: true
dtype: bfloat16
";

#[test]
fn ties_of_adapters_is_translated_whole() {
    let merge = merge(TIES);
    assert_eq!(merge.base.as_deref(), Some("hf://meta-llama/Llama-3.1-8B"));
    let places: Vec<_> = merge.adapters.iter().map(|model| (model.task.as_str(), model.place.as_deref())).collect();
    assert_eq!(places, [("lora-math", Some("hf://me/lora-math")), ("lora-code", Some("hf://me/lora-code"))]);
    assert_eq!(merge.weights, [0.5, 0.3]);
    let expected = r#"{"preset":"ties","trim_scope":"matrix","trim_count":"floor","density":0.5,"combine":"mean"}"#;
    assert_eq!(serde_json::Value::from(merge.recipe).to_string(), expected);
    assert_eq!(merge.remarks.left_out, ["`dtype`, which is about the files of a whole model"]);
}

#[test]
fn whole_models_keep_their_recipe_and_ask_for_adapters() {
    let merge = merge(
        "models:\n  - model: mistralai/Mistral-7B-v0.1\n  - model: psmathur/orca_mini_v3_13b\n    parameters: {density: [1, 0.7, 0.1], weight: 1.0}\n  \
         - model: garage-bAInd/Platypus2-13B\n    parameters: {density: 0.5, weight: [0, 0.3, 0.7, 1]}\nmerge_method: ties\n\
         base_model: mistralai/Mistral-7B-v0.1\nparameters: {normalize: true}\ndtype: float16\n",
    );
    assert_eq!(merge.adapters.len(), 2, "the base is no model to merge");
    assert!(merge.adapters.iter().all(|model| model.place.is_none()));
    let left_out = merge.remarks.left_out.join("\n");
    for words in [
        "the whole models `psmathur/orca_mini_v3_13b`",
        "mergekit-extract-lora",
        "([1,0.7,0.1]), which differs by layer",
        "`weight` of `Platypus2-13B",
    ] {
        assert!(left_out.contains(words), "no `{words}` in {left_out}");
    }
    assert_eq!(merge.recipe["density"], 0.5);
}

#[test]
fn every_method_with_a_counterpart_becomes_a_recipe_that_resolves() {
    let of = |method: &str, parameters: &str| {
        recipe(&format!(
            "merge_method: {method}\nbase_model: b/b\nparameters: {parameters}\nmodels:\n  - {{model: b/b+a/x, parameters: {{weight: 0.4}}}}\n  \
             - {{model: b/b+a/y, parameters: {{weight: 0.6}}}}\n"
        ))
    };
    let cases = [
        ("task_arithmetic", "{lambda: 0.7}", r#"{"preset":"task_arithmetic","scaling":0.7}"#),
        ("task_arithmetic", "{normalize: true}", r#"{"preset":"task_arithmetic","combine":"average"}"#),
        (
            "ties",
            "{density: 0.2, normalize: false, rescale: true}",
            r#"{"preset":"ties","trim_scope":"matrix","trim_count":"floor","density":0.2,"trim_rescale":"sum","combine":"sum"}"#,
        ),
        (
            "dare_ties",
            "{density: 0.53, lambda: 1.1}",
            r#"{"preset":"dare_ties","drop_rate":0.47,"drop_rescale":"sum","combine":"sum","scaling":1.1}"#,
        ),
        ("dare_ties", "{}", r#"{"preset":"dare_ties","drop_rate":0.0,"combine":"sum"}"#),
        ("dare_linear", "{density: 0.3, rescale: false}", r#"{"drop_rate":0.7,"drop_rescale":"none","combine":"sum"}"#),
        ("breadcrumbs", "{density: 0.9, gamma: 0.05}", r#"{"preset":"breadcrumbs","density":0.9,"outliers":0.05}"#),
        (
            "breadcrumbs_ties",
            "{density: 0.9}",
            r#"{"preset":"breadcrumbs","density":0.9,"outliers":0.01,"elect":"sum_of_values","combine":"sum"}"#,
        ),
        ("breadcrumbs", "{}", r#"{"preset":"breadcrumbs","density":1.0,"outliers":0.0}"#),
        (
            "della",
            "{density: 0.5, epsilon: 0.1}",
            r#"{"preset":"della","drop_spread":0.1,"drop_rate":0.5,"drop_rescale":"sum","combine":"mean"}"#,
        ),
        (
            "della_linear",
            "{density: 0.5, epsilon: 0.1}",
            r#"{"preset":"della","drop_spread":0.1,"drop_rate":0.5,"drop_rescale":"sum","elect":"none","combine":"sum"}"#,
        ),
        ("linear", "{}", r#"{"combine":"average"}"#),
        ("linear", "{normalize: false}", r#"{"combine":"average"}"#),
        ("slerp", "{t: 0.3}", r#"{"preset":"slerp","position":0.3}"#),
        ("nuslerp", "{}", r#"{"preset":"nuslerp"}"#),
        ("nuslerp", "{nuslerp_flatten: false}", r#"{"preset":"nuslerp","space":"full","arc_over":"rows"}"#),
        ("karcher", "{tol: 1e-7}", r#"{"preset":"karcher","tolerance":1e-7,"max_iterations":10}"#),
        ("sce", "{select_topk: 0.1}", r#"{"preset":"sce","select":0.1}"#),
        ("model_stock", "{}", r#"{"preset":"model_stock"}"#),
    ];
    for (method, parameters, expected) in cases {
        assert_eq!(of(method, parameters), expected, "{method} {parameters}");
    }
}

#[test]
fn the_usual_slerp_with_filters_takes_the_value_of_other_tensors_and_says_so() {
    let merge = merge(
        "slices:\n  - sources:\n      - {model: b/b+a/x, layer_range: [0, 32]}\n      - {model: b/b+a/y, layer_range: [0, 32]}\n\
         merge_method: slerp\nbase_model: b/b\nparameters:\n  t:\n    - {filter: self_attn, value: [0, 0.5, 0.3, 0.7, 1]}\n    \
         - {filter: mlp, value: [1, 0.5, 0.7, 0.3, 0]}\n    - value: 0.5\ndtype: bfloat16\n",
    );
    assert_eq!(merge.recipe["position"], 0.5);
    let left_out = merge.remarks.left_out.join("\n");
    for words in ["`layer_range`", "`t` for single tensors", "0.5 is taken for all of them"] {
        assert!(left_out.contains(words), "no `{words}` in {left_out}");
    }
}

#[test]
fn parameters_that_differ_by_model_or_that_nothing_reads_are_named() {
    let merge = merge(
        "merge_method: dare_ties\nbase_model: b\nparameters: {frobnicate: 1, int8_mask: true}\nmodels:\n  \
         - {model: b+x, parameters: {weight: 0.4, density: 0.5}}\n  - {model: b+y, parameters: {density: 0.7}}\n",
    );
    assert!(
        merge.remarks.left_out.iter().any(|what| what.starts_with("`density` of each model (0.5, 0.7)")),
        "{merge:?}"
    );
    assert!(merge.remarks.left_out.iter().any(|what| what.starts_with("`frobnicate`, which `dare_ties`")), "{merge:?}");
    assert!(
        merge.remarks.differences.iter().any(|what| what.contains("no `weight` of `y`, and 1 is taken")),
        "{merge:?}"
    );
    assert_eq!(merge.weights, [0.4, 1.0]);
}

#[test]
fn what_has_no_counterpart_is_refused_by_name() {
    let of = |method: &str| refused(&format!("merge_method: {method}\nmodels: [{{model: a}}, {{model: b}}]\n"));
    assert!(of("nearswap").contains("`nearswap`, which has no counterpart here; `task_arithmetic`"));
    assert!(of("frankenmerge").contains("`frankenmerge`, which is not known"));
    let stacked = "merge_method: passthrough\nslices: []\n";
    assert!(refused(stacked).contains("`passthrough`"));
    let slices = "merge_method: ties\nslices:\n  - sources: [{model: a}]\n  - sources: [{model: b}]\n";
    assert!(refused(slices).contains("stacks 2 slices"));
    assert!(refused("merge_method: ties\nmodules: {}\nmodels: [{model: a}]\n").contains("`modules`"));
    assert!(refused("merge_method: slerp\nmodels: [{model: a}]\n").contains("names 1"));
    assert!(refused("merge_method: ties\nmodels: [{model: a+x}, {model: b+y}]\n").contains("two bases, `a` and `b`"));
    let sum = "merge_method: linear\nparameters: {normalize: false, weight: 1}\nmodels: [{model: a+x}, {model: a+y}]\n";
    assert!(refused(sum).contains("with the sum 2"));
    let della = "merge_method: della\nparameters: {density: 0.9}\nmodels: [{model: a+x}, {model: a+y}]\n";
    assert!(refused(della).contains("`epsilon: 0.15`"));
}
