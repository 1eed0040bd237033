//! Merges by the inputs of modules, which other jobs measure.

use crate::bowline::{Place, Ran};
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
};

const RECIPE: &str = "{preset: regmean, examples: 32, scaling: 1.0}";

/// The files of artefacts in the default store.
fn files(place: &Place) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![place.path("bowline-results/artefacts")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files
}

fn is_record(file: &Path) -> bool {
    file.ends_with("artefact.json")
}

fn artefacts(place: &Place) -> usize {
    files(place).iter().filter(|file| is_record(file)).count()
}

fn evaluate(place: &Place, split: &str) -> Ran {
    evaluate_with(place, split, &[])
}

fn evaluate_with(place: &Place, split: &str, more: &[&str]) -> Ran {
    place.write("recipe.yaml", RECIPE);
    let args = ["evaluate", "sweep.yaml", "--recipe", "recipe.yaml", "--split", split, "--json"];
    place.run(&[&args[..], &["--input-cache", "cache"], more].concat())
}

#[test]
fn a_merge_by_inputs_is_evaluated_by_statistics_of_the_same_split_wherever() {
    let place = Place::new();
    let first = evaluate(&place, "validation").succeeds().json();
    // Zero-shot, two adapters alone, the merge, and the statistics of two tasks.
    assert_eq!(first["counts"], json!({"run": 6, "reused": 0, "failed": 0}));
    let other = evaluate(&place, "test").succeeds().json();
    assert_eq!(other["counts"], json!({"run": 4, "reused": 2, "failed": 0}));
}

#[test]
fn a_corrupt_artefact_of_statistics_is_told_and_measured_again_on_request() {
    let place = Place::new();
    evaluate(&place, "validation").succeeds();
    fs::remove_file(files(&place).iter().find(|file| !is_record(file)).unwrap()).unwrap();
    let ran = evaluate(&place, "test");
    ran.fails(
        65,
        &["a recipe needs the Gram matrices of task", "hint: mend the input, then run again, with `--repair`"],
    );
    assert!(!ran.stderr.contains("--retry-failed"), "`evaluate` has no such flag: {}", ran.stderr);
    let repaired = evaluate_with(&place, "test", &["--repair"]).succeeds().json();
    assert_eq!(repaired["counts"]["failed"], 0);
}

#[test]
fn the_results_of_a_sweep_are_removed_with_the_statistics_that_no_other_sweep_has() {
    let place = Place::new();
    let run = |name: &str| {
        let name = format!("name={name}");
        let recipe = format!("recipe={RECIPE}");
        let args = ["run", "sweep.yaml", "--input-cache", "cache", "-o", &name, "-o", &recipe];
        place.run(&args).succeeds();
    };
    run("one");
    run("two");
    let both = artefacts(&place);
    assert_eq!(both, 3, "the statistics of two tasks, and the winner");
    let remove = |name| place.run(&["sweeps", "remove", name, "--results", "--yes"]).succeeds().stderr.clone();
    remove("one");
    assert_eq!(artefacts(&place), both);
    remove("two");
    assert_eq!(files(&place), Vec::<PathBuf>::new());
}
