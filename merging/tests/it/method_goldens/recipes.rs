//! The configurations of the authors' code, in our words.

use jobs::RecipeSpec;
use serde_json::{Map, Value, json};

/// How a golden is compared.
pub(super) enum Checked {
    /// Norms and values of a merge.
    Whole { spec: RecipeSpec, tolerance: f64 },
    /// Mean norms of random merges.
    MeanNorm { spec: RecipeSpec, tolerance: f64 },
    /// Not at all.
    Not(&'static str),
}

/// The recipe that means `method` with its authors' `config`.
pub(super) fn checked(method: &str, config: &Value, tasks: &[String]) -> Checked {
    let golden = Config { config, tasks };
    let found = golden.of_whole_matrices(method);
    let found = found.or_else(|| golden.of_entries(method)).or_else(|| golden.of_mergekit(method));
    found.unwrap_or(Checked::Not("there is no such method"))
}

/// The parameters of a golden.
struct Config<'a> {
    config: &'a Value,
    tasks: &'a [String],
}

impl Config<'_> {
    fn number(&self, key: &str) -> f64 {
        self.config[key].as_f64().unwrap()
    }

    /// The comparison with a recipe, times the λ of the golden.
    fn with(&self, spec: Value, tolerance: f64) -> Checked {
        let mut spec: RecipeSpec = serde_json::from_value(spec).unwrap();
        spec.scaling = Some(spec.scaling.unwrap_or(1.0) * self.config["scaling"].as_f64().unwrap_or(1.0));
        Checked::Whole { spec, tolerance }
    }

    /// Methods that work on whole matrices, and spaces of their own.
    fn of_whole_matrices(&self, method: &str) -> Option<Checked> {
        let Self { config, tasks } = *self;
        let number = |key: &str| self.number(key);
        let of = |spec, tolerance| self.with(spec, tolerance);
        Some(match method {
            "core_tsv" => of(json!({"preset": "tsv"}), 1e-4),
            "core_tsv_isotropize" => of(json!({"preset": "tsv_iso"}), 1e-4),
            "core_ties_isotropize" => {
                let mut spec = json!({"preset": "core_ties", "density": number("topK_percent") / 100.0});
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
            "ctm" if number("hooi_tol") > 1e-9 => Checked::Not("depends on where the iteration stops: a record only"),
            "ctm" => of(ctm(config), 1e-4),
            "dc_merge" => of(dc_merge(config), 1e-4),
            "geo_core" => of(json!({"space": "core_geodesic", "combine": "sum"}), 1e-5),
            "svc" => of(svc(config, tasks), 1e-4),
            "wudi_closed" => {
                of(json!({"preset": "wudi_closed", "ridge": number("ridge"), "weights": weights(config, tasks)}), 1e-5)
            }
            "actmerge" => {
                of(json!({"preset": "actmerge", "ridge": number("ridge"), "weights": weights(config, tasks)}), 1e-5)
            }
            _ => return None,
        })
    }

    /// Trims and other spaces for TIES.
    fn of_entries(&self, method: &str) -> Option<Checked> {
        let config = self.config;
        let number = |key: &str| self.number(key);
        let of = |spec, tolerance| self.with(spec, tolerance);
        Some(match method {
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
                let is_elected = config["consensus"] == "sum";
                if is_elected {
                    spec["elect"] = json!("sum_of_values");
                }
                spec["combine"] = json!(combination(is_elected, config["normalize"] == true));
                of(spec, 1e-6)
            }
            _ => return None,
        })
    }

    /// Methods of mergekit, and those whose rules look at all entries.
    fn of_mergekit(&self, method: &str) -> Option<Checked> {
        let Self { config, tasks } = *self;
        let number = |key: &str| self.number(key);
        let of = |spec, tolerance| self.with(spec, tolerance);
        Some(match method {
            "slerp" => of(json!({"preset": "slerp", "position": number("t")}), 1e-6),
            "nuslerp" => {
                let mut spec = json!({"preset": "nuslerp", "weights": weights(config, tasks)});
                if config["flatten"] == false {
                    spec["space"] = json!("full");
                    // What mergekit calls row-wise are vectors along the first dimension.
                    spec["arc_over"] = json!(if config["row_wise"] == true { "columns" } else { "rows" });
                }
                of(spec, 1e-6)
            }
            "karcher" => {
                let spec = json!({
                    "preset": "karcher", "tolerance": number("tol"), "max_iterations": number("max_iter"),
                });
                of(spec, 1e-5)
            }
            "pcb" => {
                let space = if config["space"] == "full" { "full" } else { "core" };
                let spec = json!({
                    "preset": "pcb", "space": space, "clamp": number("clamp_min_ratio"),
                    "clamp_high": number("clamp_max_ratio"), "top_share": number("att_ratio"), "scaling": number("lam"),
                });
                of(spec, 1e-6)
            }
            "sce" => of(json!({"preset": "sce", "select": number("select_topk")}), 1e-6),
            "della" | "della_linear" => {
                let is_elected = config["consensus"] == "sum";
                let spec = json!({
                    "preset": "della", "drop_rate": 1.0 - number("density"), "drop_spread": number("epsilon"),
                    "elect": if is_elected { "sum_of_values" } else { "none" },
                    "combine": combination(is_elected, config["normalize"] == true),
                });
                Checked::MeanNorm { spec: serde_json::from_value(spec).unwrap(), tolerance: 0.03 }
            }
            _ => return None,
        })
    }
}

