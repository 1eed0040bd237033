//! Laws of the elementwise steps.

use crate::fixtures::{COLUMNS, Kind, ROWS, adapter, adapters, dense, distance};
use jobs::{Recipe, RecipeSpec, Space};
use merging::{Adapter, Aligned, LoraModule, Matrix, MergeError};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(crate) fn recipe(spec: Value) -> Recipe {
    serde_json::from_value::<RecipeSpec>(spec).unwrap().resolve().unwrap()
}

pub(crate) fn space_name(space: Space) -> &'static str {
    match space {
        Space::Full => "full",
        Space::Core => "core",
        Space::CoreQr => "core_qr",
        Space::CoreGeodesic => "core_geodesic",
        Space::Compressed { .. } => "compressed",
        Space::Dc { .. } => "dc",
        Space::Knots { .. } => "knots",
    }
}

/// Adapters whose ΔW in the module `m` are exactly the given rows: B is the unit matrix.
fn exact(tasks: &[&[f32]], rows: usize) -> Vec<Adapter> {
    let task = |(index, values): (usize, &&[f32])| {
        let lora_b = Matrix::from_fn(rows, rows, |row, col| if row == col { 1.0 } else { 0.0 });
        let lora_a = Matrix::new(rows, values.len() / rows, values.to_vec());
        let module = LoraModule { source: "m".to_owned(), lora_b, lora_a, scale: 1.0 };
        adapter(&format!("t{index}"), BTreeMap::from([("m".to_owned(), module)]))
    };
    tasks.iter().enumerate().map(task).collect()
}

fn merge_exact(tasks: &[&[f32]], spec: Value) -> Vec<f32> {
    let recipe = recipe(spec);
    let update = Aligned::new(&exact(tasks, 1), Space::Full).unwrap().merge(&recipe).unwrap();
    update.modules["m"].to_dense().into_data()
}

#[test]
fn ties_gives_what_one_gets_by_hand() {
    let tasks: [&[f32]; 3] = [&[3.0, -1.0, 0.5, 4.0], &[1.0, -5.0, -0.5, 2.0], &[-2.0, 2.0, 0.25, -8.0]];
    let ties = merge_exact(&tasks, json!({"elect": "sum_of_values", "combine": "mean"}));
    // Sums 2, −4, 0.25, −2; means of the values that agree.
    assert_eq!(ties, [2.0, -3.0, 0.375, -8.0]);
    let sum = merge_exact(&tasks, json!({"elect": "sum_of_values", "combine": "sum"}));
    assert_eq!(sum, [4.0, -6.0, 0.75, -8.0]);
    let max = merge_exact(&tasks, json!({"elect": "sum_of_values", "combine": "max"}));
    assert_eq!(max, [3.0, -5.0, 0.5, -8.0]);
    let signs = merge_exact(&tasks, json!({"elect": "sum_of_signs", "combine": "mean"}));
    assert_eq!(signs, [2.0, -3.0, 0.375, 3.0]);
    let free = merge_exact(&tasks, json!({"combine": "max"}));
    assert_eq!(free, [3.0, -5.0, 0.5, -8.0]);
}

#[test]
fn weights_are_honoured_before_the_election() {
    let spec = json!({"elect": "sum_of_values", "combine": "mean", "weights": {"t1": 3.0}});
    assert_eq!(merge_exact(&[&[2.0], &[-1.0]], spec), [-1.0]);
    let sum = json!({"elect": "sum_of_values", "combine": "sum", "weights": {"t1": 3.0}});
    assert_eq!(merge_exact(&[&[2.0], &[-1.0]], sum), [-3.0]);
    let max = json!({"elect": "sum_of_values", "combine": "max", "weights": {"t1": 3.0}});
    assert_eq!(merge_exact(&[&[2.0, 4.0], &[-1.0, 1.0]], max), [-3.0, 4.0]);
    let spec = json!({"weights": {"t1": 3.0}});
    assert_eq!(merge_exact(&[&[2.0], &[-1.0]], spec), [-1.0]);
}

