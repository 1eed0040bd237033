//! Qwen2 and Qwen2.5: queries, keys and values with biases, and a sliding window in the upper layers where it is on.

use super::{Biases, Defaults, Family, Parts, window};
use crate::settings::Fate::Honoured;

/// Source: transformers, `configuration_qwen2.py` and `modeling_qwen2.py`.
pub(super) const FAMILY: Family = Family {
    model_type: "qwen2",
    name: "Qwen2",
    keys: &[
        ("use_sliding_window", Honoured),
        ("sliding_window", Honoured),
        ("max_window_layers", Honoured),
        ("layer_types", Honoured),
    ],
    defaults: Defaults {
        mlp_width: 22_016,
        kv_heads: Some(32),
        head_width: None,
        vocabulary: 151_936,
        positions: 32_768,
    },
    parts: |file, check, layers| {
        let biases = Biases { inputs: true, ..Biases::default() };
        Ok(Parts { biases, window: window::of_qwen(file, check, layers)?, ..Parts::default() })
    },
};
