//! The low-rank alignment against a dense `f64` decomposition of the very matrices it avoids.

use crate::fixtures::{COLUMNS, Kind, ROWS, adapters, dense, distance};
use crate::steps::recipe;
use faer::Mat;
use jobs::{Axis, Sigma, SigmaCut, Space};
use merging::{Adapter, Aligned, LoraModule, Matrix};
use proptest::prelude::*;
use serde_json::json;

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        4 => (1usize..7).prop_map(Kind::Rank),
        1 => (1usize..4).prop_map(Kind::Zero),
        1 => Just(Kind::Duplicate),
        1 => (2usize..5).prop_map(Kind::Deficient),
        1 => Just(Kind::Missing),
    ]
}

/// [ΔW₁ … ΔWₙ], or the same of the transposes.
fn concatenated(tasks: &[Adapter], shape: [usize; 2], axis: Axis) -> Mat<f64> {
    let updates = tasks.iter().map(|task| dense(task, "m0", shape));
    let updates: Vec<_> = match axis {
        Axis::Columns => updates.collect(),
        Axis::Rows => updates.map(|update| update.transpose().to_owned()).collect(),
    };
    let cols = updates[0].ncols();
    Mat::from_fn(updates[0].nrows(), updates.len() * cols, |row, col| updates[col / cols][(row, col % cols)])
}

/// The length of row `direction` of all tasks' parts together: its singular value.
fn sigma(parts: &[Matrix], direction: usize) -> f64 {
    let row = |part: &Matrix| {
        let row = &part.data()[direction * part.cols()..(direction + 1) * part.cols()];
        row.iter().map(|entry| f64::from(*entry).powi(2)).sum::<f64>()
    };
    parts.iter().map(row).sum::<f64>().sqrt()
}

fn check(kinds: &[Kind], shape: [usize; 2], axis: Axis, seed: u64) {
    let space = if axis == Axis::Columns { COLUMNS } else { ROWS };
    let tasks = adapters(kinds, &[shape], seed);
    let aligned = Aligned::new(&tasks, space).unwrap();
    let Some(parts) = (0..tasks.len()).map(|task| aligned.task_matrix("m0", task)).collect::<Option<Vec<_>>>() else {
        assert!(kinds.iter().all(|kind| *kind == Kind::Missing), "{kinds:?}");
        return;
    };
    let svd = concatenated(&tasks, shape, axis).thin_svd().unwrap();
    let expected: Vec<f64> = svd.S().column_vector().iter().copied().filter(|sigma| *sigma > 1e-5).collect();
    assert_eq!(parts[0].rows(), expected.len(), "{kinds:?} {expected:?}");
    assert_eq!(aligned.facts().directions, expected.len());
    let largest = expected.first().copied().unwrap_or(1.0);
    for (direction, expected) in expected.iter().enumerate() {
        let found = sigma(&parts, direction);
        assert!((found - expected).abs() < 1e-6 * largest, "σ {found}, expected {expected}");
    }
    for (task, part) in tasks.iter().zip(&parts) {
        let lifted = aligned.lift("m0", part).unwrap().to_f64();
        assert!((lifted - dense(task, "m0", shape)).norm_l2() < 2e-6 * largest.max(1.0), "{kinds:?}");
    }
    check_directions(&parts, svd.V(), &expected);
}

