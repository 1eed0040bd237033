//! Elementwise rules, on the entries of ΔW and on cores.

use super::golden::{Golden, Weight, goldens};
use crate::methods::{Pcb, RankedDrop, RowOrder, l1_factor, pcb, sce};
use crate::{linalg, linalg::ThinSvd};
use faer::{Mat, MatRef};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// The entries, row by row.
fn entries(task: &Mat<f64>) -> Vec<f64> {
    task.row_iter().flat_map(|row| row.iter().copied()).collect()
}

fn rows(entries: &[f64], [rows, cols]: [usize; 2]) -> Mat<f64> {
    MatRef::from_row_major_slice(entries, rows, cols).to_owned()
}

fn of_updates(weight: &Weight, rule: impl Fn(&Vec<Vec<f64>>) -> Vec<f64>) -> Mat<f64> {
    let tasks: Vec<_> = weight.updates().iter().map(entries).collect();
    rows(&rule(&tasks), weight.shape())
}

/// The left singular vectors of stacked factors.
fn basis<'a>(rows: usize, parts: impl Iterator<Item = MatRef<'a, f64>>) -> Mat<f64> {
    ThinSvd::new(linalg::side_by_side(rows, parts).as_ref()).unwrap().above(1e-12).u
}

#[test]
fn pcb_equals_merge_and_rebase() {
    for golden in goldens("pcb") {
        let settings = Pcb {
            clamp_low: golden.number("/config/clamp_min_ratio").unwrap(),
            clamp_high: golden.number("/config/clamp_max_ratio").unwrap(),
            density: golden.number("/config/att_ratio").unwrap(),
        };
        let scaling = golden.number("/config/lam").unwrap();
        let rule = |tasks: &Vec<Vec<f64>>| pcb(tasks, &vec![1.0; tasks.len()], settings);
        golden.check(1e-6, |_, weight| {
            if golden.text("/config/space") == "full" {
                return of_updates(weight, rule) * faer::Scale(scaling);
            }
            let [height, width] = weight.shape();
            let left = basis(height, weight.factors.iter().map(|factors| factors.b.as_ref()));
            let right = basis(width, weight.factors.iter().map(|factors| factors.at.as_ref()));
            let core = |update: &Mat<f64>| entries(&(left.transpose() * update * &right));
            let cores: Vec<Vec<f64>> = weight.updates().iter().map(core).collect();
            left.as_ref()
                * rows(&rule(&cores), [left.ncols(), right.ncols()])
                * right.transpose()
                * faer::Scale(scaling)
        });
    }
}

#[test]
fn sce_equals_mergekit() {
    for golden in goldens("sce") {
        let selected = golden.number("/config/select_topk").unwrap();
        golden.check(1e-6, |_, weight| of_updates(weight, |tasks| sce(tasks, selected)));
    }
}

/// The sum of those that agree with the sign of the sum, or of all; divided by their number if `mean`.
fn combined(tasks: &[Vec<f64>], consensus: bool, mean: bool) -> Vec<f64> {
    let entry = |index: usize| {
        let values = || tasks.iter().map(|task| task[index]);
        let sign = if values().sum::<f64>() >= 0.0 { 1.0 } else { -1.0 };
        let part: Vec<f64> = values().filter(|value| !consensus || value * sign > 0.0).collect();
        part.iter().sum::<f64>() / if mean { part.len().max(1) as f64 } else { 1.0 }
    };
    (0..tasks[0].len()).map(entry).collect()
}

fn dropped(task: &[f32], cols: usize, drop: RankedDrop, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut kept = Vec::with_capacity(task.len());
    let mut keep = vec![0.0; cols];
    let mut order = RowOrder::default();
    for row in task.chunks(cols) {
        drop.keep_probabilities(row, &mut order, &mut keep);
        let chance = |keep: &f64| f64::from(rng.next_u32()) < keep * 2f64.powi(32);
        let keeps: Vec<_> = keep.iter().map(chance).collect();
        kept.extend(row.iter().zip(keeps).map(|(entry, keeps)| if keeps { *entry } else { 0.0 }));
    }
    let norm = |entries: &[f32]| entries.iter().map(|entry| f64::from(entry.abs())).sum::<f64>();
    let factor = l1_factor(norm(task), norm(&kept)) as f32;
    kept.iter().map(|entry| entry * factor).collect()
}

fn della_norm(golden: &Golden, weight: &Weight, seed: u64) -> f64 {
    let drop = RankedDrop {
        rate: 1.0 - golden.number("/config/density").unwrap(),
        spread: golden.number("/config/epsilon").unwrap(),
    };
    let rng = ChaCha8Rng::seed_from_u64(seed);
    let merged = of_updates(weight, |tasks| {
        // A mask for each task, drawn one after the other, is enough for a mean of norms.
        let mut rng = rng.clone();
        let cols = weight.shape()[1];
        let entries = |task: &Vec<f64>| task.iter().map(|entry| *entry as f32).collect::<Vec<_>>();
        let tasks = tasks.iter().map(|task| dropped(&entries(task), cols, drop, &mut rng));
        let tasks: Vec<_> = tasks.map(|task| task.into_iter().map(f64::from).collect()).collect();
        combined(&tasks, golden.text("/config/consensus") == "sum", golden.flag("/config/normalize"))
    });
    merged.norm_l2()
}

#[test]
fn dellas_drop_has_the_mean_norm_of_mergekit() {
    const SEEDS: u64 = 20;
    for golden in ["della", "della_linear"].into_iter().flat_map(goldens) {
        let weights = golden.weights();
        for (name, expected) in golden.mean_norms() {
            let norms = (0..SEEDS).map(|seed| della_norm(&golden, &weights[&name], seed));
            let mean = norms.sum::<f64>() / SEEDS as f64;
            assert!((mean / expected - 1.0).abs() < 0.03, "{}: {name}: {mean}, not {expected}", golden.name);
        }
    }
}
