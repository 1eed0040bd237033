use crate::Sample;
use nvml_wrapper::{Device, Nvml};
use std::fmt;

/// The NVIDIA GPUs that this process may see, through the driver's management library (NVML).
///
/// The library belongs to the driver and is loaded at run time.
pub struct Gpus(Nvml);

impl fmt::Debug for Gpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gpus").field(&self.0.device_count()).finish()
    }
}

impl Gpus {
    /// Loads the driver's library.
    ///
    /// # Errors
    /// Why it cannot be loaded, in a sentence.
    pub fn find() -> Result<Self, String> {
        Nvml::init().map(Self).map_err(|error| error.to_string())
    }

    /// Memory and utilisation of each device. Values that a device does not report are left out.
    pub fn samples(&self) -> Vec<Sample> {
        let count = self.0.device_count().unwrap_or_default();
        let devices: Vec<GpuState> =
            (0..count).filter_map(|index| GpuState::of(&self.0.device_by_index(index).ok()?)).collect();
        let of_all = |name, help, read: fn(&GpuState) -> Option<f64>| {
            let sample =
                |gpu: &GpuState| Some(Sample::gauge(name, help, read(gpu)?).labelled("gpu", gpu.index.as_str()));
            devices.iter().filter_map(sample).collect::<Vec<_>>()
        };
        [
            of_all("gpu_memory_used_bytes", "Memory of the device in use, by all processes", |gpu| gpu.used_bytes),
            of_all("gpu_memory_total_bytes", "Memory of the device", |gpu| gpu.total_bytes),
            of_all("gpu_utilization_ratio", "Share of the last moments in which the device computed, 0 to 1", |gpu| {
                gpu.utilization
            }),
        ]
        .concat()
    }
}

/// What one device reports.
struct GpuState {
    index: String,
    used_bytes: Option<f64>,
    total_bytes: Option<f64>,
    /// From 0 to 1.
    utilization: Option<f64>,
}

impl GpuState {
    fn of(device: &Device<'_>) -> Option<Self> {
        let memory = device.memory_info().ok();
        let utilization = device.utilization_rates().ok().map(|rates| f64::from(rates.gpu) / 100.0);
        Some(Self {
            index: device.index().ok()?.to_string(),
            used_bytes: memory.as_ref().map(|memory| memory.used as f64),
            total_bytes: memory.as_ref().map(|memory| memory.total as f64),
            utilization,
        })
    }
}
