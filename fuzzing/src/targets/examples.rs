//! Files of the examples, and small ones like them.

use crate::mutate::safetensors_file;
use serde_json::{Map, Value, json};
use std::{fs, path::Path};

/// A file of the project.
pub(super) fn file(path: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read(&path).unwrap_or_else(|error| unreachable!("`{}` belongs to the project: {error}", path.display()))
}

/// A safetensors file of `f32` with small numbers.
pub(super) fn tensors(shapes: &[(String, Vec<usize>)]) -> Vec<u8> {
    let mut header = Map::from_iter([("__metadata__".to_owned(), json!({"format": "pt"}))]);
    let mut data = Vec::new();
    for (name, shape) in shapes {
        let start = data.len();
        let count: usize = shape.iter().product();
        data.extend((0..count).flat_map(|n| ((n % 7) as f32 * 0.125 - 0.25).to_le_bytes()));
        header.insert(name.clone(), json!({"dtype": "F32", "shape": shape, "data_offsets": [start, data.len()]}));
    }
    safetensors_file(Value::Object(header).to_string().as_bytes(), &data)
}

/// Shapes by name, from a list such as `a.weight 2 3`.
pub(super) fn shapes(list: &str) -> Vec<(String, Vec<usize>)> {
    let shape = |line: &str| {
        let mut words = line.split_whitespace();
        let name = words.next()?.to_owned();
        Some((name, words.filter_map(|side| side.parse().ok()).collect()))
    };
    list.lines().filter_map(shape).collect()
}

/// Linear layers of attention, with or without biases, below `prefix`.
pub(super) fn attention(prefix: &str, width: usize) -> Vec<(String, Vec<usize>)> {
    ["q_proj", "k_proj", "v_proj", "out_proj"]
        .iter()
        .flat_map(|name| {
            [(format!("{prefix}.{name}.weight"), vec![width, width]), (format!("{prefix}.{name}.bias"), vec![width])]
        })
        .collect()
}
