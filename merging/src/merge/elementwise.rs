use super::{
    blocks::{Block, block_rows},
    threshold::{Thresholds, thresholds},
};
use crate::{Aligned, Matrix};
use jobs::{Combine, Drop, Elect, Recipe};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Entries that are worked on together, in registers and first-level cache.
const LANES: usize = 256;

/// Merges the tasks entry by entry.
///
/// Per entry, with x₁ … xₙ the tasks' values after drop, trim and weights: the elected sign is that of Σxᵢ (`sum_of_values`) or of
/// Σsign(xᵢ) (`sum_of_signs`); values of the other sign, and zeros, take no part. `sum` adds up, `mean` divides the sum by the
/// number of values that take part (at least 1), `max` takes the one of largest magnitude with its sign.
///
/// # Shapes
/// One merged matrix per weight, of the shape of its task matrices.
///
/// # Numerics
/// `f32`, tasks in order. Where Σxᵢ is exactly 0 the sign is that of the sum of all elected signs of the model, and negative if
/// that is 0 too; with `sum_of_signs` a zero sum keeps the negative values. Blocks of rows run in parallel.
///
/// # Source
/// TIES (arXiv:2306.01708) steps 2 and 3, with the rules for zeros of the KnOTS reference implementation.
pub(super) fn merge(aligned: &Aligned, recipe: &Recipe) -> Vec<Matrix> {
    let thresholds = thresholds(aligned, recipe);
    let steps = Steps {
        aligned,
        drop: recipe.drop.as_ref(),
        thresholds: &thresholds,
        weights: aligned.tasks.iter().map(|task| recipe.weight(task) as f32).collect(),
        elect: recipe.elect,
        combine: recipe.combine,
        zero_is_positive: false,
    };
    let shapes = aligned.matrices.iter().map(|matrix| matrix.entry_shape());
    let mut merged: Vec<_> = shapes.map(|[rows, cols]| Matrix::zeros(rows, cols)).collect();
    let tally = steps.run(&mut merged);
    // Cancellation is rare: only the blocks that hold some are merged again, and only if the vote is not negative anyway.
    if tally.signs > 0 && !tally.cancelled.is_empty() {
        let steps = Steps { zero_is_positive: true, ..steps };
        for block in &tally.cancelled {
            let cols = merged[block.matrix].cols();
            let entries = block.rows.start * cols..block.rows.end * cols;
            steps.block(block, &mut merged[block.matrix].data_mut()[entries], &mut Scratch::default());
        }
    }
    merged
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
        let (mut signs, mut cancelled) = (0, false);
        for (index, out) in self.out.chunks_mut(LANES).enumerate() {
            let start = index * LANES;
            let tasks: Vec<_> = self.tasks.iter().map(|task| task.part(start, out.len())).collect();
            let elected = self.steps.elect.map(|elect| self.steps.vote(elect, &tasks, &mut signs, &mut cancelled));
            match self.steps.combine {
                Combine::Max => largest(&tasks, elected.as_ref(), out),
                combine => total(&tasks, elected.as_ref(), combine == Combine::Mean, out),
            }
        }
        (signs, cancelled)
    }
}

/// The steps on one block of entries.
struct Steps<'a> {
    aligned: &'a Aligned,
    drop: Option<&'a Drop>,
    thresholds: &'a Thresholds,
    weights: Vec<f32>,
    elect: Option<Elect>,
    combine: Combine,
    /// What a sum of exactly 0 elects.
    zero_is_positive: bool,
}

/// The votes of some blocks.
#[derive(Default)]
struct Tally {
    /// Positive minus negative elected signs.
    signs: i64,
    /// Blocks with a sum of exactly 0 over values that are not.
    cancelled: Vec<Block>,
}

impl Tally {
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
struct Task<'a> {
    entries: &'a [f32],
    threshold: f32,
    weight: f32,
}

impl<'a> Task<'a> {
    fn part(&self, start: usize, count: usize) -> Self {
        Self { entries: &self.entries[start..start + count], ..*self }
    }

    #[inline(always)]
    fn value(self, entry: f32) -> f32 {
        if entry.abs() >= self.threshold { entry * self.weight } else { 0.0 }
    }
}

