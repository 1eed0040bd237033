use super::{
    blocks::{Block, block_rows},
    threshold::{Thresholds, thresholds},
};
use crate::{Aligned, Matrix};
use jobs::{Combine, Drop, Elect, Recipe};
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

    fn value(&self, entry: f32) -> f32 {
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
        let mut tally = Tally::default();
        let mut cancelled = false;
        for (index, out) in out.chunks_mut(LANES).enumerate() {
            let start = index * LANES;
            let tasks: Vec<_> = tasks.iter().map(|task| task.part(start, out.len())).collect();
            let elected = self.elect.map(|elect| self.vote(elect, &tasks, &mut tally.signs, &mut cancelled));
            match self.combine {
                Combine::Max => largest(&tasks, elected.as_ref(), out),
                combine => total(&tasks, elected.as_ref(), combine == Combine::Mean, out),
            }
        }
        if cancelled {
            tally.cancelled.push(block.clone());
        }
        tally
    }

    /// The elected signs of at most [`LANES`] entries, as 1 or −1.
    fn vote(&self, elect: Elect, tasks: &[Task<'_>], signs: &mut i64, cancelled: &mut bool) -> [f32; LANES] {
        let mut sums = [0.0; LANES];
        let sign = |value: f32| f32::from(i8::from(value > 0.0) - i8::from(value < 0.0));
        for task in tasks {
            let pairs = sums.iter_mut().zip(task.entries);
            match elect {
                Elect::SumOfValues => pairs.for_each(|(sum, entry)| *sum += task.value(*entry)),
                Elect::SumOfSigns => pairs.for_each(|(sum, entry)| *sum += sign(task.value(*entry))),
            }
        }
        let count = tasks.first().map_or(0, |task| task.entries.len());
        let votes = &sums[..count];
        if elect == Elect::SumOfValues {
            *signs += votes.iter().map(|sum| i64::from(*sum > 0.0) - i64::from(*sum < 0.0)).sum::<i64>();
            *cancelled |= (0..count).any(|lane| is_zero(votes[lane]) && survives(tasks, lane));
        }
        let zero_is_positive = self.zero_is_positive;
        sums.map(|sum| if sum > 0.0 || (zero_is_positive && is_zero(sum)) { 1.0 } else { -1.0 })
    }
}

fn is_zero(value: f32) -> bool {
    value.to_bits() << 1 == 0
}

fn survives(tasks: &[Task<'_>], lane: usize) -> bool {
    tasks.iter().any(|task| !is_zero(task.value(task.entries[lane])))
}

/// Whether a value takes part: not zero, and of the elected sign if there is one.
fn agrees(value: f32, elected: Option<f32>) -> bool {
    match elected {
        Some(sign) => value * sign > 0.0,
        None => !is_zero(value),
    }
}

/// The sum of the values that take part, or their mean.
fn total(tasks: &[Task<'_>], elected: Option<&[f32; LANES]>, mean: bool, out: &mut [f32]) {
    let mut counts = [0.0f32; LANES];
    out.fill(0.0);
    for task in tasks {
        let lanes = out.iter_mut().zip(&mut counts).zip(task.entries);
        let add = |((sum, count), entry): ((&mut f32, &mut f32), &f32), sign: Option<f32>| {
            let value = task.value(*entry);
            let agrees = agrees(value, sign);
            *sum += if agrees { value } else { 0.0 };
            *count += if agrees { 1.0 } else { 0.0 };
        };
        match elected {
            Some(signs) => lanes.zip(signs).for_each(|(lane, sign)| add(lane, Some(*sign))),
            None => lanes.for_each(|lane| add(lane, None)),
        }
    }
    if mean {
        out.iter_mut().zip(&counts).for_each(|(sum, count)| *sum /= count.max(1.0));
    }
}

/// The value of largest magnitude of those that take part; of equals the first.
fn largest(tasks: &[Task<'_>], elected: Option<&[f32; LANES]>, out: &mut [f32]) {
    out.fill(0.0);
    for task in tasks {
        for (lane, (best, entry)) in out.iter_mut().zip(task.entries).enumerate() {
            let value = task.value(*entry);
            if value.abs() > best.abs() && agrees(value, elected.map(|signs| signs[lane])) {
                *best = value;
            }
        }
    }
}