#[test]
fn a_mean_with_weights_is_the_weighted_mean_of_those_who_agree() {
    let tasks: [&[f32]; 3] = [&[4.0, 4.0, 0.0], &[8.0, -1.0, 8.0], &[-1.0, 2.0, 2.0]];
    let weights = json!({"t0": 0.5, "t1": 1.5, "t2": 2.0});
    let elected = json!({"elect": "sum_of_values", "combine": "mean", "weights": weights});
    // (2 + 12) / 2; (2 + 4) / 2.5; (12 + 4) / 3.5, without the zero.
    assert_eq!(merge_exact(&tasks, elected), [7.0, 2.4, 16.0 / 3.5]);
    let all = json!({"combine": "mean", "weights": weights});
    // (2 + 12 − 2) / 4; (2 − 1.5 + 4) / 4; the same without the zero.
    assert_eq!(merge_exact(&tasks, all), [3.0, 1.125, 16.0 / 3.5]);
}

#[test]
fn a_weight_below_zero_turns_an_update_around_and_one_of_zero_leaves_it_out() {
    let spec = |weights: Value| json!({"elect": "sum_of_values", "combine": "mean", "weights": weights});
    let turned = merge_exact(&[&[2.0, 2.0], &[-4.0, 1.0]], spec(json!({"t1": -3.0})));
    // 2 and 12 agree: 14 / 4. 2 and −3: −3 / 3.
    assert_eq!(turned, [3.5, -1.0]);
    assert_eq!(turned, merge_exact(&[&[2.0, 2.0], &[4.0, -1.0]], spec(json!({"t1": 3.0}))));
    assert_eq!(merge_exact(&[&[2.0], &[5.0]], spec(json!({"t1": 0.0}))), [2.0]);
    assert_eq!(merge_exact(&[&[2.0], &[5.0]], spec(json!({"t0": 0.0, "t1": 0.0}))), [0.0]);
}

#[test]
fn the_mean_counts_survivors_only() {
    let spec = json!({"elect": "sum_of_values", "combine": "mean", "density": 0.5, "trim_scope": "model"});
    // Of four entries ⌊4·0.5⌋ + 1 = 3 stay.
    let merged = merge_exact(&[&[4.0, 3.0, 2.0, 1.0], &[1.0, 2.0, 3.0, 4.0]], spec);
    assert_eq!(merged, [4.0, 2.5, 2.5, 4.0]);
}

#[test]
fn every_tie_at_the_threshold_stays() {
    let spec = json!({"combine": "mean", "density": 0.25, "trim_scope": "model"});
    assert_eq!(merge_exact(&[&[2.0, -2.0, 2.0, 1.0]], spec), [2.0, -2.0, 2.0, 0.0]);
}

#[test]
fn a_density_below_one_entry_keeps_the_largest() {
    let spec = json!({"combine": "mean", "density": 0.01, "trim_scope": "matrix"});
    assert_eq!(merge_exact(&[&[2.0, -3.0, 0.0, 1.0]], spec), [0.0, -3.0, 0.0, 0.0]);
}

#[test]
fn cancelled_entries_take_the_sign_of_the_majority() {
    let spec = || json!({"elect": "sum_of_values", "combine": "mean"});
    assert_eq!(merge_exact(&[&[1.0, 2.0, 2.0], &[-1.0, 1.0, 1.0]], spec()), [1.0, 1.5, 1.5]);
    assert_eq!(merge_exact(&[&[1.0, -2.0, -2.0], &[-1.0, -1.0, -1.0]], spec()), [-1.0, -1.5, -1.5]);
    // No majority: the negative values stay.
    assert_eq!(merge_exact(&[&[1.0, -2.0, 2.0], &[-1.0, -1.0, 1.0]], spec()), [-1.0, -1.5, 1.5]);
}

#[test]
fn a_tie_of_signs_goes_to_the_sign_of_the_sum() {
    let spec = |combine: &str| json!({"elect": "sum_of_signs", "combine": combine});
    let tasks: [&[f32]; 2] = [&[1.0, 3.0, 2.0, 2.0, 0.0, -2.0], &[-3.0, -1.0, 1.0, -2.0, 0.0, 0.0]];
    // Values that cancel each other elect no sign, whatever the rest of the model says, and none of them stays.
    assert_eq!(merge_exact(&tasks, spec("mean")), [-3.0, 3.0, 1.5, 0.0, 0.0, -2.0]);
    assert_eq!(merge_exact(&tasks, spec("sum")), [-3.0, 3.0, 3.0, 0.0, 0.0, -2.0]);
    assert_eq!(merge_exact(&tasks, spec("max")), [-3.0, 3.0, 2.0, 0.0, 0.0, -2.0]);
    // Weights count in the sum, but not in the votes.
    let weighted = json!({"elect": "sum_of_signs", "combine": "mean", "weights": {"t0": 4.0}});
    assert_eq!(merge_exact(&tasks, weighted), [1.0, 3.0, 1.8, 2.0, 0.0, -2.0]);
}

