//! The factors before the first step.

use super::TrainedModule;
use crate::{Head, HeadError, head::MOST_CLASSES};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// A module that gets an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) outputs: usize,
    pub(super) inputs: usize,
}

impl Target {
    /// The initial factors: A from the uniform distribution over ±1/√inputs, B zero, so that the first update is zero.
    ///
    /// # Numerics
    /// Entry i is made of word i of a ChaCha8 stream, whose key is the BLAKE3 hash of the seed and the module's name.
    ///
    /// # Source
    /// PEFT's `kaiming_uniform_(a = √5)`: the bound is √(6 / ((1 + 5) · inputs)). PEFT draws from torch's generator.
    pub(super) fn initial(&self, rank: usize, seed: u64) -> TrainedModule {
        let bound = 1.0 / (self.inputs as f64).sqrt();
        let mut words = ChaCha8Rng::from_seed(key(seed, &self.name));
        let uniform = |_| {
            let share = (f64::from(words.next_u32()) + 0.5) / 2f64.powi(32);
            (bound * (2.0 * share - 1.0)) as f32
        };
        let a = (0..rank * self.inputs).map(uniform).collect();
        TrainedModule { name: self.name.clone(), a, b: vec![0.0; self.outputs * rank] }
    }
}

/// A head to start from: normal numbers of deviation 0.02, as transformers has it for `score`.
///
/// # Numerics
/// Box and Muller's transform of pairs of words of a ChaCha8 stream, keyed by the seed.
///
/// # Errors
/// More classes than any task has, for which there might be no memory; or none.
pub fn initial_head(classes: usize, width: usize, seed: u64) -> Result<Head, HeadError> {
    if classes > MOST_CLASSES {
        return Err(HeadError::TooMany { found: classes });
    }
    Head::new(head_numbers(classes, width, seed), classes, width)
}

fn head_numbers(classes: usize, width: usize, seed: u64) -> Vec<f32> {
    let mut words = ChaCha8Rng::from_seed(key(seed, "head"));
    let mut uniform = || (f64::from(words.next_u32()) + 0.5) / 2f64.powi(32);
    let normal = |_| {
        let radius = (-2.0 * uniform().ln()).sqrt();
        (0.02 * radius * (std::f64::consts::TAU * uniform()).cos()) as f32
    };
    (0..classes * width).map(normal).collect()
}

fn key(seed: u64, module: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("bowline evaluation 2026-11 initial lora_A");
    hasher.update(&seed.to_le_bytes()).update(module.as_bytes());
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_head_is_normal_with_deviation_one_fiftieth() {
        let head = head_numbers(40, 500, 3);
        let share = |bound: f32| head.iter().filter(|x| x.abs() < bound).count() as f64 / 20_000.0;
        assert!((share(0.02) - 0.6827).abs() < 0.02 && (share(0.04) - 0.9545).abs() < 0.01, "{}", share(0.02));
        assert_ne!(head, head_numbers(40, 500, 4));
    }

    #[test]
    fn a_label_that_is_none_makes_no_head() {
        let error = initial_head(4_294_967_296, 4096, 0).unwrap_err().to_string();
        assert!(error.contains("a head of 4294967296 classes, expected at most 65536"), "{error}");
        assert_eq!(initial_head(3, 2, 0).unwrap().classes(), 3);
    }

    #[test]
    fn initial_factors_fill_their_range_evenly_and_make_no_update() {
        let target = |name: &str| Target { name: name.to_owned(), outputs: 3, inputs: 400 };
        let TrainedModule { a, b, .. } = target("q").initial(50, 1);
        assert_eq!(b, [0.0; 150]);
        let bound = 1.0 / 20.0;
        assert!(a.iter().all(|x| x.abs() <= bound));
        let mean = a.iter().map(|x| f64::from(*x)).sum::<f64>() / a.len() as f64;
        let square = a.iter().map(|x| f64::from(x * x)).sum::<f64>() / a.len() as f64;
        // Of 20,000 uniform numbers: five standard errors.
        assert!(mean.abs() < 5.0 * f64::from(bound) / (3.0 * 20_000.0f64).sqrt(), "{mean}");
        assert!((square * 3.0 / f64::from(bound * bound) - 1.0).abs() < 0.04, "{square}");
        assert_ne!(a, target("k").initial(50, 1).a);
        assert_ne!(a, target("q").initial(50, 2).a);
        assert_eq!(a, target("q").initial(50, 1).a);
    }
}
