//! Dropout on what the updates take.

use crate::model::host::real::Real;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// Words drawn at once.
const WORDS: usize = 256;

/// Zeroes inputs of the low-rank updates at random in one step of training, and divides the others by the share that stays.
/// Every adapted module has a mask of its own; its frozen matrix takes the inputs as they are.
///
/// # Numerics
/// Entry `row · width + column` of a module is kept if that word of a ChaCha8 stream is below ⌈(1 − rate)·2³²⌉. The key is the
/// BLAKE3 hash of seed, step and the module's place. Rows are those of the step: all of its tokens, or, where only one token of
/// an example goes on, its examples. So masks depend neither on threads nor on how a step is divided.
///
/// # Source
/// `lora_dropout` of PEFT, which draws from one generator for everything, in its order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    /// The share that is zeroed, in [0, 1).
    pub rate: f64,
    /// The seed of the run.
    pub seed: u64,
    /// The step, counted from 0.
    pub step: u64,
}

/// The dropout of a group of examples of a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlacedDropout {
    pub(super) dropout: Dropout,
    /// Tokens of the examples of the step that come before the group.
    pub(super) tokens_before: usize,
    /// Those examples.
    pub(super) examples_before: usize,
}

/// What a mask is for.
pub(super) struct Zeroed {
    /// The place of the module among the adapted ones.
    pub(super) module: usize,
    pub(super) rows: usize,
    pub(super) width: usize,
}

/// Which entries are kept, and what they are multiplied by.
pub(super) struct Mask<T> {
    kept: Vec<bool>,
    factor: T,
}

impl PlacedDropout {
    /// The mask of a module's rows: pooled ones, one of each example, or all tokens.
    pub(super) fn mask<T: Real>(&self, is_pooled: bool, Zeroed { module, rows, width }: Zeroed) -> Mask<T> {
        let before = if is_pooled { self.examples_before } else { self.tokens_before };
        let Dropout { rate, seed, step } = self.dropout;
        let keep = 1.0 - rate;
        let bound = (keep * 2f64.powi(32)).ceil() as u64;
        let mut words = ChaCha8Rng::from_seed(key(seed, step, module));
        words.set_word_pos(before as u128 * width as u128);
        let mut kept = vec![false; rows * width];
        let mut bytes = [0; 4 * WORDS];
        for chunk in kept.chunks_mut(WORDS) {
            let bytes = &mut bytes[..4 * chunk.len()];
            words.fill_bytes(bytes);
            for (kept, word) in chunk.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *kept = u64::from(u32::from_le_bytes(*word)) < bound;
            }
        }
        Mask { kept, factor: T::of(1.0 / keep) }
    }
}

impl<T: Real> Mask<T> {
    /// What is left of `x`.
    pub(super) fn of(&self, x: &[T]) -> Vec<T> {
        self.kept.iter().zip(x).map(|(kept, x)| if *kept { *x * self.factor } else { T::ZERO }).collect()
    }

    /// Adds what is left of `from` to `to`.
    pub(super) fn add(&self, to: &mut [T], from: &[T]) {
        for ((to, kept), x) in to.iter_mut().zip(&self.kept).zip(from) {
            *to += if *kept { *x * self.factor } else { T::ZERO };
        }
    }
}

fn key(seed: u64, step: u64, module: usize) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("bowline evaluation 2026-11 lora dropout");
    for number in [seed, step, module as u64] {
        hasher.update(&number.to_le_bytes());
    }
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(tokens_before: usize, rate: f64, step: u64) -> PlacedDropout {
        PlacedDropout { dropout: Dropout { rate, seed: 7, step }, tokens_before, examples_before: 0 }
    }

    fn kept(placed: PlacedDropout, module: usize, rows: usize) -> Vec<bool> {
        placed.mask::<f32>(false, Zeroed { module, rows, width: 300 }).kept
    }

    #[test]
    fn a_mask_does_not_depend_on_how_a_step_is_divided() {
        let whole = kept(placed(0, 0.3, 4), 2, 20);
        let parts = [kept(placed(0, 0.3, 4), 2, 7), kept(placed(7, 0.3, 4), 2, 13)].concat();
        assert_eq!(whole, parts);
    }

    #[test]
    fn steps_and_modules_have_masks_of_their_own() {
        let first = kept(placed(0, 0.5, 4), 2, 20);
        assert_ne!(first, kept(placed(0, 0.5, 5), 2, 20));
        assert_ne!(first, kept(placed(0, 0.5, 4), 3, 20));
    }

    #[test]
    fn a_mask_zeroes_its_share_and_keeps_the_mean() {
        let mask: Mask<f64> = placed(0, 0.1, 0).mask(false, Zeroed { module: 0, rows: 400, width: 300 });
        let left = mask.of(&vec![1.0; 120_000]);
        let zeros = left.iter().filter(|x| **x < 0.5).count() as f64 / 120_000.0;
        // Five standard deviations of a binomial share.
        assert!((zeros - 0.1).abs() < 5.0 * (0.09f64 / 120_000.0).sqrt(), "{zeros}");
        assert!((left.iter().sum::<f64>() / 120_000.0 - 1.0).abs() < 0.01);
        let mut to = vec![1.0; 120_000];
        mask.add(&mut to, &left);
        assert!(to.iter().zip(&left).all(|(to, x)| (to - 1.0 - x * mask.factor).abs() < 1e-12));
    }
}