#[test]
fn the_majority_counts_over_all_matrices() {
    let mut tasks = exact(&[&[1.0], &[-1.0]], 1);
    for (task, values) in tasks.iter_mut().zip([[3.0, 4.0], [1.0, 1.0]]) {
        let lora_b = Matrix::new(1, 1, vec![1.0]);
        let lora_a = Matrix::new(1, 2, values.to_vec());
        let module = LoraModule { source: "n".to_owned(), lora_b, lora_a, scale: 1.0 };
        task.modules.insert("n".to_owned(), module);
    }
    let recipe = recipe(json!({"elect": "sum_of_values", "combine": "mean"}));
    let update = Aligned::new(&tasks, Space::Full).unwrap().merge(&recipe).unwrap();
    assert_eq!(update.modules["m"].to_dense().data(), [1.0]);
}

#[test]
fn the_scope_of_the_trim_matters() {
    let mut tasks = exact(&[&[1.0, 2.0, 3.0, 4.0]], 1);
    let small = tasks[0].modules["m"].clone();
    tasks[0].modules.insert("n".to_owned(), LoraModule { scale: 0.01, ..small });
    let merged = |scope: &str| {
        let recipe = recipe(json!({"combine": "mean", "density": 0.25, "trim_scope": scope}));
        let update = Aligned::new(&tasks, Space::Full).unwrap().merge(&recipe).unwrap();
        let kept = |module: &str| update.modules[module].to_dense().data().iter().filter(|x| x.abs() > 0.0).count();
        (kept("m"), kept("n"))
    };
    assert_eq!(merged("model"), (3, 0));
    assert_eq!(merged("matrix"), (2, 2));
}

#[test]
fn scaling_is_kept_apart() {
    let tasks = exact(&[&[2.0, -1.0]], 1);
    let recipe = recipe(json!({"preset": "ties", "density": 1.0, "scaling": 0.5}));
    let update = Aligned::new(&tasks, Space::Full).unwrap().merge(&recipe).unwrap();
    assert_eq!(update.dense("m").unwrap().data(), [1.0, -0.5]);
    let doubled = update.with_scaling(1.0);
    assert_eq!(doubled.dense("m").unwrap().data(), [2.0, -1.0]);
    assert!(std::sync::Arc::ptr_eq(&doubled.modules, &update.modules));
    assert!((doubled.recipe.scaling - 1.0).abs() < f64::EPSILON);
}

#[test]
fn recipes_that_do_not_fit_are_refused() {
    let tasks = exact(&[&[2.0, -1.0]], 1);
    let aligned = Aligned::new(&tasks, Space::Full).unwrap();
    let other = aligned.merge(&recipe(json!({"preset": "core_ties"}))).unwrap_err();
    assert!(other.to_string().starts_with("the recipe works in the space Core"), "{other}");
    let unknown = aligned.merge(&recipe(json!({"weights": {"nobody": 2.0}}))).unwrap_err();
    assert_eq!(unknown.to_string(), "the recipe has a weight for `nobody`, which is none of the merged tasks: t0");
    let mut matrix_wise = recipe(json!({"preset": "tsv", "density": 0.5}));
    matrix_wise.space = Space::Full;
    assert_eq!(aligned.merge(&matrix_wise), Err(MergeError::MatrixWiseInFull));
}

#[test]
fn adapters_that_do_not_fit_are_refused() {
    assert_eq!(Aligned::new(&[], Space::Core).unwrap_err(), MergeError::NoAdapters);
    let twice = [exact(&[&[1.0]], 1), exact(&[&[2.0]], 1)].concat();
    assert_eq!(Aligned::new(&twice, Space::Full).unwrap_err().to_string(), "two adapters are named `t0`");
    let shapes = exact(&[&[1.0, 2.0], &[1.0]], 1);
    let message = Aligned::new(&shapes, Space::Full).unwrap_err().to_string();
    let expected = "`m` of the adapter `t1` updates a weight of shape [1, 1], other adapters one of [1, 2]";
    assert_eq!(message, expected);
}

