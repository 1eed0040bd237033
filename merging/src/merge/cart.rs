use crate::linalg::{self, NoConvergence, ThinSvd};
use faer::Mat;

/// CART: the mean of the updates, and the leading directions of each one's difference to it.
///
/// With M̄ = (1/n)Σₜ Mₜ: M = M̄ + s·Σₜ rank_k(Mₜ − M̄), where rank_k is the nearest matrix of rank k.
///
/// # Shapes
/// `tasks` `[p, q]` each, of the tasks that take part: one of weight 0 or without the module would draw the mean, and
/// so the differences, towards 0; `kept` = k = ⌈share·D⌉, where D is the number of directions of the space: min(O, I)
/// in `full` and min(p, q) in `core`. Result `[p, q]`.
///
/// # Numerics
/// SVDs in `f64`. With k = min(p, q) and s = 1/n the result is the mean: the differences add up to zero.
///
/// # Source
/// CART (arXiv:2412.12153), as core-space-merging (`core`) and merge-and-rebase (`full`) have it.
pub(super) fn cart(tasks: &[Mat<f64>], shape: [usize; 2], kept: usize, scale: f64) -> Result<Mat<f64>, NoConvergence> {
    let mean = super::matrixwise::sum(tasks, shape) * faer::Scale(1.0 / tasks.len().max(1) as f64);
    let mut merged = mean.clone();
    for task in tasks {
        let mut svd = ThinSvd::new((task - &mean).as_ref())?.leading(kept);
        linalg::scale_columns(&mut svd.u, &svd.sigma);
        merged += linalg::product(svd.u.as_ref(), svd.v.transpose()) * faer::Scale(scale);
    }
    Ok(merged)
}

/// ⌈share · `directions`⌉, at least one.
pub(super) fn kept(share: f64, directions: usize) -> usize {
    ((share * directions as f64).ceil() as usize).clamp(1, directions.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_directions_is_rounded_up() {
        assert_eq!(kept(0.16, 128), 21);
        assert_eq!(kept(0.04, 32), 2);
        assert_eq!(kept(1.0, 32), 32);
        assert_eq!(kept(1e-9, 32), 1);
    }

    #[test]
    fn all_directions_of_all_differences_add_up_to_nothing() {
        let tasks: Vec<Mat<f64>> =
            (0..3).map(|task| Mat::from_fn(4, 5, |row, col| ((task + 1) * (row + 2) * (col + 3) % 7) as f64)).collect();
        let mean = super::super::matrixwise::sum(&tasks, [4, 5]) * faer::Scale(1.0 / 3.0);
        let merged = cart(&tasks, [4, 5], 4, 0.7).unwrap();
        assert!((merged - mean).norm_l2() < 1e-12);
    }
}
