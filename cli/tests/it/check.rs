//! `bowline check`: adapters before a merge.

use crate::bowline::{Place, mini8};
use serde_json::Value;
use std::fs;

#[test]
fn adapters_are_shown_beside_the_base_and_beside_each_other() {
    let place = Place::new();
    let ran = place.run(&["check", "sweep.yaml", "--out", "looked-at"]);
    let shown = &ran.succeeds().stdout;
    for word in ["effective rank", "base alone", "with adapter", "optdigits, mnist", "sign conflict"] {
        assert!(shown.contains(word), "no `{word}` in {shown}");
    }
    assert!(shown.lines().all(|line| line.chars().count() <= 120), "{shown}");
    for file in ["tables/adapters.csv", "tables/adapter-pairs.md", "charts/interference.svg", "charts/cosine.png"] {
        assert!(place.path("looked-at").join(file).exists(), "{file}");
    }
    let document = place.run(&["check", "sweep.yaml", "--json"]).succeeds().json();
    let tasks = document["accuracies"]["tasks"].as_array().unwrap();
    assert_eq!(tasks.len(), 2);
    assert!(tasks.iter().all(|task| task["adapter"].as_f64() > task["base"].as_f64()), "{document}");
    assert_eq!(document["warnings"], Value::Array(Vec::new()));
}

#[test]
fn nothing_is_evaluated_where_adapters_alone_are_asked_for() {
    let place = Place::new();
    let document = place.run(&["check", "sweep.yaml", "--adapters-only", "--json"]).succeeds().json();
    assert_eq!(document["accuracies"], Value::Null);
    assert_eq!(document["adapters"][0]["rank"], serde_json::json!([16, 16]));
    assert!(!place.path("bowline-results").exists());
}

#[test]
fn an_adapter_that_is_worse_than_the_base_is_an_error_that_names_it() {
    let place = Place::new();
    // The adapter of another task, with the sign of its update turned by a negative `lora_alpha`.
    let source = mini8().join("adapters/mnist");
    let config = fs::read(source.join("adapter_config.json")).unwrap();
    let mut config: Value = serde_json::from_slice(&config).unwrap();
    config["lora_alpha"] = Value::from(-160);
    place.write("turned/adapter_config.json", config.to_string());
    place.write("turned/adapter_model.safetensors", fs::read(source.join("adapter_model.safetensors")).unwrap());
    let ran = place.run(&["check", "sweep.yaml", "-o", "tasks.1.adapter=turned"]);
    ran.fails(65, &["an adapter is worse on its own task than the base without it: mnist", "lora_alpha"]);
    assert!(ran.stderr.contains("times as large as the median") || ran.stdout.contains("mnist"), "{ran:?}");
}

#[test]
fn an_adapter_that_is_given_twice_is_pointed_out() {
    let place = Place::new();
    let twice = mini8().join("adapters/optdigits");
    let given = format!("tasks.1.adapter={}", twice.display());
    let ran = place.run(&["check", "sweep.yaml", "--adapters-only", "-o", &given]);
    assert!(ran.succeeds().stderr.contains("is one adapter given twice?"), "{ran:?}");
}

#[test]
fn what_updates_make_of_the_same_inputs_is_compared_before_and_after_an_alignment() {
    let place = Place::new();
    let asked = ["check", "sweep.yaml", "--input-cache", "cache", "--similarity", "--examples", "32"];
    let ran = place.run(&[&asked[..], &["--out", "looked-at"]].concat());
    let shown = &ran.succeeds().stdout;
    for word in ["CKA after alignment", "mean of all pairs", "the first 32 examples of `validation`"] {
        assert!(shown.split_whitespace().collect::<Vec<_>>().join(" ").contains(word), "no `{word}` in {shown}");
    }
    for file in ["tables/similarity.csv", "charts/similarity-before.svg", "charts/similarity-after.png"] {
        assert!(place.path("looked-at").join(file).exists(), "{file}");
    }
    // What was measured is stored: the second time nothing is computed.
    let document = place.run(&[&asked[..], &["--json"]].concat()).succeeds().json();
    let cka = &document["similarity"]["cka"];
    assert_eq!(document["similarity"]["split"], "validation");
    assert_eq!(cka["examples"], serde_json::json!([32, 32]));
    assert_eq!(cka["modules"].as_array().unwrap().len(), 24);
    for cells in ["before", "after"] {
        let cell = &cka[cells][0][1];
        let other = &cka[cells][1][0];
        assert!(cell.as_f64().is_some_and(|cell| cell > 0.0 && cell < 1.0), "{cka}");
        assert!((cell.as_f64().unwrap() - other.as_f64().unwrap()).abs() < 1e-9, "{cka}");
    }
    // Reports of sweeps over the same inputs show it.
    place.run(&["run", "sweep.yaml", "--input-cache", "cache"]).succeeds();
    let report = fs::read_to_string(place.path("bowline-results/sweeps/small/report.html")).unwrap();
    assert!(report.contains("similarity-before") && report.contains("similarity-after"));
    place.run(&["analyze", "--out", "out"]).succeeds();
    assert!(place.path("out/small/charts/similarity-after.svg").exists());
    let table = place.run(&["analyze", "--table", "similarity"]);
    assert!(table.succeeds().stdout.contains("mean of all pairs"), "{}", table.stdout);
    // Other adapters are other inputs.
    let other = format!("tasks.1.adapter={}", mini8().join("adapters/flags").display());
    place.run(&["run", "sweep.yaml", "-o", "name=other", "-o", &other]).succeeds();
    let none = place.run(&["analyze", "--sweep", "other", "--table", "similarity"]);
    assert!(none.succeeds().stderr.contains("other has no table `similarity`"), "{none:?}");
    let ran = place.run(&["check", "sweep.yaml", "--input-cache", "cache", "--similarity", "--examples", "100000"]);
    ran.fails(65, &["the first 100000 examples", "ask for"]);
}

#[test]
fn similarity_needs_a_forward_pass() {
    let place = Place::new();
    place.run(&["check", "sweep.yaml", "--similarity", "--adapters-only"]).fails(2, &["--adapters-only"]);
    place.run(&["check", "sweep.yaml", "--examples", "3"]).fails(2, &["--similarity"]);
}
