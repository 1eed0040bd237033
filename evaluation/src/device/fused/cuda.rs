//! The fused passes on CUDA: `kernels.cu`, which NVRTC compiles when the first of them runs. **Not measured on a GPU.**

pub(super) mod texts;

use crate::Activation;
use candle_core::{
    CudaDevice, CudaStorage, DType, Layout, Result, Shape,
    backend::BackendStorage,
    bail,
    cuda_backend::{
        CudaDType, WrapErr,
        cudarc::{
            driver::{CudaFunction, CudaSlice, CudaView, DeviceRepr, LaunchConfig, PushKernelArg},
            nvrtc,
        },
    },
};
use half::{bf16, f16};
use std::sync::{Once, OnceLock};

const SOURCE: &str = include_str!("kernels.cu");

/// The name under which a device keeps the compiled kernels.
const MODULE: &str = "bowline-fused";

/// Threads of a block that goes over single numbers.
const THREADS: u32 = 256;

/// Blocks at most; each goes on with further numbers.
const MOST_BLOCKS: u32 = 65_535;

/// A tensor that a kernel reads.
#[derive(Clone, Copy)]
pub(super) struct Operand<'a> {
    pub(super) storage: &'a CudaStorage,
    pub(super) layout: &'a Layout,
}

/// A number as products take it.
trait Stored: CudaDType + DeviceRepr {
    /// What the names of its kernels end with.
    const SUFFIX: &'static str;
}

impl Stored for f32 {
    const SUFFIX: &'static str = "f32";
}

impl Stored for bf16 {
    const SUFFIX: &'static str = "bf16";
}

impl Stored for f16 {
    const SUFFIX: &'static str = "f16";
}

impl<'a> Operand<'a> {
    fn view<T: CudaDType>(&self) -> Result<CudaView<'a, T>> {
        match self.layout.contiguous_offsets() {
            Some((start, end)) => Ok(self.storage.as_cuda_slice::<T>()?.slice(start..end)),
            None => bail!("fused passes take tensors that lie in their order, not {:?}", self.layout),
        }
    }

    fn count(&self) -> usize {
        self.layout.shape().elem_count()
    }

    fn columns(&self) -> usize {
        self.layout.dims().last().copied().unwrap_or(1).max(1)
    }

    /// Refuses vectors that are not as long as the rows are wide: a kernel would read beyond them.
    fn check(&self, vectors: &[Operand<'_>]) -> Result<()> {
        let columns = self.columns();
        match vectors.iter().find(|vector| vector.count() != columns) {
            Some(vector) => bail!("rows of {columns} numbers meet a vector of {}", vector.count()),
            None => Ok(()),
        }
    }

    fn made<T: Stored>(&self, values: CudaSlice<T>) -> (CudaStorage, Shape) {
        let storage = CudaStorage::wrap_cuda_slice(values, self.storage.device().clone());
        (storage, self.layout.shape().clone())
    }
}

/// Calls a function with the number type of a format.
macro_rules! in_format {
    ($format:expr, $pass:ident($($argument:expr),*)) => {
        match $format {
            DType::F32 => $pass::<f32>($($argument),*),
            DType::BF16 => $pass::<bf16>($($argument),*),
            DType::F16 => $pass::<f16>($($argument),*),
            other => bail!("fused passes take and make no numbers of the format {other:?}"),
        }
    };
}

use in_format;

pub(super) fn finish(
    product: Operand<'_>,
    bias: Operand<'_>,
    activation: Option<Activation>,
) -> Result<(CudaStorage, Shape)> {
    product.check(&[bias])?;
    in_format!(product.storage.dtype(), finish_in(product, bias, activation))
}

#[expect(unsafe_code, reason = "a kernel is started by its address")]
fn finish_in<T: Stored>(
    product: Operand<'_>,
    bias: Operand<'_>,
    activation: Option<Activation>,
) -> Result<(CudaStorage, Shape)> {
    let activation: i32 = match activation {
        None => 0,
        Some(Activation::QuickGelu) => 1,
        Some(Activation::Gelu) => 2,
    };
    let device = product.storage.device();
    let kernel = kernel::<T>(device, "finish")?;
    let count = product.count();
    let columns = product.columns() as u32;
    let from = product.view::<T>()?;
    let bias = bias.view::<f32>()?;
    let to = empty::<T>(device, count)?;
    let stream = device.cuda_stream();
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&from).arg(&bias).arg(&to).arg(&count).arg(&columns).arg(&activation);
    // SAFETY: the arguments are those of the kernel, which writes `count` numbers and reads `columns` of the bias.
    unsafe { launch.launch(by_number(count)) }.w()?;
    Ok(product.made(to))
}

pub(super) fn add(product: Operand<'_>, bias: Operand<'_>, before: Operand<'_>) -> Result<(CudaStorage, Shape)> {
    product.check(&[bias])?;
    if before.count() != product.count() {
        bail!("a product of {:?} is added to a stream of {:?}", product.layout.dims(), before.layout.dims());
    }
    in_format!(product.storage.dtype(), add_in(product, bias, before))
}

