//! How much memory a sweep over a language model takes, computed from headers.

use crate::CheckError;
use evaluation::{Configuration, LONGEST_TEXT, Placement};
use jobs::{ByteSize, Parameter, RecipeSpec, Search, Sweep};
use merging::{BaseHeader, working_memory};
use serde::Serialize;
use std::collections::BTreeSet;

/// Bytes that a model takes.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct MemoryNeed {
    base_bytes: u64,
    adapted_bytes: u64,
    activation_bytes: u64,
    /// What merging takes beside the model, for recipes that look at all entries of a weight.
    merge_bytes: u64,
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
        self.base_bytes + self.adapted_bytes + self.activation_bytes + self.merge_bytes
    }

    /// In words: all of it, and its parts.
    pub fn in_words(&self) -> String {
        let Self { base_bytes, adapted_bytes, activation_bytes, merge_bytes } = *self;
        let all = ByteSize(self.total());
        let base = ByteSize(base_bytes);
        let merging = if merge_bytes > 0 { format!(", merging {}", ByteSize(merge_bytes)) } else { String::new() };
        let adapted = ByteSize(adapted_bytes);
        format!("{all} (base {base}, adapted {adapted}, on the way {}{merging})", ByteSize(activation_bytes))
    }
}

/// The memory of the sweep with its base and updates of `modules`; `None` if models are small.
pub(crate) fn memory_needs(
    sweep: &Sweep,
    base: &dyn Configuration,
    header: Option<&BaseHeader>,
    modules: &BTreeSet<String>,
    threads: Option<usize>,
) -> Result<Option<MemoryNeeds>, CheckError> {
    let longest = |task: &jobs::Task| task.data.text.as_ref()?.max_length.map(|length| length as usize);
    let longest = sweep.tasks.iter().map(|task| longest(task).unwrap_or(LONGEST_TEXT)).max().unwrap_or(LONGEST_TEXT);
    let merge_bytes = header.map_or(0, |header| merge_bytes(sweep, header, modules));
    let modules: Vec<&str> = modules.iter().map(String::as_str).collect();
    let need = |on_host| {
        let threads = threads.unwrap_or_else(num_cpus::get_physical);
        let place = Placement { on_host, precision: sweep.evaluation.precision, threads, longest };
        Ok::<_, CheckError>(base.memory(place, &modules)?.map(MemoryNeed::from))
    };
    let needs = need(true)?.zip(need(false)?);
    // Merges are computed on the processor, whatever the device.
    Ok(needs.map(|(processor, device)| MemoryNeeds { processor: MemoryNeed { merge_bytes, ..processor }, device }))
}

/// What the largest merge of the sweep takes beside the model.
fn merge_bytes(sweep: &Sweep, header: &BaseHeader, modules: &BTreeSet<String>) -> u64 {
    let shape = |module: &String| {
        let tensor = header.tensor(&format!("{module}.weight"))?;
        <[usize; 2]>::try_from(tensor.shape.as_slice()).ok()
    };
    let shapes: Vec<[usize; 2]> = modules.iter().filter_map(shape).collect();
    let searched = sweep.searches.iter().flat_map(recipes_of);
    let recipes = searched.chain(sweep.baselines.iter().map(|baseline| baseline.recipe.clone()));
    let bytes =
        recipes.filter_map(|recipe| recipe.resolve().ok()).map(|recipe| working_memory(&recipe, shapes.clone()));
    bytes.max().unwrap_or_default()
}

/// The recipe that a search starts from, and those that one of its values makes of it.
fn recipes_of(search: &Search) -> Vec<RecipeSpec> {
    let mut recipes = vec![search.recipe.clone()];
    // Numbers make no other method.
    for Parameter { key, values } in &search.parameters {
        for value in values.listed().unwrap_or_default().iter().filter(|value| value.is_string()) {
            let mut recipe = search.recipe.clone();
            if recipe.set(key, value).is_ok() {
                recipes.push(recipe);
            }
        }
    }
    recipes
}

impl From<evaluation::MemoryNeed> for MemoryNeed {
    fn from(need: evaluation::MemoryNeed) -> Self {
        let evaluation::MemoryNeed { base, adapted, activations } = need;
        Self { base_bytes: base, adapted_bytes: adapted, activation_bytes: activations, merge_bytes: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn merge_bytes_with(recipes: &str) -> u64 {
        let text = format!(
            "name: small\nbase: base\ntasks:\n  - {{name: snli, adapter: a, data: {{source: d, text_columns: [text]}}}}\n\
             evaluation: {{}}\n{recipes}"
        );
        let sweep = Sweep::from_yaml(&text, Path::new("/sweeps"), &[]).unwrap();
        let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/nli6/base");
        let module = "model.layers.0.self_attn.q_proj".to_owned();
        merge_bytes(&sweep, &BaseHeader::open(&base).unwrap(), &BTreeSet::from([module]))
    }

    #[test]
    fn merges_that_look_at_all_entries_of_a_weight_count_wherever_the_sweep_names_them() {
        let pcb = 128 * 128 * 44;
        assert_eq!(merge_bytes_with("baselines: [{preset: ties}, {preset: pcb}]"), pcb);
        assert_eq!(merge_bytes_with("recipe: {preset: ties}\nparameters: {preset: [ties, pcb]}"), pcb);
        assert_eq!(merge_bytes_with("recipe: {preset: ties}\nparameters: {density: [0.1, 0.2]}"), 0);
        assert_eq!(merge_bytes_with("baselines: [{preset: pcb, space: core}]"), 0);
        assert_eq!(merge_bytes_with("baselines: [{preset: fisher}]"), 128 * 128 * 36);
    }
}
