use super::{
    MergeError,
    blocks::Block,
    budget::triplets,
    cart,
    combination::MatrixMethod,
    drop::EntryDrop,
    gram,
    threshold::{Thresholds, thresholds},
};
use crate::{
    Aligned,
    align::AlignedMatrix,
    linalg::{self, NoConvergence, ThinSvd},
    regmean::SolveQuality,
};
use faer::Mat;
use jobs::{Gram, Recipe, Space};
use rayon::prelude::*;

/// Directions below this share of the largest are rounding noise of `f32` task matrices.
const NUMERICALLY_THERE: f64 = 1e-6;

/// A combined matrix.
pub(super) struct Combined {
    pub(super) matrix: Mat<f64>,
    /// How the system was solved that it is the solution of, if there was one.
    pub(super) quality: Option<SolveQuality>,
}

impl From<Mat<f64>> for Combined {
    fn from(matrix: Mat<f64>) -> Self {
        Self { matrix, quality: None }
    }
}

/// Merges the task matrices of every weight as matrices, after drop, trim and weights.
///
/// Both spaces have orthonormal bases, so the singular values of a task matrix are those of its update, and the
/// methods, which use nothing but singular directions, give the same merged update in `knots` and `core` as they
/// would on ΔW itself; except that there, in the full space, they would fill up with arbitrary null directions of the
/// low-rank updates.
///
/// # Numerics
/// SVDs in `f64`. Directions with σ ≤ 1e-6 of the largest count as zero.
///
/// # Errors
/// An SVD that does not converge; `tsv` of more tasks than a weight has directions.
pub(super) fn merge(aligned: &Aligned, recipe: &Recipe, method: MatrixMethod) -> Result<Vec<Combined>, MergeError> {
    let drop = EntryDrop::of(aligned, recipe);
    let thresholds = thresholds(aligned, recipe, drop.as_ref());
    let entries = Entries { aligned, thresholds: &thresholds, drop: drop.as_ref() };
    let matrices = aligned.matrices.par_iter().enumerate();
    let merged = matrices.map(|(index, matrix)| {
        let tasks: Vec<_> = (0..aligned.tasks.len()).map(|task| entries.of(index, task)).collect();
        let kept = match method {
            MatrixMethod::Tsv => kept_of(aligned, recipe, matrix)?,
            MatrixMethod::IsoC
            | MatrixMethod::IsoCts { .. }
            | MatrixMethod::GramMerge { .. }
            | MatrixMethod::Cart { .. }
            | MatrixMethod::Coefficients(_) => Vec::new(),
        };
        let inputs = Inputs {
            tasks,
            weights: aligned.tasks.iter().map(|task| recipe.weight(task)).collect(),
            ranks: matrix.ranks.clone(),
            shape: matrix.entry_shape(),
            is_transposed: matrix.is_transposed(),
            kept,
            directions: matrix.directions(recipe.space),
        };
        inputs.combine(method).map_err(|_| MergeError::NoConvergence { module: matrix.name.clone() })
    });
    merged.collect()
}

/// What a method works on, of one weight.
struct Inputs {
    /// The task matrices after drop and trim, without their weights.
    tasks: Vec<Mat<f64>>,
    weights: Vec<f64>,
    /// The rank of every task's update; 0 where an adapter lacks the module.
    ranks: Vec<usize>,
    shape: [usize; 2],
    /// Whether the rows of the task matrices are on the side of the weight's inputs.
    is_transposed: bool,
    /// The singular triplets that `tsv` keeps of every task.
    kept: Vec<usize>,
    /// How many directions a matrix of the recipe's space has room for.
    directions: usize,
}

impl Inputs {
    fn combine(self, method: MatrixMethod) -> Result<Combined, NoConvergence> {
        let shape = self.shape;
        Ok(match method {
            MatrixMethod::IsoC => iso_c(&self.weighed(), shape)?.into(),
            MatrixMethod::IsoCts { common_share } => iso_cts(&self.weighed(), shape, common_share)?.into(),
            MatrixMethod::Tsv => tsv(&self.weighed(), &self.kept, shape)?.into(),
            MatrixMethod::GramMerge { gram, ridge } => self.gram_merge(gram, ridge)?,
            MatrixMethod::Cart { rank_share, residual_scale } => {
                let kept = cart::kept(rank_share, self.directions);
                cart::cart(&self.taking_part(), shape, kept, residual_scale)?.into()
            }
            MatrixMethod::Coefficients(rule) => rule.merge(&self.tasks, &self.weights, shape).into(),
        })
    }