/// Merges with a pool of `threads` threads.
fn merge_on(threads: usize, tasks: &[Adapter], recipe: &Recipe) -> Vec<Matrix> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let update = pool.install(|| Aligned::new(tasks, recipe.space).unwrap().merge(recipe).unwrap());
    update.modules.values().map(merging::UpdateMatrix::to_dense).collect()
}

#[test]
fn the_outcome_does_not_depend_on_the_number_of_threads() {
    let tasks = adapters(&[Kind::Rank(5), Kind::Rank(3), Kind::Rank(4)], &[[300, 400], [40, 60], [400, 300]], 3);
    for preset in ["dare_ties", "knots_dare_ties", "knots_ties", "core_ties", "tsv", "iso_cts"] {
        let recipe = recipe(json!({"preset": preset}));
        assert_eq!(merge_on(1, &tasks, &recipe), merge_on(4, &tasks, &recipe), "{preset}");
    }
    let trimmed = recipe(json!({"preset": "knots_dare_ties", "density": 0.3, "trim_scope": "model", "seed": 5}));
    assert_eq!(merge_on(1, &tasks, &trimmed), merge_on(3, &tasks, &trimmed));
}

#[test]
fn seeds_choose_masks() {
    let tasks = adapters(&[Kind::Rank(4), Kind::Rank(4)], &[[20, 30]], 3);
    let seeded = |seed| merge_on(2, &tasks, &recipe(json!({"preset": "dare_ties", "drop_rate": 0.5, "seed": seed})));
    assert_eq!(seeded(1), seeded(1));
    assert_ne!(seeded(1), seeded(2));
}

#[test]
fn a_sum_is_task_arithmetic_in_every_space() {
    let shapes = [[30, 20], [12, 40]];
    let kinds = [Kind::Rank(3), Kind::Deficient(4), Kind::Missing, Kind::Duplicate, Kind::Zero(2)];
    let tasks = adapters(&kinds, &shapes, 9);
    for space in [Space::Full, COLUMNS, ROWS, Space::Core] {
        let mut recipe = recipe(json!({"space": space_name(space), "combine": "sum", "weights": {"task0": 2.0}}));
        recipe.space = space;
        let update = Aligned::new(&tasks, space).unwrap().merge(&recipe).unwrap();
        assert!(update.modules.values().all(|matrix| matrix.rank().is_some()), "{space:?}");
        for (index, shape) in shapes.iter().enumerate() {
            let name = format!("m{index}");
            let weight = |task: usize| faer::Scale(if task == 0 { 2.0 } else { 1.0 });
            let sum = tasks.iter().enumerate().map(|(task, adapter)| dense(adapter, &name, *shape) * weight(task));
            let sum = sum.reduce(|left, right| left + right).unwrap();
            let error = distance(&update.modules[&name].to_dense().to_f64(), &sum);
            assert!(error < 2e-6, "{space:?} {name}: {error:e}");
        }
    }
}

