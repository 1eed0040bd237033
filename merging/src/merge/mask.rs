use crate::methods::{RankedDrop, RowOrder};
use jobs::{DareDrop, DropRescale};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// Words drawn at once.
const WORDS: usize = 256;

/// DARE and DELLA: keeps each entry with a probability of its own, and zeroes the rest.
///
/// With drop rate p, DARE keeps every entry with probability 1 − p. With a spread, DELLA keeps the smaller ones of a row
/// less often than the larger ones, see [`RankedDrop`]. With `rescale: probability`, entries that are kept are divided
/// by their probability; else they stay as they are, for a factor by matrix or none.
///
/// # Shapes
/// `entries`: consecutive rows of a task matrix with `cols` columns; `start` is the index of the first entry, row ·
/// columns + column.
///
/// # Numerics
/// Entry i is kept if word i of a ChaCha8 stream is below ⌈probability·2³²⌉; the key is the BLAKE3 hash of seed, task
/// and matrix. So a mask does not depend on block sizes, threads or machines, and no two tasks or matrices share one.
///
/// # Source
/// DARE (arXiv:2311.03099), equation 3; DELLA (arXiv:2406.11617). The KnOTS reference draws from one generator for
/// everything, in its order.
pub(super) fn drop_entries(entries: &mut [f32], start: usize, cols: usize, drop: &DareDrop, task: &str, matrix: &str) {
    let mut words = ChaCha8Rng::from_seed(key(drop.seed, task, matrix));
    words.set_word_pos(start as u128);
    if drop.spread > 0.0 {
        drop_ranked(entries, cols, drop, &mut words);
        return;
    }
    let mask = Mask::new(1.0 - drop.rate, drop.rescale);
    let mut bytes = [0; 4 * WORDS];
    for chunk in entries.chunks_mut(WORDS) {
        let bytes = &mut bytes[..4 * chunk.len()];
        words.fill_bytes(bytes);
        for (entry, word) in chunk.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *entry = mask.of(*entry, u32::from_le_bytes(*word));
        }
    }
}

fn drop_ranked(entries: &mut [f32], cols: usize, drop: &DareDrop, words: &mut ChaCha8Rng) {
    let ranked = RankedDrop { rate: drop.rate, spread: drop.spread };
    let mut order = RowOrder::default();
    let mut keep = vec![0.0; cols];
    for row in entries.chunks_mut(cols.max(1)) {
        ranked.keep_probabilities(row, &mut order, &mut keep);
        for (entry, keep) in row.iter_mut().zip(&keep) {
            *entry = Mask::new(*keep, drop.rescale).of(*entry, words.next_u32());
        }
    }
}

/// What becomes of an entry that is kept with a given probability.
struct Mask {
    bound: u64,
    factor: f32,
}

impl Mask {
    fn new(keep: f64, rescale: DropRescale) -> Self {
        let factor = match rescale {
            DropRescale::Probability => (1.0 / keep) as f32,
            DropRescale::Sum | DropRescale::Norm | DropRescale::None => 1.0,
        };
        Self { bound: (keep * 2f64.powi(32)).ceil() as u64, factor }
    }

    #[inline(always)]
    fn of(&self, entry: f32, word: u32) -> f32 {
        if u64::from(word) < self.bound { entry * self.factor } else { 0.0 }
    }
}

fn key(seed: u64, task: &str, matrix: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("bowline merging 2026-11 dare mask");
    hasher.update(&seed.to_le_bytes());
    // Lengths keep ("ab", "c") and ("a", "bc") apart.
    for name in [task, matrix] {
        hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
    }
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::drop_entries;
    use jobs::DareDrop;

    const DROP: DareDrop = DareDrop::new(0.25, 7);

    #[test]
    fn a_mask_is_the_same_in_any_blocks() {
        let mut whole = vec![1.0; 1000];
        drop_entries(&mut whole, 0, 10, &DROP, "task", "matrix");
        let mut parts = vec![1.0; 1000];
        let (head, tail) = parts.split_at_mut(333);
        drop_entries(tail, 333, 10, &DROP, "task", "matrix");
        drop_entries(head, 0, 10, &DROP, "task", "matrix");
        assert_eq!(whole, parts);
    }

    #[test]
    fn a_mask_drops_its_share_and_keeps_the_mean() {
        let mut entries = vec![1.0; 100_000];
        drop_entries(&mut entries, 0, 10, &DROP, "task", "matrix");
        let kept = entries.iter().filter(|entry| **entry > 0.0).count() as f64 / 1e5;
        // Five standard deviations of a binomial share.
        assert!((kept - 0.75).abs() < 5.0 * (0.75f64 * 0.25 / 1e5).sqrt(), "{kept}");
        assert!(entries.iter().all(|entry| [0.0f32, 4.0 / 3.0].iter().any(|value| (entry - value).abs() < 1e-6)));
    }

    #[test]
    fn tasks_and_matrices_have_masks_of_their_own() {
        let mask = |seed, task, matrix| {
            let mut entries = vec![1.0; 256];
            drop_entries(&mut entries, 0, 10, &DareDrop::new(0.5, seed), task, matrix);
            entries
        };
        let first = mask(1, "ab", "c");
        assert_ne!(first, mask(2, "ab", "c"));
        assert_ne!(first, mask(1, "a", "bc"));
        assert_ne!(first, mask(1, "ab", "d"));
        assert_eq!(first, mask(1, "ab", "c"));
    }

    #[test]
    fn a_ranked_drop_is_the_same_in_any_blocks_of_rows_and_keeps_large_entries_more_often() {
        let drop = DareDrop { spread: 0.4, ..DareDrop::new(0.5, 7) };
        let row = || (0..10).map(|col| col as f32 + 1.0);
        let mut whole: Vec<f32> = (0..1000).flat_map(|_| row()).collect();
        let mut parts = whole.clone();
        drop_entries(&mut whole, 0, 10, &drop, "task", "matrix");
        let (head, tail) = parts.split_at_mut(330);
        drop_entries(tail, 330, 10, &drop, "task", "matrix");
        drop_entries(head, 0, 10, &drop, "task", "matrix");
        assert_eq!(whole, parts);
        let kept = |col: usize| whole.iter().skip(col).step_by(10).filter(|entry| **entry > 0.0).count();
        // 10 % and 90 % of a thousand; five standard deviations are 47.
        assert!((53..147).contains(&kept(0)) && (853..947).contains(&kept(9)), "{} {}", kept(0), kept(9));
        // Rescaling by the probability keeps the mean of a column.
        let mean = whole.iter().skip(9).step_by(10).sum::<f32>() / 1000.0;
        assert!((mean - 10.0).abs() < 0.6, "{mean}");
    }
}
