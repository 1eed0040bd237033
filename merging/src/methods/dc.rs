use super::NUMERICALLY_THERE;
use crate::linalg::{self, NoConvergence, ThinSvd};
use faer::Mat;

/// Singular values of the stacked directions below this count as this: the authors clamp the eigenvalues, which are
/// their squares, at 1e-6.
const WHITENING_FLOOR: f64 = 1e-3;

/// What smoothed singular values approach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Smoothing {
    /// All equal, with the same sum.
    Average,
    /// Falling linearly, K : … : 2 : 1, with the same sum.
    Linear,
}

/// The settings of DC-Merge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct DcMerge {
    pub(crate) rule: Smoothing,
    /// s in [0, 1]: 0 leaves the spectrum as it is, 1 replaces it by the rule's.
    pub(crate) strength: f64,
}

/// Task matrices with smoothed spectra, in common bases of all tasks' directions.
#[derive(Debug)]
pub(crate) struct Cover {
    /// Ũ, `[p, S]` with S = ΣKₜ.
    pub(crate) left: Mat<f64>,
    /// Ṽ, `[q, S]`.
    pub(crate) right: Mat<f64>,
    /// Cₜ = ŨᵀDₜṼ, `[S, S]` each.
    pub(crate) cores: Vec<Mat<f64>>,
    /// Where each task's directions begin, and S at the end.
    pub(crate) bounds: Vec<usize>,
}

impl Cover {
    /// DC-Merge: every task's spectrum is smoothed, and all tasks get coordinates in one pair of whitened bases.
    ///
    /// Of Mₜ = UₜΣₜVₜᵀ, Kₜ leading triplets stay, and their σ become (1 − s)σ + s·σ*, where σ* are all equal
    /// (`average`) or fall as K : … : 1 (`linear`), with the sum of the σ. So Dₜ = Uₜ diag(σ) Vₜᵀ. Ũ = X(XᵀX)^(−1/2)
    /// with X = [U₁ … U_T], which is its polar factor; Ṽ likewise; Cₜ = ŨᵀDₜṼ. Any merge of the cores, after which
    /// `mask: block` keeps the T blocks on the diagonal, gives ΔW = ŨCṼᵀ.
    ///
    /// # Shapes
    /// `tasks` `[p, q]` each, at least one; `kept`: Kₜ, with ΣKₜ ≤ min(O, I); the authors' is min(r, ⌊min(O, I)/T⌋).
    /// Up to elementwise merges of the cores, the method is the same on ΔW and on cores of orthonormal bases. Signs of
    /// singular vectors do not change what TIES makes of the cores.
    ///
    /// # Numerics
    /// SVDs in `f64`. Directions with σ ≤ 1e-6 of the task's largest are not there, and means are over those that are.
    /// Eigenvalues of XᵀX below 1e-6 count as 1e-6, as in the authors' code: directions that tasks share are not
    /// counted twice.
    ///
    /// # Errors
    /// An SVD that does not converge.
    ///
    /// # Source
    /// DC-Merge, as in `merge-and-rebase`, whose smoothing also raises null directions of tasks of rank below K.
    ///
    /// # Examples
    /// σ = (4, 2) with s = 1 becomes (3, 3) by `average` and (4, 2) by `linear`; (5, 1) with s = 0.5 becomes (4, 2) and
    /// (4.5, 1.5).
    pub(crate) fn new(tasks: &[Mat<f64>], kept: &[usize], settings: DcMerge) -> Result<Self, NoConvergence> {
        let svd = |(task, kept): (&Mat<f64>, &usize)| {
            let mut svd = ThinSvd::new(task.as_ref())?.above(NUMERICALLY_THERE).leading(*kept);
            svd.sigma = settings.smoothed(&svd.sigma);
            Ok(svd)
        };
        let svds = tasks.iter().zip(kept).map(svd).collect::<Result<Vec<_>, NoConvergence>>()?;
        let rows = tasks.first().map_or(0, |task| task.nrows());
        let cols = tasks.first().map_or(0, |task| task.ncols());
        let left = whitened(&linalg::side_by_side(rows, svds.iter().map(|svd| svd.u.as_ref())))?;
        let right = whitened(&linalg::side_by_side(cols, svds.iter().map(|svd| svd.v.as_ref())))?;
        let core = |svd: &ThinSvd| {
            let mut inside = linalg::product(left.transpose(), svd.u.as_ref());
            linalg::scale_columns(&mut inside, &svd.sigma);
            linalg::product(inside.as_ref(), linalg::product(right.transpose(), svd.v.as_ref()).transpose())
        };
        let cores = svds.iter().map(core).collect();
        let mut bounds = vec![0];
        for svd in &svds {
            bounds.push(bounds[bounds.len() - 1] + svd.sigma.len());
        }
        Ok(Self { left, right, cores, bounds })
    }
}

