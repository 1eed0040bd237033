//! Combinations of whole matrices, and the steps after a combination: their laws.

use crate::fixtures::{COLUMNS, Kind, ROWS, adapter, adapters, dense, distance};
use crate::steps::recipe;
use faer::{Mat, Scale};
use jobs::{Recipe, Space};
use merging::{Adapter, Aligned, LoraModule, Matrix, MergedUpdate, truncate};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const SHAPE: [usize; 2] = [24, 31];

/// Steps that any orthonormal bases give the same merge of.
fn equivariant() -> Vec<Value> {
    vec![
        json!({"combine": "gram_merge", "ridge": 1e-8}),
        json!({"combine": "gram_merge", "gram": "update_normalised", "ridge": 1e-8, "weights": {"task0": 0.5}}),
        json!({"combine": "gram_merge", "gram": "update", "ridge": 0.1, "weights": {"task1": 2.0}}),
        json!({"combine": "sum", "flatten": 1.0}),
        json!({"combine": "sum", "flatten": 0.3, "weights": {"task0": -1.0}}),
        json!({"combine": "sum", "calibrate_spectrum": 0.1}),
        json!({"combine": "sum", "calibrate_spectrum": 1.0, "flatten": 0.5, "output_rank": 4, "normalise": "mean_norm"}),
        json!({"space": "core", "combine": "tsv", "flatten": 1.0, "normalise": "mean_norm"}),
    ]
}

fn merge(tasks: &[Adapter], recipe: &Recipe) -> MergedUpdate {
    Aligned::new(tasks, recipe.alignment()).unwrap().merge(recipe).unwrap()
}

fn merged(tasks: &[Adapter], spec: Value) -> Mat<f64> {
    merge(tasks, &recipe(spec)).modules["m0"].to_dense().to_f64()
}

fn updates(tasks: &[Adapter]) -> Vec<Mat<f64>> {
    tasks.iter().map(|task| dense(task, "m0", SHAPE)).collect()
}

#[test]
fn whole_matrices_give_one_merge_in_every_space() {
    let kinds = [Kind::Rank(4), Kind::Rank(3), Kind::Missing, Kind::Rank(5)];
    let tasks = adapters(&kinds, &[SHAPE], 21);
    for spec in equivariant() {
        let recipe = recipe(spec.clone());
        assert_eq!(recipe.space, Space::Core, "{spec}");
        let expected = merge(&tasks, &recipe).modules["m0"].to_dense().to_f64();
        for space in [COLUMNS, ROWS, Space::CoreQr] {
            let recipe = Recipe { space, ..recipe.clone() };
            let error = distance(&merge(&tasks, &recipe).modules["m0"].to_dense().to_f64(), &expected);
            assert!(error < 1e-4, "{spec} in {space:?}: {error:e}");
        }
    }
}

#[test]
fn gram_merge_follows_its_definition_on_the_updates() {
    let tasks = adapters(&[Kind::Rank(4), Kind::Rank(3), Kind::Rank(5)], &[SHAPE], 22);
    let mut gram = Mat::zeros(SHAPE[1], SHAPE[1]);
    let mut wanted = Mat::zeros(SHAPE[0], SHAPE[1]);
    for update in updates(&tasks) {
        let own = update.transpose() * &update * Scale(1.0 / update.squared_norm_l2());
        wanted += &update * &own;
        gram += own;
    }
    for entry in 0..SHAPE[1] {
        gram[(entry, entry)] += 1e-6;
    }
    let inverse = gram.self_adjoint_eigen(faer::Side::Lower).unwrap();
    let vectors = inverse.U();
    let values: Vec<f64> = inverse.S().column_vector().iter().copied().collect();
    let scaled = Mat::from_fn(SHAPE[1], SHAPE[1], |row, col| vectors[(row, col)] / values[col]);
    let expected = wanted * (scaled * vectors.transpose());
    let found = merged(&tasks, json!({"combine": "gram_merge", "gram": "update_normalised", "ridge": 1e-6}));
    assert!(distance(&found, &expected) < 1e-5);
}

#[test]
fn a_system_says_how_well_it_is_conditioned() {
    let tasks = adapters(&[Kind::Rank(4), Kind::Rank(3)], &[SHAPE], 23);
    let condition = |spec| merge(&tasks, &recipe(spec)).facts.condition;
    let plain = condition(json!({"preset": "actmerge"})).unwrap();
    let with_ridge = condition(json!({"preset": "actmerge", "ridge": 1e6})).unwrap();
    assert!(plain > 1.0 && (1.0..1.01).contains(&with_ridge), "{plain}, {with_ridge}");
    assert_eq!(condition(json!({"preset": "tsv"})), None);
}

