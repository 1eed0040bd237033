//! The passes between the products of an encoder block, each of them one read and one write of its numbers.
//!
//! Candle's own operations make three to five passes of each. The pass itself lies in `fused/plain.rs`, for the processor, and in
//! `fused/kernels.cu`, for CUDA. Where NVRTC cannot compile that, candle's operations take its place. **Not measured on a GPU.**

#[cfg(feature = "cuda")]
mod cuda;
mod plain;
mod steps;
mod texts;

pub(crate) use texts::{Added, add_rms_norm, gated, masked_shares, rms_norm};

use crate::Activation;
use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, DType, Layout, Result, Shape, Tensor, backend::BackendStorage, bail,
};
use plain::Number;

/// Adds a bias `[columns]` in `f32` to a product `[rows, columns]`, sends the sum through an activation, and rounds it to the
/// product's format.
pub(crate) fn finish(product: &Tensor, bias: &Tensor, activation: Option<Activation>) -> Result<Tensor> {
    if !is_compiled(product) {
        return steps::finish(product, bias, activation);
    }
    product.apply_op2_no_bwd(bias, &Finish { activation })
}

/// The sum of a product `[rows, columns]` with its bias `[columns]` and a stream `[rows, columns]`, the last two and the sum in `f32`.
pub(crate) fn add(product: &Tensor, bias: &Tensor, stream: &Tensor) -> Result<Tensor> {
    if !is_compiled(product) {
        return steps::add(product, bias, stream);
    }
    product.apply_op3_no_bwd(bias, stream, &Add)
}

/// The layer norm of rows in `f32`, with a weight and a bias `[columns]`, rounded to `format`.
///
/// # Numerics
/// The variance is that of the distances from the mean, in a second look at the row.
pub(crate) fn norm(rows: &Tensor, weight: &Tensor, bias: &Tensor, eps: f32, format: DType) -> Result<Tensor> {
    if !is_compiled(rows) {
        return steps::norm(rows, weight, bias, eps, format);
    }
    rows.apply_op3_no_bwd(weight, bias, &Norm { eps, format })
}

/// The softmax over the last dimension of `scale` times logits in `f32`, rounded to `format`.
pub(crate) fn shares(logits: &Tensor, scale: f32, format: DType) -> Result<Tensor> {
    if !is_compiled(logits) {
        return steps::shares(logits, scale, format);
    }
    logits.apply_op1_no_bwd(&Shares { scale, format })
}

/// Whether the passes are there for the tensor's device: always on the processor; on CUDA if NVRTC could compile them.
#[cfg(feature = "cuda")]
fn is_compiled(tensor: &Tensor) -> bool {
    !tensor.device().is_cuda() || cuda::is_compiled()
}

/// Whether the passes are there for the tensor's device: always on the processor.
#[cfg(not(feature = "cuda"))]
fn is_compiled(_tensor: &Tensor) -> bool {
    true
}

struct Finish {
    activation: Option<Activation>,
}

struct Add;

struct Norm {
    eps: f32,
    format: DType,
}

struct Shares {
    scale: f32,
    format: DType,
}

/// The numbers of a tensor on the processor, all of them and in their order.
fn numbers<'a, T>(values: &'a [T], layout: &Layout) -> Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&values[start..end]),
        None => bail!("fused passes take tensors that lie in their order, not {layout:?}"),
    }
}

fn f32s<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    numbers(storage.as_slice::<f32>()?, layout)
}

fn columns(layout: &Layout) -> usize {
    layout.dims().last().copied().unwrap_or(1).max(1)
}

/// Calls `$pass` with the format's number type as `T`, and wraps what it makes.
macro_rules! in_format {
    ($format:expr, $pass:expr) => {
        match $format {
            DType::F32 => CpuStorage::F32($pass),
            DType::BF16 => CpuStorage::BF16($pass),
            DType::F16 => CpuStorage::F16($pass),
            other => bail!("fused passes make no numbers of the format {other:?}"),
        }
    };
}

/// Calls `$pass` with the numbers of a storage, or of two that have the same format.
macro_rules! in_format_of {
    ($storage:expr, |$values:ident| $pass:expr) => {
        match $storage {
            CpuStorage::F32($values) => $pass,
            CpuStorage::BF16($values) => $pass,
            CpuStorage::F16($values) => $pass,
            other => bail!("fused passes take no numbers of the format {:?}", other.dtype()),
        }
    };
    ($storage:expr, $other:expr, |$values:ident, $others:ident| $pass:expr) => {
        match ($storage, $other) {
            (CpuStorage::F32($values), CpuStorage::F32($others)) => $pass,
            (CpuStorage::BF16($values), CpuStorage::BF16($others)) => $pass,
            (CpuStorage::F16($values), CpuStorage::F16($others)) => $pass,
            (one, other) => {
                bail!("fused passes take no numbers of two formats: {:?} and {:?}", one.dtype(), other.dtype())
            }
        }
    };
}

