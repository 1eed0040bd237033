use super::{
    blocks::{Block, block_rows},
    combination::EntryRule,
    drop::EntryDrop,
    election::{by_signs, by_values, is_zero},
    threshold::{Band, Thresholds, thresholds},
};
use crate::{Aligned, Matrix};
use jobs::{Elect, Recipe};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Entries that are worked on together, in registers and first-level cache.
pub(super) const LANES: usize = 256;

/// Merges the tasks entry by entry.
///
/// Per entry, with x₁ … xₙ the tasks' values after drop and trim and w₁ … wₙ their weights: the elected sign is that
/// of Σwᵢxᵢ (`sum_of_values`) or of Σsign(wᵢxᵢ) (`sum_of_signs`); values wᵢxᵢ of the other sign, and zeros, take no
/// part. Over those that do, `sum` is Σwᵢxᵢ, `mean` is Σwᵢxᵢ / Σ|wᵢ|, and `max` is the wᵢxᵢ of largest magnitude,
/// with its sign. `average` is Σwᵢxᵢ / Σwᵢ over all tasks.
///
/// So `mean` is the weighted mean: weights that are all equal are as good as none. A negative weight turns a task's
/// update around and counts by its size, and a weight of 0 leaves the task out.
///
/// # Shapes
/// One merged matrix per weight, of the shape of its task matrices.
///
/// # Numerics
/// `f32`, tasks in order. Where Σwᵢxᵢ is exactly 0, `sum_of_values` takes the sign of the sum of all elected signs of
/// the model, and negative if that is 0 too. Where Σsign(wᵢxᵢ) is 0, `sum_of_signs` takes the sign of Σwᵢxᵢ, and the
/// entry is 0 if that is 0 too: so entries that change their signs in all tasks change the sign of the merge, and
/// nothing else. Blocks of rows run in parallel.
///
/// # Source
/// TIES (arXiv:2306.01708) steps 2 and 3, with the rule of the KnOTS reference implementation for sums of values that
/// are 0. Its rule for ties of signs, the negative values, is not taken over: in an aligned space the sign of a
/// direction is arbitrary. The weighted mean is that of mergekit, where weights are positive.
pub(super) fn merge(aligned: &Aligned, recipe: &Recipe, rule: EntryRule) -> Vec<Matrix> {
    let drop = EntryDrop::of(aligned, recipe);
    let thresholds = thresholds(aligned, recipe, drop.as_ref());
    let steps = Steps {
        aligned,
        drop: drop.as_ref(),
        thresholds: &thresholds,
        weights: weights(aligned, recipe, rule),
        elect: recipe.elect,
        rule,
        zero_is_positive: false,
    };
    let shapes = aligned.matrices.iter().map(|matrix| matrix.entry_shape());
    let mut merged: Vec<_> = shapes.map(|[rows, cols]| Matrix::zeros(rows, cols)).collect();
    let votes = steps.run(&mut merged);
    // Cancellation is rare: only the blocks that hold some are merged again, and only if the vote is not negative
    // anyway.
    if votes.signs > 0 && !votes.cancelled.is_empty() {
        let steps = Steps { zero_is_positive: true, ..steps };
        for block in &votes.cancelled {
            let cols = merged[block.matrix].cols();
            let entries = block.rows.start * cols..block.rows.end * cols;
            steps.block(block, &mut merged[block.matrix].data_mut()[entries], &mut Scratch::default());
        }
    }
    merged
}

/// The weights of the tasks; equal ones are left out of a mean, which they do not change, and those of an average add up
/// to 1.
fn weights(aligned: &Aligned, recipe: &Recipe, rule: EntryRule) -> Vec<f32> {
    let factor = aligned.average_factor(recipe);
    let weights: Vec<f32> = aligned.tasks.iter().map(|task| (factor * recipe.weight(task)) as f32).collect();
    let is_equal = weights.iter().all(|weight| weight.to_bits() == weights[0].to_bits() && *weight > 0.0);
    if rule == EntryRule::Mean && is_equal { vec![1.0; weights.len()] } else { weights }
}

/// The loops over a block's entries, compiled for every instruction set; the machine's own is picked at run time.
struct Lanes<'a> {
    steps: &'a Steps<'a>,
    tasks: &'a [Task<'a>],
    out: &'a mut [f32],
}

impl WithSimd for Lanes<'_> {
    /// Positive minus negative elected signs, and whether a sum is exactly 0 over values that are not.
    type Output = (i64, bool);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> (i64, bool) {
        let mut signs = 0;
        let mut cancelled = false;
        for (index, out) in self.out.chunks_mut(LANES).enumerate() {
            let start = index * LANES;
            let tasks: Vec<_> = self.tasks.iter().map(|task| task.part(start, out.len())).collect();
            let elected = self.steps.elect.map(|elect| self.steps.vote(elect, &tasks, &mut signs, &mut cancelled));
            match self.steps.rule {
                EntryRule::Max => largest(&tasks, elected.as_ref(), out),
                rule @ (EntryRule::Mean | EntryRule::Sum | EntryRule::Average) => {
                    total(&tasks, elected.as_ref(), rule == EntryRule::Mean, out);
                }
            }
        }
        (signs, cancelled)
    }
}

