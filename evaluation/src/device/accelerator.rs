use super::{
    last_factors::{LastFactors, Placing},
    transfers::{TransferCounter, TransferCounts},
};
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
    last_factors: Arc<LastFactors>,
}

impl Accelerator {
    /// Bytes of a tensor in the memory of the processor once it is in `f32`; 0 on another device.
    pub(crate) fn host_bytes(tensor: &Tensor) -> u64 {
        if tensor.device().is_cpu() { (tensor.elem_count() * size_of::<f32>()) as u64 } else { 0 }
    }

    /// A device for models of this precision.
    pub(crate) fn new(device: &Device, precision: Precision) -> Self {
        let dtype = match precision {
            Precision::F32 => DType::F32,
            Precision::Bf16 => DType::BF16,
            Precision::F16 => DType::F16,
        };
        Self { device: device.clone(), dtype, counter: Arc::default(), last_factors: Arc::default() }
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

    /// Begins to copy the factors of a merge to the device.
    pub(crate) fn placing(&self) -> Placing<'_> {
        self.last_factors.begin(self)
    }

    pub(super) fn last_factors(&self) -> &LastFactors {
        &self.last_factors
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
    /// Products of 16-bit numbers are summed in `f32`, and each sum is rounded to 16 bits when it is complete.
    pub(crate) fn product(&self, left: &Tensor, right: &Tensor) -> Result<Tensor> {
        // Of `f16` on the processor, candle's products round what they have summed after each block of the depth; how many blocks
        // there are depends on the machine's caches. `bf16` it widens itself.
        let product = if self.device.is_cpu() && left.dtype() == DType::F16 {
            left.to_dtype(DType::F32)?.matmul(&right.to_dtype(DType::F32)?)?.to_dtype(DType::F16)?
        } else {
            left.matmul(right)?
        };
        let outputs = right.dims().last().copied().unwrap_or(0);
        self.counter.multiplied(2 * (left.elem_count() * outputs) as u64);
        Ok(product)
    }
}

fn bytes(tensor: &Tensor) -> u64 {
    (tensor.elem_count() * tensor.dtype().size_in_bytes()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::f16;

    #[test]
    fn products_of_16_bits_on_the_processor_are_rounded_when_their_sums_are_complete() {
        const DEPTH: usize = 1536;
        const ROWS: usize = 8;
        const COLUMNS: usize = 16;
        // The first half of each sum is large, and the second half takes it away again.
        let sign = |k: usize| if k < DEPTH / 2 { 1.0 } else { -1.0 };
        let left: Vec<f32> = (0..ROWS * DEPTH).map(|n| 1.0 + 0.25 * (n as f32 * 0.7).sin()).collect();
        let right: Vec<f32> =
            (0..DEPTH * COLUMNS).map(|n| sign(n / COLUMNS) + 0.25 * (n as f32 * 0.37).cos()).collect();
        let on = Accelerator::new(&Device::Cpu, Precision::F16);
        let narrow =
            |values: Vec<f32>, shape: (usize, usize)| on.put(values, shape).unwrap().to_dtype(DType::F16).unwrap();
        let left = narrow(left, (ROWS, DEPTH));
        let right = narrow(right, (DEPTH, COLUMNS));
        let found = on.product(&left, &right).unwrap();
        let found: Vec<f16> = found.flatten_all().unwrap().to_vec1().unwrap();
        let read = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f16>().unwrap();
        let left = read(&left);
        let right = read(&right);
        for (n, found) in found.iter().enumerate() {
            let terms =
                (0..DEPTH).map(|k| left[n / COLUMNS * DEPTH + k].to_f64() * right[k * COLUMNS + n % COLUMNS].to_f64());
            let exact: f64 = terms.sum();
            // Half a unit in the last place of `f16`, and what sums in `f32` of terms of this size are off by.
            let bound = exact.abs() / 2048.0 + 2e-3;
            assert!((found.to_f64() - exact).abs() <= bound, "{n}: {found} in place of {exact}");
        }
    }
}
