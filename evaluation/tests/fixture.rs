//! The files of the mini8 example and its goldens.

use candle_core::{Device, Tensor};
use evaluation::{Delta, Embedded, Head, ImageModel, Images, Preprocess, Source, Watch};
pub(crate) use jobs::error_chain as chain;
use jobs::{DataFiles, Rows};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
};

pub(crate) const TASKS: [&str; 8] =
    ["mnist", "fashion_mnist", "optdigits", "letters", "scripts", "flags", "emoji", "icons"];
pub(crate) const SPLITS: [&str; 2] = ["validation", "test"];

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub(crate) fn example(path: &str) -> PathBuf {
    root().join("examples/mini8").join(path)
}

/// A file of the nli6 example.
pub(crate) fn nli6(path: &str) -> PathBuf {
    root().join("examples/nli6").join(path)
}

pub(crate) fn testdata(path: &str) -> PathBuf {
    root().join("testdata/mini8").join(path)
}

pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub(crate) fn tensors(path: &Path) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(path, &Device::Cpu).unwrap()
}

pub(crate) fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

pub(crate) fn base() -> ImageModel {
    ImageModel::open(&example("base"), &Device::Cpu).unwrap()
}

pub(crate) fn files(task: &str, split: &str) -> DataFiles {
    DataFiles::Parquet(vec![example(&format!("data/{task}/{split}-00000-of-00001.parquet"))])
}

pub(crate) fn source<'a>(files: &'a DataFiles, rows: &'a Rows) -> Source<'a> {
    Source { files, image_column: "image", label_column: "label", rows }
}

pub(crate) fn preprocess() -> Preprocess {
    Preprocess::read(&example("base/preprocessor_config.json")).unwrap()
}

pub(crate) fn images(task: &str, split: &str, rows: &Rows) -> Arc<Images> {
    let files = files(task, split);
    Arc::new(Images::read(&source(&files, rows), &preprocess(), None).unwrap())
}

pub(crate) fn embedded(model: &ImageModel, task: &str, split: &str) -> Embedded {
    model.embed(&images(task, split, &Rows::All), u64::MAX, &Watch::default()).unwrap()
}

pub(crate) fn head(name: &str) -> Head {
    Head::read(&example(&format!("heads/{name}.safetensors"))).unwrap()
}

/// The merged update of a golden, as a patched model.
pub(crate) fn with_update(base: &ImageModel, golden: &str) -> ImageModel {
    let update = tensors(&testdata(&format!("goldens/update_{golden}.safetensors")));
    let matrices: Vec<(String, Vec<f32>)> = update
        .iter()
        .map(|(key, tensor)| (format!("vision_model.{}", key.strip_suffix(".weight").unwrap()), values(tensor)))
        .collect();
    let deltas = base.deltas(matrices.iter().map(|(name, matrix)| (name, Delta::Dense(matrix)))).unwrap();
    base.patched(&deltas, 1.0).unwrap()
}

/// An adapter alone, as a patched model: `W + scaling · B · A`.
pub(crate) fn with_adapter(base: &ImageModel, folder: &Path, scaling: f64) -> ImageModel {
    let adapter = tensors(&folder.join("adapter_model.safetensors"));
    let mut pairs: BTreeMap<String, [Vec<f32>; 2]> = BTreeMap::new();
    for (key, tensor) in &adapter {
        let key = key.strip_prefix("base_model.model.").unwrap();
        let (module, part) = key.split_once(".lora_").unwrap();
        let slot = usize::from(part.starts_with('B'));
        pairs.entry(format!("vision_model.{module}")).or_default()[slot] = values(tensor);
    }
    let updates = pairs.iter().map(|(name, [a, b])| (name, Delta::LowRank { b, a, rank: a.len() / 192 }));
    base.patched(&base.deltas(updates).unwrap(), scaling).unwrap()
}

#[track_caller]
pub(crate) fn close(got: &[f32], want: &[f32], tolerance: f32, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}: length");
    let worst = got.iter().zip(want).map(|(g, w)| (g - w).abs()).fold(0.0, f32::max);
    assert!(worst <= tolerance, "{what}: largest difference {worst:e}, allowed {tolerance:e}");
    assert!(got.iter().all(|x| x.is_finite()), "{what}: not finite");
}
