//! Random changes of images, keyed by seed, step and place.

use crate::images::{Change, Crop};
use jobs::Augmentation;

/// What part of its edge an image moves by at most.
const SHIFT: usize = 16;

/// The least share of its area that is cut out of an image.
const LEAST_AREA: f64 = 0.08;

/// The logarithm of the largest ratio of the sides, 4 : 3.
const LOG_RATIO: f64 = 0.287_682_072_451_780_9;

/// How often a part is drawn until one fits.
const TRIES: usize = 10;

/// The augmentation of a part of a step.
#[derive(Debug, Clone, Copy)]
pub struct StepAugmentation<'a> {
    pub(crate) kinds: &'a [Augmentation],
    pub(crate) seed: u64,
    pub(crate) step: usize,
    /// The place in the step of the part's first image.
    pub(crate) first: usize,
}

impl StepAugmentation<'_> {
    /// The change of the image at a place in the part, of that edge.
    ///
    /// Each of the 2k + 1 shifts in a direction is as likely as the others, k being the edge over 16; so is either side of a flip.
    /// The numbers are words of the BLAKE3 hash of seed, step and place in the step.
    pub(crate) fn change(&self, place: usize, edge: usize) -> Change {
        let mut words = Words::of([self.seed, self.step as u64, (self.first + place) as u64]);
        let most = edge / SHIFT;
        // The first three words are drawn in any case: what one kind draws does not depend on the others.
        let down = words.below(2 * most + 1) as isize - most as isize;
        let right = words.below(2 * most + 1) as isize - most as isize;
        let is_odd = words.next()[0] & 1 == 1;
        let has = |kind| self.kinds.contains(&kind);
        Change {
            shift: if has(Augmentation::Shift) { [down, right] } else { [0, 0] },
            is_flipped: has(Augmentation::Flip) && is_odd,
            crop: has(Augmentation::RandomResizedCrop).then(|| crop(&mut words, edge)),
        }
    }
}

/// A random part of an image: its area is 8 to 100 % of the whole, and the ratio of its sides 3 : 4 to 4 : 3.
///
/// The share of the area is uniform, and so is the logarithm of the ratio. If none of ten draws fits into the image, it is the whole.
///
/// # Numerics
/// Only operations that IEEE 754 defines to the bit: the same on every machine.
///
/// # Source
/// `RandomResizedCrop` of torchvision, with its defaults. It takes the part of the image as it is in the file; this one takes it of
/// the image after preprocessing.
fn crop(words: &mut Words, edge: usize) -> Crop {
    let whole = Crop { from: [0, 0], size: [edge, edge] };
    let area = (edge * edge) as f64;
    for _ in 0..TRIES {
        let target = area * (LEAST_AREA + (1.0 - LEAST_AREA) * words.share());
        let ratio = exponential(LOG_RATIO * (2.0 * words.share() - 1.0));
        let size = [(target / ratio).sqrt().round() as usize, (target * ratio).sqrt().round() as usize];
        if size.iter().all(|side| (1..=edge).contains(side)) {
            return Crop { from: size.map(|side| words.below(edge - side + 1)), size };
        }
    }
    whole
}

/// eˣ for |x| below 0.3, where the terms that are left out are below the last bit. The function of the standard library may round
/// differently from machine to machine.
fn exponential(x: f64) -> f64 {
    (1..=14).rev().fold(1.0, |sum, n| 1.0 + sum * x / f64::from(n))
}

/// Words of a hash, one after the other.
struct Words(blake3::OutputReader);

impl Words {
    fn of(key: [u64; 3]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("bowline evaluation 2026-11 augmentation");
        for number in key {
            hasher.update(&number.to_le_bytes());
        }
        Self(hasher.finalize_xof())
    }

    fn next(&mut self) -> [u8; 8] {
        let mut word = [0; 8];
        self.0.fill(&mut word);
        word
    }

    /// A whole number below `count`.
    fn below(&mut self, count: usize) -> usize {
        let product = u128::from(u64::from_le_bytes(self.next())) * count as u128;
        (product >> 64) as usize
    }

