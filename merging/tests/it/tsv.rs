//! TSV-Merge where the ranks add up to more than a weight has directions, and where they differ, against the rule in
//! NumPy (`testdata/tsv/make_goldens.py`).

use crate::fixtures::{Kind, adapter, adapters, dense, distance, root};
use crate::steps::recipe;
use faer::Mat;
use jobs::Space;
use merging::{Adapter, Aligned, BaseHeader, LoraModule, Matrix, MergeError, MergedUpdate};
use proptest::prelude::*;
use safetensors::{SafeTensors, tensor::TensorView};
use serde::Deserialize;
use serde_json::json;
use std::{collections::BTreeMap, fs};

#[derive(Deserialize)]
struct Golden {
    tasks: Vec<String>,
    matrices: BTreeMap<String, Expected>,
}

#[derive(Deserialize)]
struct Expected {
    shape: [usize; 2],
    norm: f64,
    first: Vec<f64>,
}

fn tsv(tasks: &[Adapter]) -> MergedUpdate {
    let recipe = recipe(json!({"preset": "tsv"}));
    Aligned::new(tasks, recipe.space).unwrap().merge(&recipe).unwrap()
}

fn nli6(golden: &Golden) -> MergedUpdate {
    let base = BaseHeader::open(&root().join("examples/nli6/base")).unwrap();
    let read = |task: &String| Adapter::read(task, &root().join("examples/nli6/adapters").join(task), &base).unwrap();
    tsv(&golden.tasks.iter().map(read).collect::<Vec<_>>())
}

fn golden(name: &str) -> Vec<u8> {
    fs::read(root().join("testdata/tsv").join(name)).unwrap()
}

fn doubles(view: &TensorView<'_>) -> Mat<f64> {
    let values: Vec<f64> = view.data().as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
    Mat::from_fn(view.shape()[0], view.shape()[1], |row, col| values[row * view.shape()[1] + col])
}

fn singles(view: &TensorView<'_>) -> Matrix {
    let values = view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    Matrix::new(view.shape()[0], view.shape()[1], values)
}

#[test]
fn six_ranks_of_sixteen_on_32_rows_give_the_authors_merge() {
    let golden: Golden = serde_json::from_slice(&golden("nli6.json")).unwrap();
    let update = nli6(&golden);
    assert_eq!((golden.matrices.len(), update.modules.len()), (24, 24));
    for (module, expected) in &golden.matrices {
        let found = update.dense(module).unwrap();
        assert_eq!(found.shape(), expected.shape, "{module}");
        let error = (found.frobenius() / expected.norm - 1.0).abs();
        assert!(error < 1e-6, "{module}: the norm is off by {error:e}");
        let rms = expected.norm / (found.data().len() as f64).sqrt();
        for (found, expected) in found.data().iter().zip(&expected.first) {
            let error = (f64::from(*found) - expected).abs() / rms;
            assert!(error < 2e-6, "{module}: {found}, not {expected}");
        }
    }
}

#[test]
fn whole_merges_of_nli6_equal_the_rule() {
    let update = nli6(&serde_json::from_slice(&golden("nli6.json")).unwrap());
    let file = golden("nli6.safetensors");
    let tensors = SafeTensors::deserialize(&file).unwrap();
    assert_eq!(tensors.len(), 2);
    for (module, view) in tensors.tensors() {
        let error = distance(&update.dense(&module).unwrap().to_f64(), &doubles(&view));
        assert!(error < 1e-6, "{module} is off by {error:e}");
    }
}

/// The adapters of a case: the module `m` of task 0, 1, …
fn made_up(tensors: &SafeTensors<'_>, case: &str) -> Vec<Adapter> {
    let factor = |task: usize, side: &str| tensors.tensor(&format!("{case}.{task}.lora_{side}")).ok();
    let tasks = (0..).map_while(|task| {
        let lora_a = singles(&factor(task, "a")?);
        let lora_b = singles(&factor(task, "b")?);
        let module = LoraModule { source: "m".to_owned(), lora_a, lora_b, scale: 1.0 };
        Some(adapter(&format!("task{task}"), BTreeMap::from([("m".to_owned(), module)])))
    });
    tasks.collect()
}

