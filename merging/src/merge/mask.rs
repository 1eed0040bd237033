use jobs::DareDrop;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// Words drawn at once.
const WORDS: usize = 256;

/// DARE: keeps each entry with probability 1 − p, times 1/(1 − p), and zeroes the rest.
///
/// # Shapes
/// `entries`: consecutive entries, row by row, of a task matrix; `start` is the index of the first, row · columns +
/// column.
///
/// # Numerics
/// Entry i is kept if word i of a ChaCha8 stream is below ⌈(1 − p)·2³²⌉; the key is the BLAKE3 hash of seed, task and
/// matrix. So a mask does not depend on block sizes, threads or machines, and no two tasks or matrices share one.
///
/// # Source
/// DARE (arXiv:2311.03099), equation 3. The KnOTS reference draws from one generator for everything, in its order.
pub(super) fn drop_entries(entries: &mut [f32], start: usize, drop: &DareDrop, task: &str, matrix: &str) {
    let keep = 1.0 - drop.rate;
    let bound = (keep * 2f64.powi(32)).ceil() as u64;
    let factor = (1.0 / keep) as f32;
    let mut words = ChaCha8Rng::from_seed(key(drop.seed, task, matrix));
    words.set_word_pos(start as u128);
    let mut bytes = [0; 4 * WORDS];
    for chunk in entries.chunks_mut(WORDS) {
        let bytes = &mut bytes[..4 * chunk.len()];
        words.fill_bytes(bytes);
        for (entry, word) in chunk.iter_mut().zip(bytes.as_chunks::<4>().0) {
            let keeps = u64::from(u32::from_le_bytes(*word)) < bound;
            *entry = if keeps { *entry * factor } else { 0.0 };
        }
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
        drop_entries(&mut whole, 0, &DROP, "task", "matrix");
        let mut parts = vec![1.0; 1000];
        let (head, tail) = parts.split_at_mut(333);
        drop_entries(tail, 333, &DROP, "task", "matrix");
        drop_entries(head, 0, &DROP, "task", "matrix");
        assert_eq!(whole, parts);
    }

    #[test]
    fn a_mask_drops_its_share_and_keeps_the_mean() {
        let mut entries = vec![1.0; 100_000];
        drop_entries(&mut entries, 0, &DROP, "task", "matrix");
        let kept = entries.iter().filter(|entry| **entry > 0.0).count() as f64 / 1e5;
        // Five standard deviations of a binomial share.
        assert!((kept - 0.75).abs() < 5.0 * (0.75f64 * 0.25 / 1e5).sqrt(), "{kept}");
        assert!(entries.iter().all(|entry| [0.0f32, 4.0 / 3.0].iter().any(|value| (entry - value).abs() < 1e-6)));
    }

    #[test]
    fn tasks_and_matrices_have_masks_of_their_own() {
        let mask = |seed, task, matrix| {
            let mut entries = vec![1.0; 256];
            drop_entries(&mut entries, 0, &DareDrop::new(0.5, seed), task, matrix);
            entries
        };
        let first = mask(1, "ab", "c");
        assert_ne!(first, mask(2, "ab", "c"));
        assert_ne!(first, mask(1, "a", "bc"));
        assert_ne!(first, mask(1, "ab", "d"));
        assert_eq!(first, mask(1, "ab", "c"));
    }
}
