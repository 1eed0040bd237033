//! Weights of the directions that all tasks share in the KnOTS space.

use crate::fixtures::{COLUMNS, Kind, adapters, dense, distance, random};
use faer::Mat;
use jobs::{PartWeight, Recipe, RecipeSpec};
use merging::{Adapter, Aligned, TaskFactors};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const SHAPES: [[usize; 2]; 2] = [[9, 12], [7, 5]];

fn recipe(spec: Value) -> Recipe {
    serde_json::from_value::<RecipeSpec>(spec).unwrap().resolve().unwrap()
}

/// A weight for each shared direction of every task and module; the second task lacks nothing.
fn weights(aligned: &Aligned, seed: u64) -> BTreeMap<String, BTreeMap<String, Vec<f64>>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut of_task = |task: usize| {
        let of_module = |factors: TaskFactors| {
            let weights = random(1, factors.a.rows(), &mut rng).data().iter().map(|x| f64::from(*x)).collect();
            (factors.module, weights)
        };
        let weights: BTreeMap<String, Vec<f64>> = aligned.task_factors(task).into_iter().map(of_module).collect();
        (aligned.tasks()[task].clone(), weights)
    };
    (0..aligned.tasks().len()).map(&mut of_task).collect()
}

fn tasks() -> Vec<Adapter> {
    adapters(&[Kind::Rank(2), Kind::Rank(3), Kind::Zero(2)], &SHAPES, 5)
}

#[test]
fn the_factors_of_a_space_are_the_updates() {
    let tasks = tasks();
    for space in [COLUMNS, jobs::Space::Full] {
        let aligned = Aligned::new(&tasks, space).unwrap();
        for (index, task) in tasks.iter().enumerate() {
            let factors = aligned.task_factors(index);
            assert_eq!(factors.len(), SHAPES.len());
            for (TaskFactors { module, b, a }, shape) in factors.iter().zip(SHAPES) {
                assert!(distance(&(b.to_f64() * a.to_f64()), &dense(task, module, shape)) < 1e-6);
            }
        }
    }
    assert!(Aligned::new(&tasks, jobs::Space::Core).unwrap().task_factors(0).is_empty(), "no recipe weighs them there");
}

#[test]
fn weights_of_shared_directions_scale_the_rows_of_every_task() {
    let tasks = tasks();
    let aligned = Aligned::new(&tasks, COLUMNS).unwrap();
    let weights = weights(&aligned, 1);
    let spec = json!({"space": "knots", "combine": "sum", "layer_weights": weights, "weights": {"task1": 0.5}});
    let update = aligned.merge(&recipe(spec)).unwrap();
    for (index, shape) in SHAPES.iter().enumerate() {
        let module = format!("m{index}");
        let mut want = Mat::<f64>::zeros(shape[0], shape[1]);
        for task in 0..tasks.len() {
            let name = &aligned.tasks()[task];
            let of_task = if name == "task1" { 0.5 } else { 1.0 };
            let factors = aligned.task_factors(task);
            let TaskFactors { b, a, .. } = factors.iter().find(|factors| factors.module == module).unwrap();
            let scales = &weights[name][&module];
            let a = Mat::from_fn(a.rows(), a.cols(), |row, col| a.to_f64()[(row, col)] * scales[row] * of_task);
            want += b.to_f64() * a;
        }
        assert!(distance(&update.modules[&module].to_dense().to_f64(), &want) < 1e-6, "{module}");
        assert!(update.modules[&module].rank().unwrap() <= 5, "it is an adapter of the rank of the space");
    }
}

#[test]
fn equal_weights_of_all_directions_are_task_arithmetic() {
    let tasks = tasks();
    let aligned = Aligned::new(&tasks, COLUMNS).unwrap();
    let mut weights = weights(&aligned, 1);
    weights.values_mut().flat_map(BTreeMap::values_mut).for_each(|weights| weights.fill(0.3));
    let merged = aligned.merge(&recipe(json!({"space": "knots", "combine": "sum", "layer_weights": weights}))).unwrap();
    for (index, shape) in SHAPES.iter().enumerate() {
        let module = format!("m{index}");
        let sum = tasks.iter().fold(Mat::zeros(shape[0], shape[1]), |sum, task| sum + dense(task, &module, *shape));
        assert!(distance(&merged.modules[&module].to_dense().to_f64(), &(sum * faer::Scale(0.3))) < 1e-6);
    }
}

#[test]
fn lists_of_another_length_and_merges_without_weights_of_directions_are_refused() {
    let tasks = tasks();
    let aligned = Aligned::new(&tasks, COLUMNS).unwrap();
    let list = json!({"task0": {"m0": [1.0, 2.0]}});
    let spec = json!({"space": "knots", "combine": "sum", "layer_weights": list});
    let refused = aligned.merge(&recipe(spec)).unwrap_err().to_string();
    assert!(refused.starts_with("the recipe weighs 2 directions of `m0` of `task0`, and there are 5"), "{refused}");
    assert!(refused.ends_with("in `knots` as many as the directions that all tasks share"), "{refused}");
    // A message may hold a recipe that no sweep file can state.
    let mut ties = recipe(json!({"preset": "knots_ties"}));
    ties.layer_weights = [("task0".to_owned(), [("m0".to_owned(), PartWeight::Whole(0.5))].into())].into();
    let refused = aligned.merge(&ties).unwrap_err().to_string();
    assert_eq!(refused, "the recipe has weights for parts of updates, which `mean` in `knots` does not take");
    for spec in [
        json!({"space": "knots", "axis": "rows", "combine": "sum", "layer_weights": list}),
        json!({"space": "core", "combine": "sum", "layer_weights": list}),
        json!({"space": "knots", "combine": "mean", "layer_weights": list}),
    ] {
        let refused = serde_json::from_value::<RecipeSpec>(spec).unwrap().resolve().unwrap_err().to_string();
        assert!(refused.contains("`combine: sum` in `space: full` or `space: knots`"), "{refused}");
    }
}
