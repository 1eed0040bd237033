//! Rotary position embedding, forward and backward.

use crate::{decoder::Rope, model::host::real::Real};

/// Turns every head of rows `width` wide, each at its position.
pub(super) fn forward<T: Real>(rows: &mut [T], width: usize, rope: &Rope, positions: impl Iterator<Item = usize>) {
    turn(rows, width, rope, positions, T::ONE);
}

/// Turns gradients back: the transpose of a rotation is its inverse.
pub(super) fn backward<T: Real>(rows: &mut [T], width: usize, rope: &Rope, positions: impl Iterator<Item = usize>) {
    turn(rows, width, rope, positions, -T::ONE);
}

fn turn<T: Real>(rows: &mut [T], width: usize, rope: &Rope, positions: impl Iterator<Item = usize>, sense: T) {
    for (row, position) in rows.chunks_exact_mut(width).zip(positions) {
        let (cos, sin) = rope.at(position);
        for head in row.chunks_exact_mut(2 * rope.half) {
            let (first, second) = head.split_at_mut(rope.half);
            for (((a, b), cos), sin) in first.iter_mut().zip(second).zip(cos).zip(sin) {
                let cos = T::of(f64::from(*cos));
                let sin = T::of(f64::from(*sin)) * sense;
                let turned = *a * cos - *b * sin;
                *b = *b * cos + *a * sin;
                *a = turned;
            }
        }
    }
}
