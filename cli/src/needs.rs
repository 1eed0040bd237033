//! How much memory a sweep over a language model takes, told from headers.

use crate::failure::Failure;
use evaluation::{Configuration, LONGEST_TEXT, MemoryNeed, Placement};
use jobs::Sweep;
use serde::Serialize;
use std::collections::BTreeSet;

/// Bytes that a model takes.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Need {
    base_bytes: u64,
    adapted_bytes: u64,
    activation_bytes: u64,
}

/// What it takes on the processor and on another device.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Needs {
    pub(crate) processor: Need,
    pub(crate) device: Need,
}

impl Need {
    pub(crate) fn total(&self) -> u64 {
        self.base_bytes + self.adapted_bytes + self.activation_bytes
    }

    /// In words: all of it, and its parts.
    pub(crate) fn in_words(&self) -> String {
        let Self { base_bytes, adapted_bytes, activation_bytes } = *self;
        let (all, base) = (sized(self.total()), sized(base_bytes));
        format!("{all} (base {base}, adapted {}, on the way {})", sized(adapted_bytes), sized(activation_bytes))
    }
}

/// What the sweep takes with its base and updates of `modules`; `None` where models are small.
pub(crate) fn needs(
    sweep: &Sweep,
    base: &dyn Configuration,
    modules: &BTreeSet<String>,
    threads: Option<usize>,
) -> Result<Option<Needs>, Failure> {
    let longest = |task: &jobs::Task| task.data.text.as_ref()?.max_length.map(|length| length as usize);
    let longest = sweep.tasks.iter().map(|task| longest(task).unwrap_or(LONGEST_TEXT)).max().unwrap_or(LONGEST_TEXT);
    let modules: Vec<&str> = modules.iter().map(String::as_str).collect();
    let need = |on_host| {
        let threads = threads.unwrap_or_else(num_cpus::get_physical);
        let place = Placement { on_host, precision: sweep.evaluation.precision, threads, longest };
        Ok::<_, Failure>(base.memory(place, &modules)?.map(Need::from))
    };
    Ok(need(true)?.zip(need(false)?).map(|(processor, device)| Needs { processor, device }))
}

impl From<MemoryNeed> for Need {
    fn from(MemoryNeed { base, adapted, activations }: MemoryNeed) -> Self {
        Self { base_bytes: base, adapted_bytes: adapted, activation_bytes: activations }
    }
}

/// Bytes for people.
pub(crate) fn sized(bytes: u64) -> String {
    jobs::ByteSize(bytes).to_string()
}