    /// The Gram matrices are those of the inputs, on whatever side these are.
    fn gram_merge(self, source: Gram, ridge: f64) -> Result<Combined, NoConvergence> {
        if !self.is_transposed {
            return gram::merge(&gram::of_updates(&self.tasks, &self.weights, source), self.shape, ridge);
        }
        let tasks: Vec<_> = self.tasks.iter().map(|task| task.transpose().to_owned()).collect();
        let [rows, cols] = self.shape;
        let merged = gram::merge(&gram::of_updates(&tasks, &self.weights, source), [cols, rows], ridge)?;
        Ok(Combined { matrix: merged.matrix.transpose().to_owned(), ..merged })
    }

    /// The task matrices times their weights, of the tasks that have an update of the weight and a share in the merge.
    fn taking_part(&self) -> Vec<Mat<f64>> {
        let tasks = self.weighed().into_iter().zip(&self.ranks).zip(&self.weights);
        tasks.filter(|((_, rank), weight)| **rank > 0 && weight.abs() > 0.0).map(|((task, _), _)| task).collect()
    }

    /// The task matrices times their weights.
    fn weighed(&self) -> Vec<Mat<f64>> {
        self.tasks.iter().zip(&self.weights).map(|(task, weight)| task * faer::Scale(*weight)).collect()
    }
}

/// How many singular triplets of each task TSV-Merge keeps of a weight. A task of weight 0 has no share.
fn kept_of(aligned: &Aligned, recipe: &Recipe, matrix: &AlignedMatrix) -> Result<Vec<usize>, MergeError> {
    let [rows, cols] = matrix.shape;
    let basis = basis_rank(recipe.space, matrix);
    let directions = basis.unwrap_or(rows.min(cols));
    let takes_part = |task: &String| recipe.weight(task).abs() > 0.0;
    let ranks = matrix.ranks.iter().zip(&aligned.tasks);
    let ranks: Vec<usize> = ranks
        .map(|(rank, task)| if takes_part(task) { basis.map_or(*rank, |basis| basis.min(*rank)) } else { 0 })
        .collect();
    triplets(&ranks, directions).ok_or_else(|| MergeError::TooFewDirections {
        module: matrix.name.clone(),
        tasks: ranks.iter().filter(|rank| **rank > 0).count(),
        directions,
    })
}

/// How many orthonormal columns both sides of the task matrices have room for, in spaces whose bases do not span all updates
/// and so have fewer than the weight.
fn basis_rank(space: Space, matrix: &AlignedMatrix) -> Option<usize> {
    let [rows, cols] = matrix.shape;
    match space {
        Space::Compressed { .. } | Space::CoreGeodesic => Some(rows.min(cols).min(matrix.directions(space))),
        Space::Full | Space::Core | Space::CoreQr | Space::Knots { .. } | Space::Dc { .. } => None,
    }
}

/// The task matrices after drop and trim.
struct Entries<'a> {
    aligned: &'a Aligned,
    thresholds: &'a Thresholds,
    drop: Option<&'a EntryDrop>,
}

impl Entries<'_> {
    fn of(&self, matrix: usize, task: usize) -> Mat<f64> {
        let [rows, cols] = self.aligned.matrices[matrix].entry_shape();
        let mut scratch = Vec::new();
        let entries = self.aligned.dropped(&Block { matrix, rows: 0..rows }, task, self.drop, &mut scratch);
        let Some(entries) = entries else { return Mat::zeros(rows, cols) };
        let band = self.thresholds.of(matrix, task);
        Mat::from_fn(rows, cols, |row, col| {
            let entry = entries[row * cols + col];
            if band.keeps(entry) { f64::from(entry) * f64::from(band.scale) } else { 0.0 }
        })
    }
}

/// TSV-Merge: the tasks' singular vectors side by side, made orthogonal.
///
/// With Mₜ ≈ UₜΣₜVₜᵀ, kₜ leading triplets of each: M = polar([U₁ … Uₙ]) · blkdiag(Σ₁ … Σₙ) · polar([V₁ … Vₙ])ᵀ, where
/// polar(X) = PQᵀ for X = PΣQᵀ. Since Σkₜ is at most the number of directions, polar(X) has orthonormal columns, and
/// the merge has the singular values Σ₁ … Σₙ; unless tasks share directions, which then share one column's length.
///
/// # Shapes
/// `tasks` `[p, q]` each; `kept`: kₜ, see [`triplets`]. Result `[p, q]`.
///
/// # Source
/// TSV-Merge (arXiv:2412.00081), equations 6 to 9. The authors' polar() also fills null directions, which are
/// arbitrary; here they are left out.
fn tsv(tasks: &[Mat<f64>], kept: &[usize], [rows, cols]: [usize; 2]) -> Result<Mat<f64>, NoConvergence> {
    let svds = tasks
        .iter()
        .zip(kept)
        .filter(|(_, kept)| **kept > 0)
        .map(|(task, kept)| Ok(ThinSvd::new(task.as_ref())?.above(NUMERICALLY_THERE).leading(*kept)));
    let svds = svds.collect::<Result<Vec<_>, NoConvergence>>()?;
    let sigma: Vec<_> = svds.iter().flat_map(|svd| svd.sigma.iter().copied()).collect();
    let mut u = polar(linalg::side_by_side(rows, svds.iter().map(|svd| svd.u.as_ref())))?;
    let v = polar(linalg::side_by_side(cols, svds.iter().map(|svd| svd.v.as_ref())))?;
    linalg::scale_columns(&mut u, &sigma);
    Ok(linalg::product(u.as_ref(), v.transpose()))
}

