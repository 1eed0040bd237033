use super::{
    Card, OutputError,
    card::recipe_json,
    folder::{write_file, write_whole},
};
use crate::{AutoMapping, Matrix, MergedUpdate, SavedTensor, UpdateMatrix};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

/// Writes a merged update as a PEFT adapter folder: configuration, weights, model card and recipe.
///
/// λ is multiplied into `lora_B`, and α = r, so the scale is 1. Ranks that differ between modules are listed in
/// `rank_pattern` and `alpha_pattern`; a module without any direction becomes a zero update of rank 1, because PEFT
/// knows no rank 0. Modules bear names that one class has: those that the merged adapters use, or most of them, or
/// else the base's own.
///
/// Heads are never merged. Where the adapters bring some, each is written beside the weights, as
/// `head-<task>.safetensors`, and the first is the adapter's own as well: PEFT loads no classifier without one. What
/// all adapters say of themselves is kept: the task type (of a classifier, if there is a head), the class in
/// `auto_mapping`, and the base with its revision, unless the card names it.
///
/// # Errors
/// A dense update (truncate it first, see [`truncate`](crate::truncate)), one that overflows, a folder that is not
/// empty, anything the file system says. Nothing half-written stays behind.
pub fn write_adapter(update: &MergedUpdate, card: &Card, target: &Path) -> Result<(), OutputError> {
    let mut modules = BTreeMap::new();
    for (module, matrix) in update.modules.iter() {
        let UpdateMatrix::LowRank { b, a } = matrix else {
            return Err(OutputError::NotLowRank { module: module.clone() });
        };
        let source = update.source(module).unwrap_or(module);
        let written = factors(update, module, b, a);
        if [&written.b, &written.a].iter().any(|factor| factor.data().iter().any(|entry| !entry.is_finite())) {
            return Err(OutputError::Overflow { tensor: module.clone(), dtype: "F32".to_owned() });
        }
        modules.insert(source.to_owned(), written);
    }
    write_whole(target, |folder| {
        let weights = folder.join("adapter_model.safetensors");
        let heads = &update.layout.heads;
        write_file(&weights, &serialise(&modules, heads.first(), &weights)?)?;
        for (task, head) in heads.iter() {
            // The name of a task is anything; that of a file is not.
            let task = task.replace(['/', '\\', '\0'], "_");
            let path = folder.join(format!("head-{task}.safetensors"));
            let named = head.iter().map(|(name, tensor)| whole(name.clone(), tensor));
            write_file(&path, &tensors(named.collect(), &path)?)?;
        }
        write_file(&folder.join("adapter_config.json"), config(update, card, &modules).as_bytes())?;
        write_file(&folder.join("recipe.json"), format!("{}\n", recipe_json(update)).as_bytes())?;
        write_file(&folder.join("README.md"), card.markdown(update, "peft", "adapter").as_bytes())
    })
}

/// `lora_B` and `lora_A` of one module.
struct Written {
    b: Matrix,
    a: Matrix,
}

fn factors(update: &MergedUpdate, module: &str, b: &Matrix, a: &Matrix) -> Written {
    let (b, a) = match a.rows() {
        0 => (Matrix::zeros(b.rows(), 1), Matrix::zeros(1, a.cols())),
        _ => (b.clone().scaled(update.scaling as f32), a.clone()),
    };
    if update.layout.fan_in_fan_out.contains(module) {
        Written { b: a.transposed(), a: b.transposed() }
    } else {
        Written { b, a }
    }
}

fn serialise(
    modules: &BTreeMap<String, Written>,
    head: Option<&(String, BTreeMap<String, SavedTensor>)>,
    path: &Path,
) -> Result<Vec<u8>, OutputError> {
    let factors = modules.iter().flat_map(|(module, written)| {
        let named = |factor: &str, matrix| Named {
            name: format!("base_model.model.{module}.{factor}.weight"),
            shape: Matrix::shape(matrix).to_vec(),
            values: matrix.data(),
        };
        [named("lora_A", &written.a), named("lora_B", &written.b)]
    });
    let head = head.iter().flat_map(|(_, head)| head);
    let head = head.map(|(name, tensor)| whole(format!("base_model.model.{name}"), tensor));
    tensors(factors.chain(head).collect(), path)
}

/// A tensor on its way to a file.
pub(super) struct Named<'a> {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) values: &'a [f32],
}

