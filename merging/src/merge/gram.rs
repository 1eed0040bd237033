use super::matrixwise::Combined;
use crate::{
    linalg::{self, NoConvergence, ThinSvd},
    regmean::{SolveQuality, relative_residual},
};
use faer::Mat;
use jobs::Gram;

/// The Gram matrices that stand for the inputs of every task, and the factor of each.
///
/// `update`: Gₜ = wₜMₜᵀMₜ, and the target is Mₜ (ActMerge). `update_normalised`: with M'ₜ = wₜMₜ,
/// Gₜ = M'ₜᵀM'ₜ/‖M'ₜ‖², and the target is M'ₜ (WUDI): the weight cancels in the Gram matrix. A task of weight 0 or
/// without an update takes no part.
///
/// # Shapes
/// `tasks` `[p, q]` each, after drop and trim, without their weights, rows on the side of the outputs; Gₜ `[q, q]`.
pub(super) fn of_updates(tasks: &[Mat<f64>], weights: &[f64], gram: Gram) -> Vec<Weighed> {
    let weighed = tasks.iter().zip(weights).filter_map(|(task, weight)| {
        let squared = task.squared_norm_l2();
        if squared <= 0.0 || weight.abs() <= 0.0 {
            return None;
        }
        let product = linalg::product(task.transpose(), task.as_ref());
        Some(match gram {
            Gram::Update => Weighed { target: task.clone(), gram: product * faer::Scale(*weight) },
            Gram::Inputs { .. } | Gram::MergedInputs { .. } => unreachable!("a merge by inputs is made in factors"),
            Gram::UpdateNormalised => {
                Weighed { target: task * faer::Scale(*weight), gram: product * faer::Scale(1.0 / squared) }
            }
        })
    });
    weighed.collect()
}

/// A task's target and Gram matrix.
pub(super) struct Weighed {
    pub(super) target: Mat<f64>,
    pub(super) gram: Mat<f64>,
}

/// The matrix whose outputs are nearest to those of all tasks: minimises Σₜ tr((X − Mₜ)Gₜ(X − Mₜ)ᵀ) + ρ‖X‖².
///
/// With S = ΣₜGₜ: X = (ΣₜMₜGₜ)(S + ρI)⁻¹. Without a ridge, the pseudo-inverse of S leaves out directions with an
/// eigenvalue of at most q·ε of the largest, where ε = 2⁻⁵².
///
/// The core space gives the same merge as ΔW itself: with ΔW = UMVᵀ, VSVᵀ + ρI acts as S + ρI on the columns of V,
/// and ΣMₜGₜ ends there.
///
/// # Shapes
/// Targets `[p, q]`, Gram matrices `[q, q]`, symmetric and positive semidefinite. Result `[p, q]`.
///
/// # Numerics
/// In `f64`, by the singular values of S, which are its eigenvalues. The condition number is that of S + ρI on the
/// directions that are not left out: the relative error of X is about that times the rounding of the Gram matrices. The
/// residual is ‖X(S + ρI) − ΣMₜGₜ‖ / ‖ΣMₜGₜ‖.
///
/// # Source
/// WUDI (arXiv:2503.08099) in closed form and ActMerge as merge-and-rebase has them; RegMean (arXiv:2212.09849),
/// equation 2, for Gram matrices of inputs.
///
/// # Examples
/// Two tasks `[1, 1]` with M = 1, 3 and G = 1, 1: X = (1 + 3)/(1 + 1) = 2.
pub(super) fn merge(tasks: &[Weighed], [rows, cols]: [usize; 2], ridge: f64) -> Result<Combined, NoConvergence> {
    let mut sum = Mat::zeros(cols, cols);
    let mut wanted = Mat::zeros(rows, cols);
    for task in tasks {
        sum += &task.gram;
        wanted += linalg::product(task.target.as_ref(), task.gram.as_ref());
    }
    let svd = ThinSvd::new(sum.as_ref())?;
    let largest = svd.sigma.first().copied().unwrap_or(0.0);
    let bound = if ridge > 0.0 { -1.0 } else { cols as f64 * f64::EPSILON * largest };
    let kept = svd.sigma.iter().take_while(|sigma| **sigma > bound).count();
    let svd = svd.leading(kept);
    let inverse: Vec<f64> = svd.sigma.iter().map(|sigma| 1.0 / (sigma + ridge)).collect();
    let mut projected = linalg::product(wanted.as_ref(), svd.v.as_ref());
    linalg::scale_columns(&mut projected, &inverse);
    let smallest = svd.sigma.last().copied().unwrap_or(0.0);
    let matrix = linalg::product(projected.as_ref(), svd.u.transpose());
    let quality = (kept > 0).then(|| {
        let found = linalg::product(matrix.as_ref(), sum.as_ref()) + &matrix * faer::Scale(ridge);
        let condition = (largest + ridge) / (smallest + ridge);
        SolveQuality { condition, residual: relative_residual(&found, &wanted) }
    });
    Ok(Combined { matrix, quality })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(target: f64, gram: f64) -> Weighed {
        Weighed { target: Mat::from_fn(1, 1, |_, _| target), gram: Mat::from_fn(1, 1, |_, _| gram) }
    }

    #[test]
    fn inputs_weigh_the_targets() {
        let found = merge(&[one(1.0, 1.0), one(3.0, 3.0)], [1, 1], 0.0).unwrap();
        assert!((found.matrix[(0, 0)] - 2.5).abs() < 1e-15);
        let found = merge(&[one(1.0, 1.0), one(3.0, 1.0)], [1, 1], 2.0).unwrap();
        assert!((found.matrix[(0, 0)] - 1.0).abs() < 1e-15);
    }

    #[test]
    fn no_task_gives_no_update() {
        for ridge in [0.0, 1e-8] {
            let found = merge(&[], [2, 3], ridge).unwrap();
            assert!(found.matrix.norm_l2() <= 0.0);
        }
    }

    #[test]
    fn the_condition_is_that_of_the_sum_with_its_ridge() {
        let gram = Mat::from_fn(2, 2, |row, col| if row == col { [4.0, 0.0][row] } else { 0.0 });
        let task = || Weighed { target: Mat::identity(2, 2), gram: gram.clone() };
        let condition = |ridge: f64| merge(&[task()], [2, 2], ridge).unwrap().quality.unwrap().condition;
        assert!((condition(1.0) - 5.0).abs() < 1e-12);
        assert!((condition(0.0) - 1.0).abs() < 1e-12, "the null direction is left out");
    }

    #[test]
    fn the_residual_is_that_of_the_equations_with_their_ridge() {
        let tasks = [one(1.0, 1.0), one(3.0, 1.0)];
        assert!(merge(&tasks, [1, 1], 2.0).unwrap().quality.unwrap().residual < 1e-15);
        let found = Mat::from_fn(1, 1, |_, _| 3.0);
        let wanted = Mat::from_fn(1, 1, |_, _| 4.0);
        assert!((relative_residual(&found, &wanted) - 0.25).abs() < 1e-15);
    }
}
