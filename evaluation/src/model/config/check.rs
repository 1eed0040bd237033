//! What is checked of a tower's settings.

use super::{Activation, EncoderConfig, TextConfig, VisionConfig};
use crate::{ModelError, limits::RESIZED_EDGE};
use serde::Deserialize;
use std::{ops::RangeInclusive, path::Path};

/// The widest layer and longest text: beyond it lie typing errors, and products that overflow.
pub(super) const LARGEST: usize = 1 << 20;

/// `vision_config`, as far as it is followed.
#[derive(Deserialize, Default)]
pub(super) struct VisionFile {
    hidden_size: Option<usize>,
    intermediate_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    hidden_act: Option<String>,
    layer_norm_eps: Option<f32>,
    num_channels: Option<usize>,
    image_size: Option<usize>,
    patch_size: Option<usize>,
}

/// `text_config`, as far as it is followed.
#[derive(Deserialize, Default)]
pub(super) struct TextFile {
    hidden_size: Option<usize>,
    intermediate_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    hidden_act: Option<String>,
    layer_norm_eps: Option<f32>,
    vocab_size: Option<usize>,
    max_position_embeddings: Option<usize>,
    eos_token_id: Option<u32>,
}

/// What both towers have, with the defaults of one.
struct Encoder<'a> {
    width: usize,
    mlp_width: usize,
    layers: usize,
    heads: usize,
    activation: Option<&'a str>,
    layer_norm_eps: Option<f32>,
}

impl VisionFile {
    fn encoder(&self) -> Encoder<'_> {
        Encoder {
            width: self.hidden_size.unwrap_or(768),
            mlp_width: self.intermediate_size.unwrap_or(3072),
            layers: self.num_hidden_layers.unwrap_or(12),
            heads: self.num_attention_heads.unwrap_or(12),
            activation: self.hidden_act.as_deref(),
            layer_norm_eps: self.layer_norm_eps,
        }
    }
}

impl TextFile {
    fn encoder(&self) -> Encoder<'_> {
        Encoder {
            width: self.hidden_size.unwrap_or(512),
            mlp_width: self.intermediate_size.unwrap_or(2048),
            layers: self.num_hidden_layers.unwrap_or(12),
            heads: self.num_attention_heads.unwrap_or(8),
            activation: self.hidden_act.as_deref(),
            layer_norm_eps: self.layer_norm_eps,
        }
    }
}

/// Refuses settings by their key, which has `prefix` before it.
#[derive(Clone, Copy)]
pub(super) struct Check<'a> {
    pub(super) path: &'a Path,
    pub(super) prefix: &'a str,
}

impl Check<'_> {
    pub(super) fn vision(self, tower: &VisionFile) -> Result<VisionConfig, ModelError> {
        let channels = tower.num_channels.unwrap_or(3);
        if channels != 3 {
            return Err(self.refuse("num_channels", channels, "3"));
        }
        let encoder = self.encoder(&tower.encoder())?;
        let image_size = self.within("image_size", tower.image_size.unwrap_or(224), 1..=RESIZED_EDGE as usize)?;
        let patch_size = tower.patch_size.unwrap_or(32);
        if !(1..=image_size).contains(&patch_size) {
            return Err(self.refuse("patch_size", patch_size, "between 1 and `image_size`"));
        }
        Ok(VisionConfig { encoder, image_size, patch_size })
    }

    pub(super) fn text(self, tower: &TextFile) -> Result<TextConfig, ModelError> {
        Ok(TextConfig {
            encoder: self.encoder(&tower.encoder())?,
            vocabulary: self.within("vocab_size", tower.vocab_size.unwrap_or(49408), 1..=1 << 26)?,
            positions: self.within(
                "max_position_embeddings",
                tower.max_position_embeddings.unwrap_or(77),
                2..=LARGEST,
            )?,
            eos_token_id: tower.eos_token_id.unwrap_or(49407),
        })
    }

    pub(super) fn within(self, key: &str, found: usize, range: RangeInclusive<usize>) -> Result<usize, ModelError> {
        if found < *range.start() {
            return Err(self.refuse(key, found, &format!("at least {}", range.start())));
        }
        if found > *range.end() {
            return Err(self.refuse(key, found, &format!("at most {}", range.end())));
        }
        Ok(found)
    }

    fn refuse(self, key: &str, found: impl ToString, expected: &str) -> ModelError {
        let key = format!("{}{key}", self.prefix);
        ModelError::Setting { path: self.path.into(), key, found: found.to_string(), expected: expected.into() }
    }

    fn encoder(self, file: &Encoder<'_>) -> Result<EncoderConfig, ModelError> {
        let width = self.within("hidden_size", file.width, 1..=LARGEST)?;
        if file.heads == 0 || !width.is_multiple_of(file.heads) {
            return Err(self.refuse("num_attention_heads", file.heads, "a divisor of `hidden_size`"));
        }
        let activation = match file.activation {
            None | Some("quick_gelu") => Activation::QuickGelu,
            Some("gelu") => Activation::Gelu,
            Some(other) => return Err(self.refuse("hidden_act", other, "`quick_gelu` or `gelu`")),
        };
        let layer_norm_eps = file.layer_norm_eps.unwrap_or(1e-5);
        if !(layer_norm_eps >= 0.0 && layer_norm_eps.is_finite()) {
            return Err(self.refuse("layer_norm_eps", layer_norm_eps, "a finite number, at least 0"));
        }
        Ok(EncoderConfig {
            width,
            mlp_width: self.within("intermediate_size", file.mlp_width, 1..=LARGEST)?,
            layers: self.within("num_hidden_layers", file.layers, 1..=1 << 12)?,
            heads: file.heads,
            activation,
            layer_norm_eps,
        })
    }
}
