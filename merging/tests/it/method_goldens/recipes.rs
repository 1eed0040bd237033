//! The configurations of the authors' code, in our words.

use jobs::RecipeSpec;
use serde_json::{Map, Value, json};

/// How a golden is compared.
pub(super) enum Checked {
    /// Norms and values of a merge.
    Whole { spec: RecipeSpec, tolerance: f64 },
    /// Mean norms of random merges.
    #[expect(dead_code, reason = "of a random drop that is not there yet")]
    MeanNorm { spec: RecipeSpec, tolerance: f64 },
    /// Not at all.
    Not(&'static str),
}

/// The recipe that means `method` with its authors' `config`.
pub(super) fn checked(method: &str, config: &Value, tasks: &[String]) -> Checked {
    let number = |key: &str| config[key].as_f64().unwrap();
    let scaling = number_or(config, "scaling", 1.0);
    let of = |spec: Value, tolerance: f64| {
        let mut spec: RecipeSpec = serde_json::from_value(spec).unwrap();
        spec.scaling = Some(spec.scaling.unwrap_or(1.0) * scaling);
        Checked::Whole { spec, tolerance }
    };
    let core_ties = |density: f64| json!({"preset": "core_ties", "density": density});
    match method {
        "core_tsv" => of(json!({"preset": "tsv"}), 1e-4),
        "core_tsv_isotropize" => of(json!({"preset": "tsv_iso"}), 1e-4),
        "core_ties_isotropize" => {
            let mut spec = core_ties(number("topK_percent") / 100.0);
            spec["flatten"] = json!(1.0);
            spec["flatten_over"] = json!("all");
            of(spec, 1e-4)
        }
        "core_iso_c" => of(json!({"space": "core", "flatten": 1.0, "flatten_over": "all"}), 1e-4),
        "iso_c_full_restricted" => of(json!({"preset": "iso_c_full"}), 1e-4),
        "core_cart" | "cart_full" => {
            let space = if method == "cart_full" { "full" } else { "core" };
            let share = number("pruning_rank");
            let spec = json!({"preset": "cart", "space": space, "rank_share": share, "residual_scale": number("cart_scaling")});
            of(spec, 1e-4)
        }
        "svc" => of(svc(config, tasks), 1e-4),
        "wudi_closed" => {
            of(json!({"preset": "wudi_closed", "ridge": number("ridge"), "weights": weights(config, tasks)}), 1e-5)
        }
        "actmerge" => {
            of(json!({"preset": "actmerge", "ridge": number("ridge"), "weights": weights(config, tasks)}), 1e-5)
        }
        "knots_ties_unscaled" => {
            let cut = number("singular_value_threshold");
            let density = number("topK_percent") / 100.0;
            of(json!({"preset": "knots_ties_unscaled", "density": density, "sigma_cut": cut}), 1e-5)
        }
        "core_qr_ties_clean" => of(json!({"preset": "core_qr_ties", "density": number("topk")}), 1e-5),
        "core_qr_ties_asis" => Checked::Not("keeps rounding noise of structural zeros: a record only"),
        "magnitude_prune" => of(json!({"preset": "magnitude_prune", "density": number("density")}), 1e-6),
        "breadcrumbs" | "breadcrumbs_ties" => {
            let mut spec = json!({
                "preset": "breadcrumbs", "density": number("density"), "outliers": number("gamma"),
            });
            if config["consensus"] == "sum" {
                spec["elect"] = json!("sum_of_values");
            }
            // One entry at a threshold is on the other side in `f32`: it moves its matrix by 6e-6.
            of(spec, 1e-5)
        }
        _ => Checked::Not("not there yet"),
    }
}

fn number_or(config: &Value, key: &str, usual: f64) -> f64 {
    config[key].as_f64().unwrap_or(usual)
}

/// The weights by task.
fn weights(config: &Value, tasks: &[String]) -> Value {
    let Some(weights) = config["weights"].as_array() else { return json!({}) };
    Value::Object(tasks.iter().cloned().zip(weights.iter().cloned()).collect())
}

/// What is calibrated is said in words: a sum, a multiple of one, or TIES.
fn svc(config: &Value, tasks: &[String]) -> Value {
    let alpha = config["alpha"].as_f64().unwrap();
    let merged = config["merged_first"].as_str().unwrap();
    if merged.starts_with("TIES") {
        let percent: f64 = merged.split_whitespace().nth(1).unwrap().parse().unwrap();
        return json!({
            "preset": "ties", "trim_scope": "matrix", "density": percent / 100.0, "calibrate_spectrum": alpha,
        });
    }
    let factor: f64 = merged.split_once(" times").map_or(1.0, |(factor, _)| factor.parse().unwrap());
    let weights: Map<String, Value> = tasks.iter().map(|task| (task.clone(), json!(factor))).collect();
    json!({"preset": "svc", "calibrate_spectrum": alpha, "weights": weights})
}
