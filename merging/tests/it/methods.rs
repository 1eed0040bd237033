//! Laws of combinations by coefficients, by all entries of a matrix and by factors, and of what comes before them.

use crate::fixtures::{COLUMNS, Kind, ROWS, adapters, dense, distance};
use crate::steps::recipe;
use faer::{Mat, Scale};
use jobs::{Recipe, Space};
use merging::{Adapter, Aligned, MergeError, MergedUpdate, UpdateMatrix};
use serde_json::{Value, json};

const SHAPE: [usize; 2] = [24, 31];

fn merge(tasks: &[Adapter], recipe: &Recipe) -> Result<MergedUpdate, MergeError> {
    Aligned::new(tasks, recipe.alignment()).unwrap().merge(recipe)
}

fn merged(tasks: &[Adapter], spec: Value) -> Mat<f64> {
    merge(tasks, &recipe(spec)).unwrap().modules["m0"].to_dense().to_f64()
}

fn message(tasks: &[Adapter], spec: Value) -> String {
    merge(tasks, &recipe(spec)).unwrap_err().to_string()
}

#[test]
fn coefficients_give_one_merge_in_every_space() {
    let tasks = adapters(&[Kind::Rank(4), Kind::Rank(3)], &[SHAPE], 31);
    for spec in [
        json!({"combine": "slerp", "position": 0.3}),
        json!({"combine": "nuslerp", "weights": {"task0": 2.0}}),
        json!({"combine": "karcher", "weights": {"task1": 3.0}}),
        json!({"combine": "model_stock"}),
    ] {
        let recipe = recipe(spec.clone());
        assert_eq!(recipe.space, Space::Core, "{spec}");
        let expected = merge(&tasks, &recipe).unwrap().modules["m0"].to_dense().to_f64();
        for space in [COLUMNS, ROWS, Space::CoreQr] {
            let recipe = Recipe { space, ..recipe.clone() };
            let error = distance(&merge(&tasks, &recipe).unwrap().modules["m0"].to_dense().to_f64(), &expected);
            assert!(error < 1e-5, "{spec} in {space:?}: {error:e}");
        }
    }
}

#[test]
fn equal_adapters_merge_to_themselves() {
    let tasks = adapters(&[Kind::Rank(4), Kind::Duplicate], &[SHAPE], 32);
    let one = dense(&tasks[0], "m0", SHAPE);
    for spec in [
        json!({"combine": "slerp", "position": 0.3}),
        json!({"combine": "nuslerp"}),
        json!({"combine": "nuslerp", "arc_over": "rows"}),
        json!({"combine": "nuslerp", "arc_over": "columns"}),
        json!({"combine": "average"}),
        json!({"combine": "karcher"}),
        json!({"combine": "model_stock"}),
        json!({"combine": "sce", "select": 1.0}),
    ] {
        let error = distance(&merged(&tasks, spec.clone()), &one);
        assert!(error < 1e-6, "{spec}: {error:e}");
    }
}

#[test]
fn an_adapter_alone_stays_as_it_is() {
    let tasks = adapters(&[Kind::Rank(4)], &[SHAPE], 33);
    let one = dense(&tasks[0], "m0", SHAPE);
    for spec in [
        json!({"combine": "karcher"}),
        json!({"combine": "model_stock"}),
        json!({"combine": "sce", "select": 1.0}),
        json!({"combine": "lego", "group_rank": 4}),
        json!({"combine": "robust_merge", "factor_density": 1.0, "distinct_share": 1.0}),
        json!({"preset": "pico"}),
    ] {
        let error = distance(&merged(&tasks, spec.clone()), &one);
        assert!(error < 1e-5, "{spec}: {error:e}");
    }
}

#[test]
fn arcs_between_rows_have_the_rank_of_both_adapters() {
    let tasks = adapters(&[Kind::Rank(4), Kind::Rank(3)], &[SHAPE], 34);
    let recipe = recipe(json!({"combine": "nuslerp", "arc_over": "rows", "weights": {"task1": 3.0}}));
    assert!(recipe.is_low_rank() && recipe.space == Space::Full);
    let update = merge(&tasks, &recipe).unwrap();
    assert_eq!(update.modules["m0"].rank(), Some(7));
    let [first, second] = [0, 1].map(|task: usize| dense(&tasks[task], "m0", SHAPE));
    let found = update.modules["m0"].to_dense().to_f64();
    for row in 0..SHAPE[0] {
        let norm = |update: &Mat<f64>| update.row(row).norm_l2();
        let cosine = first.row(row) * second.row(row).transpose() / (norm(&first) * norm(&second));
        let angle = cosine.acos();
        let [left, right] = [0.25, 0.75].map(|share: f64| (share * angle).sin() / angle.sin());
        let expected = first.row(row) * Scale(left) + second.row(row) * Scale(right);
        assert!((found.row(row) - expected).norm_l2() < 1e-5 * norm(&first), "row {row}");
    }
}

