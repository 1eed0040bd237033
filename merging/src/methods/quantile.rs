use std::ops::RangeInclusive;

/// The value with `rank` smaller ones before it in rising order, counted from 0.
///
/// # Panics
/// If there are not more than `rank` values.
pub(super) fn nth_smallest(values: &mut [f64], rank: usize) -> f64 {
    *values.select_nth_unstable_by(rank, f64::total_cmp).1
}

/// How many of `entries` magnitudes a trim leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TrimCount {
    /// ⌊density · d⌋ + 1: TIES, KnOTS, core-space-merging, compress-then-merge.
    FloorPlusOne,
    /// ⌊density · d⌋: PEFT, mergekit, merge-and-rebase.
    Floor,
}

/// The ranks of the magnitudes that a trim keeps, from 0 for the smallest.
///
/// With `d` entries, `k` of them are kept (see [`TrimCount`]), and t = ⌊outliers · d⌋ of the largest are removed as
/// well: those of rank d − t − k to d − t − 1 stay. Where k + t > d, fewer outliers are removed, so that k stay.
///
/// # Numerics
/// Integers; at least one entry stays, so a density below 1/d keeps the largest one that is no outlier.
///
/// # Source
/// TIES (arXiv:2306.01708) step 1; Model Breadcrumbs (arXiv:2312.06795) with the counts of mergekit's
/// `magnitude_outliers`, which keeps nothing if t is 0; PEFT's `magnitude_prune` is `outliers` 0 and `Floor`.
///
/// # Examples
/// Of 10 entries, density 0.3 and outliers 0.1 keep the ranks 6, 7 and 8; density 0.95 and outliers 0.2 the ranks 0
/// to 8, so only one outlier is removed.
pub(crate) fn kept_ranks(entries: usize, density: f64, outliers: f64, count: TrimCount) -> RangeInclusive<usize> {
    let floor = (density * entries as f64) as usize;
    let kept = match count {
        TrimCount::FloorPlusOne => floor + 1,
        TrimCount::Floor => floor,
    };
    let kept = kept.clamp(1, entries.max(1));
    let removed = ((outliers * entries as f64) as usize).min(entries.saturating_sub(kept));
    let last = entries.saturating_sub(removed + 1);
    (last + 1).saturating_sub(kept)..=last
}

#[cfg(test)]
mod tests {
    use super::{TrimCount, kept_ranks};
    use proptest::prelude::*;

    #[test]
    fn the_smallest_and_the_largest_magnitudes_go() {
        assert_eq!(kept_ranks(10, 0.3, 0.1, TrimCount::Floor), 6..=8);
        assert_eq!(kept_ranks(10, 0.95, 0.2, TrimCount::Floor), 0..=8);
        assert_eq!(kept_ranks(10, 0.3, 0.0, TrimCount::FloorPlusOne), 6..=9);
        assert_eq!(kept_ranks(10, 1.0, 0.5, TrimCount::FloorPlusOne), 0..=9);
        assert_eq!(kept_ranks(10, 0.01, 0.2, TrimCount::Floor), 7..=7);
    }

    proptest! {
        #[test]
        fn a_trim_keeps_what_its_density_says(
            entries in 1usize..500, density in 0.0f64..=1.0, outliers in 0.0f64..=1.0, plus_one in any::<bool>(),
        ) {
            let count = if plus_one { TrimCount::FloorPlusOne } else { TrimCount::Floor };
            let kept = kept_ranks(entries, density, outliers, count);
            let expected = (density * entries as f64) as usize + usize::from(plus_one);
            prop_assert_eq!(kept.clone().count(), expected.clamp(1, entries));
            prop_assert!(*kept.end() < entries);
        }
    }
}
