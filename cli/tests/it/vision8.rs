//! The example with the paper's settings of training, on a base of which only headers are there.

use crate::bowline::{Place, mini8};
use serde_json::{Map, Value, json};
use std::{
    fs::{self, File},
    io::{Read, Write},
    path::Path,
};

/// The header of a safetensors file.
fn header(path: &Path) -> Map<String, Value> {
    let mut file = File::open(path).unwrap();
    let mut length = [0; 8];
    file.read_exact(&mut length).unwrap();
    let mut text = vec![0; u64::from_le_bytes(length) as usize];
    file.read_exact(&mut text).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// The tensors of mini8's base with the image tower of ViT-B/32: twelve layers of width 768, and 50 tokens.
fn tensors() -> Vec<(String, Vec<u64>)> {
    let wider = |size: u64| match size {
        192 => 768,
        384 => 3072,
        17 => 50,
        8 => 32,
        size => size,
    };
    let mut tensors = Vec::new();
    for (name, tensor) in header(&mini8().join("base/model.safetensors")) {
        if name == "__metadata__" {
            continue;
        }
        let shape: Vec<u64> = serde_json::from_value(tensor["shape"].clone()).unwrap();
        if name.starts_with("text_") || name == "logit_scale" {
            tensors.push((name, shape));
            continue;
        }
        let shape: Vec<u64> = shape.into_iter().map(wider).collect();
        for layer in (0..6).filter(|layer| name.contains(&format!("encoder.layers.{layer}."))) {
            let later = name.replace(&format!(".layers.{layer}."), &format!(".layers.{}.", layer + 6));
            tensors.push((later, shape.clone()));
        }
        tensors.push((name, shape));
    }
    tensors
}

/// A folder with the base. The weights are a hole in the file.
fn base(place: &Place) {
    fs::create_dir(place.path("base")).unwrap();
    for entry in mini8().join("base").read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "safetensors") {
            fs::copy(&path, place.path("base").join(path.file_name().unwrap())).unwrap();
        }
    }
    let edit = |file: &str, change: &dyn Fn(&mut Value)| {
        let path = place.path("base").join(file);
        let mut content = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut content);
        fs::write(path, content.to_string()).unwrap();
    };
    edit("config.json", &|config| {
        let sizes = [("hidden_size", 768), ("image_size", 224), ("intermediate_size", 3072), ("patch_size", 32)];
        for (key, size) in sizes.into_iter().chain([("num_attention_heads", 12), ("num_hidden_layers", 12)]) {
            config["vision_config"][key] = json!(size);
        }
    });
    edit("preprocessor_config.json", &|preprocessor| {
        preprocessor["crop_size"] = json!({"height": 224, "width": 224});
        preprocessor["size"] = json!({"shortest_edge": 224});
    });
    let mut end = 0;
    let mut header = Map::new();
    for (name, shape) in tensors() {
        let start = end;
        end += 4 * shape.iter().product::<u64>();
        header.insert(name, json!({"dtype": "F32", "shape": shape, "data_offsets": [start, end]}));
    }
    let mut text = Value::Object(header).to_string();
    text.push_str(&" ".repeat(text.len().next_multiple_of(8) - text.len()));
    let mut file = File::create(place.path("base/model.safetensors")).unwrap();
    file.write_all(&(text.len() as u64).to_le_bytes()).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.set_len(8 + text.len() as u64 + end).unwrap();
}

#[test]
fn the_paper_s_training_is_planned_by_the_headers_of_its_base() {
    let place = Place::new();
    base(&place);
    let sweep = mini8().join("../vision8/vit-b-32-from-scratch.yaml");
    // Relative to the sweep file, it would be looked for among the examples.
    let base = format!("base={}", place.path("base").display());
    let args = ["plan", sweep.to_str().unwrap(), "--json", "-o", &base];
    let plan = place.run_online(&args).succeeds().json();
    let training = plan["training"].as_array().unwrap();
    assert_eq!(training.len(), 8);
    // Twelve layers of 12 · 768² numbers, in f32.
    let copies = 4 * 12 * 12 * 768 * 768;
    for task in training {
        assert_eq!((&task["steps"], &task["jobs"]), (&json!(50_000), &json!(125)), "{task}");
        let memory = |key: &str| task[key].as_u64().unwrap();
        assert!(copies < memory("least_memory_bytes") && memory("memory_bytes") < 2 << 30, "{task}");
    }
    assert_eq!(plan["problems"], json!([]), "{plan}");
}