#[test]
fn arcs_between_columns_are_arcs_between_rows_of_the_transposes() {
    let tasks = adapters(&[Kind::Rank(4), Kind::Rank(3)], &[SHAPE], 34);
    let mut transposed = tasks.clone();
    for module in transposed.iter_mut().flat_map(|task| task.modules.values_mut()) {
        let lora_b = module.lora_a.transposed();
        module.lora_a = module.lora_b.transposed();
        module.lora_b = lora_b;
    }
    let over = |vectors: &str| json!({"combine": "nuslerp", "arc_over": vectors, "weights": {"task1": 3.0}});
    let update = merge(&tasks, &recipe(over("columns"))).unwrap();
    assert_eq!(update.modules["m0"].rank(), Some(7));
    let rows = merged(&transposed, over("rows"));
    assert!(distance(&update.modules["m0"].to_dense().to_f64(), &rows.transpose().to_owned()) < 1e-6);
    assert!(distance(&update.modules["m0"].to_dense().to_f64(), &merged(&tasks, over("rows"))) > 1e-3);
}

#[test]
fn merges_of_factors_have_the_rank_that_is_asked_for() {
    let tasks = adapters(&[Kind::Rank(4), Kind::Rank(4), Kind::Missing], &[SHAPE], 35);
    let rank = |spec: Value| merge(&tasks, &recipe(spec)).unwrap().modules["m0"].rank();
    assert_eq!(rank(json!({"preset": "lego", "group_rank": 5})), Some(5));
    assert_eq!(rank(json!({"preset": "lego", "group_rank": 50})), Some(8), "there are eight directions");
    assert_eq!(rank(json!({"preset": "robust_merge"})), Some(4));
    let flat = merge(&tasks, &recipe(json!({"preset": "robust_merge", "normalise": "mean_norm"}))).unwrap();
    let norms = [0, 1].map(|task: usize| dense(&tasks[task], "m0", SHAPE).norm_l2());
    let norm = flat.modules["m0"].to_dense().frobenius();
    assert!((norm / norms.iter().sum::<f64>() * 2.0 - 1.0).abs() < 1e-5, "{norm} {norms:?}");
}

#[test]
fn a_drop_that_keeps_the_sum_keeps_it_in_every_matrix() {
    let tasks = adapters(&[Kind::Rank(4)], &[SHAPE, [7, 90]], 36);
    let sum = |matrix: &merging::Matrix| matrix.data().iter().map(|entry| f64::from(entry.abs())).sum::<f64>();
    for spread in [0.0, 0.3] {
        let spec = json!({"drop_rate": 0.4, "drop_spread": spread, "drop_rescale": "sum", "seed": 5});
        let update = merge(&tasks, &recipe(spec)).unwrap();
        for (name, module) in update.modules.iter() {
            let UpdateMatrix::Dense(found) = module else { panic!("{name} is low-rank") };
            let before = merge(&tasks, &recipe(json!({}))).unwrap().modules[name].to_dense();
            assert!((sum(found) / sum(&before) - 1.0).abs() < 1e-5, "{name}");
            let dropped = found.data().iter().filter(|entry| entry.abs() <= 0.0).count();
            assert!(dropped > found.data().len() / 4, "{name}: {dropped}");
        }
    }
}

#[test]
fn pico_damps_what_all_tasks_share_and_keeps_the_norm() {
    let tasks = adapters(&[Kind::Rank(2), Kind::Duplicate, Kind::Rank(2)], &[SHAPE], 37);
    let norms: f64 = tasks.iter().map(|task| dense(task, "m0", SHAPE).norm_l2()).sum::<f64>() / 3.0;
    let found = merged(&tasks, json!({"preset": "pico"}));
    assert!((found.norm_l2() / norms - 1.0).abs() < 1e-5);
    let sum = merged(&tasks, json!({"normalise": "mean_norm"}));
    let own = dense(&tasks[2], "m0", SHAPE);
    let share = |merge: &Mat<f64>| (merge.transpose() * &own).diagonal().column_vector().iter().sum::<f64>();
    assert!(share(&found) > share(&sum), "what is not shared counts more than in the sum");
}

#[test]
fn what_a_method_is_not_defined_for_is_said() {
    let tasks = adapters(&[Kind::Rank(4), Kind::Rank(3), Kind::Rank(4)], &[SHAPE], 38);
    assert_eq!(
        message(&tasks, json!({"preset": "slerp"})),
        "`slerp` merges 2 tasks, and there are 3: task0, task1, task2"
    );
    // No sweep file has such weights, but a message may.
    let mut negative = recipe(json!({"preset": "karcher"}));
    negative.weights.insert("task0".to_owned(), -1.0);
    let weights = merge(&tasks, &negative).unwrap_err().to_string();
    assert!(weights.starts_with("the weights of `karcher` have to be 0 or more"), "{weights}");
    let ranks = message(&tasks, json!({"preset": "robust_merge"}));
    assert!(ranks.contains("those of `m0` have different ranks: task0 4, task1 3, task2 4"), "{ranks}");
}

#[test]
fn tasks_of_weight_zero_are_left_out() {
    let three = adapters(&[Kind::Rank(4), Kind::Rank(3), Kind::Rank(4)], &[SHAPE], 39);
    let two = [three[0].clone(), three[2].clone()];
    for spec in [
        json!({"preset": "karcher"}),
        json!({"preset": "model_stock"}),
        json!({"preset": "sce"}),
        json!({"preset": "pcb"}),
        json!({"preset": "lego"}),
        json!({"preset": "robust_merge"}),
    ] {
        let mut without = spec.clone();
        without["weights"] = json!({"task1": 0.0});
        let error = distance(&merged(&three, without), &merged(&two, spec.clone()));
        assert!(error < 1e-5, "{spec}: {error:e}");
    }
}
