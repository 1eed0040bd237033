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
        let devices: Vec<Told> =
            (0..count).filter_map(|index| Told::by(&self.0.device_by_index(index).ok()?)).collect();
        let of_all = |name, help, read: fn(&Told) -> Option<f64>| {
            let reading =
                move |told: &Told| Some(Reading::gauge(name, help, read(told)?).labelled("gpu", told.index.as_str()));
            devices.iter().filter_map(reading).collect::<Vec<_>>()
        };
        [
            of_all("gpu_memory_used_bytes", "Memory of the device in use, by all processes", |told| {
                told.memory.map(|(used, _)| used)
            }),
            of_all("gpu_memory_total_bytes", "Memory of the device", |told| told.memory.map(|(_, total)| total)),
            of_all("gpu_utilization_ratio", "Share of the last moments in which the device computed, 0 to 1", |told| {
                told.utilization
            }),
        ]
        .concat()
    }
}

/// What one device told.
struct Told {
    index: String,
    /// Bytes that are used, and all.
    memory: Option<(f64, f64)>,
    /// From 0 to 1.
    utilization: Option<f64>,
}

impl Told {
    fn by(device: &Device<'_>) -> Option<Self> {
        let memory = device.memory_info().ok().map(|memory| (memory.used as f64, memory.total as f64));
        let utilization = device.utilization_rates().ok().map(|rates| f64::from(rates.gpu) / 100.0);
        Some(Self { index: device.index().ok()?.to_string(), memory, utilization })
    }
}
