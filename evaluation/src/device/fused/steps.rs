//! The fused passes as candle's own operations, one after the other: where a device has no compiled kernels, and for tests.

use super::Added;
use crate::{Activation, model::composed::overflows};
use candle_core::{DType, Result, Tensor};
use candle_nn::ops::{layer_norm, sigmoid, silu, softmax_last_dim};

pub(super) fn finish(product: &Tensor, bias: &Tensor, activation: Option<Activation>) -> Result<Tensor> {
    let sum = product.to_dtype(DType::F32)?.broadcast_add(bias)?;
    let activated = match activation {
        None => sum,
        Some(Activation::QuickGelu) => (&sum * sigmoid(&(&sum * 1.702)?)?)?,
        Some(Activation::Gelu) => sum.gelu_erf()?,
    };
    activated.to_dtype(product.dtype())
}

pub(super) fn add(product: &Tensor, bias: &Tensor, stream: &Tensor) -> Result<Tensor> {
    stream + product.to_dtype(DType::F32)?.broadcast_add(bias)?
}

pub(super) fn norm(rows: &Tensor, weight: &Tensor, bias: &Tensor, eps: f32, format: DType) -> Result<Tensor> {
    layer_norm(rows, weight, bias, eps)?.broadcast_add(&overflows(rows)?)?.to_dtype(format)
}

pub(super) fn shares(logits: &Tensor, scale: f32, format: DType) -> Result<Tensor> {
    softmax_last_dim(&(logits * f64::from(scale))?)?.to_dtype(format)
}

pub(super) fn rms_norm(rows: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor> {
    let wide = rows.to_dtype(DType::F32)?;
    candle_nn::ops::rms_norm(&wide, weight, eps)?.broadcast_add(&overflows(&wide)?)?.to_dtype(rows.dtype())
}

pub(super) fn add_rms_norm(stream: &Tensor, update: &Tensor, weight: &Tensor, eps: f32) -> Result<Added> {
    let sum = (stream + update)?;
    Ok(Added { normed: rms_norm(&sum, weight, eps)?, sum })
}

pub(super) fn gated(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    (silu(&gate.to_dtype(DType::F32)?)? * up.to_dtype(DType::F32)?)?.to_dtype(gate.dtype())
}

pub(super) fn masked_shares(scores: &Tensor, mask: &Tensor, scale: f32) -> Result<Tensor> {
    let scaled = (scores.to_dtype(DType::F32)? * f64::from(scale))?;
    softmax_last_dim(&scaled.broadcast_add(mask)?)?.to_dtype(scores.dtype())
}