#[expect(unsafe_code, reason = "a kernel is started by its address")]
fn add_in<T: Stored>(product: Operand<'_>, bias: Operand<'_>, before: Operand<'_>) -> Result<(CudaStorage, Shape)> {
    let device = product.storage.device();
    let kernel = kernel::<T>(device, "add")?;
    let count = product.count();
    let columns = product.columns() as u32;
    let from = product.view::<T>()?;
    let bias = bias.view::<f32>()?;
    let old = before.view::<f32>()?;
    let to = empty::<f32>(device, count)?;
    let stream = device.cuda_stream();
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&from).arg(&bias).arg(&old).arg(&to).arg(&count).arg(&columns);
    // SAFETY: as in `finish_in`; the stream has `count` numbers too.
    unsafe { launch.launch(by_number(count)) }.w()?;
    Ok(before.made(to))
}

pub(super) fn norm(
    rows: Operand<'_>,
    [weight, bias]: [Operand<'_>; 2],
    eps: f32,
    format: DType,
) -> Result<(CudaStorage, Shape)> {
    rows.check(&[weight, bias])?;
    in_format!(format, norm_in(rows, [weight, bias], eps))
}

#[expect(unsafe_code, reason = "a kernel is started by its address")]
fn norm_in<T: Stored>(rows: Operand<'_>, [weight, bias]: [Operand<'_>; 2], eps: f32) -> Result<(CudaStorage, Shape)> {
    let device = rows.storage.device();
    let kernel = kernel::<T>(device, "norm")?;
    let count = rows.count();
    let columns = rows.columns();
    let from = rows.view::<f32>()?;
    let weight = weight.view::<f32>()?;
    let bias = bias.view::<f32>()?;
    let to = empty::<T>(device, count)?;
    let grid = by_row(count, columns);
    let columns = columns as u32;
    let stream = device.cuda_stream();
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&from).arg(&weight).arg(&bias).arg(&to).arg(&columns).arg(&eps);
    // SAFETY: a block for each row reads and writes `columns` numbers of it; the vectors have as many.
    unsafe { launch.launch(grid) }.w()?;
    Ok(rows.made(to))
}

pub(super) fn shares(logits: Operand<'_>, scale: f32, format: DType) -> Result<(CudaStorage, Shape)> {
    in_format!(format, shares_in(logits, scale))
}

#[expect(unsafe_code, reason = "a kernel is started by its address")]
fn shares_in<T: Stored>(logits: Operand<'_>, scale: f32) -> Result<(CudaStorage, Shape)> {
    let device = logits.storage.device();
    let kernel = kernel::<T>(device, "shares")?;
    let count = logits.count();
    let columns = logits.columns();
    let from = logits.view::<f32>()?;
    let to = empty::<T>(device, count)?;
    let grid = by_row(count, columns);
    let columns = columns as u32;
    let stream = device.cuda_stream();
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&from).arg(&to).arg(&columns).arg(&scale);
    // SAFETY: a block for each row reads and writes `columns` numbers of it.
    unsafe { launch.launch(grid) }.w()?;
    Ok(logits.made(to))
}

/// A kernel of this number format, on the device.
fn kernel<T: Stored>(device: &CudaDevice, name: &str) -> Result<CudaFunction> {
    let name = format!("{name}_{}", T::SUFFIX);
    Ok(device.get_or_load_custom_func(&name, MODULE, compiled()?)?.into_cuda_function())
}

/// Whether NVRTC could compile the kernels; a machine may lack it or its built-in headers. Says so once if not.
pub(super) fn is_compiled() -> bool {
    static SAID: Once = Once::new();
    let compiled = compiled();
    if let Err(error) = &compiled {
        SAID.call_once(|| tracing::warn!(%error, "the fused kernels are not used; models are evaluated more slowly"));
    }
    compiled.is_ok()
}

/// The kernels as PTX, which the driver turns into the card's own code.
fn compiled() -> Result<&'static str> {
    static COMPILED: OnceLock<std::result::Result<String, String>> = OnceLock::new();
    let compile = || nvrtc::compile_ptx(SOURCE).map(|ptx| ptx.to_src()).map_err(|error| format!("{error:?}"));
    match COMPILED.get_or_init(compile) {
        Ok(ptx) => Ok(ptx),
        Err(why) => bail!("NVRTC cannot compile the fused kernels: {why}"),
    }
}

/// Memory for numbers that a kernel writes, all of them.
#[expect(unsafe_code, reason = "memory that is written before it is read need not be cleared")]
fn empty<T: Stored>(device: &CudaDevice, count: usize) -> Result<CudaSlice<T>> {
    if count == 0 {
        bail!("fused passes take tensors with numbers");
    }
    // SAFETY: each caller starts a kernel that writes every number.
    unsafe { device.alloc::<T>(count) }
}

/// Blocks for numbers one by one.
fn by_number(count: usize) -> LaunchConfig {
    let blocks = count.div_ceil(THREADS as usize).min(MOST_BLOCKS as usize) as u32;
    LaunchConfig { grid_dim: (blocks, 1, 1), block_dim: (THREADS, 1, 1), shared_mem_bytes: 0 }
}

/// A block for each row, of whole warps.
fn by_row(count: usize, columns: usize) -> LaunchConfig {
    let threads = (columns.next_multiple_of(32) as u32).min(THREADS);
    LaunchConfig { grid_dim: ((count / columns) as u32, 1, 1), block_dim: (threads, 1, 1), shared_mem_bytes: 0 }
}
