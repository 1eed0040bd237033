use super::{Entries, quantile::nth_smallest};
use rayon::prelude::*;

/// Buffers of as many numbers as a task has entries.
pub(crate) const BUFFERS: usize = 5;

/// Entries that are worth a thread.
const PARALLEL: usize = 1 << 14;

/// The settings of PCB-Merging.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pcb {
    /// The share of smallest magnitudes that are raised to the next larger one, in [0, 1).
    pub(crate) clamp_low: f64,
    /// The share of largest magnitudes that are lowered to the next smaller one, in [0, 1).
    pub(crate) clamp_high: f64,
    /// The share of entries with the highest scores that take part, in (0, 1].
    pub(crate) density: f64,
}

/// One task's entries with clamped magnitudes, and these between 0 and 1.
struct Clamped {
    low: f64,
    high: f64,
}

/// PCB-Merging: entries weighted by how much they matter to their task and how well they agree with the others.
///
/// By matrix, with T tasks and xₜ the entries of one: mₜ = |xₜ| clamped to its quantiles, x̂ₜ = sign(xₜ)·mₜ, and
/// nₜ = (mₜ − min)/(max − min). The score is pₜ = exp(T·nₜ²) · tanh(xₜ·Σₛ sign(xₛ)·nₛ). Scores are clamped from below
/// at their (1 − density) quantile and brought to [0, 1], which gives cₜ. The merge is Σₜ wₜx̂ₜcₜ / Σₜ cₜ, and 0 where
/// Σₜ cₜ is 0.
///
/// # Shapes
/// `tasks`: the entries of every task; as many `weights`. T counts all of them, also zero updates.
///
/// # Numerics
/// In `f64` with exact selection: one entry that passes the threshold of scores because it was rounded to `f32` moves a
/// matrix by about 0.4 %. Quantiles are the values of rank ⌊d·low⌋ and
/// ⌊d·(1 − high) − 1⌋, and of rank ⌊d·(1 − density)⌋ for scores, from 0, in rising order. Where all magnitudes (or all
/// scores) of a task are equal, n (or c) is 0. O(T·d) time; the entries of one task are in memory at a time, with
/// [`BUFFERS`] buffers of d numbers in all, and every task is read twice. The result depends on the
/// basis of the entries, but not on the signs and the order of its vectors.
///
/// # Source
/// PCB-Merging (arXiv:2410.02396) with the scores of `merge-and-rebase`, per matrix. Its λ of 1.2 is the scaling
/// coefficient here. The authors' own code takes tanh(xₜ·Σₛxₛ), clamps at 0.01 %, and works on the whole model.
pub(crate) fn pcb(tasks: &impl Entries, weights: &[f64], settings: Pcb) -> Vec<f64> {
    let count = tasks.count();
    if count == 0 {
        return Vec::new();
    }
    let mut entries = vec![0.0; count];
    let mut scratch = vec![0.0; count];
    let mut votes = vec![0.0; count];
    let clamp = |task: usize| {
        tasks.read_all(task, &mut entries);
        let clamp = settings.clamp(&entries, &mut scratch);
        let pairs = votes.par_iter_mut().zip(&entries).with_min_len(PARALLEL);
        pairs.for_each(|(vote, entry)| *vote += clamp.signed_share(*entry));
        clamp
    };
    let clamps: Vec<Clamped> = (0..tasks.tasks()).map(clamp).collect();
    let mut sum = vec![0.0; count];
    let mut shares = vec![0.0; count];
    for (task, (clamp, weight)) in clamps.iter().zip(weights).enumerate() {
        tasks.read_all(task, &mut entries);
        let score = |entry: f64, vote: f64| {
            let share = clamp.signed_share(entry);
            (clamps.len() as f64 * share * share).exp() * (entry * vote).tanh()
        };
        let scored = scratch.par_iter_mut().zip(&entries).zip(&votes).with_min_len(PARALLEL);
        scored.for_each(|((out, entry), vote)| *out = score(*entry, *vote));
        let highest = scratch.iter().copied().fold(f64::MIN, f64::max);
        let rank = (count as f64 * (1.0 - settings.density)) as usize;
        let lowest = nth_smallest(&mut scratch, rank.min(count - 1));
        if highest <= lowest {
            continue;
        }
        let places = sum.par_iter_mut().zip(&mut shares).zip(&entries).zip(&votes).with_min_len(PARALLEL);
        places.for_each(|(((sum, shares), entry), vote)| {
            let share = ((score(*entry, *vote) - lowest) / (highest - lowest)).max(0.0);
            *sum += weight * share * clamp.value(*entry);
            *shares += share;
        });
    }
    let mean = |(sum, shares): (&mut f64, &f64)| *sum = if *shares > 0.0 { *sum / shares } else { 0.0 };
    sum.iter_mut().zip(&shares).for_each(mean);
    sum
}

