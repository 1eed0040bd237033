//! How much memory the model of a sweep takes, computed from headers.

use crate::{CheckError, residency::SplitSize};
use evaluation::{
    Configuration, LONGEST_TEXT, Module, Placement, TrainError, TrainMemory, TrainPlacement, gram_memory,
};
use jobs::{ByteSize, DeviceKind, Parameter, Precision, Recipe, RecipeSpec, Search, StatisticsKind, Sweep};
use merging::{BaseHeader, LAYER_ENTRY_BYTES, fisher_memory, working_memory};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Classes that a trained head is planned with.
const MANY_CLASSES: usize = 1000;

/// Bytes that a model takes.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct MemoryNeed {
    base_bytes: u64,
    adapted_bytes: u64,
    activation_bytes: u64,
    /// What merging takes beside the model: on the processor, for recipes that look at all entries of a weight or merge by statistics; on
    /// another device, the updates of the last merges, which stay there.
    merge_bytes: u64,
    /// What the statistics that recipes merge by take beside the model while they are made.
    statistics_bytes: u64,
}

/// Its memory on the CPU and on another device.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct MemoryNeeds {
    /// On the CPU.
    pub processor: MemoryNeed,
    /// On another device; `None` of models of images, of which [`Residency`](crate::Residency) says what stays there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<MemoryNeed>,
}

impl MemoryNeed {
    /// All bytes. Statistics are made before any merge.
    pub fn total(&self) -> u64 {
        self.base_bytes + self.adapted_bytes + self.activation_bytes + self.merge_bytes.max(self.statistics_bytes)
    }

    /// In words: all of it, and its parts.
    pub fn in_words(&self) -> String {
        let Self { base_bytes, adapted_bytes, activation_bytes, merge_bytes, statistics_bytes } = *self;
        let all = ByteSize(self.total());
        let base = ByteSize(base_bytes);
        let adapted = ByteSize(adapted_bytes);
        let part = |name, bytes| if bytes > 0 { format!(", {name} {}", ByteSize(bytes)) } else { String::new() };
        let statistics = part("statistics before that", statistics_bytes);
        let merging = part("merging", merge_bytes);
        format!(
            "{all} (base {base}, adapted {adapted}, on the way {}{merging}{statistics})",
            ByteSize(activation_bytes)
        )
    }
}

/// The memory of the sweep with its base and updates of modules, given with the sums of the adapters' ranks; `None` if models are small.
pub(crate) fn memory_needs(
    sweep: &Sweep,
    base: &dyn Configuration,
    header: Option<&BaseHeader>,
    ranks: &BTreeMap<String, usize>,
    threads: Option<usize>,
) -> Result<Option<MemoryNeeds>, CheckError> {
    let modules: BTreeSet<String> = ranks.keys().cloned().collect();
    let longest = |task: &jobs::Task| task.text()?.max_length.map(|length| length as usize);
    let longest = sweep.tasks.iter().map(|task| longest(task).unwrap_or(LONGEST_TEXT)).max().unwrap_or(LONGEST_TEXT);
    let merge_bytes = header.map_or(0, |header| merge_bytes(sweep, header, &modules));
    let statistics_bytes = statistics_bytes(sweep, base, header, &modules);
    let modules: Vec<&str> = modules.iter().map(String::as_str).collect();
    let need = |device| {
        let threads = threads.unwrap_or_else(num_cpus::get_physical);
        let on_host = device == DeviceKind::Processor;
        let place = Placement { on_host, precision: sweep.precision_on(device), threads, longest };
        Ok::<_, CheckError>(base.memory(place, &modules)?.map(MemoryNeed::from))
    };
    let device = need(DeviceKind::Gpu)?;
    // Merges and the sums of statistics are computed on the processor, whatever the device, which keeps what comes of them.
    Ok(need(DeviceKind::Processor)?.map(|processor| MemoryNeeds {
        processor: MemoryNeed { merge_bytes, statistics_bytes, ..processor },
        device: device.map(|device| MemoryNeed { merge_bytes: kept_updates(sweep, base, ranks), ..device }),
    }))
}