#[test]
fn a_task_alone_stays_what_it_is() {
    let tasks = adapters(&[Kind::Rank(4)], &[SHAPE], 24);
    let update = &updates(&tasks)[0];
    for spec in [
        json!({"preset": "actmerge"}),
        json!({"preset": "cart"}),
        json!({"preset": "svc"}),
        json!({"combine": "sum", "normalise": "mean_norm"}),
        json!({"combine": "sum", "output_rank": 4}),
    ] {
        let error = distance(&merged(&tasks, spec.clone()), update);
        assert!(error < 1e-5, "{spec}: {error:e}");
    }
}

#[test]
fn equal_adapters_merge_to_themselves() {
    let tasks = adapters(&[Kind::Rank(2), Kind::Duplicate, Kind::Duplicate], &[SHAPE], 25);
    let update = &updates(&tasks)[0];
    for spec in [
        json!({"preset": "actmerge"}),
        json!({"preset": "cart"}),
        json!({"preset": "svc"}),
        json!({"combine": "sum", "normalise": "mean_norm"}),
    ] {
        let error = distance(&merged(&tasks, spec.clone()), update);
        assert!(error < 1e-5, "{spec}: {error:e}");
    }
}

#[test]
fn a_truncated_merge_is_the_nearest_of_its_rank_and_says_what_is_lost() {
    let tasks = adapters(&[Kind::Rank(4), Kind::Rank(3), Kind::Rank(5)], &[SHAPE, [40, 20]], 26);
    for preset in ["ties", "task_arithmetic", "knots_ties"] {
        let (expected, lost) = truncate(&merge(&tasks, &recipe(json!({"preset": preset}))), 3).unwrap();
        let recipe = recipe(json!({"preset": preset, "output_rank": 3}));
        assert!(recipe.is_low_rank());
        let update = merge(&tasks, &recipe);
        for (module, matrix) in update.modules.iter() {
            assert_eq!(matrix.rank(), Some(3), "{preset}: {module}");
            let expected = expected.modules[module].to_dense().to_f64();
            assert!(distance(&matrix.to_dense().to_f64(), &expected) < 1e-5, "{preset}: {module}");
        }
        let share = update.facts.lost_energy.unwrap();
        assert!((share - lost.overall).abs() < 1e-6 && share > 0.01, "{preset}: {share}, {}", lost.overall);
    }
}

#[test]
fn a_flat_spectrum_over_all_directions_is_shorter_by_those_that_are_not_there() {
    let tasks = adapters(&[Kind::Rank(4), Kind::Rank(3)], &[SHAPE], 27);
    let kept = merged(&tasks, json!({"combine": "sum", "flatten": 1.0}));
    let iso = merged(&tasks, json!({"preset": "iso_c"}));
    assert!(distance(&kept, &iso) < 1e-6);
    let full = merged(&tasks, json!({"preset": "iso_c_full"}));
    assert!(distance(&full, &(iso * Scale(7.0 / 24.0))) < 1e-5);
}

#[test]
fn the_mean_norm_counts_tasks_by_their_weights() {
    let tasks = adapters(&[Kind::Rank(4), Kind::Rank(3), Kind::Missing], &[SHAPE], 28);
    let norms: Vec<f64> = updates(&tasks).iter().map(|update| update.norm_l2()).collect();
    let norm = |weights: Value| merged(&tasks, json!({"normalise": "mean_norm", "weights": weights})).norm_l2();
    let near = |one: f64, other: f64| (one / other - 1.0).abs() < 1e-5;
    assert!(near(norm(json!({})), f64::midpoint(norms[0], norms[1])));
    assert!(near(norm(json!({"task0": 3.0})), (3.0 * norms[0] + norms[1]) / 4.0));
    assert!(near(norm(json!({"task0": -1.0, "task1": 0.0})), norms[0]));
}

#[test]
fn a_merge_in_factors_stays_one_after_the_steps() {
    let tasks = adapters(&[Kind::Rank(3), Kind::Rank(3)], &[SHAPE], 30);
    for preset in ["lego", "robust_merge"] {
        let plain = merged(&tasks, json!({"preset": preset}));
        let recipe = recipe(json!({"preset": preset, "normalise": "mean_norm"}));
        assert!(recipe.is_low_rank());
        let update = merge(&tasks, &recipe);
        assert!(update.modules["m0"].rank().is_some(), "{preset}");
        let norms: Vec<f64> = updates(&tasks).iter().map(|update| update.norm_l2()).collect();
        let factor = f64::midpoint(norms[0], norms[1]) / plain.norm_l2();
        let found = update.modules["m0"].to_dense().to_f64();
        assert!(distance(&found, &(plain * Scale(factor))) < 1e-5, "{preset}");
    }
}

#[test]
fn steps_on_zeros_give_zeros() {
    let tasks = adapters(&[Kind::Zero(3), Kind::Zero(2)], &[SHAPE], 29);
    for spec in equivariant() {
        assert!(merged(&tasks, spec.clone()).norm_l2() <= 0.0, "{spec}");
    }
}

