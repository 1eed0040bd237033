use crate::{
    Adapter, Aligned, InputMergeError, LoraModule, Matrix, MergedUpdate, StatisticsWriter, TaskStatistics, UpdateMatrix,
};
use jobs::{Recipe, RecipeSpec};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tempfile::TempDir;

/// An adapter whose update of `m` is this row.
fn row(name: &str, entries: [f32; 2]) -> Adapter {
    let module = LoraModule {
        source: "m".to_owned(),
        lora_b: Matrix::new(1, 1, vec![1.0]),
        lora_a: Matrix::new(1, 2, entries.to_vec()),
        scale: 1.0,
    };
    Adapter { name: name.to_owned(), modules: BTreeMap::from([("m".to_owned(), module)]), ..Adapter::default() }
}

fn information(folder: &TempDir, task: &str, shape: [usize; 2], values: &[f64]) -> TaskStatistics {
    let folder = folder.path().join(task);
    std::fs::create_dir(&folder).unwrap();
    let mut writer = StatisticsWriter::new(&folder);
    writer.fisher("m", shape, values).unwrap();
    writer.finish(1).unwrap();
    TaskStatistics::open(task, &folder).unwrap()
}

fn recipe(spec: Value) -> Recipe {
    serde_json::from_value::<RecipeSpec>(spec).unwrap().resolve().unwrap()
}

fn merged(spec: Value, statistics: &[TaskStatistics]) -> Result<MergedUpdate, InputMergeError> {
    let recipe = recipe(spec);
    let adapters = [row("a", [1.0, 4.0]), row("b", [3.0, -4.0])];
    Aligned::new(&adapters, recipe.alignment()).unwrap().merge_by_statistics(&recipe, statistics)
}

#[track_caller]
fn close(update: &MergedUpdate, expected: [f64; 2]) {
    let found = update.dense("m").unwrap();
    for (x, expected) in found.data().iter().zip(expected) {
        assert!((f64::from(*x) - expected).abs() < 1e-6, "{found:?}, expected {expected}");
    }
}

#[test]
fn entries_are_weighted_by_their_information_and_the_mean_where_there_is_none() {
    let folder = TempDir::new().unwrap();
    let statistics = [information(&folder, "a", [1, 2], &[3.0, 0.0]), information(&folder, "b", [1, 2], &[1.0, 0.0])];
    let fisher = |floor: f64| json!({"preset": "fisher", "fisher_floor": floor});
    // (3·1 + 1·3) / 4, and the mean of 4 and −4.
    close(&merged(fisher(1e-9), &statistics).unwrap(), [1.5, 0.0]);
    // ((3 + 1)·1 + (1 + 1)·3) / 6.
    close(&merged(fisher(1.0), &statistics).unwrap(), [10.0 / 6.0, 0.0]);
    let mut weighted = fisher(1e-9);
    weighted["weights"] = json!({"b": 3.0});
    // (3·1 + 3·1·3) / 6, and (4 − 3·4) / 4.
    close(&merged(weighted, &statistics).unwrap(), [2.0, -2.0]);
    let mut normalised = fisher(1e-9);
    normalised["fisher_norm"] = json!("model");
    // Over norms of 3 and 1 the first entries have the information 1, and the second ones floor/3 and floor.
    close(&merged(normalised, &statistics).unwrap(), [2.0, -2.0]);
}

#[test]
fn a_merge_by_information_is_dense_and_an_output_rank_makes_factors_of_it() {
    let folder = TempDir::new().unwrap();
    let statistics = [information(&folder, "a", [1, 2], &[3.0, 1.0]), information(&folder, "b", [1, 2], &[1.0, 1.0])];
    let dense = merged(json!({"preset": "fisher"}), &statistics).unwrap();
    assert!(matches!(dense.modules["m"], UpdateMatrix::Dense(_)));
    let cut = merged(json!({"preset": "fisher", "output_rank": 1}), &statistics).unwrap();
    assert_eq!(cut.modules["m"].rank(), Some(1));
    assert!(cut.facts.lost_energy.unwrap() < 1e-12, "one row has rank 1");
}

#[test]
fn information_that_is_missing_or_of_another_shape_is_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let of_a = information(&folder, "a", [1, 2], &[3.0, 1.0]);
    let refused =
        |statistics: &[TaskStatistics]| merged(json!({"preset": "fisher"}), statistics).unwrap_err().to_string();
    assert!(refused(std::slice::from_ref(&of_a)).contains("has no statistics of that task"));
    let of_b = information(&folder, "b", [2, 1], &[3.0, 1.0]);
    let text = refused(&[of_a.clone(), of_b]);
    assert_eq!(
        text,
        "the Fisher information of `m` in the statistics of `b` has shape [2, 1], and the weight has [1, 2]"
    );
    let fisher = recipe(json!({"preset": "fisher"}));
    let none = Recipe { weights: BTreeMap::from(["a", "b"].map(|task| (task.to_owned(), 0.0))), ..fisher };
    let aligned = Aligned::new(&[row("a", [1.0, 1.0]), row("b", [1.0, 1.0])], none.alignment()).unwrap();
    let text = aligned.merge_by_statistics(&none, &[of_a]).unwrap_err().to_string();
    assert!(text.contains("weights of `fisher`") && text.contains("not all 0"), "{text}");
}
