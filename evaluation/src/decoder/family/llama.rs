//! Llama.

use super::{
    Biases, Defaults, Family, Parts,
    window::{NO_WINDOW, SWITCHED_OFF},
};
use crate::settings::Fate::Honoured;

/// Source: transformers, `configuration_llama.py`.
pub(super) const FAMILY: Family = Family {
    model_type: "llama",
    name: "Llama",
    keys: &[
        ("attention_bias", Honoured),
        ("mlp_bias", Honoured),
        ("sliding_window", NO_WINDOW),
        ("use_sliding_window", SWITCHED_OFF),
        ("layer_types", NO_WINDOW),
    ],
    defaults: Defaults { mlp_width: 11_008, kv_heads: None, head_width: None, vocabulary: 32_000, positions: 2048 },
    parts: |file, _, _| {
        let attention = file.attention_bias.unwrap_or(false);
        let biases = Biases { inputs: attention, output: attention, mlp: file.mlp_bias.unwrap_or(false) };
        Ok(Parts { biases, ..Parts::default() })
    },
};
