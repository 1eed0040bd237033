use super::{blocks::Block, drop::EntryDrop, rescale::Size};
use crate::{Aligned, align::Histogram};
use jobs::{Recipe, Trim, TrimCount, TrimRescale, TrimScope};
use pulp::Arch;
use rayon::prelude::*;

/// The upper bits of a magnitude, counted first.
const UPPER: usize = 1 << 16;
/// The lower bits, counted within the bin where the threshold lies.
const LOWER_BITS: u32 = 15;
const LOWER: usize = 1 << LOWER_BITS;
/// Entries that are looked at together for the bin.
const GROUP: usize = 64;

/// The magnitudes that stay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Band {
    /// The smallest.
    pub(super) low: f32,
    /// The largest.
    pub(super) high: f32,
    /// What entries that stay are multiplied with.
    pub(super) scale: f32,
}

impl Band {
    /// Every magnitude.
    const ALL: Self = Self { low: 0.0, high: f32::INFINITY, scale: 1.0 };
    /// None: no finite number is as large.
    const NOTHING: Self = Self { low: f32::INFINITY, high: f32::INFINITY, scale: 1.0 };

    /// Whether an entry stays.
    #[inline(always)]
    pub(super) fn keeps(self, entry: f32) -> bool {
        (entry.abs() >= self.low) & (entry.abs() <= self.high)
    }
}

/// The trim thresholds: entries stay if their magnitude is in the band of their task (and matrix).
#[derive(Debug)]
pub(super) enum Thresholds {
    None,
    /// By task.
    Model(Vec<Band>),
    /// By matrix, then by task.
    Matrix(Vec<Vec<Band>>),
}

impl Thresholds {
    /// The band of `task` in the matrix of index `matrix`.
    pub(super) fn of(&self, matrix: usize, task: usize) -> Band {
        match self {
            Self::None => Band::ALL,
            Self::Model(thresholds) => thresholds[task],
            Self::Matrix(thresholds) => thresholds[matrix][task],
        }
    }
}

/// Finds the magnitudes of the entries that are kept.
///
/// With `d` entries, `k = ⌊density · d⌋` and `o = ⌊outliers · d⌋`, the largest magnitude that stays is the `(d − o)`-th
/// smallest, and the smallest one is the `(d − o − k)`-th (`floor_plus_one`) or the `(d − o − k + 1)`-th (`floor`). So
/// `k + 1` or `k` entries stay when all magnitudes differ, and every tie at either end stays. With `floor_plus_one` a
/// density below 1/d keeps one entry, with `floor` none.
///
/// # Shapes
/// The task matrices after the drop, taken as one vector per task (`scope: model`) or one by one (`scope: matrix`).
///
/// # Numerics
/// Exact selection on the bits of `f32` magnitudes, whose order is that of the numbers: one count of the upper 16
/// bits (kept for further densities when nothing is dropped), one of the lower 15 bits within the bin of the
/// threshold. O(d), no copy.
///
/// # Source
/// TIES (arXiv:2306.01708) step 1, with the threshold rule of the KnOTS reference implementation (`floor_plus_one`) or
/// of PEFT and mergekit (`floor`); outliers as in Model Breadcrumbs (arXiv:2312.06795) and mergekit's
/// `magnitude_outliers`. See [`Aligned::merge`].
pub(super) fn thresholds(aligned: &Aligned, recipe: &Recipe, drop: Option<&EntryDrop>) -> Thresholds {
    let Some(trim) = &recipe.trim else { return Thresholds::None };
    let found = match trim.scope {
        TrimScope::Model => Thresholds::Model(of_model(aligned, trim, drop)),
        TrimScope::Matrix => Thresholds::Matrix(of_matrices(aligned, trim, drop)),
    };
    match trim.rescale {
        TrimRescale::None => found,
        TrimRescale::Sum => Thresholds::Matrix(rescaled(aligned, &found, Size::Sum, drop)),
        TrimRescale::Norm => Thresholds::Matrix(rescaled(aligned, &found, Size::Norm, drop)),
    }
}

/// The same bands with what brings the size of every task matrix back to what it was before the trim.
///
/// # Source
/// mergekit's `rescale`, which it offers for every way to sparsify.
fn rescaled(aligned: &Aligned, found: &Thresholds, size: Size, drop: Option<&EntryDrop>) -> Vec<Vec<Band>> {
    let band = |matrix: usize, task: usize| {
        let band = found.of(matrix, task);
        let mut before = 0.0;
        let mut after = 0.0;
        let mut scratch = Vec::new();
        for block in aligned.blocks_of(matrix) {
            if let Some(entries) = aligned.dropped(&block, task, drop, &mut scratch) {
                before += size.sum(entries.iter().copied());
                after += size.sum(entries.iter().copied().filter(|entry| band.keeps(*entry)));
            }
        }
        Band { scale: size.factor(before, after), ..band }
    };
    let of_matrix = |matrix| (0..aligned.tasks.len()).map(|task| band(matrix, task)).collect();
    (0..aligned.matrices.len()).into_par_iter().map(of_matrix).collect()
}