/// The weights by task.
fn weights(config: &Value, tasks: &[String]) -> Value {
    let Some(weights) = config["weights"].as_array() else { return json!({}) };
    Value::Object(tasks.iter().cloned().zip(weights.iter().cloned()).collect())
}

/// What mergekit's `normalize` divides by: the weights of the tasks that agree, or of all.
fn combination(is_elected: bool, normalize: bool) -> &'static str {
    match (normalize, is_elected) {
        (false, _) => "sum",
        (true, true) => "mean",
        (true, false) => "average",
    }
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

fn ctm(config: &Value) -> Value {
    let mut spec = json!({"preset": "ctm", "rank": config["rank"], "balance": config["beta"]});
    if config["combine"] == "ties" {
        spec["preset"] = json!("ctm_ties");
        spec["density"] = json!(config["topK_percent"].as_f64().unwrap() / 100.0);
    }
    spec
}

fn dc_merge(config: &Value) -> Value {
    let mut spec = json!({
        "preset": "dc_merge",
        "smoothing": config["energy_smoothing_strength"],
        "smoothing_rule": config["energy_smoothing"],
        "mask": config["mask_mode"],
        "cover_rank": config["max_rank"].as_u64().unwrap_or(0),
    });
    let parameters = &config["cover_merge_params"];
    let or = |key: &str, usual: f64| json!(parameters[key].as_f64().unwrap_or(usual));
    match config["cover_merge_method"].as_str().unwrap() {
        "task_arithmetic" => {}
        "weighted_average" => spec["combine"] = json!("average"),
        "ties_merge" => {
            spec["elect"] = json!("sum_of_values");
            spec["combine"] = json!("mean");
            spec["density"] = or("topk", 0.2);
            spec["trim_count"] = json!("floor");
        }
        "wudi" => {
            spec["combine"] = json!("gram_merge");
            spec["gram"] = json!("update_normalised");
            spec["ridge"] = or("ridge", 1e-8);
        }
        "pcb" => {
            spec["combine"] = json!("pcb");
            spec["clamp"] = or("clamp_min_ratio", 0.01);
            spec["clamp_high"] = or("clamp_max_ratio", 0.01);
            spec["top_share"] = or("att_ratio", 0.05);
            spec["scaling"] = or("lam", 1.2);
        }
        "cart_merge" => {
            spec["combine"] = json!("cart");
            spec["rank_share"] = or("pruning_rank", 0.5);
            spec["residual_scale"] = or("scaling_coeffs", 0.5);
        }
        other => unreachable!("no recipe merges by `{other}`"),
    }
    spec
}
