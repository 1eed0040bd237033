use crate::bowline::{Place, mini8};
use std::fs;

fn merge(place: &Place, recipe: &str, out: &str, more: &[&str]) -> crate::bowline::Ran {
    place.write("recipe.yaml", recipe);
    let (base, adapters) = (mini8().join("base"), mini8().join("adapters"));
    let adapter = |task: &str| format!("{task}={}", adapters.join(task).display());
    let (one, other) = (adapter("mnist"), adapter("icons"));
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
