use super::*;
use jobs::RecipeSpec;
use serde_json::json;

fn of(arguments: Value) -> Result<Merge, Refused> {
    let merge = translate(arguments.as_object().unwrap())?;
    let recipe: RecipeSpec = serde_json::from_value(merge.recipe.clone().into()).unwrap();
    assert!(recipe.resolve().is_ok(), "{:?}: {:?}", merge.recipe, recipe.resolve());
    Ok(merge)
}

fn recipe(kind: &str, more: Value) -> String {
    let mut arguments =
        json!({"adapters": ["a", "b"], "weights": [0.5, 0.5], "adapter_name": "ab", "combination_type": kind});
    for (key, value) in more.as_object().unwrap() {
        arguments[key] = value.clone();
    }
    Value::from(of(arguments).unwrap().recipe).to_string()
}

#[test]
fn every_type_of_combination_becomes_a_recipe_that_resolves() {
    let dense = json!({"density": 0.2});
    let cases = [
        ("cat", json!({}), r#"{"preset":"task_arithmetic"}"#),
        ("svd", json!({"svd_rank": 8}), r#"{"preset":"task_arithmetic","output_rank":8}"#),
        ("linear", json!({}), r#"{"preset":"task_arithmetic"}"#),
        (
            "ties_svd",
            dense.clone(),
            r#"{"preset":"ties","trim_scope":"matrix","trim_count":"floor","density":0.2,"scaling":0.5}"#,
        ),
        (
            "ties",
            json!({"density": 0.2, "majority_sign_method": "frequency"}),
            r#"{"preset":"ties","trim_scope":"matrix","trim_count":"floor","density":0.2,"elect":"sum_of_signs","scaling":0.5}"#,
        ),
        ("dare_linear_svd", dense.clone(), r#"{"drop_rate":0.8,"combine":"sum"}"#),
        ("dare_ties", dense.clone(), r#"{"preset":"dare_ties","drop_rate":0.8,"scaling":0.5}"#),
        ("magnitude_prune_svd", dense, r#"{"preset":"magnitude_prune","density":0.2}"#),
    ];
    for (kind, more, expected) in cases {
        assert_eq!(recipe(kind, more), expected, "{kind}");
    }
}

#[test]
fn what_differs_from_the_call_is_told() {
    let call = json!({"adapters": ["a", "b"], "weights": [1.0, 0.7], "adapter_name": "m", "combination_type": "ties", "density": 0.5});
    let merge = of(call).unwrap();
    assert_eq!(merge.weights, [1.0, 0.7]);
    let remarks = merge.remarks.all().join("\n");
    for words in ["elects signs without the weights", "merges the factors A and B apart", "`ties_svd`"] {
        assert!(remarks.contains(words), "no `{words}` in {remarks}");
    }
    let call = json!({"adapters": ["a", "b"], "weights": [1, 1], "svd_clamp": 0.99});
    let merge = of(call).unwrap();
    assert!(merge.weights.is_empty());
    let remarks = merge.remarks.all().join("\n");
    assert!(remarks.contains("`svd_rank` is not given") && remarks.contains("`svd_clamp`"), "{remarks}");
}

#[test]
fn calls_that_peft_would_refuse_are_refused() {
    let refused = |arguments: Value| of(arguments).unwrap_err();
    assert!(refused(json!({"adapters": ["a"], "weights": [1, 2]})).contains("has 2 `weights` for 1 `adapters`"));
    assert!(refused(json!({"adapters": [], "weights": []})).contains("empty `adapters`"));
    assert!(
        refused(json!({"adapters": ["a"], "weights": [1], "combination_type": "slerp"}))
            .contains("`combination_type: slerp`")
    );
    assert!(
        refused(json!({"adapters": ["a"], "weights": [1], "combination_type": "ties_svd"})).contains("no `density`")
    );
    assert!(refused(json!({"adapters": ["a"], "weights": [1], "rank": 8})).contains("the argument `rank`"));
    assert!(refused(json!({"adapters": ["a"], "weights": ["x"]})).contains("no numbers"));
}

const SCRIPT: &str = r#"
from peft import PeftModel  # add_weighted_adapter(a comment is no call)

model = PeftModel.from_pretrained(base, "me/math", adapter_name="math")
_ = model.load_adapter("me/code", adapter_name="code")
model.add_weighted_adapter(
    ["math", 'code'],  # in this order
    weights=[1.0, -.5],
    adapter_name="both",
    combination_type="dare_linear_svd",
    density=2e-1, svd_rank=None,
    svd_full_matrices=True,
)
model.set_adapter("both")
"#;

#[test]
fn a_simple_call_in_a_script_is_read() {
    let merge = of_python(SCRIPT).unwrap();
    assert_eq!(merge.adapters.iter().map(|model| model.task.as_str()).collect::<Vec<_>>(), ["math", "code"]);
    assert_eq!(merge.weights, [1.0, -0.5]);
    assert_eq!(Value::from(merge.recipe).to_string(), r#"{"drop_rate":0.8,"combine":"sum"}"#);
}

#[test]
fn a_call_that_is_not_simple_is_refused_with_advice() {
    let refused = |text: &str| of_python(text).unwrap_err();
    let of_variable = refused("model.add_weighted_adapter(adapters, weights=[1.0])\n");
    assert!(of_variable.contains("`adapters` is no plain value") && of_variable.contains("JSON"), "{of_variable}");
    assert!(refused("print('x')\n").contains("calls no `add_weighted_adapter`"));
    assert!(refused(&format!("{SCRIPT}{SCRIPT}")).contains("calls `add_weighted_adapter` 2 times"));
    assert!(refused("m.add_weighted_adapter(['a'], [1.0], weights=[1])").contains("`weights` twice"));
    assert!(refused("m.add_weighted_adapter(*args)").contains("no plain value"));
    assert!(refused("m.add_weighted_adapter(['a'], [1.0]").contains("does not end"));
    assert!(refused("m.add_weighted_adapter(['a'], [i / 2])").contains("no plain value"));
}