/// The steps on one block of entries.
struct Steps<'a> {
    aligned: &'a Aligned,
    drop: Option<&'a EntryDrop>,
    thresholds: &'a Thresholds,
    weights: Vec<f32>,
    elect: Option<Elect>,
    rule: EntryRule,
    /// What a sum of exactly 0 elects.
    zero_is_positive: bool,
}

/// The votes of some blocks.
#[derive(Default)]
struct Votes {
    /// Positive minus negative elected signs.
    signs: i64,
    /// Blocks with a sum of exactly 0 over values that are not.
    cancelled: Vec<Block>,
}

impl Votes {
    fn join(mut self, other: Self) -> Self {
        self.signs += other.signs;
        self.cancelled.extend(other.cancelled);
        self
    }
}

/// Room for the entries of every task, kept from block to block.
#[derive(Default)]
struct Scratch(Vec<Vec<f32>>);

/// One task's entries of a block, with what the trim and the weight make of them.
#[derive(Clone, Copy)]
pub(super) struct Task<'a> {
    pub(super) entries: &'a [f32],
    band: Band,
    /// The weight, times what makes up for the trim.
    factor: f32,
    weight: f32,
}

impl<'a> Task<'a> {
    fn part(&self, start: usize, count: usize) -> Self {
        Self { entries: &self.entries[start..start + count], ..*self }
    }

    /// An entry after trim and weight.
    #[inline(always)]
    pub(super) fn value(self, entry: f32) -> f32 {
        if self.band.keeps(entry) { entry * self.factor } else { 0.0 }
    }
}

impl Steps<'_> {
    fn run(&self, merged: &mut [Matrix]) -> Votes {
        let matrices = merged.par_iter_mut().enumerate();
        let votes = matrices.map(|(matrix, merged)| {
            let rows = merged.rows();
            let cols = merged.cols();
            let step = block_rows(cols);
            let chunks = merged.data_mut().par_chunks_mut((step * cols).max(1)).enumerate();
            let votes = chunks.map_init(Scratch::default, |scratch, (index, out)| {
                let block = Block { matrix, rows: index * step..((index + 1) * step).min(rows) };
                self.block(&block, out, scratch)
            });
            votes.reduce(Votes::default, Votes::join)
        });
        votes.reduce(Votes::default, Votes::join)
    }

    fn block(&self, block: &Block, out: &mut [f32], scratch: &mut Scratch) -> Votes {
        scratch.0.resize_with(self.aligned.tasks.len(), Vec::new);
        let tasks = scratch.0.iter_mut().enumerate().filter_map(|(task, scratch)| {
            let entries = self.aligned.dropped(block, task, self.drop, scratch)?;
            let band = self.thresholds.of(block.matrix, task);
            let weight = self.weights[task];
            Some(Task { entries, band, factor: weight * band.scale, weight })
        });
        let tasks: Vec<_> = tasks.collect();
        let (signs, cancelled) = Arch::new().dispatch(Lanes { steps: self, tasks: &tasks, out });
        Votes { signs, cancelled: if cancelled { vec![block.clone()] } else { Vec::new() } }
    }

    /// The elected signs of at most [`LANES`] entries, as 1 or −1, or 0 where no sign is elected.
    #[inline(always)]
    fn vote(&self, elect: Elect, tasks: &[Task<'_>], signs: &mut i64, cancelled: &mut bool) -> [f32; LANES] {
        match elect {
            Elect::SumOfValues => by_values(tasks, self.zero_is_positive, signs, cancelled),
            Elect::SumOfSigns => by_signs(tasks),
        }
    }
}

/// The sum of the values that take part (not zero, and of the elected sign if there is one), or their mean.
#[inline(always)]
fn total(tasks: &[Task<'_>], elected: Option<&[f32; LANES]>, mean: bool, out: &mut [f32]) {
    // The weights of those that take part: their number, where all weights are 1.
    let mut shares = [0.0f32; LANES];
    out.fill(0.0);
    for &task in tasks {
        let share = task.weight.abs();
        let lanes = out.iter_mut().zip(&mut shares).zip(task.entries);
        match elected {
            Some(signs) => lanes.zip(signs).for_each(|(((sum, shares), entry), sign)| {
                let value = task.value(*entry);
                let agrees = value * sign > 0.0;
                *sum += if agrees { value } else { 0.0 };
                *shares += if agrees { share } else { 0.0 };
            }),
            None => lanes.for_each(|((sum, shares), entry)| {
                let value = task.value(*entry);
                *sum += value;
                *shares += if is_zero(value) { 0.0 } else { share };
            }),
        }
    }
    if mean {
        out.iter_mut().zip(&shares).for_each(|(sum, shares)| *sum /= if *shares > 0.0 { *shares } else { 1.0 });
    }
}

/// The value of largest magnitude of those that take part; of equals the first.
#[inline(always)]
fn largest(tasks: &[Task<'_>], elected: Option<&[f32; LANES]>, out: &mut [f32]) {
    out.fill(0.0);
    for &task in tasks {
        let lanes = out.iter_mut().zip(task.entries);
        let larger = |value: f32, best: f32| value.abs() > best.abs();
        match elected {
            Some(signs) => lanes.zip(signs).for_each(|((best, entry), sign)| {
                let value = task.value(*entry);
                *best = if larger(value, *best) & (value * sign > 0.0) { value } else { *best };
            }),
            None => lanes.for_each(|(best, entry)| {
                let value = task.value(*entry);
                *best = if larger(value, *best) { value } else { *best };
            }),
        }
    }
}
