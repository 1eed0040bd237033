//! Mistral: a Llama whose layers may all see through a sliding window.

use super::{
    Defaults, Family, Parts,
    window::{NO_WINDOW, SWITCHED_OFF, SlidingWindow},
};
use crate::settings::Fate::Honoured;

/// The window of a configuration that does not speak of it.
const WINDOW: usize = 4096;

/// Source: transformers, `configuration_mistral.py` and `modeling_mistral.py`.
pub(super) const FAMILY: Family = Family {
    model_type: "mistral",
    name: "Mistral",
    keys: &[("sliding_window", Honoured), ("use_sliding_window", SWITCHED_OFF), ("layer_types", NO_WINDOW)],
    defaults: Defaults {
        mlp_width: 14_336,
        kv_heads: Some(8),
        head_width: None,
        vocabulary: 32_000,
        positions: 4096 * 32,
    },
    parts: |file, check, layers| {
        let tokens = file.sliding_window.unwrap_or(Some(WINDOW));
        let window = tokens.map(|tokens| SlidingWindow::new(check, tokens, vec![true; layers])).transpose()?;
        Ok(Parts { window, ..Parts::default() })
    },
};