fn whole(name: String, tensor: &SavedTensor) -> Named<'_> {
    Named { name, shape: tensor.shape.clone(), values: &tensor.values }
}

/// The bytes of a safetensors file.
pub(super) fn tensors(named: Vec<Named<'_>>, path: &Path) -> Result<Vec<u8>, OutputError> {
    let bytes = |values: &[f32]| values.iter().flat_map(|entry| entry.to_le_bytes()).collect::<Vec<u8>>();
    let tensors: Vec<_> = named.into_iter().map(|named| (named.name, named.shape, bytes(named.values))).collect();
    let error = |source| OutputError::Serialise { path: path.to_owned(), source: Box::new(source) };
    let mut views = Vec::with_capacity(tensors.len());
    for (name, shape, bytes) in &tensors {
        views.push((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(error)?));
    }
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize(views, Some(metadata)).map_err(error)
}

fn config(update: &MergedUpdate, card: &Card, modules: &BTreeMap<String, Written>) -> String {
    let rank = most_common(modules.values().map(|written| written.a.rows()));
    let others: BTreeMap<_, _> = modules
        .iter()
        .filter(|(_, written)| written.a.rows() != rank)
        .map(|(module, written)| (module.clone(), written.a.rows()))
        .collect();
    let targets = update.layout.target_modules.clone();
    let targets = targets.unwrap_or_else(|| modules.keys().cloned().collect());
    let head = update.layout.heads.first().map(|(_, head)| head);
    let task_type = update
        .layout
        .task_type
        .as_deref()
        .filter(|task| head.is_some() || !AUTOMATIC.iter().any(|(with_head, _)| with_head == task));
    let named = card.named_base(update);
    let value = json!({
        "alpha_pattern": others,
        "auto_mapping": update.layout.auto_mapping.as_ref().map(auto_mapping),
        "base_model_name_or_path": named.map(|named| named.base_model),
        "bias": "none",
        "exclude_modules": Value::Null,
        "fan_in_fan_out": has_conv1d(update),
        "inference_mode": true,
        "init_lora_weights": true,
        "layer_replication": Value::Null,
        "layers_pattern": Value::Null,
        "layers_to_transform": Value::Null,
        "lora_alpha": rank,
        "lora_bias": false,
        "lora_dropout": 0.0,
        "modules_to_save": head.and_then(|head| modules_to_save(head, task_type)),
        "peft_type": "LORA",
        "r": rank,
        "rank_pattern": others,
        "revision": named.and_then(|named| named.revision),
        "target_modules": targets,
        "task_type": task_type,
        "use_dora": false,
        "use_rslora": false,
    });
    // serde_json sorts the keys and indents by two, as PEFT does.
    format!("{value:#}\n")
}

/// Whether PEFT is to expect weights stored as `[in, out]`; of linear layers it knows better.
fn has_conv1d(update: &MergedUpdate) -> bool {
    update.modules.keys().any(|module| update.layout.fan_in_fan_out.contains(module))
}

/// Task types whose model has a head, with the names of heads that PEFT looks for by itself.
const AUTOMATIC: [(&str, &[&str]); 3] =
    [("SEQ_CLS", &["classifier", "score"]), ("TOKEN_CLS", &["classifier", "score"]), ("QUESTION_ANS", &["qa_outputs"])];

/// The modules of a head that PEFT finds only if the configuration names them.
fn modules_to_save(head: &BTreeMap<String, SavedTensor>, task_type: Option<&str>) -> Option<Vec<String>> {
    let mut roots: Vec<&str> = head.keys().filter_map(|name| name.split('.').next()).collect();
    roots.dedup();
    let found = AUTOMATIC.iter().find(|(task, _)| Some(*task) == task_type).map_or(&[][..], |(_, found)| found);
    let is_found = roots.iter().all(|root| found.contains(root));
    (!is_found).then(|| roots.into_iter().map(str::to_owned).collect())
}

fn auto_mapping(mapping: &AutoMapping) -> Value {
    json!({"base_model_class": mapping.base_model_class, "parent_library": mapping.parent_library})
}

/// The most frequent of `ranks`, of equals the largest.
fn most_common(ranks: impl Iterator<Item = usize>) -> usize {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    ranks.for_each(|rank| *counts.entry(rank).or_default() += 1);
    counts.into_iter().max_by_key(|(rank, count)| (*count, *rank)).map_or(1, |(rank, _)| rank)
}
