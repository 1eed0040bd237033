use crate::methods::l1_factor;

/// What of a task matrix stays the same when some of its entries are left out: the rest is multiplied with one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// The sum of magnitudes: `rescale_norm: l1` of mergekit.
    Sum,
    /// The Frobenius norm: `rescale_norm: l2`.
    Norm,
}

impl Size {
    /// What entries add to the size: magnitudes, or squares.
    pub(super) fn sum(self, entries: impl Iterator<Item = f32>) -> f64 {
        match self {
            Self::Sum => entries.map(|entry| f64::from(entry.abs())).sum(),
            Self::Norm => entries.map(|entry| f64::from(entry).powi(2)).sum(),
        }
    }

    /// What brings the size from the second sum back to the first; 1 where nothing is left.
    pub(super) fn factor(self, before: f64, after: f64) -> f32 {
        let factor = l1_factor(before, after);
        match self {
            Self::Sum => factor as f32,
            Self::Norm => factor.sqrt() as f32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Size;

    #[test]
    fn what_is_left_gets_the_size_of_all() {
        let all = [3.0f32, -4.0, 5.0];
        let kept = [0.0f32, -4.0, 5.0];
        for (size, expected) in [(Size::Sum, 12.0 / 9.0), (Size::Norm, (50.0f64 / 41.0).sqrt())] {
            let factor = size.factor(size.sum(all.into_iter()), size.sum(kept.into_iter()));
            assert!((f64::from(factor) - expected).abs() < 1e-6, "{size:?}: {factor}");
            assert!((size.factor(1.0, 0.0) - 1.0).abs() < 1e-9, "{size:?}");
        }
    }
}
