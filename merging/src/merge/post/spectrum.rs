use super::NUMERICALLY_THERE;
use crate::linalg::{self, ThinSvd};
use faer::Mat;

/// The singular directions of a merged matrix `[p, q]`.
pub(super) struct Directions<'a> {
    /// `[p, r]`.
    pub(super) outputs: &'a Mat<f64>,
    pub(super) sigma: &'a [f64],
    /// `[q, r]`.
    pub(super) inputs: &'a Mat<f64>,
}

/// Singular values after SVC: each is multiplied by what makes the tasks own it once.
///
/// With M = FΣGᵀ, aᵣ = FᵣᵀM = σᵣGᵣᵀ and aᵣᵗ = FᵣᵀMₜ: sᵣᵗ = ⟨aᵣ, aᵣᵗ⟩/‖aᵣᵗ‖² says how much of task t's part the merge
/// has in direction r, and γᵣ = n/Σₜ max(α, sᵣᵗ). A merge that has a direction more than once, because tasks share it,
/// is shortened there. A task without a part in a direction counts as α: its ‖aᵣᵗ‖ is at most 1e-6 of ‖Mₜ‖, rounding
/// noise of `f32` task matrices, which would divide to any number.
///
/// # Shapes
/// `merged` `[p, q]`, of the tasks' `[p, q]`, without their weights; n tasks.
///
/// # Source
/// Singular value calibration (arXiv:2602.05536), the code in FusionBench.
///
/// # Examples
/// Two equal tasks with σ = 3: their sum has 6, s is 2 for both, γ is 1/2, and 3 is left.
pub(super) fn calibrated(merged: &Directions<'_>, tasks: &[Mat<f64>], alpha: f64) -> Vec<f64> {
    let parts: Vec<_> = tasks.iter().map(|task| linalg::product(merged.outputs.transpose(), task.as_ref())).collect();
    let noise: Vec<f64> =
        tasks.iter().map(|task| NUMERICALLY_THERE * NUMERICALLY_THERE * task.squared_norm_l2()).collect();
    let share = |direction: usize, part: &Mat<f64>, noise: f64| {
        let row = part.row(direction);
        let own: f64 = row.iter().map(|entry| entry * entry).sum();
        let along: f64 = row.iter().zip(merged.inputs.col(direction).iter()).map(|(entry, v)| entry * v).sum();
        if own > noise { (merged.sigma[direction] * along / own).max(alpha) } else { alpha }
    };
    let factor = |direction: usize| {
        let sum: f64 = parts.iter().zip(&noise).map(|(part, noise)| share(direction, part, *noise)).sum();
        tasks.len() as f64 / sum
    };
    merged.sigma.iter().enumerate().map(|(direction, sigma)| sigma * factor(direction)).collect()
}

/// Singular values on the way to their mean: (1 − β)σ + β·σ̄, with σ̄ = Σσ/`count`.
///
/// # Source
/// Iso-C (arXiv:2502.04959), equations 4 (β = 1) and 15.
pub(super) fn flattened(sigma: &[f64], share: f64, count: usize) -> Vec<f64> {
    let mean = sigma.iter().sum::<f64>() / count.max(1) as f64;
    sigma.iter().map(|sigma| (1.0 - share) * sigma + share * mean).collect()
}

/// The `rank` directions of largest σ; of equals the first, which were the strongest before a spectrum was flattened.
pub(super) fn strongest(svd: ThinSvd, rank: usize) -> ThinSvd {
    let mut order: Vec<usize> = (0..svd.sigma.len()).collect();
    order.sort_by(|one, other| svd.sigma[*other].total_cmp(&svd.sigma[*one]));
    order.truncate(rank);
    let columns = |matrix: &Mat<f64>| Mat::from_fn(matrix.nrows(), order.len(), |row, col| matrix[(row, order[col])]);
    ThinSvd { u: columns(&svd.u), sigma: order.iter().map(|index| svd.sigma[*index]).collect(), v: columns(&svd.v) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagonal(sigma: &[f64]) -> Mat<f64> {
        Mat::from_fn(sigma.len(), sigma.len(), |row, col| if row == col { sigma[row] } else { 0.0 })
    }

    fn equal(found: &[f64], expected: &[f64]) -> bool {
        found.len() == expected.len() && found.iter().zip(expected).all(|(one, other)| (one - other).abs() < 1e-12)
    }

    fn after_calibration(merged: &Mat<f64>, tasks: &[Mat<f64>], alpha: f64) -> Vec<f64> {
        let svd = ThinSvd::new(merged.as_ref()).unwrap();
        calibrated(&Directions { outputs: &svd.u, sigma: &svd.sigma, inputs: &svd.v }, tasks, alpha)
    }

    #[test]
    fn directions_that_tasks_share_count_once_after_calibration() {
        let task = diagonal(&[3.0, 1.0]);
        assert!(equal(&after_calibration(&(&task + &task), &[task.clone(), task], 0.1), &[3.0, 1.0]));
    }

    #[test]
    fn a_task_alone_is_calibrated_already() {
        let task = diagonal(&[3.0, 2.0, 1.0]);
        assert!(equal(&after_calibration(&task.clone(), &[task], 1.0), &[3.0, 2.0, 1.0]));
    }

    #[test]
    fn a_spectrum_moves_towards_its_mean() {
        assert!(equal(&flattened(&[4.0, 2.0], 1.0, 2), &[3.0, 3.0]));
        assert!(equal(&flattened(&[4.0, 2.0], 0.5, 2), &[3.5, 2.5]));
        assert!(equal(&flattened(&[4.0, 2.0], 1.0, 4), &[1.5, 1.5]));
        assert!(equal(&flattened(&[], 1.0, 0), &[]));
    }

    #[test]
    fn the_strongest_directions_stay_wherever_they_are() {
        let svd = ThinSvd { u: diagonal(&[1.0; 3]), sigma: vec![1.0, 3.0, 2.0], v: diagonal(&[1.0; 3]) };
        let kept = strongest(svd, 2);
        assert!(equal(&kept.sigma, &[3.0, 2.0]));
        assert!(kept.u[(1, 0)] > 0.5 && kept.v[(2, 1)] > 0.5);
    }
}
