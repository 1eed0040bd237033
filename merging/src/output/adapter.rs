use super::{
    Card, OutputError,
    card::recipe_json,
    folder::{write_file, write_whole},
};
use crate::{Matrix, MergedUpdate, UpdateMatrix};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

/// Writes a merged update as a PEFT adapter folder: configuration, weights, model card and recipe.
///
/// λ is multiplied into `lora_B`, and α = r, so the scale is 1. Ranks that differ between modules are listed in `rank_pattern`
/// and `alpha_pattern`; a module without any direction becomes a zero update of rank 1, because PEFT knows no rank 0. Modules
/// bear the names that the merged adapters use.
///
/// Heads are never merged. Where the adapters bring some, each is written beside the weights, as `head-<task>.safetensors`, and the
/// first is the adapter's `score` as well: PEFT loads no classifier without one. The task type is then that of the adapters;
/// without heads there is none, and PEFT takes it for a plain adapter.
///
/// # Errors
/// A dense update (truncate it first, see [`truncate`](crate::truncate)), a folder that is not empty, anything the file system
/// says. Nothing half-written stays behind.
pub fn write_adapter(update: &MergedUpdate, card: &Card, target: &Path) -> Result<(), OutputError> {
    let mut modules = BTreeMap::new();
    for (module, matrix) in update.modules.iter() {
        let UpdateMatrix::LowRank { b, a } = matrix else {
            return Err(OutputError::NotLowRank { module: module.clone() });
        };
        let source = update.source(module).unwrap_or(module);
        modules.insert(source.to_owned(), factors(update, b, a));
    }
    write_whole(target, |folder| {
        let weights = folder.join("adapter_model.safetensors");
        let heads = &update.layout.heads;
        write_file(&weights, &serialise(&modules, heads.first(), &weights)?)?;
        for (task, head) in heads.iter() {
            // The name of a task is anything; that of a file is not.
            let task = task.replace(['/', '\\', '\0'], "_");
            let path = folder.join(format!("head-{task}.safetensors"));
            write_file(&path, &tensors(vec![("score.weight".to_owned(), head)], &path)?)?;
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

fn factors(update: &MergedUpdate, b: &Matrix, a: &Matrix) -> Written {
    let (b, a) = match a.rows() {
        0 => (Matrix::zeros(b.rows(), 1), Matrix::zeros(1, a.cols())),
        _ => (b.clone().scaled(update.scaling as f32), a.clone()),
    };
    match update.layout.fan_in_fan_out {
        true => Written { b: a.transposed(), a: b.transposed() },
        false => Written { b, a },
    }
}

fn serialise(
    modules: &BTreeMap<String, Written>,
    head: Option<&(String, Matrix)>,
    path: &Path,
) -> Result<Vec<u8>, OutputError> {
    let factors = modules.iter().flat_map(|(module, written)| {
        let name = |factor: &str| format!("base_model.model.{module}.{factor}.weight");
        [(name("lora_A"), &written.a), (name("lora_B"), &written.b)]
    });
    let score = head.map(|(_, head)| ("base_model.model.score.weight".to_owned(), head));
    tensors(factors.chain(score).collect(), path)
}

fn tensors(matrices: Vec<(String, &Matrix)>, path: &Path) -> Result<Vec<u8>, OutputError> {
    let bytes = |matrix: &Matrix| matrix.data().iter().flat_map(|entry| entry.to_le_bytes()).collect::<Vec<u8>>();
    let tensors: Vec<_> = matrices.into_iter().map(|(name, matrix)| (name, matrix.shape(), bytes(matrix))).collect();
    let error = |source| OutputError::Serialise { path: path.to_owned(), source: Box::new(source) };
    let mut views = Vec::with_capacity(tensors.len());
    for (name, shape, bytes) in &tensors {
        views.push((name.as_str(), TensorView::new(Dtype::F32, shape.to_vec(), bytes).map_err(error)?));
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
    let task_type = update.layout.task_type.as_ref().filter(|_| !update.layout.heads.is_empty());
    let value = json!({
        "alpha_pattern": others,
        "auto_mapping": Value::Null,
        "base_model_name_or_path": card.base_model,
        "bias": "none",
        "exclude_modules": Value::Null,
        "fan_in_fan_out": update.layout.fan_in_fan_out,
        "inference_mode": true,
        "init_lora_weights": true,
        "layer_replication": Value::Null,
        "layers_pattern": Value::Null,
        "layers_to_transform": Value::Null,
        "lora_alpha": rank,
        "lora_bias": false,
        "lora_dropout": 0.0,
        "modules_to_save": Value::Null,
        "peft_type": "LORA",
        "r": rank,
        "rank_pattern": others,
        "revision": Value::Null,
        "target_modules": targets,
        "task_type": task_type,
        "use_dora": false,
        "use_rslora": false,
    });
    // serde_json sorts the keys and indents by two, as PEFT does.
    format!("{value:#}\n")
}

/// The most frequent of `ranks`, of equals the largest.
fn most_common(ranks: impl Iterator<Item = usize>) -> usize {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    ranks.for_each(|rank| *counts.entry(rank).or_default() += 1);
    counts.into_iter().max_by_key(|(rank, count)| (*count, *rank)).map_or(1, |(rank, _)| rank)
}
