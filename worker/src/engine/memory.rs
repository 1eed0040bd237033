use super::EngineSettings;
use crate::JobError;
use evaluation::{DecoderConfig, DecoderPlacement, DeviceChoice};
use jobs::Precision;
use std::path::Path;

/// Tokens of the longest text that is planned for; what is longer takes more for a moment.
const LONGEST: usize = 2048;

/// Refuses a language model that does not fit into the memory of this machine, before it is opened.
///
/// Adapted matrices come on top: how many there are is known when adapters are read. Of other devices the memory is not
/// known beforehand.
pub(super) fn check_memory(folder: &Path, precision: Precision, settings: &EngineSettings) -> Result<(), JobError> {
    let (DeviceChoice::Cpu, Some(available)) = (settings.device, settings.memory_bytes) else { return Ok(()) };
    let config = DecoderConfig::read(&folder.join("config.json"))?;
    let placement = DecoderPlacement {
        on_host: true,
        precision,
        stored: config.stored.unwrap_or(precision),
        threads: settings.threads.unwrap_or_else(num_cpus::get_physical),
        longest: config.positions.min(LONGEST),
    };
    let needed = config.memory(placement, std::iter::empty::<&str>())?;
    match needed.total() > available {
        true => Err(JobError::TooLarge { base: needed.base, activations: needed.activations, available }),
        false => Ok(()),
    }
}
