//! Merges of the reference implementation on mini8, to the tolerances that the fixture's README gives.

use crate::fixtures::{mini8, root};
use jobs::{Recipe, RecipeSpec};
use merging::{Aligned, Matrix, MergedUpdate, UpdateMatrix};
use safetensors::SafeTensors;
use serde::Deserialize;
use serde_json::json;
use std::{collections::BTreeMap, fs};

#[derive(Deserialize)]
struct Golden {
    adapters: String,
    tasks: Vec<String>,
    config: Config,
    layers: BTreeMap<String, Layer>,
}

#[derive(Deserialize)]
struct Config {
    representation: String,
    merge_method: String,
    sign_resolve_mode: Option<String>,
    concat_across_output: Option<bool>,
    dare_pruning_coeffs: f64,
    merging_type: String,
    #[serde(rename = "topK")]
    top_k: Option<f64>,
    scaling_coeffs: f64,
}

#[derive(Deserialize)]
struct Layer {
    shape: [usize; 2],
    #[serde(default)]
    frobenius: Option<f64>,
    #[serde(default)]
    frobenius_mean: Option<f64>,
    #[serde(default)]
    frobenius_std: Option<f64>,
    #[serde(default)]
    first8: Option<Vec<f64>>,
}

impl Golden {
    fn read(name: &str) -> Self {
        let path = root().join("testdata/mini8/goldens").join(format!("{name}.json"));
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }

    /// The reference's configuration in our words. It ignores α/r, so α/r of the adapters (1 or 2) is divided out.
    fn recipe(&self, seed: u64) -> Recipe {
        let config = &self.config;
        let alpha = if self.adapters == "adapters_a32" { 2.0 } else { 1.0 };
        let mut spec = json!({"scaling": config.scaling_coeffs / alpha, "combine": config.merging_type});
        if config.representation == "svd-vector" {
            spec["space"] = json!("knots");
            spec["axis"] = json!(if config.concat_across_output == Some(false) { "rows" } else { "columns" });
        }
        if config.merge_method == "ties" {
            spec["elect"] = json!(config.sign_resolve_mode.as_deref().unwrap_or("sum_of_values"));
            spec["density"] = json!(config.top_k.unwrap() / 100.0);
            if config.top_k.unwrap() < 100.0 {
                spec["trim_scope"] = json!("model");
            }
        }
        if config.dare_pruning_coeffs > 0.0 {
            spec["drop_rate"] = json!(config.dare_pruning_coeffs);
            spec["seed"] = json!(seed);
        }
        serde_json::from_value::<RecipeSpec>(spec).unwrap().resolve().unwrap()
    }

    fn merge(&self, seed: u64) -> MergedUpdate {
        let adapters: Vec<_> = self.tasks.iter().map(|task| mini8(&self.adapters, task)).collect();
        let recipe = self.recipe(seed);
        Aligned::new(&adapters, recipe.space).unwrap().merge(&recipe).unwrap()
    }
}

fn merged(update: &MergedUpdate, layer: &str) -> Matrix {
    update.dense(&format!("vision_model.{layer}")).unwrap()
}

/// Masks are random: this many are averaged, as in the goldens.
const SEEDS: u64 = 5;

