//! Adapters: their configuration, their tensors, their pickles.

use super::{examples, put};
use crate::{Format, Target, mutate::archive};
use jobs::{Preset, error_chain};
use merging::{Adapter, AdapterError, Aligned, BaseHeader, Card, write_adapter};
use serde_json::json;
use std::path::Path;

const BASE: &str = "
    vision_model.encoder.layers.0.self_attn.q_proj.weight 6 4
    vision_model.encoder.layers.0.self_attn.v_proj.weight 6 4
    vision_model.encoder.layers.1.self_attn.q_proj.weight 6 4
    visual_projection.weight 3 6";

const FACTORS: &str = "
    base_model.model.encoder.layers.0.self_attn.q_proj.lora_A.weight 2 4
    base_model.model.encoder.layers.0.self_attn.q_proj.lora_B.weight 6 2
    base_model.model.encoder.layers.0.self_attn.v_proj.lora_A.weight 2 4
    base_model.model.encoder.layers.0.self_attn.v_proj.lora_B.weight 6 2
    base_model.model.classifier.weight 3 6";

const FACTOR_NAMES: [(&str, usize, usize); 2] = [
    ("base_model.model.encoder.layers.0.self_attn.q_proj.lora_A.weight", 2, 4),
    ("base_model.model.encoder.layers.0.self_attn.q_proj.lora_B.weight", 6, 2),
];

pub(super) fn targets() -> Vec<Target> {
    vec![
        Target {
            name: "adapter-config",
            format: Format::Json,
            seeds: configs,
            prepare: |folder| {
                prepare(folder);
                put(folder, "adapter/adapter_model.safetensors", factors());
            },
            read: |folder, input| {
                put(folder, "adapter/adapter_config.json", input);
                adapter(folder)
            },
            named: "adapter_",
        },
        Target {
            name: "adapter-tensors",
            format: Format::Safetensors,
            seeds: || vec![factors(), examples::tensors(&examples::shapes(BASE))],
            prepare,
            read: |folder, input| {
                put(folder, "adapter/adapter_model.safetensors", input);
                adapter(folder)
            },
            named: "adapter_",
        },
        Target {
            name: "adapter-pickle",
            format: Format::Pickle,
            seeds: || vec![archived(), legacy()],
            prepare,
            read: |folder, input| {
                put(folder, "adapter/adapter_model.bin", input);
                adapter(folder)
            },
            named: "adapter_",
        },
    ]
}

fn prepare(folder: &Path) {
    put(folder, "base/model.safetensors", examples::tensors(&examples::shapes(BASE)));
    put(folder, "adapter/adapter_config.json", config());
}

fn adapter(folder: &Path) -> Result<String, String> {
    let base = BaseHeader::open(&folder.join("base")).map_err(|error| error_chain(&error))?;
    let folder = folder.join("adapter");
    let outline = Adapter::outline("task", &folder, &base).map(|_| ()).map_err(|error| error_chain(&error));
    let adapter = Adapter::read("task", &folder, &base).map_err(|error| error_chain(&error))?;
    outline.map_err(|error| format!("adapter_ is read, but its outline is refused: {error}"))?;
    let said = format!("{adapter:?}");
    check_merge(folder.as_path(), &base, adapter)
        .map_err(|refusal| format!("adapter_ is read, but not merged: {refusal}"))?;
    Ok(said)
}

/// What is merged and written can be read.
fn check_merge(folder: &Path, base: &BaseHeader, adapter: Adapter) -> Result<(), String> {
    let recipe = Preset::KnotsTies.recipe();
    let aligned = Aligned::new(&[adapter], recipe.space).map_err(|error| error_chain(&error))?;
    let update = aligned.merge(&recipe).map_err(|error| error_chain(&error))?;
    let target = tempfile::tempdir_in(folder).map_err(|error| error.to_string())?;
    write_adapter(&update, &Card::default(), target.path()).map_err(|error| error_chain(&error))?;
    match Adapter::read("merged", target.path(), base) {
        // Trimming may leave nothing.
        Ok(_) | Err(AdapterError::ZeroUpdate { .. }) => Ok(()),
        Err(error) => unreachable!("what was written is refused: {}", error_chain(&error)),
    }
}

fn config() -> String {
    json!({"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj", "v_proj"]}).to_string()
}

fn configs() -> Vec<Vec<u8>> {
    let patterns = json!({
        "peft_type": "LORA", "r": 2, "lora_alpha": 4.5, "use_rslora": true, "alpha_pattern": {"layers.0.*": 8, "q_proj": 3},
        "rank_pattern": {"v_proj": 2}, "bias": "none", "target_modules": "all-linear", "modules_to_save": ["classifier"],
        "auto_mapping": {"base_model_class": "CLIPVisionModel", "parent_library": "transformers"}, "fan_in_fan_out": false,
    });
    vec![
        config().into_bytes(),
        patterns.to_string().into_bytes(),
        examples::file("examples/mini8/adapters/flags/adapter_config.json"),
        examples::file("examples/nli6/adapters/rte/adapter_config.json"),
    ]
}

fn factors() -> Vec<u8> {
    examples::tensors(&examples::shapes(FACTORS))
}

/// The pickle of a state dict: a dict of calls that would make tensors.
fn pickle(is_old: bool) -> Vec<u8> {
    let text = |text: &str| [b"X".as_slice(), &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
    let int = |value: usize| [b"J".as_slice(), &(value as i32).to_le_bytes()].concat();
    let mut bytes = b"\x80\x02ccollections\nOrderedDict\nq\x00)R(".to_vec();
    for (key, (name, rows, cols)) in FACTOR_NAMES.iter().enumerate() {
        bytes.extend(text(name));
        bytes.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        bytes.extend(text("storage"));
        bytes.extend(b"ctorch\nFloatStorage\n");
        bytes.extend([text(&key.to_string()), text("cpu"), int(rows * cols)].concat());
        bytes.extend(if is_old { b"NtQ".as_slice() } else { b"tQ" });
        bytes.extend([int(0), int(*rows), int(*cols)].concat());
        bytes.extend(b"\x86");
        bytes.extend([int(*cols), int(1)].concat());
        bytes.extend(b"\x86\x89h\x00)RtR");
    }
    bytes.extend(b"u.");
    bytes
}

fn numbers(count: usize) -> Vec<u8> {
    (0..count).flat_map(|n| (n as f32 + 0.5).to_le_bytes()).collect()
}

pub(super) fn archived() -> Vec<u8> {
    let mut entries = vec![("archive/data.pkl".to_owned(), pickle(false))];
    for (key, (_, rows, cols)) in FACTOR_NAMES.iter().enumerate() {
        entries.push((format!("archive/data/{key}"), numbers(rows * cols)));
    }
    archive(&entries)
}

/// The form of torch before 1.6: pickles one after the other, and the storages behind them.
pub(super) fn legacy() -> Vec<u8> {
    let mut bytes = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}X\x0d\0\0\0little_endian\x88s.".to_vec();
    bytes.extend(pickle(true));
    bytes.extend(b"\x80\x02](X\x01\0\0\x000X\x01\0\0\x001e.");
    for (_, rows, cols) in FACTOR_NAMES {
        bytes.extend((rows * cols).to_le_bytes());
        bytes.extend(numbers(rows * cols));
    }
    bytes
}