/// TIES entry by entry and in `f64`, straight from its definition.
fn plain_ties(tasks: &[Matrix], density: f64) -> Vec<f64> {
    let trimmed: Vec<Vec<f64>> = tasks
        .iter()
        .map(|task| {
            let mut sizes: Vec<f32> = task.data().iter().map(|x| x.abs()).collect();
            sizes.sort_by(f32::total_cmp);
            let threshold = if density < 1.0 {
                sizes[sizes.len() - (sizes.len() as f64 * density).floor() as usize - 1]
            } else {
                0.0
            };
            task.data().iter().map(|x| if x.abs() >= threshold { f64::from(*x) } else { 0.0 }).collect()
        })
        .collect();
    let entry = |index: usize| {
        let sum: f64 = trimmed.iter().map(|task| task[index]).sum();
        let agreeing: Vec<f64> = trimmed.iter().map(|task| task[index]).filter(|x| x * sum > 0.0).collect();
        agreeing.iter().sum::<f64>() / agreeing.len().max(1) as f64
    };
    (0..trimmed[0].len()).map(entry).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// In an aligned space the sign of a direction, a row of all task matrices, is arbitrary.
    #[test]
    fn a_row_that_changes_its_sign_changes_the_sign_of_the_merge_alone(
        // Small whole numbers: ties and sums of 0 are frequent.
        values in prop::collection::vec(prop::collection::vec(-2i8..3, 12), 2..6), combine in 0usize..3,
    ) {
        let merged = |signs: [f32; 3]| {
            let sign = |(index, value): (usize, &i8)| signs[index / 4] * f32::from(*value);
            let tasks: Vec<Vec<f32>> = values.iter().map(|task| task.iter().enumerate().map(sign).collect()).collect();
            let tasks: Vec<&[f32]> = tasks.iter().map(Vec::as_slice).collect();
            let combine = ["mean", "sum", "max"][combine];
            let recipe = recipe(json!({"elect": "sum_of_signs", "combine": combine}));
            let update = Aligned::new(&exact(&tasks, 3), Space::Full).unwrap().merge(&recipe).unwrap();
            update.modules["m"].to_dense().into_data()
        };
        let one = merged([1.0, 1.0, 1.0]);
        let other = merged([-1.0, 1.0, -1.0]);
        for (index, (one, other)) in one.iter().zip(&other).enumerate() {
            let sign = if index / 4 == 1 { 1.0 } else { -1.0 };
            prop_assert!((one - sign * other).abs() < 1e-9, "{one} and {other} at {index}");
        }
    }

    #[test]
    fn weights_that_are_all_equal_are_as_good_as_none(weight in 0.01f64..100.0, seed: u64, elect in 0usize..3) {
        let tasks = adapters(&[Kind::Rank(2), Kind::Rank(3), Kind::Rank(1)], &[[9, 14]], seed);
        let merged = |weights: Value| {
            let elect = ["none", "sum_of_values", "sum_of_signs"][elect];
            let recipe = recipe(json!({"elect": elect, "combine": "mean", "density": 0.7, "weights": weights}));
            Aligned::new(&tasks, Space::Full).unwrap().merge(&recipe).unwrap().modules["m0"].to_dense().into_data()
        };
        let equal = merged(json!({"task0": weight, "task1": weight, "task2": weight}));
        prop_assert_eq!(equal, merged(json!({})));
    }

    #[test]
    fn a_weighted_mean_lies_between_the_values_that_agree(first in 0.1f64..9.0, second in 0.1f64..9.0, seed: u64) {
        let tasks = adapters(&[Kind::Rank(2), Kind::Rank(3), Kind::Rank(1)], &[[9, 14]], seed);
        let spec = json!({
            "elect": "sum_of_signs", "combine": "mean", "weights": {"task0": first, "task1": second},
        });
        let aligned = Aligned::new(&tasks, Space::Full).unwrap();
        let merged = aligned.merge(&recipe(spec)).unwrap().modules["m0"].to_dense().into_data();
        let entries: Vec<_> = (0..3).map(|task| aligned.task_matrix("m0", task).unwrap().into_data()).collect();
        for (index, merged) in merged.iter().enumerate() {
            let agreeing = entries.iter().map(|task| task[index]).filter(|value| value * merged > 0.0);
            let (low, high) = agreeing.fold((f32::MAX, 0.0f32), |(low, high), value| {
                (low.min(value.abs()), high.max(value.abs()))
            });
            prop_assert!(merged.abs() > low * 0.999 && merged.abs() < high * 1.001, "{merged}: {low} to {high}");
        }
    }

    #[test]
    fn ties_follows_its_definition(rows in 1usize..40, cols in 1usize..50, density in 0.01f64..1.0, seed: u64) {
        let tasks = adapters(&[Kind::Rank(2), Kind::Rank(3), Kind::Rank(1)], &[[rows, cols]], seed);
        let aligned = Aligned::new(&tasks, Space::Full).unwrap();
        let entries: Vec<_> = (0..3).map(|task| aligned.task_matrix("m0", task).unwrap()).collect();
        for scope in ["model", "matrix"] {
            let recipe = recipe(json!({"preset": "ties", "density": density, "trim_scope": scope}));
            let merged = aligned.merge(&recipe).unwrap().modules["m0"].to_dense();
            for (found, expected) in merged.data().iter().zip(plain_ties(&entries, density)) {
                prop_assert!((f64::from(*found) - expected).abs() < 1e-5, "{found} is not {expected}");
            }
        }
    }

    #[test]
    fn a_smaller_density_keeps_a_part_of_what_a_larger_one_keeps(
        one in 0.01f64..1.0,
        other in 0.01f64..1.0,
        seed: u64,
    ) {
        let low = one.min(other);
        let high = one.max(other);
        let tasks = adapters(&[Kind::Rank(3)], &[[17, 23], [5, 7]], seed);
        let aligned = Aligned::new(&tasks, COLUMNS).unwrap();
        let merged = |density: f64| {
            let preset = json!({"preset": "knots_ties", "density": density});
            aligned.merge(&recipe(preset)).unwrap()
        };
        let few = merged(low);
        let many = merged(high);
        let total: usize = [17 * 23, 5 * 7].iter().sum();
        let entries = |update: &merging::MergedUpdate| -> Vec<f32> {
            let matrices = update.modules.values();
            matrices.flat_map(|matrix| match matrix {
                merging::UpdateMatrix::LowRank { a, .. } => a.data().to_vec(),
                merging::UpdateMatrix::Dense(all) => all.data().to_vec(),
            }).collect()
        };
        let few = entries(&few);
        let many = entries(&many);
        prop_assert!(few.len() <= total);
        prop_assert!(few.iter().zip(&many).all(|(few, many)| few.abs() == 0.0 || few.to_bits() == many.to_bits()));
        let kept = few.iter().filter(|x| x.abs() > 0.0).count();
        let count = (few.len() as f64 * low).floor() as usize;
        prop_assert!(kept == count + 1 || kept == few.len(), "{kept} of {} at {low}", few.len());
    }
}