impl DcMerge {
    fn smoothed(self, sigma: &[f64]) -> Vec<f64> {
        let count = sigma.len() as f64;
        let sum: f64 = sigma.iter().sum();
        let target = |index: usize| match self.rule {
            Smoothing::Average => sum / count,
            Smoothing::Linear => sum * (count - index as f64) * 2.0 / (count * (count + 1.0)),
        };
        let smooth = |(index, sigma): (usize, &f64)| (1.0 - self.strength) * sigma + self.strength * target(index);
        sigma.iter().enumerate().map(smooth).collect()
    }
}

/// X(XᵀX)^(−1/2), with eigenvalues of XᵀX raised to the floor.
fn whitened(stacked: &Mat<f64>) -> Result<Mat<f64>, NoConvergence> {
    let mut svd = ThinSvd::new(stacked.as_ref())?;
    let factors: Vec<_> = svd.sigma.iter().map(|sigma| sigma / sigma.max(WHITENING_FLOOR)).collect();
    linalg::scale_columns(&mut svd.u, &factors);
    Ok(linalg::product(svd.u.as_ref(), svd.v.transpose()))
}

#[cfg(test)]
mod tests {
    use super::{Cover, DcMerge, Smoothing};
    use faer::Mat;

    fn smoothed(rule: Smoothing, strength: f64, sigma: [f64; 2]) -> Vec<f64> {
        DcMerge { rule, strength }.smoothed(&sigma)
    }

    fn is_close(found: &[f64], expected: [f64; 2]) -> bool {
        found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-14)
    }

    #[test]
    fn smoothing_keeps_the_sum_of_the_spectrum() {
        assert!(is_close(&smoothed(Smoothing::Average, 1.0, [4.0, 2.0]), [3.0, 3.0]));
        assert!(is_close(&smoothed(Smoothing::Linear, 1.0, [4.0, 2.0]), [4.0, 2.0]));
        assert!(is_close(&smoothed(Smoothing::Average, 0.5, [5.0, 1.0]), [4.0, 2.0]));
        assert!(is_close(&smoothed(Smoothing::Linear, 0.5, [5.0, 1.0]), [4.5, 1.5]));
    }

    #[test]
    fn tasks_without_common_directions_are_added_up() {
        let unit = |row: usize, col: usize, value: f64| {
            Mat::from_fn(4, 3, |r, c| if (r, c) == (row, col) { value } else { 0.0 })
        };
        let tasks = [unit(0, 0, 2.0), unit(3, 1, -5.0), Mat::zeros(4, 3)];
        let settings = DcMerge { rule: Smoothing::Average, strength: 1.0 };
        let cover = Cover::new(&tasks, &[1, 1, 0], settings).unwrap();
        let merged = &cover.cores[0] + &cover.cores[1] + &cover.cores[2];
        let whole = &cover.left * &merged * cover.right.transpose();
        assert!((whole - &tasks[0] - &tasks[1]).norm_l2() < 1e-14);
        assert_eq!(cover.bounds, [0, 1, 2, 2]);
    }

    #[test]
    fn a_direction_that_tasks_share_is_counted_once() {
        let task = Mat::from_fn(3, 3, |row, col| if row == 0 && col == 0 { 2.0 } else { 0.0 });
        let tasks = [task.clone(), task.clone()];
        let settings = DcMerge { rule: Smoothing::Average, strength: 1.0 };
        let cover = Cover::new(&tasks, &[1, 1], settings).unwrap();
        let back = &cover.left * &cover.cores[0] * cover.right.transpose();
        assert!((back - &task).norm_l2() < 1e-12);
    }
}
