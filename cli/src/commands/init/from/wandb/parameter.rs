//! A parameter of W&B.

use super::{super::values::rounded, finite};
use serde_json::{Map, Value, json};

/// Names that people give to parameters of merges, with the keys of recipes.
const SYNONYMS: [(&str, &str); 20] = [
    ("lambda", "scaling"),
    ("lam", "scaling"),
    ("lambda_", "scaling"),
    ("alpha", "scaling"),
    ("scale", "scaling"),
    ("scaling_coef", "scaling"),
    ("scaling_coeff", "scaling"),
    ("scaling_coefficient", "scaling"),
    ("scaling_factor", "scaling"),
    ("merge_weight", "scaling"),
    ("method", "preset"),
    ("merge_method", "preset"),
    ("combination_type", "preset"),
    ("drop_prob", "drop_rate"),
    ("p", "drop_rate"),
    ("topk", "density"),
    ("gamma", "outliers"),
    ("epsilon", "drop_spread"),
    ("t", "position"),
    ("svd_rank", "output_rank"),
];

/// Names beside the keys of recipes that are known.
pub(super) const KNOWN: [&str; 6] = ["lambda", "alpha", "merge_method", "gamma", "epsilon", "svd_rank"];

/// The key of a recipe that a parameter stands for.
pub(super) fn key_of(name: &str) -> Option<String> {
    let lower = name.to_lowercase();
    let synonym = SYNONYMS.iter().find(|(known, _)| *known == lower).map(|(_, key)| *key);
    let is_key = lower == "preset" || jobs::RecipeKey::of(&lower).is_some() || lower.starts_with("weights.");
    synonym.map(str::to_owned).or_else(|| is_key.then(|| name.to_owned()))
}

/// The values of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Range {
    Constant(Value),
    Values(Vec<Value>),
    /// A whole range, in the words of a sweep file.
    Whole(Value),
}

impl Range {
    /// Reads the setting of a parameter; the error says why it has no counterpart.
    pub(super) fn of(setting: &Value) -> Result<Self, &'static str> {
        if let Some(value) = setting.get("value") {
            return Ok(Self::Constant(value.clone()));
        }
        if let Some(values) = setting.get("values").and_then(Value::as_array) {
            return if setting.get("probabilities").is_some() {
                Err("whose values have probabilities; here all are alike")
            } else {
                Ok(Self::Values(values.clone()))
            };
        }
        let min = finite(setting, "min").ok_or("which has neither `value`, `values` nor `min` and `max`")?;
        let max = finite(setting, "max").ok_or("which has no `max`")?;
        let are_integers = [setting.get("min"), setting.get("max")].into_iter().flatten().all(Value::is_i64);
        let usual = if are_integers { "int_uniform" } else { "uniform" };
        match setting.get("distribution").and_then(Value::as_str).unwrap_or(usual) {
            "uniform" => Ok(Self::Whole(range(min, max, None, false))),
            "int_uniform" => Ok(Self::Whole(range(min, max, Some(1.0), false))),
            "q_uniform" => Ok(Self::Whole(range(min, max, Some(finite(setting, "q").unwrap_or(1.0)), false))),
            "log_uniform_values" => Ok(Self::Whole(range(min, max, None, true))),
            // The ends are exponents of e.
            "log_uniform" => Ok(Self::Whole(range(min.exp(), max.exp(), None, true))),
            _ => Err(
                "whose distribution has no counterpart here: give `min` and `max`, with `log: true` for a logarithm",
            ),
        }
    }
}

fn range(min: f64, max: f64, step: Option<f64>, is_log: bool) -> Value {
    let mut range = Map::new();
    range.insert("min".to_owned(), rounded(min));
    range.insert("max".to_owned(), rounded(max));
    if let Some(step) = step {
        range.insert("step".to_owned(), rounded(step));
    }
    if is_log {
        range.insert("log".to_owned(), json!(true));
    }
    range.into()
}