#[test]
fn weights_of_layers_and_modules_scale_parts_of_an_update() {
    let module = |value: f32| LoraModule {
        source: String::new(),
        lora_b: Matrix::new(1, 1, vec![value]),
        lora_a: Matrix::new(1, 1, vec![1.0]),
        scale: 1.0,
    };
    let names = ["m.layers.0.q", "m.layers.0.k", "m.layers.1.q", "head"];
    let task = |name: &str, value: f32| adapter(name, names.map(|name| (name.to_owned(), module(value))).into());
    let aligned = Aligned::new(&[task("t0", 1.0), task("t1", 10.0)], Space::Full).unwrap();
    let merged = |spec: Value| {
        let update = aligned.merge(&recipe(spec)).unwrap();
        assert!(update.modules.values().all(|matrix| matrix.rank() == Some(2)), "the merge stays an adapter");
        names.map(|name| update.modules[name].to_dense().into_data()[0].to_string())
    };
    let weights = json!({"t0": {"0": 0.5, "m.layers.0.k": 3.0}, "t1": {"1": 2.0, "head": 0.0}});
    assert_eq!(merged(json!({"layer_weights": weights})), ["10.5", "13", "21", "1"]);
    let both = json!({"layer_weights": weights, "weights": {"t0": 2.0}});
    assert_eq!(merged(both), ["11", "16", "22", "2"], "on top of the weight of the task");
    let refused = |weights: Value| aligned.merge(&recipe(json!({"layer_weights": weights}))).unwrap_err().to_string();
    let message = refused(json!({"t0": {"2": 0.5}}));
    assert!(message.starts_with("the recipe has a weight for `2` of `t0`, which is neither the number"), "{message}");
    let message = refused(json!({"t7": {"0": 0.5}}));
    assert_eq!(message, "the recipe has a weight for `t7`, which is none of the merged tasks: t0, t1");
    let message = refused(json!({"t1": {"head": [0.5, 2.0]}}));
    assert!(message.starts_with("the recipe weighs 2 directions of `head` of `t1`, and there are 1"), "{message}");
}

#[test]
fn a_list_of_weights_scales_the_directions_of_a_module_and_the_merge_stays_an_adapter() {
    let tasks: [&[f32]; 2] = [&[1.0, 2.0, 3.0, 4.0], &[10.0, 20.0, 30.0, 40.0]];
    let spec = json!({"layer_weights": {"t0": {"m": [2.0, -1.0]}}, "weights": {"t0": 0.5}});
    let update = Aligned::new(&exact(&tasks, 2), Space::Full).unwrap().merge(&recipe(spec)).unwrap();
    assert_eq!(update.modules["m"].rank(), Some(4));
    // Rows of A are directions: the first of t0 counts 0.5 · 2, the second 0.5 · −1.
    assert_eq!(update.modules["m"].to_dense().into_data(), [11.0, 22.0, 28.5, 38.0]);
}

