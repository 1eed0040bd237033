mod accelerator;
pub(crate) mod fused;
mod last_factors;
mod transfers;

pub(crate) use accelerator::Accelerator;
pub use transfers::TransferCounts;

use crate::ModelError;
use candle_core::Device;

/// The device that a person asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The processor.
    #[default]
    Cpu,
    /// The CUDA device with this number; needs a build with the `cuda` feature.
    Cuda(usize),
}

/// Whether this build can use GPUs.
pub fn has_cuda() -> bool {
    candle_core::utils::cuda_is_available()
}

/// Opens a device: the only place that knows of the `cuda` feature.
///
/// # Errors
/// [`ModelError::Device`] if the device is not there or the build cannot use it.
pub fn open_device(choice: DeviceChoice) -> Result<Device, ModelError> {
    match choice {
        DeviceChoice::Cpu => Ok(Device::Cpu),
        DeviceChoice::Cuda(ordinal) => Device::new_cuda(ordinal)
            .map_err(|source| ModelError::Device { name: format!("cuda:{ordinal}"), source: Box::new(source) }),
    }
}