impl Pcb {
    fn clamp(self, task: &[f64], scratch: &mut [f64]) -> Clamped {
        let entries = task.len() as f64;
        scratch.iter_mut().zip(task).for_each(|(to, from)| *to = from.abs());
        let low = (entries * self.clamp_low) as usize;
        let high = (entries * (1.0 - self.clamp_high) - 1.0).max(0.0) as usize;
        let last = task.len() - 1;
        let low = nth_smallest(scratch, low.min(last));
        let high = nth_smallest(scratch, high.min(last));
        Clamped { low, high: high.max(low) }
    }
}

impl Clamped {
    /// x̂, the entry with its magnitude clamped. Zero has no sign and stays zero.
    fn value(&self, entry: f64) -> f64 {
        sign(entry) * entry.abs().clamp(self.low, self.high)
    }

    /// sign(x)·n.
    fn signed_share(&self, entry: f64) -> f64 {
        if self.high <= self.low {
            return 0.0;
        }
        let magnitude = entry.abs().clamp(self.low, self.high);
        sign(entry) * (magnitude - self.low) / (self.high - self.low)
    }
}

fn sign(entry: f64) -> f64 {
    if entry > 0.0 {
        1.0
    } else if entry < 0.0 {
        -1.0
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::{Pcb, pcb};
    use proptest::prelude::*;

    const WIDE: Pcb = Pcb { clamp_low: 0.0, clamp_high: 0.0, density: 0.5 };

    #[test]
    fn entries_with_low_scores_take_no_part() {
        let task = vec![0.1, -0.2, 0.3, 4.0];
        let merged = pcb(&vec![task.clone(), task], &[1.0, 1.0], WIDE);
        // The threshold has rank 2: the third score is 0 after it is clamped, only the largest is left.
        assert_eq!(merged, [0.0, 0.0, 0.0, 4.0]);
    }

    #[test]
    fn zero_updates_add_nothing() {
        let task = vec![0.1, -0.2, 0.3, 4.0];
        let zero = vec![0.0; 4];
        assert_eq!(pcb(&vec![task, zero.clone()], &[1.0, 1.0], WIDE), [0.0, 0.0, 0.0, 4.0]);
        assert_eq!(pcb(&vec![zero.clone(), zero.clone()], &[1.0, 1.0], WIDE), zero);
    }

    proptest! {
        #[test]
        fn signs_of_basis_vectors_do_not_matter(
            first in prop::collection::vec(-2.0f64..2.0, 24), second in prop::collection::vec(-2.0f64..2.0, 24),
            flips in prop::collection::vec(any::<bool>(), 24),
        ) {
            let flip = |entries: &[f64]| -> Vec<f64> {
                entries.iter().zip(&flips).map(|(entry, flip)| if *flip { -entry } else { *entry }).collect()
            };
            let settings = Pcb { clamp_low: 0.05, clamp_high: 0.05, density: 0.3 };
            let merged = pcb(&vec![first.clone(), second.clone()], &[1.0, 0.5], settings);
            prop_assert_eq!(flip(&merged), pcb(&vec![flip(&first), flip(&second)], &[1.0, 0.5], settings));
        }
    }
}