#[test]
fn an_average_divides_by_all_weights_and_keeps_the_factors() {
    let tasks: [&[f32]; 2] = [&[3.0, 0.0], &[-1.0, 4.0]];
    assert_eq!(merge_exact(&tasks, json!({"combine": "average"})), [1.0, 2.0]);
    let weights = json!({"t0": 3.0});
    assert_eq!(merge_exact(&tasks, json!({"combine": "average", "weights": weights})), [2.0, 1.0]);
    let update = Aligned::new(&exact(&tasks, 1), Space::Full).unwrap().merge(&recipe(json!({"combine": "average"})));
    assert_eq!(update.unwrap().modules["m"].rank(), Some(2));
    // After a trim, entries that it left out count as zeros: (3 + 0)/2 and (0 + 4)/2.
    let trimmed = json!({"combine": "average", "density": 0.5, "trim_scope": "matrix", "trim_count": "floor"});
    assert_eq!(merge_exact(&tasks, trimmed), [1.5, 2.0]);
    let error = Aligned::new(&exact(&tasks, 1), Space::Full).unwrap();
    let nothing = recipe(json!({"combine": "average", "weights": {"t0": 0.0, "t1": 0.0}}));
    assert!(matches!(error.merge(&nothing), Err(MergeError::MeanWeights { method: "average", .. })));
}

#[test]
fn a_trim_may_give_a_matrix_the_size_that_it_had() {
    let task: &[f32] = &[4.0, -3.0, 2.0, 1.0];
    let trim = json!({"density": 0.5, "trim_scope": "matrix", "trim_count": "floor"});
    let with = |rescale: &str| {
        let mut spec = trim.clone();
        spec["trim_rescale"] = json!(rescale);
        merge_exact(&[task], spec)
    };
    assert_eq!(with("none"), [4.0, -3.0, 0.0, 0.0]);
    let factor = 10.0f32 / 7.0;
    assert_eq!(with("sum"), [4.0 * factor, -3.0 * factor, 0.0, 0.0]);
    let norm = with("norm").iter().map(|entry| f64::from(*entry).powi(2)).sum::<f64>();
    assert!((norm - 30.0).abs() < 1e-5, "{norm}");
    // The weights of a mean are those of the tasks, whatever makes up for the trim.
    let mut mean = trim;
    mean["trim_rescale"] = json!("sum");
    mean["combine"] = json!("mean");
    mean["weights"] = json!({"t1": 3.0});
    assert_eq!(merge_exact(&[task, &[0.0, 0.0, 8.0, 7.0]], mean)[..2], [4.0 * factor, -3.0 * factor]);
}

#[test]
fn a_drop_may_keep_entries_as_they_are_or_keep_the_norm() {
    let task: Vec<f32> = (1..=64u8).map(f32::from).collect();
    let with = |rescale: &str| {
        let spec = json!({"drop_rate": 0.5, "seed": 3, "drop_rescale": rescale});
        merge_exact(&[&task], spec)
    };
    let plain = with("none");
    assert!(plain.iter().zip(&task).all(|(found, entry)| found.abs() < 0.5 || (found - entry).abs() < 1e-6));
    assert!(plain.iter().any(|entry| entry.abs() < 0.5) && plain.iter().any(|entry| *entry > 0.5));
    let squares = |entries: &[f32]| entries.iter().map(|entry| f64::from(*entry).powi(2)).sum::<f64>();
    assert!((squares(&with("norm")) / squares(&task) - 1.0).abs() < 1e-6);
}

#[test]
fn a_recipe_whose_step_does_not_belong_to_its_space_is_an_error() {
    let adapters = [adapter("t0", [("m".to_owned(), module_of_one())].into())];
    for (preset, space) in [("lego", Space::Core), ("robust_merge", Space::Core)] {
        let mut odd = recipe(json!({"preset": preset}));
        odd.space = space;
        let aligned = Aligned::new(&adapters, odd.alignment()).unwrap();
        let error = aligned.merge(&odd).unwrap_err();
        assert!(matches!(error, MergeError::OtherSpace { .. }), "{preset}: {error}");
    }
}

fn module_of_one() -> LoraModule {
    LoraModule {
        source: "m".to_owned(),
        lora_b: Matrix::new(1, 1, vec![1.0]),
        lora_a: Matrix::new(1, 1, vec![1.0]),
        scale: 1.0,
    }
}
