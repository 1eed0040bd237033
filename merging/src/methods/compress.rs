use super::NUMERICALLY_THERE;
use crate::linalg::{self, NoConvergence, SymmetricEigen};
use faer::{Mat, MatRef};

/// Bases that move less than this in one round have converged.
const SETTLED: f64 = 1e-8;

/// Rounds after which the iteration ends in any case.
const MOST_ROUNDS: usize = 1000;

/// Task matrices in two common bases of a given rank.
#[derive(Debug)]
pub(crate) struct Compressed {
    /// Û, `[p, r]`, orthonormal columns.
    pub(crate) left: Mat<f64>,
    /// V̂, `[q, r]`, orthonormal columns.
    pub(crate) right: Mat<f64>,
    /// Cₜ = ÛᵀMₜV̂, `[r, r]` each.
    pub(crate) cores: Vec<Mat<f64>>,
    /// How many rounds the iteration took.
    pub(crate) rounds: usize,
    /// Whether the bases came to rest. If not, elementwise merges of the cores depend on the number of rounds.
    pub(crate) has_converged: bool,
}

/// Compress-then-Merge: the two bases of rank r that keep the most of all tasks, and the tasks in them.
///
/// With nₜ = ‖Mₜ‖_F and n̄ their mean over the tasks that are not zero, Xₜ = Mₜ·(βnₜ + (1 − β)n̄)/nₜ. Û and V̂ maximise
/// Σ‖ÛᵀXₜV̂‖² (a Tucker-2 decomposition) by higher-order orthogonal iteration: they start as the leading eigenvectors
/// of ΣXₜXₜᵀ and ΣXₜᵀXₜ; each round replaces Û by the r leading eigenvectors of Σ(XₜV̂)(XₜV̂)ᵀ, then V̂ by those of
/// Σ(XₜᵀÛ)(XₜᵀÛ)ᵀ. The cores come from Mₜ, not from Xₜ.
///
/// # Shapes
/// `tasks` `[p, q]` each, at least one; `rank` r ≥ 1, of which min(r, rank of the stacks) directions are kept on each
/// side; `balance` β in [0, 1]: 0 gives all tasks the same weight, 1 lets large updates decide. The method uses only
/// products and norms, so it gives the same bases on ΔW and on the cores of a space with orthonormal bases.
///
/// # Numerics
/// `f64`; eigenvectors of Gram matrices, in the order of falling eigenvalues, each with the sign that makes its
/// largest entry positive. Directions with σ ≤ 1e-6 of the largest count as zero. The iteration ends when neither
/// basis moves by more than 1e-8, at the latest after 1000 rounds (`has_converged` is false then). A round costs
/// O(Tpqr + p³ + q³).
///
/// # Errors
/// An eigenvalue iteration that does not converge.
///
/// # Source
/// Compress-then-Merge and its code, which ends the iteration where the relative change of the error is below 1e-6.
/// Its cores then differ from the fixed point by up to 6 %. Signs and order do not change what TIES makes of the cores.
pub(crate) fn compress(tasks: &[Mat<f64>], rank: usize, balance: f64) -> Result<Compressed, NoConvergence> {
    let balanced = balanced(tasks, balance);
    let mut left = leading(balanced.iter().map(Mat::as_ref), rank)?;
    let mut right = leading(balanced.iter().map(|task| task.transpose()), rank)?;
    let mut rounds = 0;
    let mut has_converged = false;
    while rounds < MOST_ROUNDS && !has_converged {
        let narrow: Vec<_> = balanced.iter().map(|task| linalg::product(task.as_ref(), right.as_ref())).collect();
        let next_left = leading(narrow.iter().map(Mat::as_ref), rank)?;
        let narrow: Vec<_> =
            balanced.iter().map(|task| linalg::product(task.transpose(), next_left.as_ref())).collect();
        let next_right = leading(narrow.iter().map(Mat::as_ref), rank)?;
        has_converged = moved(&next_left, &left) < SETTLED && moved(&next_right, &right) < SETTLED;
        left = next_left;
        right = next_right;
        rounds += 1;
    }
    for basis in [&mut left, &mut right] {
        let signs = linalg::canonical_signs(basis);
        linalg::scale_columns(basis, &signs);
    }
    let core = |task: &Mat<f64>| {
        let narrow = linalg::product(task.as_ref(), right.as_ref());
        linalg::product(left.transpose(), narrow.as_ref())
    };
    let cores = tasks.iter().map(core).collect();
    Ok(Compressed { left, right, cores, rounds, has_converged })
}