#[test]
fn mixed_ranks_equal_the_rule() {
    let file = golden("mixed.safetensors");
    let tensors = SafeTensors::deserialize(&file).unwrap();
    for (case, count) in [("within", 3), ("over", 4), ("over_transposed", 4), ("vanishing", 3)] {
        let tasks = made_up(&tensors, case);
        assert_eq!(tasks.len(), count);
        let expected = doubles(&tensors.tensor(&format!("{case}.merged")).unwrap());
        let error = distance(&tsv(&tasks).dense("m").unwrap().to_f64(), &expected);
        assert!(error < 1e-6, "{case} is off by {error:e}");
    }
}

#[test]
fn more_tasks_than_directions_are_refused_by_name() {
    let tasks = adapters(&[Kind::Rank(2), Kind::Rank(1), Kind::Missing, Kind::Rank(4), Kind::Rank(1)], &[[3, 9]], 1);
    let recipe = recipe(json!({"preset": "tsv"}));
    let error = Aligned::new(&tasks, Space::Core).unwrap().merge(&recipe).unwrap_err();
    assert_eq!(error, MergeError::TooFewDirections { module: "m0".to_owned(), tasks: 4, directions: 3 });
    assert!(error.to_string().contains("4 tasks update `m0`, which has 3"), "{error}");
    let three = adapters(&[Kind::Rank(2), Kind::Rank(1), Kind::Missing, Kind::Rank(4)], &[[3, 9]], 1);
    assert_eq!(tsv(&three).modules["m0"].to_dense().shape(), [3, 9]);
}

#[test]
fn a_task_of_weight_0_takes_no_share() {
    let tasks = adapters(&[Kind::Rank(6), Kind::Rank(6), Kind::Rank(6)], &[[12, 30]], 3);
    let recipe = recipe(json!({"preset": "tsv", "weights": {"task1": 0.0}}));
    let found = Aligned::new(&tasks, recipe.space).unwrap().merge(&recipe).unwrap();
    let without = tsv(&[tasks[0].clone(), tasks[2].clone()]);
    let [found, without] = [found, without].map(|update| update.modules["m0"].to_dense().to_f64());
    assert!(distance(&found, &without) < 1e-5, "{:e}", distance(&found, &without));
}

/// The singular values of a matrix, largest first.
fn spectrum(matrix: &Mat<f64>) -> Vec<f64> {
    matrix.thin_svd().unwrap().S().column_vector().iter().copied().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// That the columns are orthonormal on both sides is that the merge has the kept singular values, and no others: so
    /// its norm is theirs.
    #[test]
    fn the_merge_has_the_kept_singular_values(
        ranks in prop::collection::vec(1usize..9, 2..6), rows in 6usize..30, cols in 6usize..30, seed: u64,
    ) {
        let kinds: Vec<_> = ranks.iter().map(|rank| Kind::Rank(*rank)).collect();
        let tasks = adapters(&kinds, &[[rows, cols]], seed);
        let directions = rows.min(cols);
        let sum = ranks.iter().sum::<usize>();
        let mut expected = Vec::new();
        for (task, rank) in tasks.iter().zip(&ranks) {
            let kept = if sum <= directions { *rank } else { (directions * rank / sum).max(1) };
            expected.extend(spectrum(&dense(task, "m0", [rows, cols])).into_iter().take(kept));
        }
        // The rare case in which a task without a share takes one from another.
        prop_assume!(expected.len() <= directions);
        expected.sort_by(|one, other| other.total_cmp(one));
        let found = spectrum(&tsv(&tasks).modules["m0"].to_dense().to_f64());
        for (index, found) in found.iter().enumerate() {
            let expected = expected.get(index).copied().unwrap_or(0.0);
            prop_assert!((found - expected).abs() < 1e-4 * expected.max(1.0), "σ{index} is {found}, not {expected}");
        }
    }
}
