use crate::bowline::{Place, mini8};
use std::fs;

fn merge(place: &Place, recipe: &str, out: &str, more: &[&str]) -> crate::bowline::Ran {
    place.write("recipe.yaml", recipe);
    let base = mini8().join("base");
    let adapters = mini8().join("adapters");
    let adapter = |task: &str| format!("{task}={}", adapters.join(task).display());
    let one = adapter("mnist");
    let other = adapter("icons");
    let args = ["merge", "--base", base.to_str().unwrap(), "--adapter", &one, "--adapter", &other];
    place.run(&[&args[..], &["--recipe", "recipe.yaml", "--out", out], more].concat())
}

#[test]
fn a_merge_is_written_as_an_adapter_and_as_a_model() {
    let place = Place::new();
    merge(&place, "{preset: knots_ties, scaling: 0.5}", "peft", &[]).succeeds();
    let config: serde_json::Value =
        serde_json::from_slice(&fs::read(place.path("peft/adapter_config.json")).unwrap()).unwrap();
    assert_eq!((&config["r"], &config["lora_alpha"], &config["peft_type"]), (&32.into(), &32.into(), &"LORA".into()));
    merge(&place, "{preset: knots_ties, scaling: 0.5}", "full", &["--format", "full"]).succeeds();
    assert!(place.path("full/model.safetensors").exists() && place.path("full/tokenizer.json").exists());
}

#[test]
fn a_merge_that_is_not_low_rank_needs_a_rank_and_says_what_it_loses() {
    let place = Place::new();
    merge(&place, "{preset: ties}", "out", &[]).fails(65, &["not low-rank", "--rank N"]);
    assert!(!place.path("out").exists());
    let ran = merge(&place, "{preset: ties}", "out", &["--rank", "16"]);
    assert!(ran.succeeds().stderr.contains("rank 16 loses"), "{ran:?}");
    let config: serde_json::Value =
        serde_json::from_slice(&fs::read(place.path("out/adapter_config.json")).unwrap()).unwrap();
    assert_eq!(config["r"], 16);
}

#[test]
fn a_folder_that_is_taken_is_left_alone() {
    let place = Place::new();
    place.write("out/notes.txt", "mine");
    merge(&place, "{preset: knots_ties}", "out", &[]).fails(65, &["out` exists and is not an empty folder"]);
    assert_eq!(fs::read_dir(place.path("out")).unwrap().count(), 1);
}

/// A copy of an adapter of mini8 in `folder`, with changes to its configuration.
fn copy(place: &Place, task: &str, folder: &str, changes: &[(&str, serde_json::Value)]) {
    let source = mini8().join("adapters").join(task);
    let mut config: serde_json::Value =
        serde_json::from_slice(&fs::read(source.join("adapter_config.json")).unwrap()).unwrap();
    changes.iter().for_each(|(key, value)| config[*key] = value.clone());
    place.write(&format!("{folder}/adapter_config.json"), config.to_string());
    let weights = fs::read(source.join("adapter_model.safetensors")).unwrap();
    place.write(&format!("{folder}/adapter_model.safetensors"), weights);
}

/// Merges the adapters in the folders `one` and `other`.
fn merge_own(place: &Place, more: &[&str]) -> crate::bowline::Ran {
    place.write("recipe.yaml", "{preset: task_arithmetic}");
    let base = mini8().join("base");
    let args = ["merge", "--base", base.to_str().unwrap(), "--recipe", "recipe.yaml", "--adapter", "one=one"];
    place.run(&[&args[..], more].concat())
}

#[test]
fn adapters_that_name_different_bases_or_revisions_are_noted() {
    let place = Place::new();
    let base = |name: &str, revision: &str| {
        [("base_model_name_or_path", name.into()), ("revision", serde_json::Value::from(revision))]
    };
    copy(&place, "mnist", "one", &base("owner/one", "11"));
    copy(&place, "optdigits", "other", &base("owner/two", "11"));
    let args = ["--adapter", "other=other", "--out", "bases"];
    let note =
        "the adapters name different bases (`base_model_name_or_path`): `owner/one` (`one`), `owner/two` (`other`)";
    assert!(merge_own(&place, &args).succeeds().stderr.contains(note));
    let plan = ["plan", "sweep.yaml", "-o", "tasks.mnist.adapter=one", "-o", "tasks.optdigits.adapter=other"];
    assert!(place.run(&plan).succeeds().stdout.contains("note: the adapters name different bases"));
    copy(&place, "optdigits", "third", &base("owner/one", "22"));
    let args = ["--adapter", "other=third", "--out", "revisions"];
    let note = "the adapters name different revisions of their base (`revision`): `11` (`one`), `22` (`other`)";
    assert!(merge_own(&place, &args).succeeds().stderr.contains(note));
    let config: serde_json::Value =
        serde_json::from_slice(&fs::read(place.path("revisions/adapter_config.json")).unwrap()).unwrap();
    assert_eq!(
        (&config["base_model_name_or_path"], &config["revision"]),
        (&"owner/one".into(), &serde_json::Value::Null)
    );
}