fn of_model(aligned: &Aligned, trim: &Trim, drop: Option<&EntryDrop>) -> Vec<Band> {
    let blocks = aligned.blocks();
    let count_upper = || -> Vec<Histogram> {
        (0..aligned.tasks.len()).map(|task| count_parallel(aligned, &blocks, task, drop, None)).collect()
    };
    let fresh;
    let upper = match drop {
        None => aligned.upper_histograms.get_or_init(count_upper),
        Some(_) => {
            fresh = count_upper();
            &fresh
        }
    };
    let entries = aligned.matrices.iter().map(|matrix| matrix.entry_count() as u64).sum();
    let threshold = |(task, upper): (usize, &Histogram)| {
        select(entries, trim, upper, |bin| count_parallel(aligned, &blocks, task, drop, Some(bin)))
    };
    upper.iter().enumerate().map(threshold).collect()
}

fn of_matrices(aligned: &Aligned, trim: &Trim, drop: Option<&EntryDrop>) -> Vec<Vec<Band>> {
    let matrix = |index: usize| {
        let blocks = aligned.blocks_of(index);
        let entries = aligned.matrices[index].entry_count() as u64;
        let threshold = |task| {
            let upper = count(aligned, &blocks, task, drop, None);
            select(entries, trim, &upper, |bin| count(aligned, &blocks, task, drop, Some(bin)))
        };
        (0..aligned.tasks.len()).map(threshold).collect()
    };
    (0..aligned.matrices.len()).into_par_iter().map(matrix).collect()
}

/// The band, given the counts of upper bits and a way to count the lower bits within one of those bins.
fn select(entries: u64, trim: &Trim, upper: &Histogram, lower: impl Fn(u32) -> Histogram) -> Band {
    if entries == 0 {
        return Band::ALL;
    }
    let share = |share: f64| (entries as f64 * share).floor() as u64;
    let smallest = |rank: u64| {
        let (bin, rank) = nth(upper, rank.max(1));
        let (low, _) = nth(&lower(bin), rank);
        f32::from_bits(bin << LOWER_BITS | low)
    };
    let kept = share(trim.density);
    let outliers = share(trim.outliers).min(entries - 1);
    let below = (entries - outliers).saturating_sub(kept);
    let low = match trim.count {
        TrimCount::FloorPlusOne => smallest(below),
        TrimCount::Floor if kept == 0 => return Band::NOTHING,
        TrimCount::Floor => smallest(below + 1),
    };
    let high = if outliers == 0 { f32::INFINITY } else { smallest(entries - outliers) };
    Band { low, high, scale: 1.0 }
}

/// The bin of the `rank`-th entry in rising order (from 1), and its rank within the bin.
fn nth(histogram: &Histogram, mut rank: u64) -> (u32, u64) {
    for (bin, count) in histogram.iter().enumerate() {
        if rank <= *count {
            return (bin as u32, rank);
        }
        rank -= count;
    }
    unreachable!("a rank is at most the number of entries counted")
}

fn count_parallel(
    aligned: &Aligned,
    blocks: &[Block],
    task: usize,
    drop: Option<&EntryDrop>,
    within: Option<u32>,
) -> Histogram {
    // Few pieces: every one has a histogram of its own.
    let piece = blocks.len().div_ceil(4 * rayon::current_num_threads()).max(1);
    let counts = blocks.par_chunks(piece).map(|blocks| count(aligned, blocks, task, drop, within));
    counts.reduce_with(add).unwrap_or_default()
}

fn add(mut left: Histogram, right: Histogram) -> Histogram {
    left.iter_mut().zip(right).for_each(|(left, right)| *left += right);
    left
}

/// Counts the upper bits of magnitudes, or the lower bits of those whose upper bits are `within`.
fn count(aligned: &Aligned, blocks: &[Block], task: usize, drop: Option<&EntryDrop>, within: Option<u32>) -> Histogram {
    let mut histogram = vec![0; if within.is_some() { LOWER } else { UPPER }];
    let mut scratch = Vec::new();
    for block in blocks {
        match aligned.dropped(block, task, drop, &mut scratch) {
            Some(entries) => count_entries(&mut histogram, entries, within),
            None if within.unwrap_or(0) == 0 => {
                let [_, cols] = aligned.matrices[block.matrix].entry_shape();
                histogram[0] += (block.rows.len() * cols) as u64;
            }
            None => {}
        }
    }
    histogram
}

fn count_entries(histogram: &mut [u64], entries: &[f32], within: Option<u32>) {
    let Some(bin) = within else {
        return entries.iter().for_each(|entry| histogram[(magnitude(*entry) >> LOWER_BITS) as usize] += 1);
    };
    Arch::new().dispatch(|| {
        // Few entries lie in the bin: whole groups without one are passed over.
        for group in entries.chunks(GROUP) {
            let inside = |entry: &f32| magnitude(*entry) >> LOWER_BITS == bin;
            if group.iter().fold(false, |any, entry| any | inside(entry)) {
                let inside = group.iter().filter(|entry| inside(entry));
                inside.for_each(|entry| histogram[magnitude(*entry) as usize & (LOWER - 1)] += 1);
            }
        }
    });
}

/// The bits without the sign's, which order as magnitudes do.
#[inline(always)]
fn magnitude(entry: f32) -> u32 {
    entry.to_bits() & (u32::MAX >> 1)
}
