use super::kmeans::k_means;
use crate::{align::Factors, linalg};
use faer::Mat;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

/// The settings of LoRA-LEGO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lego {
    /// The rank of the merge, k ≥ 1.
    pub(crate) rank: usize,
    pub(crate) seed: u64,
}

/// LoRA-LEGO: the rank-one directions of all adapters are grouped, and every group becomes one direction.
///
/// Direction j of an adapter is the vector zⱼ = [aⱼ; bⱼ] of its row of A and its column of B. k-means makes k groups of
/// the N directions of all adapters. The direction of a group is its mean, times mean‖zⱼ‖_∞ of its members over
/// ‖mean‖_∞. B is multiplied with √(N/k), for the merge has k directions where the sum has N.
///
/// # Shapes
/// `tasks`: B `[O, rₜ]` with scale and weight in it, Aᵀ `[I, rₜ]`; ranks may differ. Returns B and Aᵀ with min(k, N)
/// columns.
///
/// # Numerics
/// `f64`. The groups depend on the seed and the name of the matrix, not on the number of threads. The result changes if
/// the directions of an adapter are rotated, or if B is scaled by c and A by 1/c, although the update does not.
///
/// # Source
/// LoRA-LEGO (arXiv:2409.16167), as in compress-then-merge, which takes k-means of scikit-learn without a seed.
pub(crate) fn lego(tasks: &[Factors], settings: Lego, matrix: &str) -> Factors {
    let rows = tasks.first().map_or(0, |task| task.b.nrows());
    let cols = tasks.first().map_or(0, |task| task.at.nrows());
    let b = linalg::side_by_side(rows, tasks.iter().map(|task| task.b.as_ref()));
    let at = linalg::side_by_side(cols, tasks.iter().map(|task| task.at.as_ref()));
    let count = b.ncols();
    let clusters = settings.rank.min(count);
    let gram = linalg::product(b.transpose(), b.as_ref()) + linalg::product(at.transpose(), at.as_ref());
    let labels = k_means(&gram, clusters, &mut ChaCha8Rng::from_seed(key(settings.seed, matrix)));
    let spread = (count as f64 / clusters.max(1) as f64).sqrt();
    let mut merged = Factors { b: Mat::zeros(rows, clusters), at: Mat::zeros(cols, clusters) };
    for cluster in 0..clusters {
        let members: Vec<usize> = (0..count).filter(|point| labels[*point] == cluster).collect();
        let mean = Factors { b: mean(&b, &members), at: mean(&at, &members) };
        let size = members.iter().map(|point| largest(&b, *point).max(largest(&at, *point))).sum::<f64>();
        let of_mean = largest(&mean.b, 0).max(largest(&mean.at, 0));
        let factor = if of_mean > 0.0 { size / members.len() as f64 / of_mean } else { 0.0 };
        write(&mut merged.b, cluster, &mean.b, factor * spread);
        write(&mut merged.at, cluster, &mean.at, factor);
    }
    merged
}

fn mean(factor: &Mat<f64>, members: &[usize]) -> Mat<f64> {
    let entry = |row: usize| members.iter().map(|col| factor[(row, *col)]).sum::<f64>() / members.len() as f64;
    Mat::from_fn(factor.nrows(), 1, |row, _| entry(row))
}

fn largest(factor: &Mat<f64>, col: usize) -> f64 {
    factor.col(col).iter().fold(0.0, |largest, entry| entry.abs().max(largest))
}

fn write(to: &mut Mat<f64>, col: usize, from: &Mat<f64>, factor: f64) {
    to.col_mut(col).iter_mut().zip(from.col(0).iter()).for_each(|(to, from)| *to = factor * from);
}

fn key(seed: u64, matrix: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("bowline merging 2026-11 lora-lego groups");
    hasher.update(&seed.to_le_bytes()).update(matrix.as_bytes());
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::{Lego, lego};
    use crate::align::Factors;
    use faer::Mat;

    fn one(b: [f64; 2], a: [f64; 3]) -> Factors {
        Factors { b: Mat::from_fn(2, 1, |row, _| b[row]), at: Mat::from_fn(3, 1, |row, _| a[row]) }
    }

    #[test]
    fn as_many_groups_as_directions_leave_the_sum() {
        let tasks = [one([1.0, 0.0], [2.0, 0.0, 1.0]), one([0.0, 3.0], [0.0, -1.0, 0.0])];
        let merged = lego(&tasks, Lego { rank: 2, seed: 7 }, "m");
        let sum = &tasks[0].b * tasks[0].at.transpose() + &tasks[1].b * tasks[1].at.transpose();
        assert!((&merged.b * merged.at.transpose() - sum).norm_l2() < 1e-12);
    }

    #[test]
    fn a_group_is_as_large_as_its_members_are_on_average() {
        // Members (2, 0 | 0, 0, 1) and (0, 4 | 0, 0, 1): their mean is (1, 2 | 0, 0, 1), with 2 as largest entry, and
        // 3 is the mean of theirs. Two directions become one: B is multiplied with √2.
        let tasks = [one([2.0, 0.0], [0.0, 0.0, 1.0]), one([0.0, 4.0], [0.0, 0.0, 1.0])];
        let merged = lego(&tasks, Lego { rank: 1, seed: 7 }, "m");
        assert!((merged.at[(2, 0)] - 1.5).abs() < 1e-12);
        assert!((merged.b[(1, 0)] - 3.0 * 2f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn updates_that_are_zero_stay_zero() {
        let merged = lego(&[one([0.0; 2], [0.0; 3]), one([0.0; 2], [0.0; 3])], Lego { rank: 1, seed: 1 }, "m");
        assert!(merged.b.norm_l2() + merged.at.norm_l2() < 1e-300);
    }
}