#[test]
fn the_name_of_a_local_folder_is_never_written() {
    let place = Place::new();
    merge(&place, "{preset: task_arithmetic}", "out", &[]).succeeds();
    let config = fs::read_to_string(place.path("out/adapter_config.json")).unwrap();
    assert!(config.contains("\"base_model_name_or_path\": null"), "{config}");
    assert!(
        fs::read_to_string(place.path("out/README.md")).unwrap().contains("Base model: a folder that no adapter names")
    );
}

#[test]
fn an_adapter_of_the_text_tower_is_merged_there_and_not_evaluated() {
    let place = Place::new();
    let class = serde_json::json!({"base_model_class": "CLIPTextModel", "parent_library": "transformers"});
    copy(&place, "mnist", "one", &[("auto_mapping", class), ("r", 1.into())]);
    let name = |factor: &str| format!("base_model.model.encoder.layers.0.self_attn.q_proj.{factor}.weight");
    let header = serde_json::json!({
        name("lora_A"): {"dtype": "F32", "shape": [1, 128], "data_offsets": [0, 512]},
        name("lora_B"): {"dtype": "F32", "shape": [128, 1], "data_offsets": [512, 1024]},
    });
    let header = header.to_string();
    let numbers = [0.1f32; 256].map(f32::to_le_bytes).concat();
    let length = (header.len() as u64).to_le_bytes();
    place.write("one/adapter_model.safetensors", [&length[..], header.as_bytes(), &numbers].concat());
    merge_own(&place, &["--out", "out", "--format", "full"]).succeeds();
    let changed = changed_tensors(&mini8().join("base/model.safetensors"), &place.path("out/model.safetensors"));
    assert_eq!(changed, ["text_model.encoder.layers.0.self_attn.q_proj.weight"]);
    let plan = place.run(&["plan", "sweep.yaml", "-o", "tasks.mnist.adapter=one"]);
    plan.fails(65, &["`mnist`", "`text_model.encoder.layers.0.self_attn.q_proj`", "it lies in the text tower"]);
}

/// The names of the tensors that differ between two safetensors files with one header.
fn changed_tensors(one: &std::path::Path, other: &std::path::Path) -> Vec<String> {
    let one = fs::read(one).unwrap();
    let other = fs::read(other).unwrap();
    let length = usize::try_from(u64::from_le_bytes(one[..8].try_into().unwrap())).unwrap();
    assert_eq!(one[..8 + length], other[..8 + length]);
    let header: serde_json::Value = serde_json::from_slice(&one[8..8 + length]).unwrap();
    let offset = |entry: &serde_json::Value, end: usize| {
        8 + length + usize::try_from(entry["data_offsets"][end].as_u64().unwrap_or(0)).unwrap()
    };
    let differs = |entry: &serde_json::Value| {
        let range = offset(entry, 0)..offset(entry, 1);
        one[range.clone()] != other[range]
    };
    header.as_object().unwrap().iter().filter(|(_, entry)| differs(entry)).map(|(name, _)| name.clone()).collect()
}

#[test]
fn an_adapter_in_a_folder_below_is_pointed_at() {
    let place = Place::new();
    copy(&place, "mnist", "one/task1", &[]);
    merge_own(&place, &["--out", "out"])
        .fails(65, &["has no `adapter_config.json`, but `task1/` has one: name that folder"]);
}

#[test]
fn a_pickled_base_is_not_evaluated() {
    let place = Place::new();
    let base = mini8().join("base");
    for file in ["config.json", "preprocessor_config.json"] {
        place.write(&format!("base/{file}"), fs::read(base.join(file)).unwrap());
    }
    place.write("base/pytorch_model.bin", "weights");
    let plan = place.run(&["plan", "sweep.yaml", "-o", "base=base"]);
    plan.fails(65, &["pytorch_model.bin` holds pickled weights", "sweeps read safetensors alone"]);
}
