//! How updates relate to each other.

use crate::fixtures::{Kind, adapter, adapters, dense, mini8};
use faer::Mat;
use merging::{Adapter, Comparison, LoraModule, Matrix};
use std::collections::BTreeMap;

const SHAPES: [[usize; 2]; 2] = [[12, 9], [7, 11]];

fn rank_one(name: &str, row: usize, col: usize, value: f32) -> Adapter {
    let module = LoraModule {
        source: "m".to_owned(),
        lora_b: Matrix::from_fn(4, 1, |r, _| if r == row { value } else { 0.0 }),
        lora_a: Matrix::from_fn(1, 5, |_, c| if c == col { 1.0 } else { 0.0 }),
        scale: 1.0,
    };
    adapter(name, BTreeMap::from([("m".to_owned(), module)]))
}

#[test]
fn an_update_beside_itself_overlaps_whole() {
    let same = adapters(&[Kind::Rank(3), Kind::Duplicate], &SHAPES, 5);
    let comparison = Comparison::new(&same).unwrap();
    let pair = comparison.pair("task0", "task1").unwrap();
    for value in [pair.cosine, pair.output_overlap, pair.input_overlap, pair.interference] {
        assert!((value - 1.0).abs() < 1e-5, "{pair:?}");
    }
    assert!(pair.sign_conflict.abs() < 1e-12, "{pair:?}");
}

#[test]
fn updates_of_other_inputs_do_not_interfere() {
    let apart = [rank_one("a", 0, 1, 2.0), rank_one("b", 0, 3, -1.0)];
    let comparison = Comparison::new(&apart).unwrap();
    let pair = comparison.pair("a", "b").unwrap();
    assert!((pair.output_overlap - 1.0).abs() < 1e-6, "both write output 0: {pair:?}");
    for value in [pair.cosine, pair.input_overlap, pair.interference, pair.sign_conflict] {
        assert!(value.abs() < 1e-6, "{pair:?}");
    }
    assert!(comparison.adapters.iter().all(|adapter| adapter.interference < 1e-6));
}

#[test]
fn an_update_against_another_one_conflicts_and_interferes_by_its_size() {
    let against = [rank_one("a", 0, 1, 2.0), rank_one("b", 0, 1, -1.0)];
    let comparison = Comparison::new(&against).unwrap();
    let pair = comparison.pair("a", "b").unwrap();
    assert!((pair.cosine + 1.0).abs() < 1e-6 && (pair.sign_conflict - 1.0).abs() < 1e-6, "{pair:?}");
    assert!((pair.interference - 0.5).abs() < 1e-6, "{pair:?}");
    assert!((comparison.pair("b", "a").unwrap().interference - 2.0).abs() < 1e-6);
}

#[test]
fn sums_over_factors_are_those_of_the_dense_updates() {
    let made = adapters(&[Kind::Rank(2), Kind::Rank(4), Kind::Missing, Kind::Rank(1)], &SHAPES, 11);
    let comparison = Comparison::new(&made).unwrap();
    let updates = |task: usize| -> Vec<Mat<f64>> {
        (0..SHAPES.len()).map(|index| dense(&made[task], &format!("m{index}"), SHAPES[index])).collect()
    };
    let inner = |left: usize, right: usize| -> f64 {
        let pairs = updates(left).into_iter().zip(updates(right));
        pairs.map(|(left, right)| (left.transpose() * right).diagonal().column_vector().sum()).sum()
    };
    let norm = inner(0, 0).sqrt();
    assert!((comparison.adapters[0].norm - norm).abs() < 1e-5 * norm);
    let pair = comparison.pair("task0", "task1").unwrap();
    assert!((pair.cosine - inner(0, 1) / (norm * inner(1, 1).sqrt())).abs() < 1e-5, "{pair:?}");
    let without = comparison.pair("task0", "task2").unwrap();
    assert_eq!((without.cosine, without.interference, without.sign_conflict), (0.0, 0.0, 0.0));
}

#[test]
fn ranks_of_real_adapters_lie_between_one_and_the_rank_of_their_factors() {
    let made: Vec<_> = ["mnist", "letters", "flags"].map(|task| mini8("adapters", task)).into();
    let comparison = Comparison::new(&made).unwrap();
    for adapter in &comparison.adapters {
        assert_eq!((adapter.modules, adapter.rank, adapter.scale), (24, [16, 16], [1.0, 1.0]), "{}", adapter.task);
        assert!(adapter.effective_rank > 1.0 && adapter.effective_rank <= 16.0, "{adapter:?}");
        assert!(adapter.interference > 0.0, "{adapter:?}");
    }
    assert_eq!(comparison.pairs.len(), 6);
}
