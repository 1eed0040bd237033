use super::quantile::nth_smallest;
use crate::align::Factors;
use faer::Mat;

/// The settings of RobustMerge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RobustMerge {
    /// The share of entries of A and of B that stay, in (0, 1].
    pub(crate) density: f64,
    /// The share of directions of a task that keep a scale of their own, in (0, 1]: smaller scales are raised to the
    /// smallest of these. 1 changes none.
    pub(crate) distinct: f64,
}

/// What a task adds.
struct Part {
    pruned: Factors,
    scales: Vec<f64>,
    weight: f64,
}

/// RobustMerge: the factors are pruned, every direction is scaled by what its row of A lost, and factors are added up.
///
/// Per matrix and task: of A and of B, each by itself, the largest magnitudes stay. Direction j has the scale
/// sⱼ = ‖aⱼ‖₁/‖pruned aⱼ‖₁, clamped from below. With s̃ₜⱼ = sₜⱼ/Σₛ sₛⱼ, A = ΣₜÃₜ, B = ΣₜB̃ₜ·diag(s̃ₜ), and the merge is
/// B·A: its rank is that of one adapter, and it has products of different tasks in it, as its authors want. A weight w
/// multiplies A with √|w| and B with sign(w)·√|w|; a task of weight 0 is left out, also of Σₛ sₛⱼ.
///
/// # Shapes
/// `tasks`: B `[O, r]` with the scale in it, Aᵀ `[I, r]`, all of the same rank r; `weights` as many. Returns B and Aᵀ,
/// or `None` if ranks differ.
///
/// # Numerics
/// `f64`. Of d entries those stay that are at least as large as the ⌊d·(1 − density)⌋-th smallest, so d − ⌊d·(1 −
/// density)⌋ + 1 stay where all differ. A row of A that loses everything has the scale 0. The result changes if
/// directions of an adapter are permuted or rotated, although its update does not.
///
/// # Source
/// RobustMerge (arXiv:2502.17159) and its code, which adds up 2·Ã and 2·B̃: its update is four times this one
/// (λ = 4), prunes to 20 % and keeps 20 % of the scales distinct. The version in compress-then-merge is `distinct` 1.
pub(crate) fn robust_merge(tasks: &[&Factors], weights: &[f64], settings: RobustMerge) -> Option<Factors> {
    let rank = tasks.first()?.b.ncols();
    if tasks.iter().any(|task| task.b.ncols() != rank) {
        return None;
    }
    let part = |(task, weight): (&&Factors, &f64)| {
        let pruned = settings.pruned(task);
        Part { scales: settings.scales(task, &pruned), pruned, weight: *weight }
    };
    let parts: Vec<Part> = tasks.iter().zip(weights).filter(|(_, weight)| weight.abs() > 0.0).map(part).collect();
    let total = |direction: usize| parts.iter().map(|part| part.scales[direction]).sum::<f64>();
    let totals: Vec<f64> = (0..rank).map(total).collect();
    let mut b = Mat::zeros(tasks[0].b.nrows(), rank);
    let mut at = Mat::zeros(tasks[0].at.nrows(), rank);
    for Part { pruned, scales, weight } in &parts {
        let root = weight.abs().sqrt();
        for (direction, total) in totals.iter().enumerate() {
            let share = if *total > 0.0 { scales[direction] / total } else { 0.0 };
            add(&mut b, &pruned.b, direction, root.copysign(*weight) * share);
            add(&mut at, &pruned.at, direction, root);
        }
    }
    Some(Factors { b, at })
}

impl RobustMerge {
    fn pruned(self, task: &Factors) -> Factors {
        Factors { b: self.largest(&task.b), at: self.largest(&task.at) }
    }

