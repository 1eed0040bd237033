//! Weights and configurations of whole models, which are tried out where they are taken.

use super::{examples, put};
use crate::{Format, Target};
use evaluation::{DecoderModel, DeviceChoice, ImageModel, ModelError, TextModel, notes, open_device, outline};
use jobs::{Precision, error_chain};
use serde_json::{Value, json};
use std::path::Path;

/// Sides of a tower, and what else its weights depend on.
const WIDTH: usize = 8;
const INNER: usize = 12;
const PROJECTION: usize = 4;
const VOCABULARY: usize = 24;
const POSITIONS: usize = 6;

pub(super) fn targets() -> Vec<Target> {
    vec![
        Target {
            name: "clip-tensors",
            format: Format::Safetensors,
            seeds: || vec![examples::tensors(&clip_shapes())],
            prepare: |folder| put(folder, "config.json", clip_config().to_string()),
            read: |folder, input| {
                put(folder, "model.safetensors", input);
                clip(folder)
            },
            named: "model.safetensors",
        },
        Target {
            name: "clip-config",
            format: Format::Json,
            seeds: || vec![clip_config().to_string().into_bytes(), examples::file("examples/mini8/base/config.json")],
            prepare: |folder| put(folder, "model.safetensors", examples::tensors(&clip_shapes())),
            read: |folder, input| {
                put(folder, "config.json", input);
                clip(folder)
            },
            // The configuration, or weights that contradict it.
            named: "`",
        },
        Target {
            name: "llama-tensors",
            format: Format::Safetensors,
            seeds: || vec![examples::tensors(&llama_shapes())],
            prepare: |folder| put(folder, "config.json", llama_config().to_string()),
            read: |folder, input| {
                put(folder, "model.safetensors", input);
                llama(folder)
            },
            named: "model.safetensors",
        },
        Target {
            name: "llama-config",
            format: Format::Json,
            seeds: || {
                let mut scaled = llama_config();
                scaled["rope_scaling"] = json!({
                    "factor": 8.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 8192,
                    "rope_type": "llama3",
                });
                let old = examples::file("examples/nli6/base/config.json");
                vec![llama_config().to_string().into_bytes(), scaled.to_string().into_bytes(), old]
            },
            prepare: |folder| put(folder, "model.safetensors", examples::tensors(&llama_shapes())),
            read: |folder, input| {
                put(folder, "config.json", input);
                llama(folder)
            },
            named: "`",
        },
    ]
}

fn clip(folder: &Path) -> Result<String, String> {
    let outline = outline(folder).map(|outline| format!("{:?}", outline.width())).map_err(|error| error_chain(&error));
    let noted = notes(folder).map_err(|error| error_chain(&error));
    let _ = TextModel::note(folder);
    let device = open_device(DeviceChoice::Cpu).map_err(|error| error_chain(&error))?;
    let model = ImageModel::open(folder, &device).map_err(|error| error_chain(&error))?;
    match model.try_out(1) {
        Ok(()) => {}
        // Numbers of a damaged file may be so large that features overflow.
        Err(ModelError::NotFinite) => {}
        Err(error) => {
            return Err(format!("a model that is read fails: `{folder:?}/model.safetensors`: {}", error_chain(&error)));
        }
    }
    Ok(format!("{outline:?} {noted:?} {:?}", model.config()))
}

fn llama(folder: &Path) -> Result<String, String> {
    let outline = outline(folder).map(|outline| format!("{:?}", outline.width())).map_err(|error| error_chain(&error));
    let noted = notes(folder).map_err(|error| error_chain(&error));
    let device = open_device(DeviceChoice::Cpu).map_err(|error| error_chain(&error))?;
    let model = DecoderModel::open(folder, &device, Precision::F32).map_err(|error| error_chain(&error))?;
    match model.try_out(2, 3) {
        Ok(()) => {}
        Err(ModelError::NotFinite) => {}
        Err(error) => {
            return Err(format!("a model that is read fails: `{folder:?}/model.safetensors`: {}", error_chain(&error)));
        }
    }
    Ok(format!("{outline:?} {noted:?} {:?}", model.config()))
}

