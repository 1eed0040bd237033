//! The passes between the products of a language model's layer.

use super::{columns, f32s, in_format_of, is_compiled, numbers, plain, stored};
use crate::device::fused::{plain::texts::Mask, steps};
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, backend::BackendStorage, bail};

/// The RMS norm of rows of any format, computed in `f32` with a weight `[columns]` and rounded to the rows' format.
pub(crate) fn rms_norm(rows: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor> {
    if !is_compiled(rows) {
        return steps::rms_norm(rows, weight, eps);
    }
    rows.apply_op2_no_bwd(weight, &Rms { eps })
}

/// A stream after an update was added to it, and its norm.
pub(crate) struct Added {
    pub(crate) sum: Tensor,
    pub(crate) normed: Tensor,
}

/// Adds an update to a stream of the same shape and format, rounds the sum, and makes the [RMS norm](rms_norm) of it.
pub(crate) fn add_rms_norm(stream: &Tensor, update: &Tensor, weight: &Tensor, eps: f32) -> Result<Added> {
    if !is_compiled(stream) {
        return steps::add_rms_norm(stream, update, weight, eps);
    }
    let both = stream.apply_op3_no_bwd(update, weight, &AddRms { eps })?;
    let part = |n: usize| both.narrow(0, n, 1)?.reshape(stream.shape());
    Ok(Added { sum: part(0)?, normed: part(1)? })
}

/// `SiLU(gate) · up`, computed in `f32` and rounded to the format of both.
pub(crate) fn gated(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    if !is_compiled(gate) {
        return steps::gated(gate, up);
    }
    gate.apply_op2_no_bwd(up, &Gated)
}

/// The softmax over the last dimension of `scale · scores + mask`, computed in `f32` and rounded to the scores' format.
///
/// # Shapes
/// `scores` `[texts, heads, queries, tokens]`; `mask` `[queries, tokens]` for all texts, or `[texts, 1, 1, tokens]`, in `f32`: 0, or minus
/// infinity for a token that is not seen. Each query sees one at least.
pub(crate) fn masked_shares(scores: &Tensor, mask: &Tensor, scale: f32) -> Result<Tensor> {
    if !is_compiled(scores) {
        return steps::masked_shares(scores, mask, scale);
    }
    let (texts, heads, queries, tokens) = scores.dims4()?;
    let repeat = match *mask.dims() {
        [rows, columns] if rows == queries && columns == tokens => 1,
        [rows, 1, 1, columns] if rows == texts && columns == tokens => heads * queries,
        _ => bail!("scores of {:?} meet a mask of {:?}", scores.dims(), mask.dims()),
    };
    scores.apply_op2_no_bwd(mask, &MaskedShares { scale, repeat })
}

struct Rms {
    eps: f32,
}

struct AddRms {
    eps: f32,
}

struct Gated;

struct MaskedShares {
    scale: f32,
    /// How many rows of scores, one after the other, have the same row of the mask.
    repeat: usize,
}

impl CustomOp2 for Rms {
    fn name(&self) -> &'static str {
        "rms-norm-rows"
    }

    fn cpu_fwd(
        &self,
        rows: &CpuStorage,
        layout: &Layout,
        weight: &CpuStorage,
        of_weight: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let weight = f32s(weight, of_weight)?;
        super::check(columns(layout), &[weight])?;
        let made = in_format_of!(rows, |values| stored(plain::texts::rms(numbers(values, layout)?, weight, self.eps)));
        Ok((made, layout.shape().clone()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        rows: &candle_core::CudaStorage,
        layout: &Layout,
        weight: &candle_core::CudaStorage,
        of_weight: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        super::cuda::texts::rms(super::operand(rows, layout), super::operand(weight, of_weight), self.eps)
    }
}

impl CustomOp3 for AddRms {
    fn name(&self) -> &'static str {
        "add-and-rms-norm-rows"
    }

    fn cpu_fwd(
        &self,
        stream: &CpuStorage,
        layout: &Layout,
        update: &CpuStorage,
        of_update: &Layout,
        weight: &CpuStorage,
        of_weight: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let weight = f32s(weight, of_weight)?;
        super::check(columns(layout), &[weight])?;
        check_same(layout, of_update)?;
        let made = in_format_of!(stream, update, |stream, update| {
            let stream = numbers(stream, layout)?;
            stored(plain::texts::add_rms(stream, numbers(update, of_update)?, weight, self.eps))
        });
        Ok((made, twice(layout)))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        stream: &candle_core::CudaStorage,
        layout: &Layout,
        update: &candle_core::CudaStorage,
        of_update: &Layout,
        weight: &candle_core::CudaStorage,
        of_weight: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        check_same(layout, of_update)?;
        let rows = [super::operand(stream, layout), super::operand(update, of_update)];
        let made = super::cuda::texts::add_rms(rows, super::operand(weight, of_weight), self.eps)?;
        Ok((made, twice(layout)))
    }
}

impl CustomOp2 for Gated {
    fn name(&self) -> &'static str {
        "gated"
    }

    fn cpu_fwd(
        &self,
        gate: &CpuStorage,
        layout: &Layout,
        up: &CpuStorage,
        of_up: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        check_same(layout, of_up)?;
        let made = in_format_of!(gate, up, |gate, up| {
            stored(plain::texts::gate(numbers(gate, layout)?, numbers(up, of_up)?))
        });
        Ok((made, layout.shape().clone()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        gate: &candle_core::CudaStorage,
        layout: &Layout,
        up: &candle_core::CudaStorage,
        of_up: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        check_same(layout, of_up)?;
        super::cuda::texts::gate(super::operand(gate, layout), super::operand(up, of_up))
    }
}

impl CustomOp2 for MaskedShares {
    fn name(&self) -> &'static str {
        "masked-softmax-shares"
    }

    fn cpu_fwd(
        &self,
        scores: &CpuStorage,
        layout: &Layout,
        mask: &CpuStorage,
        of_mask: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let mask = Mask { values: f32s(mask, of_mask)?, columns: columns(layout), repeat: self.repeat };
        let made = in_format_of!(scores, |scores| {
            stored(plain::texts::masked(numbers(scores, layout)?, &mask, self.scale))
        });
        Ok((made, layout.shape().clone()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        scores: &candle_core::CudaStorage,
        layout: &Layout,
        mask: &candle_core::CudaStorage,
        of_mask: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        super::cuda::texts::masked(
            super::operand(scores, layout),
            super::operand(mask, of_mask),
            self.scale,
            self.repeat,
        )
    }
}

/// Two tensors of this shape, one after the other.
fn twice(layout: &Layout) -> Shape {
    let dims: Vec<usize> = std::iter::once(2).chain(layout.dims().iter().copied()).collect();
    dims.into()
}

/// Refuses operands of two shapes.
fn check_same(one: &Layout, other: &Layout) -> Result<()> {
    if one.dims() == other.dims() {
        return Ok(());
    }
    bail!("numbers of {:?} meet numbers of {:?}", one.dims(), other.dims())
}

#[cfg(test)]
mod tests;