/// What the training of each adapter takes beside the model that is evaluated, by task, or why the base has no such adapter. Settings that
/// are wrong by themselves are found where these are checked, and are left out here.
///
/// A new head is counted with [`MANY_CLASSES`]: how many it has is known only once the labels are read. The images that early stopping
/// looks at are counted where their number is in `sizes`; texts take little.
pub(crate) fn training_memory(
    sweep: &Sweep,
    base: &dyn Configuration,
    threads: Option<usize>,
    sizes: &[SplitSize],
) -> BTreeMap<String, Result<TrainMemory, TrainError>> {
    let sweep = sweep.clone().with_train_family(base.train_family());
    let threads = threads.unwrap_or_else(num_cpus::get_physical);
    let positions = base.text_limits().map_or(usize::MAX, |limits| limits.positions);
    let image = base.image_residency(Precision::F32, &[]).ok().flatten().map_or(0, |model| model.pixels);
    let select = &sweep.evaluation.select;
    let of_task = |task: &jobs::Task| {
        let settings = task.adapter.training()?.settings()?.ok()?;
        let stated = task.text().and_then(|text| text.max_length).map_or(LONGEST_TEXT, |length| length as usize);
        let longest = base.example_tokens().unwrap_or_else(|| stated.min(positions));
        let is_own = |size: &&SplitSize| size.task == task.name && size.split == *select;
        let validation = sizes.iter().find(is_own).map_or(0, |size| size.examples.saturating_mul(image));
        let place = TrainPlacement { threads, longest, classes: MANY_CLASSES, validation };
        Some((task.name.clone(), TrainMemory::of(base, &settings, place)))
    };
    sweep.tasks.iter().filter_map(of_task).collect()
}

/// What the largest statistics of the sweep take beside the model while they are made.
///
/// The adapters may update different modules; all of them are counted for each.
fn statistics_bytes(
    sweep: &Sweep,
    base: &dyn Configuration,
    header: Option<&BaseHeader>,
    modules: &BTreeSet<String>,
) -> u64 {
    let bytes = |what| match what {
        StatisticsKind::Grams => gram_memory(&base.input_sites(), modules, 0),
        StatisticsKind::Fisher => header.map_or(0, |header| fisher_memory(header, modules)),
    };
    let of_tasks = sweep.statistics_needs().into_iter().map(|need| bytes(need.what));
    let is_layerwise = !sweep.layerwise_needs().is_empty();
    let layerwise = is_layerwise.then(|| gram_memory(&base.input_sites(), modules, LAYER_ENTRY_BYTES));
    of_tasks.chain(layerwise).max().unwrap_or_default()
}

/// What the largest merge of the sweep takes beside the model.
fn merge_bytes(sweep: &Sweep, header: &BaseHeader, modules: &BTreeSet<String>) -> u64 {
    let shape = |module: &String| {
        let tensor = header.tensor(&format!("{module}.weight"))?;
        <[usize; 2]>::try_from(tensor.shape.as_slice()).ok()
    };
    let shapes: Vec<[usize; 2]> = modules.iter().filter_map(shape).collect();
    recipes(sweep).map(|recipe| working_memory(&recipe, shapes.clone())).max().unwrap_or_default()
}

/// What the updates of the merges that a session keeps take on a device of its own memory, where they stay between jobs: the factors of
/// each module, whose rank is at most the sum of those of the adapters, or all entries where a recipe of the sweep gives no factors.
///
/// What a new merge shares with the one before is counted for both.
pub(crate) fn kept_updates(sweep: &Sweep, base: &dyn Configuration, ranks: &BTreeMap<String, usize>) -> u64 {
    let has_dense = recipes(sweep).any(|recipe| !recipe.is_low_rank());
    let bytes = |module: &Module| {
        let rank = ranks.get(&module.name)?;
        let dense = (size_of::<f32>() * module.outputs * module.inputs) as u64;
        let factors = module.factor_bytes((*rank).min(module.outputs).min(module.inputs));
        Some(if has_dense { dense.max(factors) } else { factors })
    };
    base.modules().iter().filter_map(bytes).sum::<u64>().saturating_mul(base.kept_merges() as u64)
}