/// Directions are those of the dense decomposition, up to sign, where singular values are well apart.
fn check_directions(parts: &[Matrix], v: faer::MatRef<'_, f64>, expected: &[f64]) {
    let cols = parts[0].cols();
    for direction in 0..expected.len() {
        let apart = |other: usize| (expected[direction] - expected[other]).abs() > 0.02 * expected[0];
        let before = direction == 0 || apart(direction - 1);
        let after = direction + 1 == expected.len() || apart(direction + 1);
        if !(before && after) {
            continue;
        }
        let along: f64 = (0..v.nrows())
            .map(|index| v[(index, direction)] * f64::from(parts[index / cols].data()[direction * cols + index % cols]))
            .sum();
        assert!((along.abs() / expected[direction] - 1.0).abs() < 1e-5, "{along} along {}", expected[direction]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn low_rank_alignment_equals_a_dense_decomposition(
        kinds in prop::collection::vec(kind(), 1..6),
        rows in 1usize..40,
        cols in 1usize..40,
        columns: bool,
        seed: u64,
    ) {
        check(&kinds, [rows, cols], if columns { Axis::Columns } else { Axis::Rows }, seed);
    }

    #[test]
    fn the_core_is_the_update_between_two_bases(
        kinds in prop::collection::vec(kind(), 1..6),
        rows in 1usize..40,
        cols in 1usize..40,
        seed: u64,
    ) {
        let tasks = adapters(&kinds, &[[rows, cols]], seed);
        let aligned = Aligned::new(&tasks, Space::Core).unwrap();
        for (index, task) in tasks.iter().enumerate() {
            let Some(core) = aligned.task_matrix("m0", index) else { continue };
            let update = dense(task, "m0", [rows, cols]);
            let lifted = aligned.lift("m0", &core).unwrap().to_f64();
            prop_assert!((lifted - &update).norm_l2() < 4e-6 * update.norm_l2().max(1.0));
            prop_assert!((core.frobenius() - update.norm_l2()).abs() < 1e-6 * update.norm_l2().max(1.0));
        }
    }

    /// U, σ, V and −U, σ, −V are the same decomposition. Reversing all signs of B and A reverses nothing in ΔW, but may
    /// reverse what a routine without a convention returns.
    #[test]
    fn sign_flips_of_directions_change_nothing(seed: u64, density in 0.1f64..1.0) {
        let tasks = adapters(&[Kind::Rank(3), Kind::Rank(2), Kind::Rank(4)], &[[20, 30]], seed);
        let flip = |task: &Adapter| {
            let mut task = task.clone();
            for module in task.modules.values_mut() {
                let LoraModule { lora_b, lora_a, .. } = module.clone();
                (module.lora_b, module.lora_a) = (lora_b.scaled(-1.0), lora_a.scaled(-1.0));
            }
            task
        };
        let flipped: Vec<_> = tasks.iter().enumerate().map(|(i, t)| if i == 1 { t.clone() } else { flip(t) }).collect();
        for spec in [
            json!({"preset": "knots_ties", "density": density}),
            json!({"preset": "core_ties", "density": density}),
            json!({"preset": "knots_ties", "density": density, "elect": "sum_of_signs"}),
            json!({"preset": "core_ties", "density": density, "elect": "sum_of_signs"}),
            json!({"preset": "tsv"}),
        ] {
            let recipe = recipe(spec.clone());
            let merge = |tasks: &[Adapter]| {
                let aligned = Aligned::new(tasks, recipe.space).unwrap();
                let gap = aligned.facts().smallest_gap.as_ref().map_or(1.0, |gap| gap.relative);
                (aligned.merge(&recipe).unwrap().modules["m0"].to_dense().to_f64(), gap)
            };
            let ((one, gap), (other, _)) = (merge(&tasks), merge(&flipped));
            // Entries may flip at a threshold where directions are barely determined.
            prop_assume!(gap > 1e-3);
            prop_assert!(distance(&other, &one) < 0.02, "{spec}: {}", distance(&other, &one));
        }
    }
}

#[test]
fn more_ranks_than_rows_or_columns_work() {
    check(&[Kind::Rank(20), Kind::Rank(9), Kind::Rank(3)], [8, 5], Axis::Columns, 1);
    check(&[Kind::Rank(20), Kind::Rank(9), Kind::Rank(3)], [8, 5], Axis::Rows, 1);
    check(&[Kind::Rank(4), Kind::Duplicate, Kind::Duplicate], [30, 40], Axis::Columns, 2);
}

#[test]
fn nothing_but_zeros_leaves_no_direction() {
    let tasks = adapters(&[Kind::Zero(2), Kind::Zero(3)], &[[6, 9]], 4);
    for preset in ["ties", "knots_ties", "core_ties", "tsv", "iso_c", "iso_cts"] {
        let recipe = recipe(json!({"preset": preset}));
        let update = Aligned::new(&tasks, recipe.space).unwrap().merge(&recipe).unwrap();
        let merged = update.modules["m0"].to_dense();
        assert_eq!(merged.shape(), [6, 9], "{preset}");
        assert!(merged.frobenius() < 1e-12, "{preset}");
    }
}

#[test]
fn the_cut_takes_small_directions_away() {
    let mut tasks = adapters(&[Kind::Rank(2), Kind::Rank(2)], &[[10, 12]], 5);
    tasks[1].modules.get_mut("m0").unwrap().scale = 1e-7;
    let directions = |absolute, relative| {
        let space = Space::Knots { axis: Axis::Columns, cut: SigmaCut { absolute, relative }, sigma: Sigma::Folded };
        let facts = Aligned::new(&tasks, space).unwrap().facts().clone();
        (facts.directions, facts.dropped)
    };
    assert_eq!(directions(1e-5, 0.0), (2, 2));
    assert_eq!(directions(0.0, 0.0), (4, 0));
    assert_eq!(directions(0.0, 1e-3), (2, 2));
}

#[test]
fn equal_singular_values_are_reported() {
    let unit = |at: usize| {
        let lora_b = Matrix::from_fn(4, 1, |row, _| if row == at { 1.0 } else { 0.0 });
        let lora_a = Matrix::from_fn(1, 4, |_, col| if col == at { 1.0 } else { 0.0 });
        LoraModule { source: "m".to_owned(), lora_b, lora_a, scale: 1.0 }
    };
    let task = |at: usize| crate::fixtures::adapter(&format!("t{at}"), [("m".to_owned(), unit(at))].into());
    let facts = Aligned::new(&[task(0), task(1)], COLUMNS).unwrap().facts().clone();
    let gap = facts.smallest_gap.unwrap();
    assert_eq!(gap.matrix, "m");
    assert!(gap.relative < 1e-12);
}