impl Steps<'_> {
    fn run(&self, merged: &mut [Matrix]) -> Tally {
        let matrices = merged.par_iter_mut().enumerate();
        let tallies = matrices.map(|(matrix, merged)| {
            let (rows, cols) = (merged.rows(), merged.cols());
            let step = block_rows(cols);
            let chunks = merged.data_mut().par_chunks_mut((step * cols).max(1)).enumerate();
            let tallies = chunks.map_init(Scratch::default, |scratch, (index, out)| {
                let block = Block { matrix, rows: index * step..((index + 1) * step).min(rows) };
                self.block(&block, out, scratch)
            });
            tallies.reduce(Tally::default, Tally::join)
        });
        tallies.reduce(Tally::default, Tally::join)
    }

    fn block(&self, block: &Block, out: &mut [f32], scratch: &mut Scratch) -> Tally {
        scratch.0.resize_with(self.aligned.tasks.len(), Vec::new);
        let tasks = scratch.0.iter_mut().enumerate().filter_map(|(task, scratch)| {
            let entries = self.aligned.dropped(block, task, self.drop, scratch)?;
            Some(Task { entries, threshold: self.thresholds.of(block.matrix, task), weight: self.weights[task] })
        });
        let tasks: Vec<_> = tasks.collect();
        let (signs, cancelled) = Arch::new().dispatch(Lanes { steps: self, tasks: &tasks, out });
        Tally { signs, cancelled: if cancelled { vec![block.clone()] } else { Vec::new() } }
    }

    /// The elected signs of at most [`LANES`] entries, as 1 or −1.
    #[inline(always)]
    fn vote(&self, elect: Elect, tasks: &[Task<'_>], signs: &mut i64, cancelled: &mut bool) -> [f32; LANES] {
        let mut sums = [0.0; LANES];
        // The bits of all values that were added up: a sum of 0 without any but the sign's comes from nothing but zeros.
        let mut bits = [0u32; LANES];
        for &task in tasks {
            let lanes = sums.iter_mut().zip(&mut bits).zip(task.entries);
            match elect {
                Elect::SumOfValues => lanes.for_each(|((sum, bits), entry)| {
                    let value = task.value(*entry);
                    *sum += value;
                    *bits |= value.to_bits();
                }),
                Elect::SumOfSigns => lanes.for_each(|((sum, _), entry)| *sum += sign(task.value(*entry))),
            }
        }
        let count = tasks.first().map_or(0, |task| task.entries.len());
        if elect == Elect::SumOfValues {
            let votes = sums[..count].iter().zip(&bits);
            *signs += votes.clone().map(|(sum, _)| sign(*sum) as i32).sum::<i32>() as i64;
            *cancelled |= votes.fold(false, |any, (sum, bits)| any | (is_zero(*sum) & (bits << 1 != 0)));
        }
        for sum in &mut sums {
            let positive = (*sum > 0.0) | (self.zero_is_positive & is_zero(*sum));
            *sum = if positive { 1.0 } else { -1.0 };
        }
        sums
    }
}

#[inline(always)]
fn is_zero(value: f32) -> bool {
    value.to_bits() << 1 == 0
}

/// 1, 0 or −1.
#[inline(always)]
fn sign(value: f32) -> f32 {
    if value > 0.0 {
        1.0
    } else if value < 0.0 {
        -1.0
    } else {
        0.0
    }
}

/// The sum of the values that take part (not zero, and of the elected sign if there is one), or their mean.
#[inline(always)]
fn total(tasks: &[Task<'_>], elected: Option<&[f32; LANES]>, mean: bool, out: &mut [f32]) {
    let mut counts = [0.0f32; LANES];
    out.fill(0.0);
    for &task in tasks {
        let lanes = out.iter_mut().zip(&mut counts).zip(task.entries);
        match elected {
            Some(signs) => lanes.zip(signs).for_each(|(((sum, count), entry), sign)| {
                let value = task.value(*entry);
                let agrees = value * sign > 0.0;
                *sum += if agrees { value } else { 0.0 };
                *count += if agrees { 1.0 } else { 0.0 };
            }),
            None => lanes.for_each(|((sum, count), entry)| {
                let value = task.value(*entry);
                *sum += value;
                *count += if is_zero(value) { 0.0 } else { 1.0 };
            }),
        }
    }
    if mean {
        out.iter_mut().zip(&counts).for_each(|(sum, count)| *sum /= count.max(1.0));
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
