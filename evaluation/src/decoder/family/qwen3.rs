//! Qwen3: each head of queries and keys goes through a norm before it is turned.

use super::{Biases, Defaults, Family, Parts, window};
use crate::settings::Fate::Honoured;

/// Source: transformers, `configuration_qwen3.py` and `modeling_qwen3.py`.
pub(super) const FAMILY: Family = Family {
    model_type: "qwen3",
    name: "Qwen3",
    keys: &[
        ("attention_bias", Honoured),
        ("use_sliding_window", Honoured),
        ("sliding_window", Honoured),
        ("max_window_layers", Honoured),
        ("layer_types", Honoured),
    ],
    defaults: Defaults {
        mlp_width: 22_016,
        kv_heads: Some(32),
        head_width: Some(128),
        vocabulary: 151_936,
        positions: 32_768,
    },
    parts: |file, check, layers| {
        let attention = file.attention_bias.unwrap_or(false);
        let biases = Biases { inputs: attention, output: attention, mlp: false };
        Ok(Parts { biases, norms_heads: true, window: window::of_qwen(file, check, layers)? })
    },
};
