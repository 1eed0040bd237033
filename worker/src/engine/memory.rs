use super::EngineSettings;
use crate::JobError;
use evaluation::{DeviceChoice, LONGEST_TEXT, Placement};
use jobs::Precision;
use std::path::Path;

/// Refuses a base model that does not fit into the memory of this machine, before it is opened.
///
/// Adapted matrices need more memory; how much is known only after the adapters are read. The memory of other devices
/// is not known here.
pub(super) fn check_memory(folder: &Path, precision: Precision, settings: &EngineSettings) -> Result<(), JobError> {
    let DeviceChoice::Cpu = settings.device else { return Ok(()) };
    let Some(available) = settings.memory_bytes else { return Ok(()) };
    let threads = settings.threads.unwrap_or_else(num_cpus::get_physical);
    let place = Placement { on_host: true, precision, threads, longest: LONGEST_TEXT };
    match evaluation::configuration(folder)?.memory(place, &[])? {
        Some(need) if need.total() > available => {
            Err(JobError::TooLarge { base: need.base, activations: need.activations, available })
        }
        _ => Ok(()),
    }
}
