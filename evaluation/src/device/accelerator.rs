use super::transfers::{TransferCounter, TransferCounts};
use candle_core::{DType, Device, Result, Tensor, WithDType, shape::ShapeWithOneHole};
use jobs::Precision;
use std::sync::Arc;

/// A device as composed models use it: all that goes there, comes back or is multiplied there passes through here, and is
/// counted. A clone counts with its original.
///
/// The processor can be one as well, so that tests run and count what other devices run.
#[derive(Debug, Clone)]
pub(crate) struct Accelerator {
    device: Device,
    dtype: DType,
    counter: Arc<TransferCounter>,
}

impl Accelerator {
    /// A device for models of this precision.
    pub(crate) fn new(device: &Device, precision: Precision) -> Self {
        let dtype = match precision {
            Precision::F32 => DType::F32,
            Precision::Bf16 => DType::BF16,
            Precision::F16 => DType::F16,
        };
        Self { device: device.clone(), dtype, counter: Arc::default() }
    }

    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// The number format of weights and activations.
    pub(crate) fn dtype(&self) -> DType {
        self.dtype
    }

    /// What was counted so far.
    pub(crate) fn counts(&self) -> TransferCounts {
        self.counter.so_far()
    }

    /// Copies numbers to the device.
    pub(crate) fn put<T: WithDType>(&self, values: Vec<T>, shape: impl ShapeWithOneHole) -> Result<Tensor> {
        let tensor = Tensor::from_vec(values, shape, &self.device)?;
        self.was_put(&tensor);
        Ok(tensor)
    }

    /// Counts a tensor that was copied to the device by other means.
    pub(crate) fn was_put(&self, tensor: &Tensor) {
        self.counter.up(bytes(tensor));
    }

    /// Copies a tensor back, as `f32`, and waits for it.
    pub(crate) fn take_back(&self, tensor: &Tensor) -> Result<Vec<f32>> {
        let tensor = tensor.to_dtype(DType::F32)?.flatten_all()?;
        self.counter.down(bytes(&tensor));
        tensor.to_vec1()
    }

    /// The product of `[…, m, k]` and `[…, k, n]`.
    ///
    /// Products of 16-bit numbers are summed in `f32`: on the processor by candle's own way, elsewhere by tensor cores.
    pub(crate) fn product(&self, left: &Tensor, right: &Tensor) -> Result<Tensor> {
        let product = left.matmul(right)?;
        let outputs = right.dims().last().copied().unwrap_or(0);
        self.counter.multiplied(2 * (left.elem_count() * outputs) as u64);
        Ok(product)
    }
}

fn bytes(tensor: &Tensor) -> u64 {
    (tensor.elem_count() * tensor.dtype().size_in_bytes()) as u64
}
