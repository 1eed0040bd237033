//! What adapters say of themselves, and what a merge of them says then.

use crate::{
    fixtures::{base, mini8, root},
    reading::{Place, Tensor, config, tensor},
    steps::recipe,
};
use merging::{Adapter, Aligned, Card, write_adapter};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, path::Path};

/// Merges `adapters` and writes the result into `folder`; its configuration.
fn merged(adapters: &[Adapter], card: &Card, folder: &Path) -> Value {
    let recipe = recipe(json!({"preset": "task_arithmetic"}));
    let update = Aligned::new(adapters, recipe.space).unwrap().merge(&recipe).unwrap();
    write_adapter(&update, card, folder).unwrap();
    serde_json::from_slice(&fs::read(folder.join("adapter_config.json")).unwrap()).unwrap()
}

fn written(adapters: &[Adapter], card: &Card) -> Value {
    merged(adapters, card, &tempfile::tempdir().unwrap().path().join("merged"))
}

/// The names of the modules in the weights of `folder`.
fn modules(folder: &Path) -> Vec<String> {
    let weights = fs::read(folder.join("adapter_model.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&weights).unwrap();
    let mut names: Vec<String> = tensors
        .names()
        .iter()
        .filter_map(|name| name.strip_prefix("base_model.model.")?.strip_suffix(".lora_A.weight").map(str::to_owned))
        .collect();
    names.sort();
    names
}

#[test]
fn adapters_of_two_classes_are_written_with_the_names_of_one() {
    // Of one class the queries, of another everything: each names its modules in its own way.
    let short = mini8("adapters", "mnist");
    let mut long = mini8("adapters", "emoji");
    long.modules.retain(|target, _| target.ends_with("v_proj"));
    for (target, module) in &mut long.modules {
        module.source.clone_from(target);
    }
    let mut narrow = short.clone();
    narrow.modules.retain(|target, _| target.ends_with("q_proj"));
    for tasks in [[narrow.clone(), long.clone()], [long, narrow]] {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("merged");
        merged(&tasks, &Card::default(), &target);
        let names = modules(&target);
        let is_long = |name: &String| name.starts_with("vision_model.");
        assert_eq!(names.len(), 12);
        assert!(names.iter().all(is_long) || !names.iter().any(is_long), "{names:?}");
        let read = Adapter::read("merged", &target, &base()).unwrap();
        assert_eq!(read.modules.len(), 12, "PEFT's class finds all, and so does the reader");
    }
}

#[test]
fn what_all_adapters_say_is_kept() {
    let mut tasks = [mini8("adapters", "mnist"), mini8("adapters", "emoji")];
    let config = written(&tasks, &Card::default());
    assert_eq!(config["auto_mapping"]["base_model_class"], "CLIPVisionModel");
    assert_eq!(config["auto_mapping"]["parent_library"], "transformers.models.clip.modeling_clip");
    assert_eq!(config["base_model_name_or_path"], Value::Null, "never the folder's name");
    for task in &mut tasks {
        task.auto_mapping = None;
        task.task_type = Some("CAUSAL_LM".to_owned());
        task.base_model = Some("owner/base".to_owned());
        task.revision = Some("0123abc".to_owned());
    }
    let config = written(&tasks, &Card::default());
    assert_eq!(config["task_type"], "CAUSAL_LM");
    assert_eq!(config["base_model_name_or_path"], "owner/base");
    assert_eq!(config["revision"], "0123abc");
    assert_eq!(config["auto_mapping"], Value::Null);
    // A base from the hub is what was merged with, whatever adapters call it.
    let card = Card { base_model: Some("owner/other".to_owned()), ..Card::default() };
    let config = written(&tasks, &card);
    assert_eq!((&config["base_model_name_or_path"], &config["revision"]), (&json!("owner/other"), &Value::Null));
    let card = Card { base_model: Some("owner/base".to_owned()), ..Card::default() };
    assert_eq!(written(&tasks, &card)["revision"], "0123abc");
}

#[test]
fn what_adapters_say_differently_is_left_out() {
    let mut tasks = [mini8("adapters", "mnist"), mini8("adapters", "emoji")];
    tasks[0].base_model = Some("owner/one".to_owned());
    tasks[1].base_model = Some("owner/two".to_owned());
    tasks[1].task_type = Some("FEATURE_EXTRACTION".to_owned());
    if let Some(mapping) = &mut tasks[1].auto_mapping {
        mapping.base_model_class = "CLIPVisionTransformer".to_owned();
    }
    let config = written(&tasks, &Card::default());
    for key in ["base_model_name_or_path", "revision", "task_type", "auto_mapping"] {
        assert_eq!(config[key], Value::Null, "{key}");
    }
    // One that says nothing contradicts nobody.
    tasks[1].base_model = None;
    assert_eq!(written(&tasks, &Card::default())["base_model_name_or_path"], "owner/one");
}

#[test]
fn a_head_of_several_tensors_is_written_beside_the_merge() {
    let place = Place::new();
    let head: Vec<Tensor> = ["dense.weight", "dense.bias", "out_proj.weight", "out_proj.bias"]
        .map(|name| {
            let (rows, cols) = if name.ends_with("bias") { (1, 4) } else { (4, 4) };
            tensor(&format!("classifier.{name}"), rows, cols, 9)
        })
        .to_vec();
    let mut said = config();
    said["task_type"] = json!("SEQ_CLS");
    said["modules_to_save"] = json!(["classifier", "score"]);
    place.put(said, &[crate::reading::pair("layers.0.q"), head.clone()].concat());
    let adapter = place.read().unwrap();
    let target = place.folder.path().join("merged");
    let config = merged(&[adapter], &Card::default(), &target);
    assert_eq!(config["task_type"], "SEQ_CLS");
    assert_eq!(config["modules_to_save"], Value::Null, "PEFT looks for `classifier` by itself");
    let held = |file: &str| -> BTreeMap<String, Vec<u8>> {
        let bytes = fs::read(target.join(file)).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        tensors.tensors().into_iter().map(|(name, view)| (name, view.data().to_vec())).collect()
    };
    let weights = held("adapter_model.safetensors");
    for (name, _, values) in &head {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(weights[name], bytes, "{name}");
        let beside = held("head-task.safetensors");
        assert_eq!(beside[name.strip_prefix("base_model.model.").unwrap()], bytes, "{name}");
    }
}

#[test]
fn a_task_type_that_needs_a_head_goes_with_one_alone() {
    let mut task = mini8("adapters", "mnist");
    task.auto_mapping = None;
    for (kind, kept) in
        [("SEQ_CLS", Value::Null), ("TOKEN_CLS", Value::Null), ("FEATURE_EXTRACTION", json!("FEATURE_EXTRACTION"))]
    {
        task.task_type = Some(kind.to_owned());
        assert_eq!(written(std::slice::from_ref(&task), &Card::default())["task_type"], kept);
    }
}

#[test]
fn mini8_is_read_with_the_whole_base_in_sight() {
    let base = merging::BaseHeader::open(&root().join("examples/mini8/base")).unwrap();
    assert!(base.tensors().keys().any(|name| name.starts_with("text_model.")));
    let adapter = Adapter::read("m", &root().join("examples/mini8/adapters/mnist"), &base).unwrap();
    assert!(adapter.modules.keys().all(|name| name.starts_with("vision_model.")));
}
