//! The fused passes on the processor. Blocks of rows are widened, computed in `f32`, and rounded: so every loop is one of vector
//! instructions, whatever the format.

pub(super) mod texts;

use crate::{
    Activation,
    instructions::arch,
    model::host::{
        activation::{gelu, quick_gelu},
        kernels::{layer_norm, softmax},
        pairs::nearest_bits,
    },
};
use candle_core::WithDType;
use half::{bf16, f16, slice::HalfFloatSliceExt};
use std::ops::Range;

/// Numbers of a block, about: they stay in a core's first cache.
const BLOCK: usize = 2048;

/// A number as products take it.
pub(super) trait Number: WithDType {
    /// Makes `f32` of numbers.
    fn widen(to: &mut [f32], from: &[Self]);
    /// Rounds numbers to this format: to the nearest, ties to even.
    fn narrow(to: &mut [Self], from: &[f32]);
}

impl Number for f32 {
    fn widen(to: &mut [f32], from: &[Self]) {
        to.copy_from_slice(from);
    }

    fn narrow(to: &mut [Self], from: &[f32]) {
        to.copy_from_slice(from);
    }
}

impl Number for bf16 {
    fn widen(to: &mut [f32], from: &[Self]) {
        let numbers = to.iter_mut().zip(from);
        arch().dispatch(|| numbers.for_each(|(to, x)| *to = f32::from_bits(u32::from(x.to_bits()) << 16)));
    }

    fn narrow(to: &mut [Self], from: &[f32]) {
        let numbers = to.iter_mut().zip(from);
        arch().dispatch(|| numbers.for_each(|(to, x)| *to = Self::from_bits((nearest_bits(*x) >> 16) as u16)));
    }
}

impl Number for f16 {
    fn widen(to: &mut [f32], from: &[Self]) {
        from.convert_to_f32_slice(to);
    }

    fn narrow(to: &mut [Self], from: &[f32]) {
        to.convert_from_f32_slice(from);
    }
}

/// `activation(product + bias)`
pub(super) fn finish<T: Number>(product: &[T], bias: &[f32], activation: Option<Activation>) -> Vec<T> {
    match activation {
        None => finish_with(product, bias, |x| x),
        Some(Activation::QuickGelu) => finish_with(product, bias, quick_gelu),
        Some(Activation::Gelu) => finish_with(product, bias, gelu),
    }
}

fn finish_with<T: Number>(product: &[T], bias: &[f32], activated: impl Fn(f32) -> f32) -> Vec<T> {
    by_blocks(product.len(), bias.len(), |range, sums| {
        T::widen(sums, &product[range]);
        arch().dispatch(|| {
            for row in sums.chunks_exact_mut(bias.len()) {
                row.iter_mut().zip(bias).for_each(|(x, bias)| *x = activated(*x + bias));
            }
        });
    })
}

/// `stream + (product + bias)`
pub(super) fn add<T: Number>(product: &[T], bias: &[f32], stream: &[f32]) -> Vec<f32> {
    by_blocks(product.len(), bias.len(), |range, sums| {
        T::widen(sums, &product[range.clone()]);
        arch().dispatch(|| {
            for (row, stream) in sums.chunks_exact_mut(bias.len()).zip(stream[range].chunks_exact(bias.len())) {
                row.iter_mut().zip(bias).zip(stream).for_each(|((x, bias), old)| *x = old + (*x + bias));
            }
        });
    })
}

/// The layer norm of each row.
pub(super) fn norm<T: Number>(rows: &[f32], weight: &[f32], bias: &[f32], eps: f32) -> Vec<T> {
    by_blocks(rows.len(), weight.len(), |range, normed| layer_norm(normed, &rows[range], weight, bias, eps))
}

/// The softmax of each row, scaled before.
pub(super) fn shares<T: Number>(logits: &[f32], columns: usize, scale: f32) -> Vec<T> {
    by_blocks(logits.len(), columns, |range, shares| {
        arch().dispatch(|| shares.iter_mut().zip(&logits[range]).for_each(|(to, x)| *to = x * scale));
        softmax(shares, columns, None);
    })
}

/// Makes numbers of rows so many columns wide: `make` fills a block of whole rows, whose range it gets.
fn by_blocks<T: Number>(count: usize, columns: usize, mut make: impl FnMut(Range<usize>, &mut [f32])) -> Vec<T> {
    let block = (BLOCK / columns).max(1) * columns;
    let mut made = vec![T::from_f64(0.0); count];
    let mut wide = vec![0.0; block.min(count)];
    for (to, start) in made.chunks_mut(block).zip((0..).step_by(block)) {
        let wide = &mut wide[..to.len()];
        make(start..start + to.len(), wide);
        T::narrow(to, wide);
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_bf16_as_other_devices_round_them() {
        let tiny = f32::from_bits(0x0001_8000);
        let numbers =
            [0.0, -0.0, 1.0, -1.003_906_2, 3.4e38, f32::INFINITY, 1e-38, tiny, -tiny, f32::MIN_POSITIVE / 3.0];
        let mut rounded = [bf16::ZERO; 10];
        bf16::narrow(&mut rounded, &numbers);
        assert_eq!(rounded.map(bf16::to_bits), numbers.map(|x| bf16::from_f32(x).to_bits()));
        let mut nan = [bf16::ZERO];
        bf16::narrow(&mut nan, &[f32::NAN]);
        assert!(nan[0].is_nan());
    }
}