    /// A number in [0, 1).
    fn share(&mut self) -> f64 {
        (u64::from_le_bytes(self.next()) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shift_and_both_sides_come_up_and_steps_differ() {
        let kinds = [Augmentation::Shift, Augmentation::Flip];
        let of = |step| StepAugmentation { kinds: &kinds, seed: 1, step, first: 0 };
        let changes = |step| (0..500).map(move |place| of(step).change(place, 32)).collect::<Vec<_>>();
        let first = changes(0);
        for shift in -2..=2 {
            let count = first.iter().filter(|change| change.shift[0] == shift).count();
            // A fifth of 500; five standard deviations are 45.
            assert!((55..145).contains(&count), "{shift}: {count}");
        }
        assert!(first.iter().all(|change| change.shift.iter().all(|shift| shift.abs() <= 2)));
        assert!((190..310).contains(&first.iter().filter(|change| change.is_flipped).count()));
        assert_ne!(first, changes(1));
        let later = StepAugmentation { first: 200, ..of(0) };
        assert_eq!(later.change(7, 32), first[207], "a part of a step has the changes of the whole");
        let still = StepAugmentation { kinds: &[], ..of(0) };
        assert_eq!(still.change(3, 32), Change::default());
    }

    /// The numbers of an image are those of earlier releases, and a crop changes none of the others.
    #[test]
    fn what_one_kind_draws_does_not_depend_on_the_others() {
        let kinds = [Augmentation::Shift, Augmentation::Flip, Augmentation::RandomResizedCrop];
        let all = StepAugmentation { kinds: &kinds, seed: 1, step: 3, first: 0 };
        let two = StepAugmentation { kinds: &kinds[..2], ..all };
        for place in 0..50 {
            let change = two.change(place, 32);
            assert_eq!(Change { crop: None, ..all.change(place, 32) }, change);
            let mut hasher = blake3::Hasher::new_derive_key("bowline evaluation 2026-11 augmentation");
            for number in [1u64, 3, place as u64] {
                hasher.update(&number.to_le_bytes());
            }
            let hash = hasher.finalize();
            let down = (u128::from(u64::from_le_bytes(hash.as_bytes()[..8].try_into().unwrap())) * 5) >> 64;
            assert_eq!(change.shift[0], down as isize - 2);
            assert_eq!(change.is_flipped, hash.as_bytes()[16] & 1 == 1);
        }
    }

    #[test]
    fn crops_lie_in_the_image_and_have_areas_and_sides_of_every_allowed_kind() {
        let kinds = [Augmentation::RandomResizedCrop];
        let of = StepAugmentation { kinds: &kinds, seed: 5, step: 0, first: 0 };
        let crops: Vec<Crop> = (0..2000).filter_map(|place| of.change(place, 224).crop).collect();
        assert_eq!(crops.len(), 2000);
        let share = |crop: &Crop| (crop.size[0] * crop.size[1]) as f64 / (224.0 * 224.0);
        let ratio = |crop: &Crop| crop.size[1] as f64 / crop.size[0] as f64;
        for crop in &crops {
            assert!((0..2).all(|axis| crop.size[axis] >= 1 && crop.from[axis] + crop.size[axis] <= 224), "{crop:?}");
            assert!((0.075..=1.0).contains(&share(crop)) && (0.73..1.37).contains(&ratio(crop)), "{crop:?}");
        }
        let count = |is: &dyn Fn(&Crop) -> bool| crops.iter().filter(|crop| is(crop)).count();
        // A quarter of the areas would be below 0.31; wide parts of large area do not fit and are drawn again.
        assert!((480..700).contains(&count(&|crop| share(crop) < 0.31)));
        assert!((850..1150).contains(&count(&|crop| ratio(crop) < 1.0)));
        assert!(count(&|crop| share(crop) > 0.85) > 50);
    }

    #[test]
    fn the_exponential_is_exact_to_the_last_bits() {
        for n in -28..=28 {
            let x = f64::from(n) / 100.0;
            assert!((exponential(x) / x.exp() - 1.0).abs() < 4e-16, "{x}");
        }
    }
}