use in_format_of;

impl CustomOp2 for Finish {
    fn name(&self) -> &'static str {
        "finish-product"
    }

    fn cpu_fwd(
        &self,
        product: &CpuStorage,
        layout: &Layout,
        bias: &CpuStorage,
        of_bias: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let bias = f32s(bias, of_bias)?;
        check(columns(layout), &[bias])?;
        let made =
            in_format_of!(product, |values| stored(plain::finish(numbers(values, layout)?, bias, self.activation)));
        Ok((made, layout.shape().clone()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        product: &candle_core::CudaStorage,
        layout: &Layout,
        bias: &candle_core::CudaStorage,
        of_bias: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        cuda::finish(operand(product, layout), operand(bias, of_bias), self.activation)
    }
}

impl CustomOp3 for Add {
    fn name(&self) -> &'static str {
        "add-product"
    }

    fn cpu_fwd(
        &self,
        product: &CpuStorage,
        layout: &Layout,
        bias: &CpuStorage,
        of_bias: &Layout,
        stream: &CpuStorage,
        of_stream: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let bias = f32s(bias, of_bias)?;
        let stream = f32s(stream, of_stream)?;
        check(columns(layout), &[bias])?;
        if stream.len() != layout.shape().elem_count() {
            bail!("a product of {:?} is added to a stream of {:?}", layout.dims(), of_stream.dims());
        }
        let sum = in_format_of!(product, |values| plain::add(numbers(values, layout)?, bias, stream));
        Ok((CpuStorage::F32(sum), of_stream.shape().clone()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        product: &candle_core::CudaStorage,
        layout: &Layout,
        bias: &candle_core::CudaStorage,
        of_bias: &Layout,
        stream: &candle_core::CudaStorage,
        of_stream: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        cuda::add(operand(product, layout), operand(bias, of_bias), operand(stream, of_stream))
    }
}

impl CustomOp3 for Norm {
    fn name(&self) -> &'static str {
        "norm-rows"
    }

    fn cpu_fwd(
        &self,
        rows: &CpuStorage,
        layout: &Layout,
        weight: &CpuStorage,
        of_weight: &Layout,
        bias: &CpuStorage,
        of_bias: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let rows = f32s(rows, layout)?;
        let weight = f32s(weight, of_weight)?;
        let bias = f32s(bias, of_bias)?;
        check(columns(layout), &[weight, bias])?;
        let made = in_format!(self.format, plain::norm(rows, weight, bias, self.eps));
        Ok((made, layout.shape().clone()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        rows: &candle_core::CudaStorage,
        layout: &Layout,
        weight: &candle_core::CudaStorage,
        of_weight: &Layout,
        bias: &candle_core::CudaStorage,
        of_bias: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        cuda::norm(operand(rows, layout), [operand(weight, of_weight), operand(bias, of_bias)], self.eps, self.format)
    }
}

impl CustomOp1 for Shares {
    fn name(&self) -> &'static str {
        "softmax-shares"
    }

    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let logits = f32s(logits, layout)?;
        let made = in_format!(self.format, plain::shares(logits, columns(layout), self.scale));
        Ok((made, layout.shape().clone()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        logits: &candle_core::CudaStorage,
        layout: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        cuda::shares(operand(logits, layout), self.scale, self.format)
    }
}

#[cfg(feature = "cuda")]
fn operand<'a>(storage: &'a candle_core::CudaStorage, layout: &'a Layout) -> cuda::Operand<'a> {
    cuda::Operand { storage, layout }
}

/// Refuses vectors that are not as long as the rows are wide.
fn check(columns: usize, vectors: &[&[f32]]) -> Result<()> {
    match vectors.iter().find(|vector| vector.len() != columns) {
        Some(vector) => bail!("rows of {columns} numbers meet a vector of {}", vector.len()),
        None => Ok(()),
    }
}

fn stored<T: Number>(values: Vec<T>) -> CpuStorage {
    T::to_cpu_storage_owned(values)
}

#[cfg(test)]
mod tests;
