use super::InnerProducts;

/// The coefficient of every task in Model Stock: the mean of the updates, drawn towards the base.
///
/// With N tasks and c the mean of the cosines of all pairs of updates, ΔW = t·(1/N)Σₜ ΔWₜ and
/// t = N·c/(1 + (N − 1)·c), by matrix. If all updates are equal, t = 1; if they are orthogonal, t = 0. Where c is
/// negative, t is 0 as well.
///
/// # Shapes
/// `products` of N updates of one weight, at least two. Result: t/N, the coefficient of every update.
///
/// # Numerics
/// `f64`. A zero update has the cosine 0 with all others. Inner products do not depend on the basis.
///
/// # Source
/// Model Stock (arXiv:2403.19522), equation 4, with the mean of cosines that mergekit takes for N > 2. mergekit also
/// lets t be negative, and arbitrarily large near c = −1/(N − 1).
///
/// # Examples
/// Two updates at 60° (c = 0.5) have t = 2/3, so each has the coefficient 1/3.
pub(crate) fn model_stock(products: &InnerProducts) -> f64 {
    let count = products.count();
    let pairs = (0..count).flat_map(|left| (left + 1..count).map(move |right| (left, right)));
    let cosines: Vec<f64> = pairs.map(|(left, right)| products.cosine(left, right)).collect();
    if cosines.is_empty() {
        return 1.0;
    }
    let cosine = (cosines.iter().sum::<f64>() / cosines.len() as f64).max(0.0);
    cosine / (1.0 + (count as f64 - 1.0) * cosine)
}

#[cfg(test)]
mod tests {
    use super::{InnerProducts, model_stock};
    use faer::Mat;

    fn coefficient(vectors: &[[f64; 2]]) -> f64 {
        let tasks: Vec<_> = vectors.iter().map(|vector| Mat::from_fn(1, 2, |_, col| vector[col])).collect();
        model_stock(&InnerProducts::of_matrices(&tasks))
    }

    #[test]
    fn the_closer_the_updates_the_more_of_their_mean_stays() {
        assert!((coefficient(&[[1.0, 0.0], [0.5, 0.75f64.sqrt()]]) - 1.0 / 3.0).abs() < 1e-12);
        assert!((coefficient(&[[1.0, 2.0]; 4]) - 0.25).abs() < 1e-12);
        assert!(coefficient(&[[1.0, 0.0], [0.0, 1.0]]).abs() < 1e-12);
        assert!(coefficient(&[[1.0, 0.0], [-1.0, 0.1]]).abs() < 1e-12);
    }
}
