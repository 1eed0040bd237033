use crate::Reading;
use nvml_wrapper::{Device, Nvml};
use std::fmt;

/// NVIDIA's devices that this process may see, asked through the driver's management library (NVML).
///
/// The library belongs to the driver and is looked for at run time.
pub struct Gpus(Nvml);

impl fmt::Debug for Gpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gpus").field(&self.0.device_count()).finish()
    }
}

impl Gpus {
    /// The devices, where there is a driver.
    ///
    /// # Errors
    /// Why there are none to ask, in a sentence.
    pub fn find() -> Result<Self, String> {
        Nvml::init().map(Self).map_err(|error| error.to_string())
    }

    /// Memory and use of each device. What a device does not tell is left out.
    pub fn readings(&self) -> Vec<Reading> {
        let count = self.0.device_count().unwrap_or_default();
        let devices: Vec<(String, Device<'_>)> =
            (0..count).filter_map(|index| Some((index.to_string(), self.0.device_by_index(index).ok()?))).collect();
        let of_all = |read: &dyn Fn(&Device<'_>) -> Option<f64>, name, help| {
            let reading = |(gpu, device): &(String, Device<'_>)| {
                Some(Reading::gauge(name, help, read(device)?).labelled("gpu", gpu.as_str()))
            };
            devices.iter().filter_map(reading).collect::<Vec<_>>()
        };
        [
            of_all(
                &|device| Some(device.memory_info().ok()?.used as f64),
                "gpu_memory_used_bytes",
                "Memory of the device in use, by all processes",
            ),
            of_all(
                &|device| Some(device.memory_info().ok()?.total as f64),
                "gpu_memory_total_bytes",
                "Memory of the device",
            ),
            of_all(
                &|device| Some(f64::from(device.utilization_rates().ok()?.gpu) / 100.0),
                "gpu_utilization_ratio",
                "Share of the last moments in which the device computed, 0 to 1",
            ),
        ]
        .concat()
    }
}
