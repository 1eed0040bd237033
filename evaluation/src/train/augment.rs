//! Random changes of images, keyed by seed, step and place.

use crate::images::Change;
use jobs::Augmentation;

/// What part of its edge an image moves by at most.
const SHIFT: usize = 16;

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
        let mut hasher = blake3::Hasher::new_derive_key("bowline evaluation 2026-11 augmentation");
        for number in [self.seed, self.step as u64, (self.first + place) as u64] {
            hasher.update(&number.to_le_bytes());
        }
        let hash = hasher.finalize();
        let word = |n: usize| hash.as_bytes().as_chunks::<8>().0[n];
        let most = edge / SHIFT;
        let draw = |n: usize| {
            let share = u128::from(u64::from_le_bytes(word(n))) * (2 * most as u128 + 1);
            (share >> 64) as isize - most as isize
        };
        let has = |kind| self.kinds.contains(&kind);
        Change {
            shift: if has(Augmentation::Shift) { [draw(0), draw(1)] } else { [0, 0] },
            is_flipped: has(Augmentation::Flip) && word(2)[0] & 1 == 1,
        }
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
}
