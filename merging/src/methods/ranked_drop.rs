use std::cmp::Ordering;

/// DELLA's drop: entries are dropped at random, the smaller ones of a row more often than the larger ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RankedDrop {
    /// p: the mean drop rate, in (0, 1).
    pub(crate) rate: f64,
    /// ε ≥ 0: the smallest entry of a row is dropped at the rate p + ε, the largest at p − ε; both lie in (0, 1).
    pub(crate) spread: f64,
}

/// Room for the order of a row, kept from row to row.
#[derive(Debug, Default)]
pub(crate) struct RowOrder(Vec<u32>);

impl RankedDrop {
    /// The probability with which every entry of a row is kept.
    ///
    /// With n columns, the entry of rank i (from 0 for the smallest magnitude) is kept with probability
    /// 1 − p − ε + 2εi/(n − 1). A row of one entry keeps it with 1 − p.
    ///
    /// # Shapes
    /// `row`: the entries of one row of a task matrix; `keep`, as long, is overwritten.
    ///
    /// # Numerics
    /// Of equal magnitudes the first has the lower rank. Sorting costs O(n log n). Ranks are by row, so the result
    /// depends on the basis.
    ///
    /// # Source
    /// DELLA (arXiv:2406.11617), MAGPRUNE, with ranks from 0 to n − 1 as in mergekit.
    ///
    /// # Examples
    /// p = 0.5 and ε = 0.2 keep the entries of the row (3, −1, 2) with 0.7, 0.3 and 0.5.
    pub(crate) fn keep_probabilities(self, row: &[f32], order: &mut RowOrder, keep: &mut [f64]) {
        let RowOrder(order) = order;
        order.clear();
        order.extend(0..row.len() as u32);
        let by_magnitude = |left: &u32, right: &u32| -> Ordering {
            row[*left as usize].abs().total_cmp(&row[*right as usize].abs()).then(left.cmp(right))
        };
        order.sort_unstable_by(by_magnitude);
        let steps = row.len().saturating_sub(1) as f64;
        for (rank, col) in order.iter().enumerate() {
            // From −1 for the smallest to 1 for the largest.
            let place = if steps > 0.0 { 2.0 * rank as f64 / steps - 1.0 } else { 0.0 };
            keep[*col as usize] = 1.0 - self.rate + self.spread * place;
        }
    }
}

/// What a task matrix is multiplied with after a drop, so that the sum of its magnitudes is what it was.
///
/// Σ|x| / Σ|kept x|, by matrix, and 1 where nothing is left.
///
/// # Source
/// mergekit's `rescale_norm: l1`. The paper divides every entry by its probability of being kept instead.
pub(crate) fn l1_factor(before: f64, after: f64) -> f64 {
    if after > 0.0 { before / after } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::{RankedDrop, RowOrder, l1_factor};

    fn probabilities(row: &[f32], rate: f64, spread: f64) -> Vec<f64> {
        let mut keep = vec![0.0; row.len()];
        RankedDrop { rate, spread }.keep_probabilities(row, &mut RowOrder::default(), &mut keep);
        keep
    }

    #[test]
    fn larger_entries_are_kept_more_often() {
        let expected = [0.7, 0.3, 0.5];
        let found = probabilities(&[3.0, -1.0, 2.0], 0.5, 0.2);
        assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-15), "{found:?}");
    }

    #[test]
    fn a_row_of_one_entry_has_the_mean_rate() {
        assert_eq!(probabilities(&[3.0], 0.25, 0.2), [0.75]);
        assert!(probabilities(&[], 0.25, 0.2).is_empty());
    }

    #[test]
    fn what_loses_everything_is_not_rescaled() {
        assert!((l1_factor(3.0, 1.5) - 2.0).abs() < 1e-15);
        assert!((l1_factor(3.0, 0.0) - 1.0).abs() < 1e-15);
    }
}
