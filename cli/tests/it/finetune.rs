//! `bowline finetune`: an adapter from a base and examples.

use crate::bowline::{Place, Ran, mini8};
use std::fs;

/// A short run on the smallest task.
const FILE: &str = "
name: trained
base: MINI8/base
training: {steps: 4, batch: 8, rank: 2, rate: 0.01, schedule: constant, augmentation: shift}
tasks:
  - {name: optdigits, adapter: {train: {}}, data: MINI8/data/optdigits, head: MINI8/heads/optdigits.safetensors}
evaluation: {select: validation, report: test}
";

fn place() -> Place {
    let place = Place::new();
    place.write("train.yaml", FILE.replace("MINI8", mini8().to_str().unwrap()));
    place
}

fn train(place: &Place, out: &str, more: &[&str]) -> Ran {
    place.run(&[&["finetune", "train.yaml", "--task", "optdigits", "--out", out], more].concat())
}

#[test]
fn a_run_that_was_stopped_ends_in_the_same_files_as_one_that_was_not() {
    let place = place();
    let whole = train(&place, "whole", &["--threads", "2"]);
    assert!(whole.succeeds().stderr.contains("right on `validation`"), "{}", whole.stderr);
    assert!(!place.path("whole.checkpoint").exists());
    let stopped = train(&place, "parts", &["--stop-after", "3"]);
    assert!(stopped.succeeds().stderr.contains("stopped after step 3 of 4"), "{}", stopped.stderr);
    assert!(place.path("parts.checkpoint").exists() && !place.path("parts").exists());
    let resumed = train(&place, "parts", &["--threads", "1"]);
    assert!(resumed.succeeds().stderr.contains("resuming after step 3 of 4"), "{}", resumed.stderr);
    for file in ["adapter_model.safetensors", "adapter_config.json", "training.json", "README.md"] {
        let read = |folder: &str| fs::read(place.path(folder).join(file)).unwrap();
        assert_eq!(read("whole"), read("parts"), "{file}");
    }
    train(&place, "whole", &[]).fails(65, &["whole` exists and is not an empty folder"]);
}

#[test]
fn a_trained_adapter_is_merged_like_any_other() {
    let place = place();
    train(&place, "own", &[]).succeeds();
    place.write("recipe.yaml", "{preset: task_arithmetic, scaling: 0.5}");
    let base = mini8().join("base");
    let other = format!("mnist={}", mini8().join("adapters/mnist").display());
    let args = ["merge", "--base", base.to_str().unwrap(), "--adapter", "optdigits=own", "--adapter", other.as_str()];
    place.run(&[&args[..], &["--recipe", "recipe.yaml", "--out", "merged"]].concat()).succeeds();
    let sweep = place.run(&["check", "sweep.yaml", "-o", "tasks.0.adapter=own", "--adapters-only", "--json"]);
    assert_eq!(sweep.succeeds().json()["adapters"][0]["rank"], serde_json::json!([2, 2]));
}

#[test]
fn what_is_evaluated_is_not_trained_on() {
    let place = place();
    let ran = train(&place, "own", &["-o", "training.split=validation"]);
    ran.fails(
        65,
        &["300 of 300 examples of the split `validation` of task `optdigits` are trained on as well", "overlap: allow"],
    );
    let ran = train(&place, "own", &["-o", "training.split=validation", "-o", "training.overlap=allow"]);
    assert!(ran.succeeds().stderr.contains("wrote own"), "{}", ran.stderr);
}

#[test]
fn a_checkpoint_of_other_settings_is_refused() {
    let place = place();
    train(&place, "own", &["--stop-after", "1"]).succeeds();
    train(&place, "own", &["-o", "training.rate=0.02"]).fails(65, &["own.checkpoint", "of another run"]);
    place.write("own.checkpoint", "damaged");
    train(&place, "own", &[]).fails(65, &["cannot resume from `own.checkpoint`", "is damaged"]);
}

#[test]
fn a_loss_that_runs_away_names_its_step_and_keeps_the_last_good_state() {
    let place = place();
    let ran = train(&place, "own", &["-o", "training.rate=1e30"]);
    ran.fails(65, &["cannot train the adapter of `optdigits`", "is not finite in step", "the last good state"]);
    assert!(place.path("own.checkpoint").exists() && !place.path("own").exists());
}

#[test]
fn settings_that_cannot_be_followed_are_named_with_their_line() {
    let place = place();
    train(&place, "own", &["-o", "training.rank=0"]).fails(65, &["`training.rank` is 0, expected at least 1"]);
    train(&place, "own", &["-o", "training.targets=[o_proj]"]).fails(65, &["`targets` has `o_proj`"]);
    train(&place, "own", &["-o", "training.warmup_steps=5"]).fails(65, &["`warmup_steps` is 5, expected no more than"]);
    train(&place, "own", &["-o", "training.train_head=true"]).fails(65, &["`train_head` is true for task `optdigits`"]);
    train(&place, "a/..", &[]).fails(65, &["ends in no name of a folder"]);
    train(&place, "train.yaml/own", &[]).fails(69, &["cannot create `train.yaml`"]);
    train(&place, "own", &["--device", "cuda"]).fails(2, &["`--device` is `cuda`"]);
    let ran = place.run(&["finetune", "train.yaml", "--task", "mnist", "--out", "own"]);
    ran.fails(65, &["`mnist` is no task of `train.yaml`; its tasks are `optdigits`"]);
}

/// 2,400 examples: two steps, the second of which ends the part of a pass.
const TEXTS: &str = "
name: texts
base: NLI6/base
training: {epochs: 0.02, batch: 16, accumulation: 2, rank: 2, targets: all-linear}
tasks:
  - {name: rte, adapter: {train: {}}, data: {source: NLI6/data/rte, convention: rte}}
evaluation: {select: validation, report: test}
";

#[test]
fn texts_train_with_a_new_head_over_passes_of_accumulated_batches() {
    let place = Place::new();
    place.write("texts.yaml", TEXTS.replace("NLI6", mini8().join("../nli6").to_str().unwrap()));
    let args = ["finetune", "texts.yaml", "--task", "rte", "--out", "own"];
    let ran = place.run(&args);
    assert!(ran.succeeds().stderr.contains("wrote own"), "{}", ran.stderr);
    let config = fs::read_to_string(place.path("own/adapter_config.json")).unwrap();
    assert!(config.contains("SEQ_CLS"), "{config}");
}

#[test]
fn early_stopping_does_not_resume_on_another_split_and_says_what_it_kept() {
    let place = place();
    let early = ["-o", "training.early_stopping={every: 1, patience: 2, metric: loss}", "-o", "training.steps=6"];
    train(&place, "own", &[&early[..], &["--stop-after", "2"]].concat()).succeeds();
    let other = [&early[..], &["-o", "evaluation.select=test", "-o", "evaluation.report=validation"]].concat();
    train(&place, "own", &other).fails(65, &["own.checkpoint", "of another run"]);
    let ran = train(&place, "own", &early);
    assert!(ran.succeeds().stderr.contains("Early stopping kept the adapter after step "), "{}", ran.stderr);
    let record: serde_json::Value =
        serde_json::from_slice(&fs::read(place.path("own/training.json")).unwrap()).unwrap();
    assert_eq!(record["evaluations"].as_array().unwrap().len(), record["steps"].as_array().unwrap().len());
    assert!(record["kept"]["steps"].as_u64().unwrap() >= 1);
}
