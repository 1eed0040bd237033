//! RegMean: merges by the inputs that modules take in the tasks' own models.

mod error;
mod inputs;

pub use error::InputMergeError;
pub(crate) use inputs::{InputMerge, inputs_of, merge_all, of_tasks};

use crate::{InputStatistics, align::Factors, linalg};
use faer::{Mat, MatRef, Side, linalg::solvers::Solve};
use jobs::{Combine, Gram};

/// Steps of the iterations that estimate a condition number.
const STEPS: usize = 24;

/// How the Gram matrices of the tasks enter a merge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct GramOptions {
    /// Multiplies the entries off the diagonal, in [0, 1].
    pub(crate) off_diagonal: f64,
    /// Added to the diagonal of the sum, as a share of the diagonal's mean.
    pub(crate) ridge: f64,
}

impl GramOptions {
    /// Those of a recipe with `gram: inputs`; `None` for all others.
    pub(crate) fn of(recipe: &jobs::Recipe) -> Option<Self> {
        let Combine::GramMerge { gram: Gram::Inputs { off_diagonal, .. }, ridge } = recipe.combine else { return None };
        Some(Self { off_diagonal, ridge })
    }
}

/// One task's part in the merge of a weight.
pub(crate) struct GramTask<'a> {
    /// The task's update; `None` where the adapter has none for the weight.
    pub(crate) factors: Option<&'a Factors>,
    /// Of the inputs of the weight in the task's own model.
    pub(crate) inputs: &'a InputStatistics,
    /// The task's weight in the merge.
    pub(crate) weight: f64,
}

/// A merge in factors, ΔW = `b · a`.
#[derive(Debug)]
pub(crate) struct GramMerge {
    /// `[O, R]`
    pub(crate) b: Mat<f64>,
    /// `[R, I]`
    pub(crate) a: Mat<f64>,
    /// An estimate of the condition number of the matrix that was inverted.
    pub(crate) condition: f64,
}

/// The sum of the Gram matrices is not positive definite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Singular;

/// Merges the updates of one weight so that the merged layer's outputs are closest to those of the tasks' own layers,
/// each on its own inputs.
///
/// Minimises `Σ_t w_t·E‖(ΔW − ΔW_t)x_t‖²`. With `G_t = E[x_t·x_tᵀ]`, entries off the diagonal times `off_diagonal`, and
/// `S = Σ_t w_t·G_t + ridge·(tr S / I)·1`:
///
/// `ΔW = Σ_t w_t·B_t·(A_t·G_t·S⁻¹)`, so that `b = [B_1 … B_T]` and `a = [w_1·A_1·G_1; …; w_T·A_T·G_T]·S⁻¹`.
///
/// # Shapes
/// `B_t` `[O, r_t]`, `A_t` `[r_t, I]`, `G_t` `[I, I]`; `b` `[O, R]`, `a` `[R, I]` with `R = Σ r_t`: an adapter of rank
/// R.
///
/// # Numerics
/// `f64`, Cholesky on one thread: O(I³/3 + R·I²). The condition number is estimated by power iterations, within a
/// factor of about two. A ridge shrinks the result towards 0.
///
/// # Errors
/// [`Singular`]: S has no Cholesky decomposition.
///
/// # Source
/// RegMean (arXiv:2212.09849), equation 2 with the reduction of the entries off the diagonal. The factored form is
/// exact: `W = (Σ W_t·G_t)·S⁻¹` with `W_t = W_0 + B_t·A_t` and no ridge is `W_0 + ΔW`.
pub(crate) fn merge(
    [outputs, inputs]: [usize; 2],
    tasks: &[GramTask<'_>],
    options: GramOptions,
) -> Result<GramMerge, Singular> {
    let mut sum = Mat::<f64>::zeros(inputs, inputs);
    let mut rows = Vec::with_capacity(tasks.len());
    for task in tasks {
        let gram = task.inputs.mean_gram(options.off_diagonal) * task.weight;
        if let Some(factors) = task.factors {
            rows.push(linalg::product(gram.as_ref(), factors.at.as_ref()));
        }
        sum += gram;
    }
    let ridge = options.ridge * (0..inputs).map(|n| sum[(n, n)]).sum::<f64>() / inputs.max(1) as f64;
    (0..inputs).for_each(|n| sum[(n, n)] += ridge);
    let cholesky = sum.llt(Side::Lower).map_err(|_| Singular)?;
    let at = linalg::side_by_side(inputs, rows.iter().map(Mat::as_ref));
    let at = cholesky.solve(&at);
    let condition = largest(inputs, |x| linalg::product(sum.as_ref(), x)) * largest(inputs, |x| cholesky.solve(x));
    if !condition.is_finite() || !(0..at.ncols()).all(|col| at.col(col).iter().all(|x| x.is_finite())) {
        return Err(Singular);
    }
    let b = tasks.iter().filter_map(|task| task.factors).map(|factors| factors.b.as_ref());
    Ok(GramMerge { b: linalg::side_by_side(outputs, b), a: at.transpose().to_owned(), condition })
}

/// The largest eigenvalue of a positive definite map, from below.
fn largest(size: usize, map: impl Fn(MatRef<'_, f64>) -> Mat<f64>) -> f64 {
    // Any start does that is orthogonal to no eigenvector; this one has no structure that a layer's inputs share.
    let mut x = Mat::from_fn(size, 1, |row, _| 1.0 + ((row * 7919) % 104_729) as f64 / 104_729.0 - 0.4);
    let mut value = 0.0;
    for _ in 0..STEPS {
        let norm = x.norm_l2();
        x = map((x * (1.0 / norm)).as_ref());
        value = x.norm_l2();
    }
    value
}

#[cfg(test)]
pub(crate) mod tests;
