//! Statistics of tasks: their index and their tensors, which a worker fetches from the store.

use super::put;
use crate::{Format, Target, mutate::safetensors_file};
use jobs::error_chain;
use merging::TaskStatistics;
use serde_json::json;
use std::path::Path;

const INDEX: &str = r#"{"version":1,"examples":3,
 "inputs":[{"file":"layer-000.safetensors","modules":["a.q_proj","a.k_proj"],"tokens":9,"width":2}],
 "fisher":[{"file":"layer-000.safetensors","module":"a.q_proj","shape":[3,2]}]}"#;

pub(super) fn targets() -> Vec<Target> {
    vec![
        Target {
            name: "statistics-index",
            format: Format::Json,
            seeds: || vec![INDEX.as_bytes().to_vec()],
            prepare: |folder| put(folder, "layer-000.safetensors", tensors()),
            read: |folder, input| {
                put(folder, "statistics.json", input);
                statistics(folder)
            },
            named: "",
        },
        Target {
            name: "statistics-tensors",
            format: Format::Safetensors,
            seeds: || vec![tensors()],
            prepare: |folder| put(folder, "statistics.json", INDEX),
            read: |folder, input| {
                put(folder, "layer-000.safetensors", input);
                statistics(folder)
            },
            named: "layer-000",
        },
    ]
}

/// Sums of 2 numbers, a Gram matrix of 3, and 6 entries of a weight.
fn tensors() -> Vec<u8> {
    let header = json!({
        "a.q_proj.sum": {"dtype": "F64", "shape": [2], "data_offsets": [0, 16]},
        "a.q_proj.gram": {"dtype": "F64", "shape": [3], "data_offsets": [16, 40]},
        "a.q_proj.fisher": {"dtype": "F32", "shape": [3, 2], "data_offsets": [40, 64]},
    });
    let numbers = (0..5).flat_map(|n| (f64::from(n) * 0.5).to_le_bytes());
    let data: Vec<u8> = numbers.chain((0..6u8).flat_map(|n| (f32::from(n) * 0.25).to_le_bytes())).collect();
    safetensors_file(header.to_string().as_bytes(), &data)
}

fn statistics(folder: &Path) -> Result<String, String> {
    let statistics = TaskStatistics::open("task", folder).map_err(|error| error_chain(&error))?;
    let inputs = statistics.of_module("a.k_proj").map_err(|error| error_chain(&error))?;
    let fisher = statistics.fisher_of("a.q_proj").map_err(|error| error_chain(&error))?;
    Ok(format!("{} {inputs:?} {fisher:?}", statistics.examples()))
}
