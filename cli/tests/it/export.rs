//! The runs of a sweep for other tools.

use crate::bowline::Place;
use std::fs;

#[test]
fn a_sweep_is_exported_to_every_tool_and_nothing_is_replaced() {
    let place = Place::new();
    place.run(&["run", "sweep.yaml", "--json"]).succeeds();
    for (tool, file) in [
        ("csv", "runs.csv"),
        ("mlflow", "mlruns"),
        ("wandb", "wandb"),
        ("trackio", "import.py"),
        ("hf", "adapter_model.safetensors"),
    ] {
        let ran = place.run(&["export", "small", "--to", tool, "--out", tool]);
        ran.succeeds();
        assert!(place.path(tool).join(file).exists(), "{tool}: {ran:?}");
        place.run(&["export", "small", "--to", tool, "--out", tool]).fails(65, &["exists; an export replaces nothing"]);
    }
    let card = fs::read_to_string(place.path("hf/README.md")).unwrap();
    assert!(
        card.starts_with("---\n") && card.contains("model-index:") && card.contains("type: mean_accuracy"),
        "{card}"
    );
    // The card beside the winner in the store has the same front matter.
    let kept = fs::read_to_string(place.path("bowline-results/sweeps/small/best/README.md")).unwrap();
    let front = |card: &str| card.split("\n---\n").next().unwrap().to_owned();
    assert_eq!(front(&kept), front(&card));
}

#[test]
fn an_export_of_nothing_or_of_what_the_hub_does_not_have_says_so() {
    let place = Place::new();
    place.run(&["run", "sweep.yaml", "--json"]).succeeds();
    place.run(&["export", "other", "--to", "csv", "--out", "x"]).fails(65, &["`other`"]);
    place
        .run(&["export", "small", "--to", "csv", "--out", "x", "--eval-task", "mnist=default"])
        .fails(2, &["`--eval-task` is `mnist=default`"]);
    place
        .run(&["export", "small", "--to", "hf", "--out", "x", "--eval-task", "mnist=default"])
        .fails(65, &["the data of task `mnist` are not on the hub"]);
    place
        .run(&["export", "small", "--to", "hf", "--out", "x", "--eval-task", "mnist"])
        .fails(2, &["a task and its id"]);
    assert!(!place.path("x").exists());
}
