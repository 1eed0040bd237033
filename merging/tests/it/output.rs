//! Adapters as they are written, and read again.

use crate::fixtures::{Kind, adapters, base, distance, mini8, root};
use crate::steps::recipe;
use merging::{Adapter, Aligned, Card, LoraModule, MergedUpdate, OutputError, truncate, write_adapter};
use serde_json::{Value, json};
use std::{fs, path::Path};

fn card() -> Card {
    Card {
        base_model: Some("owner/base".to_owned()),
        adapters: vec!["adapters/mnist".to_owned()],
        notes: "Note.".to_owned(),
        ..Card::default()
    }
}

fn mini8_merge(spec: Value) -> MergedUpdate {
    let tasks = [mini8("adapters", "mnist"), mini8("adapters", "emoji")];
    let recipe = recipe(spec);
    Aligned::new(&tasks, recipe.space).unwrap().merge(&recipe).unwrap()
}

fn check_equal(update: &MergedUpdate, read: &Adapter) {
    assert_eq!(update.modules.len(), read.modules.len());
    for (module, lora) in &read.modules {
        let written = lora.lora_b.to_f64() * lora.lora_a.to_f64() * faer::Scale(lora.scale);
        let error = distance(&written, &update.dense(module).unwrap().to_f64());
        assert!(error < 1e-6, "{module}: {error:e}");
    }
}

#[test]
fn a_written_adapter_is_the_merged_update() {
    let folder = tempfile::tempdir().unwrap();
    for preset in ["knots_ties", "core_ties", "task_arithmetic", "tsv"] {
        let update = mini8_merge(json!({"preset": preset, "scaling": 0.6}));
        let target = folder.path().join(preset);
        write_adapter(&update, &card(), &target).unwrap();
        let read = Adapter::read("merged", &target, &base()).unwrap();
        check_equal(&update, &read);
        assert!(read.modules.values().all(|module| module.source.starts_with("encoder.layers.")));
    }
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 4, "temporary folders stay behind: {names:?}");
}

#[test]
fn an_adapter_folder_tells_peft_and_people_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("new/merged");
    let update = mini8_merge(json!({"preset": "task_arithmetic", "scaling": 0.5}));
    write_adapter(&update, &card(), &target).unwrap();
    let read = |name: &str| fs::read_to_string(target.join(name)).unwrap();
    insta::assert_snapshot!("adapter_config", read("adapter_config.json"));
    insta::assert_snapshot!("model_card", read("README.md"));
    let recipe: jobs::RecipeSpec = serde_json::from_str(&read("recipe.json")).unwrap();
    assert_eq!(recipe.resolve().unwrap(), update.recipe);
}

#[test]
fn ranks_that_differ_are_listed() {
    let mut tasks = adapters(&[Kind::Rank(2), Kind::Missing], &[[6, 5], [6, 5], [6, 5]], 1);
    let mut put = |task: usize, name: &str, kind: Kind| {
        let module = adapters(&[kind], &[[6, 5]], 2)[0].modules["m0"].clone();
        tasks[task].modules.insert(name.to_owned(), LoraModule { source: name.to_owned(), ..module });
    };
    put(1, "m1", Kind::Rank(3));
    put(1, "m3", Kind::Rank(5));
    put(0, "m2", Kind::Zero(3));
    let recipe = recipe(json!({"preset": "knots_ties"}));
    let update = Aligned::new(&tasks, recipe.space).unwrap().merge(&recipe).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("merged");
    write_adapter(&update, &card(), &target).unwrap();
    let config: Value = serde_json::from_slice(&fs::read(target.join("adapter_config.json")).unwrap()).unwrap();
    // m0 has rank 2, m1 and m3 have 5, and m2, which is zero, is written with rank 1.
    assert_eq!(config["r"], 5);
    assert_eq!(config["rank_pattern"], json!({"m0": 2, "m2": 1}));
    assert_eq!(config["alpha_pattern"], config["rank_pattern"]);
    assert_eq!(config["target_modules"], json!(["m0", "m1", "m2", "m3"]));
}

#[test]
fn a_folder_with_files_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine"), "mine").unwrap();
    let update = mini8_merge(json!({"preset": "task_arithmetic"}));
    let error = write_adapter(&update, &card(), folder.path()).unwrap_err();
    assert!(error.to_string().ends_with("exists and is not an empty folder"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let update = mini8_merge(json!({"preset": "task_arithmetic"}));
    let error = write_adapter(&update, &card(), &file.join("merged")).unwrap_err();
    assert!(error.to_string().contains("file`"), "{error}");
}

#[test]
fn a_full_space_merge_is_no_adapter_until_it_is_truncated() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("merged");
    let update = mini8_merge(json!({"preset": "ties", "density": 0.2, "scaling": 0.5}));
    let error = write_adapter(&update, &card(), &target).unwrap_err();
    assert!(matches!(error, OutputError::NotLowRank { .. }));
    assert!(error.to_string().contains("truncate it with `--rank N`"), "{error}");
    assert!(!target.exists());
    let (truncated, lost) = truncate(&update, 16).unwrap();
    assert!(lost.overall > 0.0 && lost.overall < 1.0, "{lost:?}");
    write_adapter(&truncated, &card(), &target).unwrap();
    check_equal(&truncated, &Adapter::read("merged", &target, &base()).unwrap());
}

#[test]
fn a_truncation_loses_what_it_says() {
    for preset in ["ties", "knots_ties"] {
        let update = mini8_merge(json!({"preset": preset}));
        let (truncated, lost) = truncate(&update, 3).unwrap();
        let square = |update: &MergedUpdate, module: &str| update.modules[module].to_dense().frobenius().powi(2);
        for (module, share) in &lost.modules {
            let kept = square(&truncated, module) / square(&update, module);
            assert!((kept + share - 1.0).abs() < 1e-5, "{preset} {module}: {kept} + {share}");
            assert_eq!(truncated.modules[module].rank(), Some(3));
        }
    }
}

#[test]
fn a_truncation_to_the_full_rank_loses_nothing() {
    let update = mini8_merge(json!({"preset": "knots_ties"}));
    let (truncated, lost) = truncate(&update, 192).unwrap();
    assert!(lost.overall < 1e-12, "{lost:?}");
    for module in update.modules.keys() {
        let error = distance(&truncated.dense(module).unwrap().to_f64(), &update.dense(module).unwrap().to_f64());
        assert!(error < 1e-6, "{module}: {error:e}");
    }
}

#[test]
fn transposed_layouts_are_written_as_they_were_read() {
    let mut tasks = adapters(&[Kind::Rank(2), Kind::Rank(2)], &[[6, 5]], 3);
    for task in &mut tasks {
        task.fan_in_fan_out = task.modules.keys().cloned().collect();
    }
    let recipe = recipe(json!({"preset": "knots_ties"}));
    let update = Aligned::new(&tasks, recipe.space).unwrap().merge(&recipe).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("merged");
    write_adapter(&update, &card(), &target).unwrap();
    let weights = fs::read(target.join("adapter_model.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&weights).unwrap();
    // The weight is stored [in 6, out 5]: lora_A is [r, in], lora_B is [out, r].
    assert_eq!(tensors.tensor("base_model.model.m0.lora_A.weight").unwrap().shape(), [4, 6]);
    assert_eq!(tensors.tensor("base_model.model.m0.lora_B.weight").unwrap().shape(), [5, 4]);
}

pub(crate) fn base_folder() -> std::path::PathBuf {
    root().join("examples/mini8/base")
}

pub(crate) fn bytes_of(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}
