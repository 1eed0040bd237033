//! The passes of language models.

use super::{Operand, Stored, by_number, by_row, empty, in_format, kernel};
use candle_core::{
    CudaStorage, DType, Result, Shape,
    backend::BackendStorage,
    bail,
    cuda_backend::{WrapErr, cudarc::driver::PushKernelArg},
};
use half::{bf16, f16};

pub(in super::super) fn rms(rows: Operand<'_>, weight: Operand<'_>, eps: f32) -> Result<(CudaStorage, Shape)> {
    rows.check(&[weight])?;
    in_format!(rows.storage.dtype(), rms_in(rows, weight, eps))
}

#[expect(unsafe_code, reason = "a kernel is started by its address")]
fn rms_in<T: Stored>(rows: Operand<'_>, weight: Operand<'_>, eps: f32) -> Result<(CudaStorage, Shape)> {
    let device = rows.storage.device();
    let kernel = kernel::<T>(device, "rms")?;
    let count = rows.count();
    let columns = rows.columns();
    let from = rows.view::<T>()?;
    let weight = weight.view::<f32>()?;
    let to = empty::<T>(device, count)?;
    let grid = by_row(count, columns);
    let columns = columns as u32;
    let stream = device.cuda_stream();
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&from).arg(&weight).arg(&to).arg(&columns).arg(&eps);
    // SAFETY: a block for each row reads and writes `columns` numbers of it; the weight has as many.
    unsafe { launch.launch(grid) }.w()?;
    Ok(rows.made(to))
}

/// The sums, and after all of them their norms.
pub(in super::super) fn add_rms(
    [stream, update]: [Operand<'_>; 2],
    weight: Operand<'_>,
    eps: f32,
) -> Result<CudaStorage> {
    stream.check(&[weight])?;
    check_formats(stream, update)?;
    in_format!(stream.storage.dtype(), add_rms_in([stream, update], weight, eps))
}

#[expect(unsafe_code, reason = "a kernel is started by its address")]
fn add_rms_in<T: Stored>([before, update]: [Operand<'_>; 2], weight: Operand<'_>, eps: f32) -> Result<CudaStorage> {
    let device = before.storage.device();
    let kernel = kernel::<T>(device, "add_rms")?;
    let count = before.count();
    let columns = before.columns();
    let old = before.view::<T>()?;
    let update = update.view::<T>()?;
    let weight = weight.view::<f32>()?;
    let to = empty::<T>(device, 2 * count)?;
    let grid = by_row(count, columns);
    let columns = columns as u32;
    let stream = device.cuda_stream();
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&old).arg(&update).arg(&weight).arg(&to).arg(&count).arg(&columns).arg(&eps);
    // SAFETY: as in `rms_in`; the update has as many numbers as the stream, and the kernel writes twice as many.
    unsafe { launch.launch(grid) }.w()?;
    Ok(CudaStorage::wrap_cuda_slice(to, device.clone()))
}

pub(in super::super) fn gate(gate: Operand<'_>, up: Operand<'_>) -> Result<(CudaStorage, Shape)> {
    check_formats(gate, up)?;
    in_format!(gate.storage.dtype(), gate_in(gate, up))
}

#[expect(unsafe_code, reason = "a kernel is started by its address")]
fn gate_in<T: Stored>(gate: Operand<'_>, up: Operand<'_>) -> Result<(CudaStorage, Shape)> {
    let device = gate.storage.device();
    let kernel = kernel::<T>(device, "gate")?;
    let count = gate.count();
    let from = gate.view::<T>()?;
    let up = up.view::<T>()?;
    let to = empty::<T>(device, count)?;
    let stream = device.cuda_stream();
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&from).arg(&up).arg(&to).arg(&count);
    // SAFETY: the arguments are those of the kernel, which reads `count` numbers of both operands and writes as many.
    unsafe { launch.launch(by_number(count)) }.w()?;
    Ok(gate.made(to))
}

/// The caller has checked the shape of the mask.
pub(in super::super) fn masked(
    scores: Operand<'_>,
    mask: Operand<'_>,
    scale: f32,
    repeat: usize,
) -> Result<(CudaStorage, Shape)> {
    in_format!(scores.storage.dtype(), masked_in(scores, mask, scale, repeat))
}

#[expect(unsafe_code, reason = "a kernel is started by its address")]
fn masked_in<T: Stored>(
    scores: Operand<'_>,
    mask: Operand<'_>,
    scale: f32,
    repeat: usize,
) -> Result<(CudaStorage, Shape)> {
    let device = scores.storage.device();
    let kernel = kernel::<T>(device, "masked")?;
    let count = scores.count();
    let columns = scores.columns();
    let rows = (mask.count() / columns) as u32;
    let from = scores.view::<T>()?;
    let mask = mask.view::<f32>()?;
    let to = empty::<T>(device, count)?;
    let grid = by_row(count, columns);
    let columns = columns as u32;
    let repeat = repeat as u32;
    let stream = device.cuda_stream();
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&from).arg(&mask).arg(&to).arg(&columns).arg(&scale).arg(&repeat).arg(&rows);
    // SAFETY: a block for each row reads and writes `columns` numbers of it, and reads one of the mask's `rows` rows.
    unsafe { launch.launch(grid) }.w()?;
    Ok(scores.made(to))
}

fn check_formats(one: Operand<'_>, other: Operand<'_>) -> Result<()> {
    let one = one.storage.dtype();
    let other = other.storage.dtype();
    if one == other { Ok(()) } else { bail!("numbers of two formats: {one:?} and {other:?}") }
}
