//! What is checked of a decoder's settings.

use super::{DecoderConfig, file::Typed};
use crate::{
    ModelError,
    decoder::{
        family::{Defaults, Family, Parts},
        rope::{Rotation, rotation},
    },
    settings::shown,
};
use jobs::Precision;
use serde_json::Value;
use std::{ops::RangeInclusive, path::Path};

/// The widest layer that anybody has: beyond it lie typing errors, and products that overflow.
const WIDEST: usize = 1 << 20;

/// Refuses settings by their key.
#[derive(Clone, Copy)]
pub(in crate::decoder) struct Check<'a> {
    pub(super) path: &'a Path,
}

impl Check<'_> {
    pub(in crate::decoder) fn refuse(self, key: impl Into<String>, found: impl ToString, expected: &str) -> ModelError {
        let key = key.into();
        let found = found.to_string();
        ModelError::Setting { path: self.path.into(), key, found, expected: expected.into() }
    }

    pub(in crate::decoder) fn positive(self, key: &str, found: f32) -> Result<f32, ModelError> {
        let is_right = found > 0.0 && found.is_finite();
        if is_right { Ok(found) } else { Err(self.refuse(key, found, "a finite number above 0")) }
    }

    fn within(self, key: &str, found: usize, range: RangeInclusive<usize>) -> Result<usize, ModelError> {
        if found < *range.start() {
            return Err(self.refuse(key, found, &format!("at least {}", range.start())));
        }
        if found > *range.end() {
            return Err(self.refuse(key, found, &format!("at most {}", range.end())));
        }
        Ok(found)
    }

    pub(super) fn config(self, file: &Typed, family: &'static Family) -> Result<DecoderConfig, ModelError> {
        // transformers knows SiLU by both names.
        if let Some(other) = file.hidden_act.as_deref().filter(|name| !["silu", "swish"].contains(name)) {
            return Err(self.refuse("hidden_act", other, "`silu`"));
        }
        let width = self.within("hidden_size", file.hidden_size.unwrap_or(4096), 1..=WIDEST)?;
        let defaults = &family.defaults;
        let (heads, kv_heads, head_width) = self.heads(file, defaults, width)?;
        let layers = self.within("num_hidden_layers", file.num_hidden_layers.unwrap_or(32), 1..=1 << 12)?;
        let Parts { biases, norms_heads, window } = (family.parts)(file, self, layers)?;
        let Rotation { theta, scaling } = rotation(self, file.rope_theta, [&file.rope_scaling, &file.rope_parameters])?;
        let stored = file.dtype.as_deref().or(file.torch_dtype.as_deref());
        let positions = file.max_position_embeddings.unwrap_or(defaults.positions);
        Ok(DecoderConfig {
            family: family.name,
            width,
            mlp_width: self.within(
                "intermediate_size",
                file.intermediate_size.unwrap_or(defaults.mlp_width),
                1..=WIDEST,
            )?,
            layers,
            heads,
            kv_heads,
            head_width,
            biases,
            norms_heads,
            window,
            norm_eps: self.positive("rms_norm_eps", file.rms_norm_eps.unwrap_or(1e-6))?,
            rope_theta: theta,
            rope_scaling: scaling,
            vocabulary: self.within("vocab_size", file.vocab_size.unwrap_or(defaults.vocabulary), 1..=1 << 26)?,
            positions: self.within("max_position_embeddings", positions, 1..=1 << 31)?,
            pad_token: self.token("pad_token_id", &file.pad_token_id)?,
            stored: stored.and_then(precision),
        })
    }

    /// Query heads, key and value heads, and the width of a head.
    fn heads(self, file: &Typed, defaults: &Defaults, width: usize) -> Result<(usize, usize, usize), ModelError> {
        let heads = self.within("num_attention_heads", file.num_attention_heads.unwrap_or(32), 1..=WIDEST)?;
        let kv_heads = file.num_key_value_heads.unwrap_or(defaults.kv_heads).unwrap_or(heads);
        let kv_heads = self.within("num_key_value_heads", kv_heads, 1..=WIDEST)?;
        if !heads.is_multiple_of(kv_heads) {
            return Err(self.refuse("num_key_value_heads", kv_heads, "a divisor of `num_attention_heads`"));
        }
        let stated = file.head_dim.unwrap_or(defaults.head_width);
        if stated.is_none() && !width.is_multiple_of(heads) {
            return Err(self.refuse("num_attention_heads", heads, "a divisor of `hidden_size`"));
        }
        let head_width = stated.unwrap_or(width / heads);
        if head_width == 0 || !head_width.is_multiple_of(2) {
            return Err(self.refuse("head_dim", head_width, "an even number, at least 2"));
        }
        if heads.checked_mul(head_width).is_none_or(|queries| queries > WIDEST) {
            let expected =
                format!("a width with which {heads} heads (`num_attention_heads`) have at most {WIDEST} numbers");
            return Err(self.refuse("head_dim", head_width, &expected));
        }
        Ok((heads, kv_heads, head_width))
    }

    /// A token id; none for one that no text can have, such as the -1 of the first Llamas.
    fn token(self, key: &str, value: &Value) -> Result<Option<u32>, ModelError> {
        if value.is_null() || value.is_i64() || value.is_u64() {
            return Ok(value.as_u64().and_then(|id| u32::try_from(id).ok()));
        }
        Err(self.refuse(key, shown(value), "one whole number, or `null`"))
    }
}

/// The format of the name, with or without PyTorch's before it.
fn precision(name: &str) -> Option<Precision> {
    match name.strip_prefix("torch.").unwrap_or(name) {
        "float32" => Some(Precision::F32),
        "bfloat16" => Some(Precision::Bf16),
        "float16" => Some(Precision::F16),
        _ => None,
    }
}
