//! Full models: the base with the merge added, in its own type and shards.

use crate::output::{base_folder, bytes_of};
use crate::{
    fixtures::{adapter, mini8},
    pickles::{Pickle, archive},
    steps::recipe,
};
use half::bf16;
use merging::{Aligned, BaseHeader, Card, LoraModule, Matrix, MergedUpdate, write_full};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::json;
use std::{collections::HashMap, fs, path::Path};

fn card() -> Card {
    Card::default()
}

#[test]
fn a_full_model_is_the_base_plus_the_update() {
    let tasks = [mini8("adapters", "mnist"), mini8("adapters", "emoji")];
    let recipe = recipe(json!({"preset": "ties", "scaling": 0.7}));
    let update = Aligned::new(&tasks, recipe.space).unwrap().merge(&recipe).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("full");
    write_full(&update, &BaseHeader::open(&base_folder()).unwrap(), &card(), &target).unwrap();
    let (before, after) =
        (bytes_of(&base_folder().join("model.safetensors")), bytes_of(&target.join("model.safetensors")));
    let before = SafeTensors::deserialize(&before).unwrap();
    let after = SafeTensors::deserialize(&after).unwrap();
    for (name, old) in before.tensors() {
        let new = after.tensor(&name).unwrap();
        match name.strip_suffix(".weight").and_then(|module| update.dense(module)) {
            None => assert_eq!(old.data(), new.data(), "{name}"),
            Some(delta) => {
                let sum: Vec<u8> =
                    floats(old.data()).zip(delta.data()).flat_map(|(w, d)| (w + d).to_le_bytes()).collect();
                assert_eq!(sum, new.data(), "{name}");
                assert_ne!(old.data(), new.data(), "{name}");
            }
        }
    }
    assert_eq!(bytes_of(&target.join("config.json")), bytes_of(&base_folder().join("config.json")));
    assert!(fs::read_to_string(target.join("README.md")).unwrap().contains("library_name: transformers"));
}

fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes))
}

/// A base of two shards in bf16, with files that must and must not be copied.
fn sharded(folder: &Path) {
    let values: Vec<u8> = [1.0f32, 2.0, 3.0, 4.0].iter().flat_map(|x| bf16::from_f32(*x).to_le_bytes()).collect();
    for (file, name) in
        [("model-00001-of-00002.safetensors", "a.weight"), ("model-00002-of-00002.safetensors", "b.weight")]
    {
        let view = TensorView::new(Dtype::BF16, vec![2, 2], &values).unwrap();
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        fs::write(folder.join(file), safetensors::serialize([(name, view)], Some(metadata)).unwrap()).unwrap();
    }
    let map = json!({"a.weight": "model-00001-of-00002.safetensors", "b.weight": "model-00002-of-00002.safetensors"});
    let index = json!({"metadata": {"total_size": 16}, "weight_map": map});
    fs::write(folder.join("model.safetensors.index.json"), index.to_string()).unwrap();
    fs::write(folder.join("pytorch_model.bin"), "old weights").unwrap();
    fs::write(folder.join("tokenizer.json"), "{}").unwrap();
}

fn update(scale: f64, module: &str) -> MergedUpdate {
    let lora_b = Matrix::new(2, 1, vec![1.0, 0.0]);
    let lora_a = Matrix::new(1, 2, vec![0.5, 1.0]);
    let module = (module.to_owned(), LoraModule { source: "a".to_owned(), lora_b, lora_a, scale });
    let recipe = recipe(json!({}));
    Aligned::new(&[adapter("t", [module].into())], recipe.space).unwrap().merge(&recipe).unwrap()
}

#[test]
fn shards_types_and_other_files_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("base");
    let target = folder.path().join("full");
    fs::create_dir(&base).unwrap();
    sharded(&base);
    write_full(&update(1.0, "a"), &BaseHeader::open(&base).unwrap(), &card(), &target).unwrap();
    let merged = bytes_of(&target.join("model-00001-of-00002.safetensors"));
    let merged = SafeTensors::deserialize(&merged).unwrap();
    let tensor = merged.tensor("a.weight").unwrap();
    assert_eq!(tensor.dtype(), Dtype::BF16);
    let values: Vec<f32> = tensor.data().as_chunks().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32()).collect();
    assert_eq!(values, [1.5, 3.0, 3.0, 4.0]);
    for file in ["model-00002-of-00002.safetensors", "model.safetensors.index.json", "tokenizer.json"] {
        assert_eq!(bytes_of(&base.join(file)), bytes_of(&target.join(file)), "{file}");
    }
    assert!(!target.join("pytorch_model.bin").exists());
}

#[test]
fn a_base_that_does_not_fit_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("base");
    let target = folder.path().join("full");
    fs::create_dir(&base).unwrap();
    sharded(&base);
    let header = BaseHeader::open(&base).unwrap();
    let error = write_full(&update(1.0, "c"), &header, &card(), &target).unwrap_err().to_string();
    assert!(error.starts_with("`c.weight` of the base `"), "{error}");
    assert!(error.ends_with("is missing, but its update is [2, 2] floats"), "{error}");
    assert!(!target.exists());
}

#[test]
fn a_weight_that_overflows_its_type_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("base");
    let target = folder.path().join("full");
    fs::create_dir(&base).unwrap();
    sharded(&base);
    let header = BaseHeader::open(&base).unwrap();
    let error = write_full(&update(3.4e38, "a").with_scaling(2.0), &header, &card(), &target).unwrap_err().to_string();
    assert!(error.starts_with("the merged `a.weight` exceeds what its type BF16 can hold"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_pickled_base_becomes_safetensors() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("base");
    let target = folder.path().join("full");
    fs::create_dir(&base).unwrap();
    let files = ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"];
    for (file, name, first) in [(files[0], "a.weight", 1.0f32), (files[1], "b.weight", 5.0)] {
        let pickle = Pickle::default().op(b"\x80\x02}(").text(name).tensor("0", 2, 2).op(b"u.").0;
        let storage = (0..4).flat_map(|step: u8| (first + f32::from(step)).to_le_bytes()).collect();
        archive(&base.join(file), &pickle, &[storage]);
    }
    let index = json!({"weight_map": {"a.weight": files[0], "b.weight": files[1]}});
    fs::write(base.join("pytorch_model.bin.index.json"), index.to_string()).unwrap();
    write_full(&update(1.0, "a"), &BaseHeader::open(&base).unwrap(), &card(), &target).unwrap();
    let written = BaseHeader::open(&target).unwrap();
    assert_eq!(written.tensor("b.weight").unwrap().file, "model-00002-of-00002.safetensors");
    let read = |file: &str, name: &str| -> Vec<f32> {
        let bytes = bytes_of(&target.join(file));
        floats(SafeTensors::deserialize(&bytes).unwrap().tensor(name).unwrap().data()).collect()
    };
    assert_eq!(read("model-00001-of-00002.safetensors", "a.weight"), [1.5, 3.0, 3.0, 4.0]);
    assert_eq!(read("model-00002-of-00002.safetensors", "b.weight"), [5.0, 6.0, 7.0, 8.0]);
    assert!(!target.join(files[0]).exists() && !target.join("pytorch_model.bin.index.json").exists());
}
