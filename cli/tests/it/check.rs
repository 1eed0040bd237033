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