/// Adapters of rank 2 of which each has rows and columns of its own.
fn disjoint(count: usize) -> Vec<Adapter> {
    let task = |task: usize| {
        let own =
            move |index: usize, rank: usize| if index / 2 == task { 1.0 + (index % 2 + 3 * rank) as f32 } else { 0.0 };
        let module = LoraModule {
            source: "m0".to_owned(),
            lora_b: Matrix::from_fn(SHAPE[0], 2, own),
            lora_a: Matrix::from_fn(2, SHAPE[1], |rank, col| own(col, 1 - rank)),
            scale: 0.7,
        };
        adapter(&format!("task{task}"), BTreeMap::from([("m0".to_owned(), module)]))
    };
    (0..count).map(task).collect()
}

#[test]
fn a_task_has_no_part_in_directions_that_are_anothers() {
    let tasks = disjoint(2);
    let sum = merged(&tasks, json!({}));
    for alpha in [0.1, 0.5] {
        let found = merged(&tasks, json!({"combine": "sum", "calibrate_spectrum": alpha}));
        let error = distance(&found, &(&sum * Scale(2.0 / (1.0 + alpha))));
        assert!(error < 1e-5, "{alpha}: {error:e}");
    }
}

#[test]
fn least_squares_without_any_weight_are_refused() {
    let tasks = adapters(&[Kind::Rank(2), Kind::Rank(2)], &[SHAPE], 34);
    let recipe = recipe(json!({"preset": "actmerge", "weights": {"task0": 0.0, "task1": 0.0}}));
    let error = Aligned::new(&tasks, recipe.alignment()).unwrap().merge(&recipe).unwrap_err();
    assert!(error.to_string().ends_with("and not all 0: found [0.0, 0.0]"), "{error}");
}

#[test]
fn differences_to_the_mean_count_the_tasks_that_take_part() {
    let kinds = [Kind::Rank(4), Kind::Missing, Kind::Rank(3), Kind::Rank(2)];
    let tasks = adapters(&kinds, &[SHAPE], 33);
    let all = merged(&tasks, json!({"preset": "cart", "weights": {"task3": 0.0}}));
    let present = merged(&[tasks[0].clone(), tasks[2].clone()], json!({"space": "core", "combine": "sum"}));
    // Every direction of every difference is kept at a share of 1: M̄ + s·Σ(Mₜ − M̄) = M̄.
    let whole = merged(&tasks, json!({"preset": "cart", "rank_share": 1.0, "weights": {"task3": 0.0}}));
    assert!(distance(&whole, &(present * Scale(0.5))) < 1e-5);
    assert!(all.norm_l2() > 0.0);
}

#[test]
fn tsv_in_bases_of_a_given_rank_keeps_no_more_directions_than_they_have() {
    let kinds = [Kind::Rank(4), Kind::Rank(4), Kind::Rank(4)];
    let tasks = adapters(&kinds, &[SHAPE], 35);
    let parts: Vec<_> = tasks.iter().map(|task| (*task).clone()).collect();
    for space in [json!({"space": "compressed", "rank": 6}), json!({"space": "core_geodesic"})] {
        let with = |combine: &str| {
            let mut spec = space.clone();
            spec["combine"] = json!(combine);
            recipe(spec)
        };
        // The polar factors of three tasks' directions have orthonormal columns only where these fit in, and then the
        // merge has the singular values of the tasks.
        let tsv = merge(&parts, &with("tsv")).modules["m0"].to_dense().to_f64();
        let largest = parts.iter().map(|task| {
            let alone = merge(&parts, &Recipe { weights: others_at_zero(&parts, &task.name), ..with("sum") });
            sigma(&alone.modules["m0"].to_dense().to_f64())[0]
        });
        let largest = largest.fold(0.0f64, f64::max);
        let found = sigma(&tsv)[0];
        assert!((found / largest - 1.0).abs() < 1e-4, "{space}: {found}, not {largest}");
    }
}

fn others_at_zero(tasks: &[Adapter], name: &str) -> BTreeMap<String, f64> {
    tasks.iter().filter(|task| task.name != name).map(|task| (task.name.clone(), 0.0)).collect()
}

fn sigma(matrix: &Mat<f64>) -> Vec<f64> {
    matrix.singular_values().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_merge_is_linear_in_its_scaling(scaling in 0.01f64..5.0, seed: u64, step in 0usize..8) {
        let tasks = adapters(&[Kind::Rank(2), Kind::Rank(3)], &[[9, 14]], seed);
        let recipe = recipe(equivariant()[step].clone());
        let update = merge(&tasks, &recipe);
        let scaled = merge(&tasks, &recipe.with_scaling(scaling));
        prop_assert_eq!(scaled.dense("m0"), update.with_scaling(scaling).dense("m0"));
    }

    #[test]
    fn a_truncation_keeps_no_more_than_its_rank(rank in 1u64..9, seed: u64) {
        let tasks = adapters(&[Kind::Rank(2), Kind::Rank(3)], &[[9, 14]], seed);
        let update = merge(&tasks, &recipe(json!({"preset": "core_ties", "output_rank": rank})));
        prop_assert!(update.modules["m0"].rank().unwrap() <= rank as usize);
    }
}
