//! Sliding windows: how far back the tokens of some layers see.

use crate::{
    ModelError,
    decoder::config::{Check, Typed},
    settings::Fate::{self, Only},
};
use std::sync::Arc;

/// A window of these families that a configuration does not speak of; it is in force only where it is switched on.
const WINDOW: usize = 4096;

/// The first layer with a window where a configuration does not say it.
const FIRST_LAYER: usize = 28;

/// What becomes of a setting of windows in a family that has none.
pub(super) const NO_WINDOW: Fate = Only { values: &[], expected: NO_SUCH_THING };

/// The same of the switch, which may be off.
pub(super) const SWITCHED_OFF: Fate = Only { values: &["false"], expected: NO_SUCH_THING };

const NO_SUCH_THING: &str = "none: models of this family have no such thing, though others have";

/// Layers whose tokens see no more than the last few.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlidingWindow {
    /// How many tokens each token sees, itself included.
    pub tokens: usize,
    /// Whether each layer has the window.
    pub layers: Arc<[bool]>,
}

impl SlidingWindow {
    pub(super) fn new(check: Check<'_>, tokens: usize, layers: Vec<bool>) -> Result<Self, ModelError> {
        if tokens == 0 {
            return Err(check.refuse("sliding_window", tokens, "at least 1, or `null` for none"));
        }
        Ok(Self { tokens, layers: layers.into() })
    }

    /// The number of tokens that a token of this layer sees, unless it sees all.
    pub(crate) fn of_layer(&self, layer: usize) -> Option<usize> {
        self.layers[layer].then_some(self.tokens)
    }
}

/// The window of Qwen2 and Qwen3: in the layers that `layer_types` names, or from `max_window_layers` on.
pub(super) fn of_qwen(file: &Typed, check: Check<'_>, layers: usize) -> Result<Option<SlidingWindow>, ModelError> {
    let is_on = file.use_sliding_window.unwrap_or(false);
    let tokens = file.sliding_window.unwrap_or(Some(WINDOW)).filter(|_| is_on);
    let have_window = match &file.layer_types {
        Some(types) => named(check, types, layers)?,
        None => {
            let first = file.max_window_layers.unwrap_or(FIRST_LAYER);
            (0..layers).map(|layer| tokens.is_some() && layer >= first).collect()
        }
    };
    match tokens {
        Some(tokens) => Ok(Some(SlidingWindow::new(check, tokens, have_window)?)),
        None if have_window.contains(&true) => {
            let expected = "`full_attention` alone, or `use_sliding_window` and `sliding_window`";
            Err(check.refuse("layer_types", "sliding_attention", expected))
        }
        None => Ok(None),
    }
}

/// Whether each layer has a window, as `layer_types` says.
fn named(check: Check<'_>, types: &[String], layers: usize) -> Result<Vec<bool>, ModelError> {
    if types.len() != layers {
        let found = format!("{} entries", types.len());
        return Err(check.refuse("layer_types", found, &format!("{layers}, as `num_hidden_layers` says")));
    }
    let is_sliding = |kind: &String| match kind.as_str() {
        "full_attention" => Ok(false),
        "sliding_attention" => Ok(true),
        other => Err(check.refuse("layer_types", other, "`full_attention` or `sliding_attention`")),
    };
    types.iter().map(is_sliding).collect()
}
