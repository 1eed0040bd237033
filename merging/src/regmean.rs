//! RegMean: merges by the inputs that modules take in the tasks' own models.

mod error;
mod inputs;
mod layerwise;

pub use error::InputMergeError;
pub(crate) use inputs::{InputMerge, gram_bytes, inputs_of, merge_all, of_tasks};
pub(crate) use layerwise::merge_solved;
pub use layerwise::{LAYER_ENTRY_BYTES, LayerMerge, SolvedModule};

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
    pub(crate) quality: SolveQuality,
}

/// How far the solution of a system can be trusted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SolveQuality {
    /// An estimate of the condition number of the matrix that was inverted.
    pub(crate) condition: f64,
    /// `‖X·S − N‖ / ‖N‖` of the solution X of `X·S = N`; 0 where N is 0.
    pub(crate) residual: f64,
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
/// `f64`, Cholesky on one thread: O(I³/3 + R·I²). The Gram matrix of one task is in memory at a time, beside their sum:
/// [`GRAM_ENTRY_BYTES`] for each entry. The condition number is estimated by power iterations, within a factor of about
/// two. A ridge shrinks the result towards 0.
///
/// # Errors
/// [`Singular`]: S has no Cholesky decomposition.
///
/// # Source
/// RegMean (arXiv:2212.09849), equation 2 with the reduction of the entries off the diagonal. The factored form is
/// exact: `W = (Σ W_t·G_t)·S⁻¹` with `W_t = W_0 + B_t·A_t` and no ridge is `W_0 + ΔW`.
pub(crate) struct GramSums {
    options: GramOptions,
    /// S without the ridge.
    sum: Mat<f64>,
    /// `w_t·G_t·A_tᵀ` of the tasks that have an update.
    rows: Vec<Mat<f64>>,
    /// `B_t` of the same.
    b: Vec<Mat<f64>>,
}

/// Bytes for each entry `[I, I]` of a Gram matrix while a weight is merged: the sum, the Gram matrix of one task, and its
/// lower triangle, in 64 bits. The Cholesky decomposition takes the place of the last two.
pub(crate) const GRAM_ENTRY_BYTES: u64 = 20;

impl GramSums {
    /// Sums over no tasks, for inputs of this width.
    pub(crate) fn new(inputs: usize, options: GramOptions) -> Self {
        Self { options, sum: Mat::zeros(inputs, inputs), rows: Vec::new(), b: Vec::new() }
    }

    /// Adds a task.
    pub(crate) fn add(&mut self, task: &GramTask<'_>) {
        let gram = task.inputs.weighed_gram(self.options.off_diagonal, task.weight);
        if let Some(Factors { b, at }) = task.factors {
            self.rows.push(linalg::product(gram.as_ref(), at.as_ref()));
            self.b.push(b.clone());
        }
        self.sum += gram;
    }

    /// The merge of a weight with this many outputs.
    pub(crate) fn solve(mut self, outputs: usize) -> Result<GramMerge, Singular> {
        let inputs = self.sum.nrows();
        let sum = &mut self.sum;
        let ridge = self.options.ridge * (0..inputs).map(|n| sum[(n, n)]).sum::<f64>() / inputs.max(1) as f64;
        (0..inputs).for_each(|n| sum[(n, n)] += ridge);
        let cholesky = self.sum.llt(Side::Lower).map_err(|_| Singular)?;
        let wanted = linalg::side_by_side(inputs, self.rows.iter().map(Mat::as_ref));
        let at = cholesky.solve(&wanted);
        let times_sum = |x: MatRef<'_, f64>| linalg::product(self.sum.as_ref(), x);
        let condition = largest(inputs, times_sum) * largest(inputs, |x| cholesky.solve(x));
        if !condition.is_finite() || !(0..at.ncols()).all(|col| at.col(col).iter().all(|x| x.is_finite())) {
            return Err(Singular);
        }
        let residual = relative_residual(&times_sum(at.as_ref()), &wanted);
        let b = linalg::side_by_side(outputs, self.b.iter().map(Mat::as_ref));
        Ok(GramMerge { b, a: at.transpose().to_owned(), quality: SolveQuality { condition, residual } })
    }
}

/// `‖found − wanted‖ / ‖wanted‖`; 0 where nothing is wanted.
pub(crate) fn relative_residual(found: &Mat<f64>, wanted: &Mat<f64>) -> f64 {
    let norm = wanted.norm_l2();
    if norm > 0.0 { (found - wanted).norm_l2() / norm } else { 0.0 }
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