pub(super) fn clip_config() -> Value {
    let tower = json!({
        "hidden_size": WIDTH, "intermediate_size": INNER, "num_attention_heads": 2, "num_hidden_layers": 1, "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5, "projection_dim": PROJECTION,
    });
    let with = |more: Value| {
        let mut tower = tower.clone();
        tower.as_object_mut().expect("it is an object").extend(more.as_object().expect("it is one").clone());
        tower
    };
    json!({
        "model_type": "clip", "architectures": ["CLIPModel"], "projection_dim": PROJECTION,
        "text_config": with(json!({"vocab_size": VOCABULARY, "max_position_embeddings": POSITIONS, "bos_token_id": 0, "eos_token_id": 1})),
        "vision_config": with(json!({"image_size": 8, "patch_size": 4, "num_channels": 3})),
    })
}

pub(super) fn clip_shapes() -> Vec<(String, Vec<usize>)> {
    let layer = |tower: &str| {
        let prefix = format!("{tower}.encoder.layers.0");
        let mut shapes = examples::attention(&format!("{prefix}.self_attn"), WIDTH);
        shapes.extend(examples::shapes(&format!(
            "{prefix}.layer_norm1.weight {WIDTH}\n{prefix}.layer_norm1.bias {WIDTH}\n{prefix}.layer_norm2.weight {WIDTH}
            {prefix}.layer_norm2.bias {WIDTH}\n{prefix}.mlp.fc1.weight {INNER} {WIDTH}\n{prefix}.mlp.fc1.bias {INNER}
            {prefix}.mlp.fc2.weight {WIDTH} {INNER}\n{prefix}.mlp.fc2.bias {WIDTH}"
        )));
        shapes
    };
    let rest = examples::shapes(&format!(
        "logit_scale
        text_model.embeddings.position_embedding.weight {POSITIONS} {WIDTH}
        text_model.embeddings.token_embedding.weight {VOCABULARY} {WIDTH}
        text_model.final_layer_norm.weight {WIDTH}
        text_model.final_layer_norm.bias {WIDTH}
        text_projection.weight {PROJECTION} {WIDTH}
        vision_model.embeddings.class_embedding {WIDTH}
        vision_model.embeddings.patch_embedding.weight {WIDTH} 3 4 4
        vision_model.embeddings.position_embedding.weight 5 {WIDTH}
        vision_model.pre_layrnorm.weight {WIDTH}
        vision_model.pre_layrnorm.bias {WIDTH}
        vision_model.post_layernorm.weight {WIDTH}
        vision_model.post_layernorm.bias {WIDTH}
        visual_projection.weight {PROJECTION} {WIDTH}"
    ));
    [layer("text_model"), layer("vision_model"), rest].concat()
}

fn llama_config() -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": WIDTH, "intermediate_size": INNER, "hidden_act": "silu",
        "num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": 1, "max_position_embeddings": 16, "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0, "vocab_size": VOCABULARY, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1,
        "tie_word_embeddings": false, "torch_dtype": "float32", "attention_bias": false, "mlp_bias": false,
    })
}

fn llama_shapes() -> Vec<(String, Vec<usize>)> {
    examples::shapes(&format!(
        "model.embed_tokens.weight {VOCABULARY} {WIDTH}
        model.layers.0.input_layernorm.weight {WIDTH}
        model.layers.0.post_attention_layernorm.weight {WIDTH}
        model.layers.0.mlp.down_proj.weight {WIDTH} {INNER}
        model.layers.0.mlp.gate_proj.weight {INNER} {WIDTH}
        model.layers.0.mlp.up_proj.weight {INNER} {WIDTH}
        model.layers.0.self_attn.q_proj.weight {WIDTH} {WIDTH}
        model.layers.0.self_attn.k_proj.weight 4 {WIDTH}
        model.layers.0.self_attn.v_proj.weight 4 {WIDTH}
        model.layers.0.self_attn.o_proj.weight {WIDTH} {WIDTH}
        model.norm.weight {WIDTH}
        lm_head.weight {VOCABULARY} {WIDTH}"
    ))
}
