use super::quantile::nth_smallest;

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
/// `tasks`: the entries of every task, in one order; as many `weights`. T counts all of them, also zero updates.
///
/// # Numerics
/// In `f64` with exact selection: one entry that passes the threshold of scores because it was rounded to `f32` moves a
/// matrix by about 0.4 %. Quantiles are the values of rank ⌊d·low⌋ and
/// ⌊d·(1 − high) − 1⌋, and of rank ⌊d·(1 − density)⌋ for scores, from 0, in rising order. Where all magnitudes (or all
/// scores) of a task are equal, n (or c) is 0. O(T·d) time, four buffers of d numbers. The result depends on the
/// basis of the entries, but not on the signs and the order of its vectors.
///
/// # Source
/// PCB-Merging (arXiv:2410.02396) with the scores of `merge-and-rebase`, per matrix. Its λ of 1.2 is the scaling
/// coefficient here. The authors' own code takes tanh(xₜ·Σₛxₛ), clamps at 0.01 %, and works on the whole model.
pub(crate) fn pcb(tasks: &[Vec<f64>], weights: &[f64], settings: Pcb) -> Vec<f64> {
    let entries = tasks.first().map_or(0, Vec::len);
    if entries == 0 {
        return Vec::new();
    }
    let mut scratch = vec![0.0; entries];
    let clamps: Vec<_> = tasks.iter().map(|task| settings.clamp(task, &mut scratch)).collect();
    let mut votes = vec![0.0; entries];
    for (task, clamp) in tasks.iter().zip(&clamps) {
        votes.iter_mut().zip(task).for_each(|(vote, entry)| *vote += clamp.signed_share(*entry));
    }
    let mut sum = vec![0.0; entries];
    let mut shares = vec![0.0; entries];
    for ((task, clamp), weight) in tasks.iter().zip(&clamps).zip(weights) {
        let score = |entry: f64, vote: f64| {
            let share = clamp.signed_share(entry);
            (tasks.len() as f64 * share * share).exp() * (entry * vote).tanh()
        };
        scratch.iter_mut().zip(task).zip(&votes).for_each(|((out, entry), vote)| *out = score(*entry, *vote));
        let highest = scratch.iter().copied().fold(f64::MIN, f64::max);
        let rank = (entries as f64 * (1.0 - settings.density)) as usize;
        let lowest = nth_smallest(&mut scratch, rank.min(entries - 1));
        if highest <= lowest {
            continue;
        }
        for (index, (entry, vote)) in task.iter().zip(&votes).enumerate() {
            let share = ((score(*entry, *vote) - lowest) / (highest - lowest)).max(0.0);
            sum[index] += weight * share * clamp.value(*entry);
            shares[index] += share;
        }
    }
    sum.iter().zip(&shares).map(|(sum, shares)| if *shares > 0.0 { sum / shares } else { 0.0 }).collect()
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
        let merged = pcb(&[task.clone(), task], &[1.0, 1.0], WIDE);
        // The threshold has rank 2: the third score is 0 after it is clamped, only the largest is left.
        assert_eq!(merged, [0.0, 0.0, 0.0, 4.0]);
    }

    #[test]
    fn zero_updates_add_nothing() {
        let task = vec![0.1, -0.2, 0.3, 4.0];
        let zero = vec![0.0; 4];
        assert_eq!(pcb(&[task, zero.clone()], &[1.0, 1.0], WIDE), [0.0, 0.0, 0.0, 4.0]);
        assert_eq!(pcb(&[zero.clone(), zero.clone()], &[1.0, 1.0], WIDE), zero);
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
            let merged = pcb(&[first.clone(), second.clone()], &[1.0, 0.5], settings);
            prop_assert_eq!(flip(&merged), pcb(&[flip(&first), flip(&second)], &[1.0, 0.5], settings));
        }
    }
}
