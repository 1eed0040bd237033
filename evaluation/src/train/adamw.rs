//! AdamW.

use super::TrainedTensor;
use jobs::TrainSettings;

/// One step of AdamW on all tensors.
pub(super) struct AdamW {
    betas: [f64; 2],
    eps: f64,
    /// What is left of a parameter after the decay.
    decay_factor: f64,
    /// The rate over the first bias correction.
    step_size: f64,
    /// The root of the second bias correction.
    sqrt_correction2: f64,
}

impl AdamW {
    /// The step of that number, counted from 1, at a learning rate.
    ///
    /// θ ← θ (1 − rate · decay), m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², θ ← θ − rate · m̂ / (√v̂ + ε), with
    /// m̂ = m / (1 − β₁ⁿ), v̂ = v / (1 − β₂ⁿ).
    ///
    /// # Numerics
    /// Computed in `f64`; parameters, m and v are kept in `f32`.
    ///
    /// # Source
    /// Loshchilov and Hutter (arXiv:1711.05101); `torch.optim.AdamW`.
    pub(super) fn new(settings: &TrainSettings, rate: f64, step: usize) -> Self {
        let TrainSettings { betas, eps, weight_decay, .. } = *settings;
        let n = i32::try_from(step).unwrap_or(i32::MAX);
        let [first, second] = betas.map(|beta| 1.0 - beta.powi(n));
        Self {
            betas,
            eps,
            decay_factor: 1.0 - rate * weight_decay,
            step_size: rate / first,
            sqrt_correction2: second.sqrt(),
        }
    }

    /// Moves a tensor against its gradient.
    pub(super) fn step(&self, tensor: &mut TrainedTensor, gradient: &[f64]) {
        let [first, second] = self.betas;
        let entries = tensor.values.iter_mut().zip(&mut tensor.means).zip(&mut tensor.squares).zip(gradient);
        for (((value, mean), square), gradient) in entries {
            let m = first * f64::from(*mean) + (1.0 - first) * gradient;
            let v = second * f64::from(*square) + (1.0 - second) * gradient * gradient;
            let root = v.sqrt() / self.sqrt_correction2;
            let moved = f64::from(*value) * self.decay_factor - self.step_size * m / (root + self.eps);
            *mean = m as f32;
            *square = v as f32;
            *value = moved as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobs::{TrainFamily, TrainLength};

    fn tensor(values: &[f32]) -> TrainedTensor {
        let shape = [1, values.len()];
        TrainedTensor::new("x".to_owned(), shape, values.to_vec())
    }

    fn settings(weight_decay: f64) -> TrainSettings {
        TrainSettings { weight_decay, ..TrainFamily::Texts.defaults(TrainLength::Steps(1)) }
    }

    /// The first step is the rate, whatever the gradient's size.
    #[test]
    fn the_first_step_is_the_rate_against_the_gradient_after_the_decay() {
        let mut moved = tensor(&[1.0, 1.0, 1.0]);
        AdamW::new(&settings(0.5), 0.1, 1).step(&mut moved, &[1e-3, -50.0, 0.0]);
        let close = |want: [f32; 3]| moved.values.iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-5);
        assert!(close([0.85, 1.05, 0.95]), "{:?}", moved.values);
    }

    #[test]
    fn a_rate_of_zero_moves_the_moments_alone() {
        let mut moved = tensor(&[0.3, -2.0]);
        AdamW::new(&settings(0.5), 0.0, 1).step(&mut moved, &[2.0, 4.0]);
        assert_eq!(moved.values, [0.3, -2.0]);
        assert!((moved.means[1] - 0.4).abs() < 1e-6 && (moved.squares[1] - 0.016).abs() < 1e-6);
    }
}
