//! The passes of language models.

use super::{Number, by_blocks};
use crate::{
    instructions::arch,
    model::host::{
        activation::silu,
        kernels::{rms_norm, softmax},
    },
};

/// The RMS norm of each row.
pub(in super::super) fn rms<T: Number>(rows: &[T], weight: &[f32], eps: f32) -> Vec<T> {
    let mut wide = Vec::new();
    by_blocks(rows.len(), weight.len(), |range, normed| {
        wide.resize(normed.len(), 0.0);
        T::widen(&mut wide, &rows[range]);
        rms_norm(normed, &wide, weight, eps);
    })
}

/// The sums of two rows each, rounded, and after all of them the RMS norms of these.
pub(in super::super) fn add_rms<T: Number>(stream: &[T], update: &[T], weight: &[f32], eps: f32) -> Vec<T> {
    let mut wide = Vec::new();
    let mut sums: Vec<T> = by_blocks(stream.len(), weight.len(), |range, sums| {
        wide.resize(sums.len(), 0.0);
        T::widen(sums, &stream[range.clone()]);
        T::widen(&mut wide, &update[range]);
        arch().dispatch(|| sums.iter_mut().zip(&wide).for_each(|(sum, x)| *sum += x));
    });
    let normed = rms(&sums, weight, eps);
    sums.extend(normed);
    sums
}

/// `SiLU(gate) · up`, number by number.
pub(in super::super) fn gate<T: Number>(gate: &[T], up: &[T]) -> Vec<T> {
    let mut wide = Vec::new();
    by_blocks(gate.len(), 1, |range, made| {
        wide.resize(made.len(), 0.0);
        T::widen(made, &gate[range.clone()]);
        T::widen(&mut wide, &up[range]);
        arch().dispatch(|| made.iter_mut().zip(&wide).for_each(|(x, up)| *x = silu(*x) * up));
    })
}

/// What is added to scores, row by row: 0, or minus infinity for what a token does not see.
pub(in super::super) struct Mask<'a> {
    /// `[rows, columns]`
    pub(in super::super) values: &'a [f32],
    pub(in super::super) columns: usize,
    /// How many rows of scores, one after the other, have the same row of the mask. After the mask's last row comes its first.
    pub(in super::super) repeat: usize,
}

impl Mask<'_> {
    fn of(&self, row: usize) -> &[f32] {
        let start = row / self.repeat * self.columns % self.values.len();
        &self.values[start..start + self.columns]
    }
}

/// The softmax of each row of scores, which are scaled and masked before.
pub(in super::super) fn masked<T: Number>(scores: &[T], mask: &Mask<'_>, scale: f32) -> Vec<T> {
    let columns = mask.columns;
    by_blocks(scores.len(), columns, |range, shares| {
        T::widen(shares, &scores[range.clone()]);
        let first = range.start / columns;
        arch().dispatch(|| {
            for (row, n) in shares.chunks_exact_mut(columns).zip(first..) {
                row.iter_mut().zip(mask.of(n)).for_each(|(x, mask)| *x = *x * scale + mask);
            }
        });
        softmax(shares, columns, None);
        // The exponential of what is hidden is small and no zero.
        arch().dispatch(|| {
            for (row, n) in shares.chunks_exact_mut(columns).zip(first..) {
                row.iter_mut().zip(mask.of(n)).for_each(|(x, mask)| *x = if *mask < 0.0 { 0.0 } else { *x });
            }
        });
    })
}
