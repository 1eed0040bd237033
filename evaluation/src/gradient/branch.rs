use super::{Scales, dropout::PlacedDropout};

/// How the low-rank updates take part in a pass.
pub(super) struct Branch<'a, T> {
    pub(super) scales: &'a Scales<T>,
    /// What zeroes inputs of the updates, in training.
    pub(super) dropout: Option<PlacedDropout>,
}