/// Iso-C: the sum of the updates with a flat spectrum.
///
/// With Σₜ Mₜ = UΣVᵀ of rank r: M = mean(σ₁ … σᵣ) · UVᵀ.
///
/// # Source
/// Iso-C (arXiv:2502.04959), section 4.1. The authors take the mean over all min(O, I) singular values of the weight
/// and also raise null directions to it; here r counts the directions that are there, which is the same for sums of
/// full rank. So their λ is ours times min(O, I)/r.
fn iso_c(tasks: &[Mat<f64>], [rows, cols]: [usize; 2]) -> Result<Mat<f64>, NoConvergence> {
    let svd = ThinSvd::new(sum(tasks, [rows, cols]).as_ref())?.above(NUMERICALLY_THERE);
    let mean = mean(&svd.sigma);
    Ok(linalg::product(svd.u.as_ref(), svd.v.transpose()) * faer::Scale(mean))
}

/// Iso-CTS: directions of the sum, directions that only single tasks have, one spectrum.
///
/// Of D = min(p, q) directions, c come from the sum's leading ones U_c, V_c, and (D − c)/n from each task's residual
/// (1 − U_cU_cᵀ)Mₜ; both sides are made orthogonal as in TSV-Merge, and every σ becomes the mean of those collected.
///
/// # Shapes
/// As `tsv`. `share` in (0, 1]: c is ⌊share · D⌋, moved so that n divides D − c.
///
/// # Source
/// Iso-CTS (arXiv:2502.04959), algorithm 1 with the authors' rounding of c. Directions with σ = 0 are left out on
/// both sides.
fn iso_cts(tasks: &[Mat<f64>], [rows, cols]: [usize; 2], share: f64) -> Result<Mat<f64>, NoConvergence> {
    let (common, own) = split(rows.min(cols), tasks.len(), share);
    let shared = ThinSvd::new(sum(tasks, [rows, cols]).as_ref())?.above(NUMERICALLY_THERE).leading(common);
    let mut parts = Vec::with_capacity(tasks.len() + 1);
    for task in tasks {
        let inside = linalg::product(shared.u.transpose(), task.as_ref());
        let residual = task - linalg::product(shared.u.as_ref(), inside.as_ref());
        let scale = task.norm_l2();
        // Against the task itself: a residual that is rounding noise has no directions.
        let svd = ThinSvd::new(residual.as_ref())?;
        let there = svd.sigma.iter().take_while(|sigma| **sigma > NUMERICALLY_THERE * scale).count();
        parts.push(svd.leading(own.min(there)));
    }
    parts.push(shared);
    let sigma: Vec<_> = parts.iter().flat_map(|part| part.sigma.iter().copied()).collect();
    let u = polar(linalg::side_by_side(rows, parts.iter().map(|part| part.u.as_ref())))?;
    let v = polar(linalg::side_by_side(cols, parts.iter().map(|part| part.v.as_ref())))?;
    Ok(linalg::product(u.as_ref(), v.transpose()) * faer::Scale(mean(&sigma)))
}

/// How many of `size` directions are common, and how many each of `tasks` tasks adds.
fn split(size: usize, tasks: usize, share: f64) -> (usize, usize) {
    let common = (size as f64 * share).floor() as usize;
    // Round half to even, as Python does.
    let own = ((size - common) as f64 / tasks as f64).round_ties_even() as usize;
    let own = own.min(size / tasks);
    (size - own * tasks, own)
}

pub(super) fn sum(tasks: &[Mat<f64>], [rows, cols]: [usize; 2]) -> Mat<f64> {
    tasks.iter().fold(Mat::zeros(rows, cols), |sum, task| sum + task)
}

fn mean(sigma: &[f64]) -> f64 {
    sigma.iter().sum::<f64>() / sigma.len().max(1) as f64
}

/// The nearest matrix with orthonormal columns (or rows), on the directions that are there.
fn polar(matrix: Mat<f64>) -> Result<Mat<f64>, NoConvergence> {
    let svd = ThinSvd::new(matrix.as_ref())?.above(NUMERICALLY_THERE);
    Ok(linalg::product(svd.u.as_ref(), svd.v.transpose()))
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn common_directions_leave_a_multiple_of_the_tasks() {
        assert_eq!(split(128, 8, 0.8), (104, 3));
        assert_eq!(split(32, 2, 1.0), (32, 0));
        assert_eq!(split(3, 8, 0.8), (3, 0));
    }
}