    fn largest(self, factor: &Mat<f64>) -> Mat<f64> {
        let mut magnitudes: Vec<f64> = factor.col_iter().flat_map(|col| col.iter()).map(|entry| entry.abs()).collect();
        let rank = (magnitudes.len() as f64 * (1.0 - self.density)) as usize;
        if rank == 0 || magnitudes.is_empty() {
            return factor.clone();
        }
        let threshold = nth_smallest(&mut magnitudes, rank - 1);
        let entry = |row: usize, col: usize| {
            let entry = factor[(row, col)];
            if entry.abs() >= threshold { entry } else { 0.0 }
        };
        Mat::from_fn(factor.nrows(), factor.ncols(), entry)
    }

    fn scales(self, task: &Factors, pruned: &Factors) -> Vec<f64> {
        let norm = |factor: &Mat<f64>, col: usize| factor.col(col).iter().map(|entry| entry.abs()).sum::<f64>();
        let scale = |direction: usize| {
            let after = norm(&pruned.at, direction);
            if after > 0.0 { norm(&task.at, direction) / after } else { 0.0 }
        };
        let mut scales: Vec<f64> = (0..task.at.ncols()).map(scale).collect();
        let Some(last) = scales.len().checked_sub(1) else { return scales };
        let rank = (scales.len() as f64 * (1.0 - self.distinct)) as usize;
        let lowest = nth_smallest(&mut scales.clone(), rank.min(last));
        scales.iter_mut().for_each(|scale| *scale = scale.max(lowest));
        scales
    }
}

fn add(to: &mut Mat<f64>, from: &Mat<f64>, col: usize, factor: f64) {
    to.col_mut(col).iter_mut().zip(from.col(col).iter()).for_each(|(to, from)| *to += factor * from);
}

#[cfg(test)]
mod tests {
    use super::{RobustMerge, robust_merge};
    use crate::align::Factors;
    use faer::Mat;

    fn factors(b: [[f64; 2]; 3], a: [[f64; 4]; 2]) -> Factors {
        Factors { b: Mat::from_fn(3, 2, |row, col| b[row][col]), at: Mat::from_fn(4, 2, |row, col| a[col][row]) }
    }

    #[test]
    fn directions_are_scaled_by_what_pruning_took_from_them() {
        let task = || factors([[1.0, 8.0], [7.0, 2.0], [6.0, 5.0]], [[4.0, 1.0, 1.0, -2.0], [8.0, 9.0, 5.0, 0.5]]);
        let settings = RobustMerge { density: 0.5, distinct: 1.0 };
        // Of A's magnitudes, the threshold is the fourth smallest, 2: rows lose 2 of 8 and 0.5 of 22.5.
        let pruned = settings.pruned(&task());
        assert_eq!(settings.scales(&task(), &pruned), [8.0 / 6.0, 22.5 / 22.0]);
        // A task twice: shares are ½ each, so B is the pruned B, and A is twice the pruned A.
        let merged = robust_merge(&[&task(), &task()], &[1.0, 1.0], settings).unwrap();
        assert!((&merged.b - &pruned.b).norm_l2() < 1e-12);
        assert!((&merged.at - &pruned.at * faer::Scale(2.0)).norm_l2() < 1e-12);
    }

    #[test]
    fn small_scales_are_raised_to_the_smallest_distinct_one() {
        let task = || factors([[1.0; 2]; 3], [[4.0, 1.0, 1.0, -2.0], [8.0, 9.0, 5.0, 0.5]]);
        let settings = RobustMerge { density: 0.5, distinct: 0.5 };
        let scales = settings.scales(&task(), &settings.pruned(&task()));
        assert_eq!(scales, [8.0 / 6.0, 8.0 / 6.0]);
    }

    #[test]
    fn ranks_must_be_equal() {
        let other = Factors { b: Mat::zeros(3, 1), at: Mat::zeros(4, 1) };
        let task = factors([[1.0; 2]; 3], [[1.0; 4]; 2]);
        assert!(robust_merge(&[&task, &other], &[1.0, 1.0], RobustMerge { density: 0.2, distinct: 0.2 }).is_none());
    }
}
