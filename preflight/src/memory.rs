//! How much memory a sweep over a language model takes, computed from headers.

use crate::CheckError;
use evaluation::{Configuration, LONGEST_TEXT, Placement};
use jobs::{ByteSize, Sweep};
use serde::Serialize;
use std::collections::BTreeSet;

/// Bytes that a model takes.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct MemoryNeed {
    base_bytes: u64,
    adapted_bytes: u64,
    activation_bytes: u64,
}

/// Its memory on the CPU and on another device.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct MemoryNeeds {
    /// On the CPU.
    pub processor: MemoryNeed,
    /// On another device.
    pub device: MemoryNeed,
}

impl MemoryNeed {
    /// All bytes.
    pub fn total(&self) -> u64 {
        self.base_bytes + self.adapted_bytes + self.activation_bytes
    }

    /// In words: all of it, and its parts.
    pub fn in_words(&self) -> String {
        let Self { base_bytes, adapted_bytes, activation_bytes } = *self;
        let all = ByteSize(self.total());
        let base = ByteSize(base_bytes);
        format!("{all} (base {base}, adapted {}, on the way {})", ByteSize(adapted_bytes), ByteSize(activation_bytes))
    }
}

/// The memory of the sweep with its base and updates of `modules`; `None` if models are small.
pub(crate) fn memory_needs(
    sweep: &Sweep,
    base: &dyn Configuration,
    modules: &BTreeSet<String>,
    threads: Option<usize>,
) -> Result<Option<MemoryNeeds>, CheckError> {
    let longest = |task: &jobs::Task| task.data.text.as_ref()?.max_length.map(|length| length as usize);
    let longest = sweep.tasks.iter().map(|task| longest(task).unwrap_or(LONGEST_TEXT)).max().unwrap_or(LONGEST_TEXT);
    let modules: Vec<&str> = modules.iter().map(String::as_str).collect();
    let need = |on_host| {
        let threads = threads.unwrap_or_else(num_cpus::get_physical);
        let place = Placement { on_host, precision: sweep.evaluation.precision, threads, longest };
        Ok::<_, CheckError>(base.memory(place, &modules)?.map(MemoryNeed::from))
    };
    Ok(need(true)?.zip(need(false)?).map(|(processor, device)| MemoryNeeds { processor, device }))
}

impl From<evaluation::MemoryNeed> for MemoryNeed {
    fn from(need: evaluation::MemoryNeed) -> Self {
        let evaluation::MemoryNeed { base, adapted, activations } = need;
        Self { base_bytes: base, adapted_bytes: adapted, activation_bytes: activations }
    }
}
