//! The fused passes on the processor, row by row.

use crate::{
    Activation,
    model::host::activation::{exp, gelu, quick_gelu},
};
use candle_core::WithDType;
use half::{bf16, f16};

/// A number as products take it.
pub(super) trait Number: WithDType {
    /// In `f32`.
    fn wide(self) -> f32;
    /// The nearest number of this format.
    fn nearest(x: f32) -> Self;
}

impl Number for f32 {
    fn wide(self) -> f32 {
        self
    }

    fn nearest(x: f32) -> Self {
        x
    }
}

impl Number for bf16 {
    fn wide(self) -> f32 {
        self.to_f32()
    }

    fn nearest(x: f32) -> Self {
        Self::from_f32(x)
    }
}

impl Number for f16 {
    fn wide(self) -> f32 {
        self.to_f32()
    }

    fn nearest(x: f32) -> Self {
        Self::from_f32(x)
    }
}

/// `activation(product + bias)`
pub(super) fn finish<T: Number>(product: &[T], bias: &[f32], activation: Option<Activation>) -> Vec<T> {
    let sums = |f: fn(f32) -> f32| {
        let rows = product.chunks_exact(bias.len());
        rows.flat_map(|row| row.iter().zip(bias).map(|(x, bias)| T::nearest(f(x.wide() + bias)))).collect()
    };
    match activation {
        None => sums(|x| x),
        Some(Activation::QuickGelu) => sums(quick_gelu),
        Some(Activation::Gelu) => sums(gelu),
    }
}

/// `stream + (product + bias)`
pub(super) fn add<T: Number>(product: &[T], bias: &[f32], stream: &[f32]) -> Vec<f32> {
    let rows = product.chunks_exact(bias.len()).zip(stream.chunks_exact(bias.len()));
    let sums = |(product, stream): (&[T], &[f32])| -> Vec<f32> {
        product.iter().zip(bias).zip(stream).map(|((x, bias), old)| old + (x.wide() + bias)).collect()
    };
    rows.flat_map(sums).collect()
}

/// The layer norm of each row.
pub(super) fn norm<T: Number>(rows: &[f32], weight: &[f32], bias: &[f32], eps: f32) -> Vec<T> {
    let width = weight.len() as f32;
    let mut normed = Vec::with_capacity(rows.len());
    for row in rows.chunks_exact(weight.len()) {
        let mean = row.iter().sum::<f32>() / width;
        let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / width;
        let inverse = 1.0 / (variance + eps).sqrt();
        let scaled = row.iter().zip(weight).zip(bias).map(|((x, w), b)| T::nearest((x - mean) * inverse * w + b));
        normed.extend(scaled);
    }
    normed
}

/// The softmax of each row, scaled before.
pub(super) fn shares<T: Number>(logits: &[f32], columns: usize, scale: f32) -> Vec<T> {
    let mut shares = Vec::with_capacity(logits.len());
    let mut powers = vec![0.0; columns];
    for row in logits.chunks_exact(columns) {
        let top = row.iter().fold(f32::NEG_INFINITY, |top, x| top.max(x * scale));
        powers.iter_mut().zip(row).for_each(|(power, x)| *power = exp(x * scale - top));
        let sum: f32 = powers.iter().sum();
        shares.extend(powers.iter().map(|power| T::nearest(power / sum)));
    }
    shares
}