/// Every golden with a fixed outcome. `knots_ties_max_*` and `knots_ties_signs_*` depend on the signs that an SVD
/// routine happens to pick: the first is a record only, the second has a test of its own.
fn fixed() -> Vec<String> {
    let files = fs::read_dir(root().join("testdata/mini8/goldens")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let names = names.filter_map(|name| name.strip_suffix(".json").map(str::to_owned));
    let other = ["timing", "text_head", "tokenizer", "knots_ties_max", "knots_ties_signs", "dare_", "knots_dare"];
    let mut names: Vec<_> = names.filter(|name| !other.iter().any(|other| name.starts_with(other))).collect();
    names.sort();
    names
}

#[test]
fn merges_have_the_norms_and_first_values_of_the_reference() {
    let names = fixed();
    assert_eq!(names.len(), 35, "{names:?}");
    for name in names {
        let golden = Golden::read(&name);
        let update = golden.merge(0);
        assert_eq!(update.modules.len(), golden.layers.len(), "{name}");
        for (layer, expected) in &golden.layers {
            let found = merged(&update, layer);
            assert_eq!(found.shape(), expected.shape, "{name}: {layer}");
            let norm = expected.frobenius.unwrap();
            let found_norm = found.frobenius();
            assert!((found_norm / norm - 1.0).abs() < 1e-4, "{name}: {layer}: {found_norm}, expected {norm}");
            let rms = norm / (found.data().len() as f64).sqrt();
            for (found, expected) in found.data().iter().zip(expected.first8.as_ref().unwrap()) {
                // One flipped entry of a row of P moves a whole row of the update a little.
                let error = (f64::from(*found) - expected).abs() / rms;
                assert!(error < 2e-3, "{name}: {layer}: {found}, expected {expected}");
            }
        }
    }
}

fn check_whole(name: &str, tolerance: f64) {
    let update = Golden::read(name).merge(0);
    let file = fs::read(root().join(format!("testdata/mini8/goldens/update_{name}.safetensors"))).unwrap();
    let tensors = SafeTensors::deserialize(&file).unwrap();
    assert_eq!(tensors.len(), 24);
    for (key, view) in tensors.tensors() {
        let expected: Vec<f32> = view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let expected = Matrix::new(view.shape()[0], view.shape()[1], expected);
        let found = merged(&update, key.strip_suffix(".weight").unwrap());
        let pairs = found.data().iter().zip(expected.data());
        let squares: f64 = pairs.map(|(found, expected)| f64::from(found - expected).powi(2)).sum();
        let error = squares.sqrt() / expected.frobenius();
        assert!(error < tolerance, "{name}: {key} is off by {error:e}");
    }
}

#[test]
fn whole_knots_updates_equal_the_reference() {
    check_whole("knots_ties_k20_a0.6", 5e-4);
    check_whole("r4_knots_ties_k20_a0.6", 5e-4);
}

#[test]
fn whole_full_space_updates_equal_the_reference() {
    check_whole("tv_a0.3", 1e-5);
    check_whole("ties_k20_a0.5", 1e-5);
}

#[test]
fn random_drops_have_the_mean_norm_of_the_reference() {
    for name in ["dare_ties_p0.1_a0.6", "knots_dare_ties_p0.1_a0.6"] {
        let golden = Golden::read(name);
        let updates: Vec<_> = (0..SEEDS).map(|seed| golden.merge(seed)).collect();
        assert_eq!(golden.layers.len(), 24);
        let mut errors = Vec::new();
        for (layer, expected) in &golden.layers {
            let mean = updates.iter().map(|update| merged(update, layer).frobenius()).sum::<f64>() / SEEDS as f64;
            let std = expected.frobenius_std.unwrap();
            let expected = expected.frobenius_mean.unwrap();
            // Two means of five; the spread is itself an estimate, hence at least half a percent.
            let bound = 4.0 * std.max(expected * 0.005) * (2.0 / SEEDS as f64).sqrt();
            assert!((mean - expected).abs() < bound, "{name}: {layer}: {mean}, expected {expected} ± {bound}");
            errors.push(mean / expected - 1.0);
        }
        let bias = errors.iter().sum::<f64>() / errors.len() as f64;
        assert!(bias.abs() < 0.005, "{name}: norms are off by {bias} on average");
    }
}

/// What the reference makes of ties of signs, the negative values, depends on the sign that an SVD routine happened to
/// give each direction. So its norm lies between those of the best and the worst choice of signs; ours is that of the
/// sum's signs.
#[test]
fn votes_by_sign_lie_within_what_signs_of_directions_leave_open() {
    for name in ["knots_ties_signs_k100_a0.6", "knots_ties_signs_k10_a0.6"] {
        let golden = Golden::read(name);
        let adapters: Vec<_> = golden.tasks.iter().map(|task| mini8(&golden.adapters, task)).collect();
        let recipe = golden.recipe(0);
        let aligned = Aligned::new(&adapters, recipe.space).unwrap();
        let update = aligned.merge(&recipe).unwrap();
        let trimmed = trimmed(&aligned, &update, golden.config.top_k.unwrap() / 100.0);
        for (layer, expected) in &golden.layers {
            let module = format!("vision_model.{layer}");
            let tasks = &trimmed[&module];
            let squares = |tie: Tie| rows_squared(tasks, tie);
            let pairs = || squares(Tie::Negative).into_iter().zip(squares(Tie::Positive));
            let low = pairs().map(|(one, other)| one.min(other)).sum::<f64>().sqrt();
            let high = pairs().map(|(one, other)| one.max(other)).sum::<f64>().sqrt();
            let norm = expected.frobenius.unwrap() / golden.config.scaling_coeffs;
            assert!(high / low < 1.2, "{name}: {layer}: {low} to {high} says nothing");
            assert!(
                low * (1.0 - 1e-4) < norm && norm < high * (1.0 + 1e-4),
                "{name}: {layer}: {norm}, {low} to {high}"
            );
            let ours = squares(Tie::SumOfValues).iter().sum::<f64>().sqrt();
            let UpdateMatrix::LowRank { a, .. } = &update.modules[&module] else { panic!("{module} is dense") };
            assert!((a.frobenius() / ours - 1.0).abs() < 1e-6, "{name}: {layer}: {}, not {ours}", a.frobenius());
        }
    }
}

/// What decides where votes are equal.
#[derive(Clone, Copy)]
enum Tie {
    Negative,
    Positive,
    SumOfValues,
}

/// Every task's matrices, with the trim over the model, by module.
fn trimmed(aligned: &Aligned, update: &MergedUpdate, density: f64) -> BTreeMap<String, Vec<Matrix>> {
    let mut matrices: BTreeMap<String, Vec<Matrix>> = BTreeMap::new();
    for task in 0..aligned.tasks().len() {
        let entries = update.modules.keys().map(|module| (module, aligned.task_matrix(module, task).unwrap()));
        let entries: Vec<_> = entries.collect();
        let magnitudes = entries.iter().flat_map(|(_, matrix)| matrix.data().iter().map(|entry| entry.abs()));
        let mut magnitudes: Vec<f32> = magnitudes.collect();
        let kept = (magnitudes.len() as f64 * density).floor() as usize;
        let index = (magnitudes.len() - kept).saturating_sub(1);
        let threshold = *magnitudes.select_nth_unstable_by(index, f32::total_cmp).1;
        for (module, matrix) in entries {
            let entry = |entry: &f32| if entry.abs() >= threshold { *entry } else { 0.0 };
            let matrix = Matrix::new(matrix.rows(), matrix.cols(), matrix.data().iter().map(entry).collect());
            matrices.entry(module.clone()).or_default().push(matrix);
        }
    }
    matrices
}

/// The squared norms of the rows of the mean of those who agree with the majority of signs.
fn rows_squared(tasks: &[Matrix], tie: Tie) -> Vec<f64> {
    let rows = tasks[0].rows();
    let cols = tasks[0].cols();
    let entry = |index: usize| {
        let values = || tasks.iter().map(|task| f64::from(task.data()[index])).filter(|value| value.abs() > 0.0);
        let votes: f64 = values().map(f64::signum).sum();
        let sign = match tie {
            _ if votes.abs() > 0.0 => votes,
            Tie::Negative => -1.0,
            Tie::Positive => 1.0,
            Tie::SumOfValues => values().sum(),
        };
        let agreeing = || values().filter(|value| value * sign > 0.0);
        agreeing().sum::<f64>() / agreeing().count().max(1) as f64
    };
    (0..rows).map(|row| (row * cols..(row + 1) * cols).map(|index| entry(index).powi(2)).sum()).collect()
}