/// The task matrices with norms moved towards their mean; zero matrices stay zero.
fn balanced(tasks: &[Mat<f64>], balance: f64) -> Vec<Mat<f64>> {
    let norms: Vec<f64> = tasks.iter().map(|task| task.norm_l2()).collect();
    let present = norms.iter().filter(|norm| **norm > 0.0).count();
    let mean = norms.iter().sum::<f64>() / present.max(1) as f64;
    let scaled = |(task, norm): (&Mat<f64>, &f64)| {
        let target = balance * norm + (1.0 - balance) * mean;
        if *norm > 0.0 { task * faer::Scale(target / norm) } else { task.clone() }
    };
    tasks.iter().zip(&norms).map(scaled).collect()
}

/// The `count` leading left singular vectors of the matrices side by side.
fn leading<'a>(parts: impl Iterator<Item = MatRef<'a, f64>>, count: usize) -> Result<Mat<f64>, NoConvergence> {
    let parts: Vec<_> = parts.collect();
    let side = linalg::side_by_side(parts.first().map_or(0, |part| part.nrows()), parts);
    let gram = linalg::product(side.as_ref(), side.transpose());
    let there = NUMERICALLY_THERE * NUMERICALLY_THERE;
    Ok(SymmetricEigen::new(gram.as_ref())?.leading(count, there).to_owned())
}

/// How far the columns of `new` lie outside the space of `old`.
fn moved(new: &Mat<f64>, old: &Mat<f64>) -> f64 {
    let inside = linalg::product(old.transpose(), new.as_ref());
    (new - linalg::product(old.as_ref(), inside.as_ref())).norm_l2()
}

#[cfg(test)]
mod tests {
    use super::compress;
    use faer::Mat;

    fn diagonal(entries: &[f64]) -> Mat<f64> {
        Mat::from_fn(entries.len(), entries.len(), |row, col| if row == col { entries[row] } else { 0.0 })
    }

    #[test]
    fn the_balance_decides_between_large_updates_and_all_updates_alike() {
        // Alone, the first task is ten times as large; with equal norms, the second direction is common to both.
        let tasks = [diagonal(&[10.0, 8.0]), diagonal(&[0.0, 1.0])];
        let by_size = compress(&tasks, 1, 1.0).unwrap();
        let alike = compress(&tasks, 1, 0.0).unwrap();
        assert!(by_size.left[(0, 0)] > 0.99, "{:?}", by_size.left);
        assert!(alike.left[(1, 0)] > 0.99, "{:?}", alike.left);
        assert!((alike.cores[0][(0, 0)] - 8.0).abs() < 1e-12, "cores keep the size of the tasks");
    }

    #[test]
    fn a_rank_as_large_as_the_stack_loses_nothing() {
        let tasks = [diagonal(&[3.0, 2.0, 0.0]), diagonal(&[1.0, 0.0, 0.0]), Mat::zeros(3, 3)];
        let compressed = compress(&tasks, 3, 0.25).unwrap();
        assert!(compressed.has_converged);
        assert_eq!(compressed.left.ncols(), 2);
        for (task, core) in tasks.iter().zip(&compressed.cores) {
            let back = &compressed.left * core * compressed.right.transpose();
            assert!((back - task).norm_l2() < 1e-12);
        }
    }

    #[test]
    fn updates_that_are_all_zero_have_no_directions() {
        let compressed = compress(&[Mat::zeros(4, 3), Mat::zeros(4, 3)], 2, 0.5).unwrap();
        assert_eq!((compressed.left.shape(), compressed.right.shape()), ((4, 0), (3, 0)));
    }
}