/// All recipes that the sweep names, those that a portfolio tries as well. Learned coefficients weigh updates, whose sum keeps factors.
fn recipes(sweep: &Sweep) -> impl Iterator<Item = Recipe> {
    let searched = sweep.searches.iter().flat_map(recipes_of);
    let recipes = searched.chain(sweep.baselines.iter().map(|baseline| baseline.recipe.clone()));
    recipes.filter_map(|recipe| recipe.resolve().ok())
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
        Self {
            base_bytes: base,
            adapted_bytes: adapted,
            activation_bytes: activations,
            merge_bytes: 0,
            statistics_bytes: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn sweep(recipes: &str) -> Sweep {
        let text = format!(
            "name: small\nbase: base\ntasks:\n  - {{name: snli, adapter: a, data: {{source: d, text_columns: [text]}}}}\n\
             evaluation: {{}}\n{recipes}"
        );
        Sweep::from_yaml(&text, Path::new("/sweeps"), &[]).unwrap()
    }

    fn merge_bytes_with(recipes: &str) -> u64 {
        let sweep = sweep(recipes);
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

    #[test]
    fn the_updates_of_the_last_merges_count_as_factors_or_as_all_entries() {
        let kept = |example: &str, recipes: &str, module: &str, rank| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(example).join("base");
            let base = evaluation::configuration(&path).unwrap();
            kept_updates(&sweep(recipes), base.as_ref(), &BTreeMap::from([(module.to_owned(), rank)]))
        };
        let query = "model.layers.0.self_attn.q_proj";
        let factors = |rank: u64| 4 * rank * (128 + 128);
        assert_eq!(kept("nli6", "baselines: [{preset: knots_ties}]", query, 12), factors(12), "one merge is kept");
        assert_eq!(kept("nli6", "baselines: [{preset: knots_ties}]", query, 500), factors(128));
        assert_eq!(kept("nli6", "baselines: [{preset: knots_ties}, {preset: ties}]", query, 12), 4 * 128 * 128);
        assert_eq!(kept("nli6", "baselines: [{preset: ties}]", "another", 12), 0);
        let image_query = "vision_model.encoder.layers.0.self_attn.q_proj";
        let images = kept("mini8", "baselines: [{preset: task_arithmetic}]", image_query, 8);
        assert_eq!(images, 2 * 4 * 8 * (192 + 192), "two merges are kept");
    }

    #[test]
    fn gram_matrices_count_where_they_are_made_and_where_a_merge_sums_them() {
        assert_eq!(merge_bytes_with("baselines: [{preset: regmean}]"), 128 * 128 * 20);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/nli6/base");
        let base = evaluation::configuration(&path).unwrap();
        let header = BaseHeader::open(&path).unwrap();
        let module = |name: &str| format!("model.layers.0.self_attn.{name}");
        let bytes = |recipe: &str, modules: &[&str]| {
            let modules = modules.iter().map(|name| module(name)).collect();
            statistics_bytes(&sweep(&format!("baselines: [{recipe}]")), base.as_ref(), Some(&header), &modules)
        };
        let gram = 128 * 128 * 12;
        assert_eq!(bytes("{preset: regmean}", &["q_proj", "k_proj"]), gram, "both take the same inputs");
        assert_eq!(bytes("{preset: regmean}", &["q_proj", "o_proj"]), 2 * gram);
        assert_eq!(bytes("{preset: ties}", &["q_proj"]), 0);
        let merged = 128 * 128 * 16;
        assert_eq!(bytes("{preset: regmean_plus_plus}", &["q_proj", "k_proj"]), gram + 2 * merged);
        let all: usize = header.tensors().values().map(|tensor| tensor.shape.iter().product::<usize>()).sum();
        assert_eq!(bytes("{preset: fisher}", &["q_proj"]), 4 * all as u64 + 8 * 128 * 128);
    }

    #[test]
    fn a_training_is_planned_with_the_settings_of_its_task_and_the_longest_text_that_it_may_have() {
        let text = "name: small\nbase: base\ntraining: {steps: 10}\ntasks:\n  - {name: one, adapter: {train: {}}, data: {source: d, text_columns: \
                    [text]}}\n  - {name: two, adapter: {train: {rank: 32}}, data: {source: d, text_columns: [text], max_length: 32}}\n  - {name: \
                    three, adapter: a, data: {source: d, text_columns: [text]}}\nevaluation: {}\nbaselines: [{preset: ties}]";
        let sweep = Sweep::from_yaml(text, Path::new("/sweeps"), &[]).unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/nli6/base");
        let base = evaluation::configuration(&path).unwrap();
        let memory = training_memory(&sweep, base.as_ref(), Some(2), &[]);
        assert_eq!(memory.keys().collect::<Vec<_>>(), ["one", "two"]);
        let memory: BTreeMap<String, TrainMemory> =
            memory.into_iter().map(|(task, memory)| (task, memory.unwrap())).collect();
        assert_eq!(memory["one"].base, memory["two"].base);
        assert!(memory["one"].trained < memory["two"].trained && memory["one"].step > memory["two"].step);
        assert!(memory.values().all(|memory| memory.recomputed_step < memory.step));
    }

    #[test]
    fn the_images_that_early_stopping_looks_at_are_planned_and_no_others() {
        let stopping = "early_stopping: {every: 5, patience: 1}";
        let text = format!(
            "name: small\nbase: base\ntraining: {{steps: 10}}\ntasks:\n  - {{name: one, adapter: {{train: {{{stopping}}}}}, data: d, head: h}}\n  \
             - {{name: two, adapter: {{train: {{}}}}, data: d, head: h}}\nevaluation: {{select: dev}}\nbaselines: [{{preset: ties}}]"
        );
        let sweep = Sweep::from_yaml(&text, Path::new("/sweeps"), &[]).unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/mini8/base");
        let base = evaluation::configuration(&path).unwrap();
        let size =
            |task: &str, split: &str, examples| SplitSize { task: task.to_owned(), split: split.to_owned(), examples };
        let sizes = [size("two", "dev", 7), size("one", "test", 5), size("one", "dev", 100)];
        let memory = training_memory(&sweep, base.as_ref(), Some(1), &sizes);
        // Images of 32 × 32 pixels in three colours.
        let validation = |task: &str| memory[task].as_ref().unwrap().validation;
        assert_eq!([validation("one"), validation("two")], [100 * 3072, 0]);
    }

    #[test]
    fn images_in_16_bits_count_on_a_processor_alone() {
        let needs = |precision: &str| {
            let text = format!(
                "name: small\nbase: base\ntasks:\n  - {{name: one, adapter: a, data: d, head: h}}\nevaluation: {{precision: {precision}}}\n\
                 baselines: [{{preset: task_arithmetic}}]"
            );
            let sweep = Sweep::from_yaml(&text, Path::new("/sweeps"), &[]).unwrap();
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/mini8/base");
            let base = evaluation::configuration(&path).unwrap();
            memory_needs(&sweep, base.as_ref(), None, &BTreeMap::new(), Some(2)).unwrap()
        };
        assert!(needs("f32").is_none(), "too small to matter");
        let needs = needs("bf16").unwrap();
        assert!(needs.processor.base_bytes > 1 << 20 && needs.device.is_none(), "{needs:?}");
    }

    #[test]
    fn what_is_not_held_at_the_same_time_is_not_added_up() {
        let need = MemoryNeed {
            base_bytes: 1 << 30,
            adapted_bytes: 0,
            activation_bytes: 0,
            merge_bytes: 1 << 29,
            statistics_bytes: 1 << 30,
        };
        assert_eq!(need.total(), 2 << 30);
        let words =
            "2.0 GiB (base 1.0 GiB, adapted 0 MiB, on the way 0 MiB, merging 512 MiB, statistics before that 1.0 GiB)";
        assert_eq!(need.in_words(), words);
    }
}
