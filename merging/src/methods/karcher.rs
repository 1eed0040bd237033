use super::InnerProducts;

/// Updates that are shorter than this share of the longest have no direction.
const NO_DIRECTION: f64 = 1e-12;

/// When the iteration for the mean direction ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Stop {
    /// The longest step, in radians, that counts as none. mergekit's default is 1e-5.
    pub(crate) tolerance: f64,
    /// The largest number of steps. mergekit's default is 10.
    pub(crate) steps: usize,
}

/// The coefficients of the tasks in the Karcher mean of their directions, times the mean of their lengths.
///
/// With unit vectors uₜ = xₜ/‖xₜ‖ and weights αₜ that add up to 1, the mean m on the sphere minimises Σαₜ·θₜ², where θₜ
/// is the angle between m and uₜ. From m = Σαₜuₜ, normalised, each step follows v = Σαₜ·θₜ/sin θₜ·(uₜ − cos θₜ·m) to
/// cos‖v‖·m + sin‖v‖·v/‖v‖. The merge is (Σαₜ‖xₜ‖)·m. m is a sum of the updates, so only coefficients are computed.
///
/// # Shapes
/// `products` of T updates; as many `weights`, all ≥ 0 and not all 0. Result: cₜ, the merge is Σcₜxₜ.
///
/// # Numerics
/// `f64`, on the T×T inner products, which do not depend on the basis. Zero updates have no direction: the weights of
/// the others are brought to the sum 1 for m, but lengths are averaged over all. If directions cancel, m begins as the
/// first one.
///
/// # Source
/// Karcher (1977); mergekit's `karcher`, with equal weights and norms in `f32` (a difference of 4e-7).
///
/// # Examples
/// Two orthogonal updates of length 2 and 4 with equal weights: m = (u₁ + u₂)/√2, times 3.
pub(crate) fn karcher(products: &InnerProducts, weights: &[f64], stop: Stop) -> Vec<f64> {
    let norms: Vec<f64> = (0..products.count()).map(|task| products.norm(task)).collect();
    let longest = norms.iter().copied().fold(0.0, f64::max);
    let has_direction = |task: usize| norms[task] > NO_DIRECTION * longest && weights[task] > 0.0;
    let total: f64 = weights.iter().sum();
    let directed: f64 = (0..norms.len()).filter(|task| has_direction(*task)).map(|task| weights[task]).sum();
    if directed <= 0.0 {
        return vec![0.0; norms.len()];
    }
    let share = |task: usize| if has_direction(task) { weights[task] / directed } else { 0.0 };
    let sphere = Sphere { products, shares: (0..norms.len()).map(share).collect() };
    let mean = sphere.mean(stop);
    let length: f64 = weights.iter().zip(&norms).map(|(weight, norm)| weight / total * norm).sum();
    let coefficient = |(mean, norm): (&f64, &f64)| if *norm > 0.0 { length * mean / norm } else { 0.0 };
    mean.iter().zip(&norms).map(coefficient).collect()
}

/// The unit sphere in the span of the updates, by coefficients of their directions.
struct Sphere<'a> {
    products: &'a InnerProducts,
    shares: Vec<f64>,
}

impl Sphere<'_> {
    fn mean(&self, stop: Stop) -> Vec<f64> {
        let mut mean = self.shares.clone();
        let length = self.length(&mean);
        if length < NO_DIRECTION {
            let first = self.shares.iter().position(|share| *share > 0.0);
            mean = (0..mean.len()).map(|task| f64::from(u8::from(Some(task) == first))).collect();
        } else {
            mean.iter_mut().for_each(|entry| *entry /= length);
        }
        for _ in 0..stop.steps {
            let step = self.step(&mean);
            let length = self.length(&step);
            if length < stop.tolerance {
                break;
            }
            mean.iter_mut()
                .zip(&step)
                .for_each(|(mean, step)| *mean = length.cos() * *mean + length.sin() / length * step);
            let length = self.length(&mean);
            mean.iter_mut().for_each(|entry| *entry /= length);
        }
        mean
    }

    /// The tangent vector towards the mean.
    fn step(&self, mean: &[f64]) -> Vec<f64> {
        let mut step = vec![0.0; mean.len()];
        for (task, share) in self.shares.iter().enumerate().filter(|(_, share)| **share > 0.0) {
            let cosine: f64 = (0..mean.len()).map(|other| mean[other] * self.products.cosine(other, task)).sum();
            let cosine = cosine.clamp(-1.0, 1.0);
            let angle = cosine.acos();
            let stretch = if angle.sin() > NO_DIRECTION { angle / angle.sin() } else { 1.0 };
            step.iter_mut().zip(mean).for_each(|(step, mean)| *step -= share * stretch * cosine * mean);
            step[task] += share * stretch;
        }
        step
    }

    fn length(&self, vector: &[f64]) -> f64 {
        let row = |left: usize| -> f64 {
            (0..vector.len()).map(|right| vector[right] * self.products.cosine(left, right)).sum()
        };
        (0..vector.len()).map(|left| vector[left] * row(left)).sum::<f64>().max(0.0).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::{InnerProducts, Stop, karcher};
    use faer::Mat;

    const STOP: Stop = Stop { tolerance: 1e-12, steps: 100 };

    fn products(vectors: &[[f64; 3]]) -> InnerProducts {
        let tasks: Vec<_> = vectors.iter().map(|vector| Mat::from_fn(1, 3, |_, col| vector[col])).collect();
        InnerProducts::of_matrices(&tasks)
    }

    fn is_close(found: &[f64], expected: &[f64]) -> bool {
        found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-9)
    }

    #[test]
    fn the_mean_of_two_directions_lies_between_them() {
        let products = products(&[[2.0, 0.0, 0.0], [0.0, 4.0, 0.0]]);
        let half = 0.5f64.sqrt();
        assert!(is_close(&karcher(&products, &[1.0, 1.0], STOP), &[3.0 * half / 2.0, 3.0 * half / 4.0]));
    }

    #[test]
    fn equal_updates_are_their_own_mean() {
        let products = products(&[[1.0, 2.0, 3.0]; 3]);
        let sum: f64 = karcher(&products, &[1.0; 3], STOP).iter().sum();
        assert!((sum - 1.0).abs() < 1e-9);
    }

    #[test]
    fn weights_divide_the_arc() {
        // At a third of the right angle from the first: cos 30° and sin 30°.
        let products = products(&[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]);
        let found = karcher(&products, &[2.0, 1.0], STOP);
        assert!(is_close(&found, &[0.75f64.sqrt(), 0.5]), "{found:?}");
    }

    #[test]
    fn zero_updates_shorten_the_mean_and_have_no_direction() {
        let products = products(&[[2.0, 0.0, 0.0], [0.0; 3]]);
        assert!(is_close(&karcher(&products, &[1.0, 1.0], STOP), &[0.5, 0.0]));
        let nothing = InnerProducts::of_matrices(&[Mat::zeros(1, 3), Mat::zeros(1, 3)]);
        assert!(is_close(&karcher(&nothing, &[1.0, 1.0], STOP), &[0.0, 0.0]));
    }

    #[test]
    fn opposite_directions_end_somewhere() {
        let products = products(&[[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]);
        assert!(karcher(&products, &[1.0, 1.0], STOP).iter().all(|coefficient| coefficient.is_finite()));
    }
}
