//! A Llama model's `config.json`.

use super::{
    module,
    rope::{RopeFile, RopeScaling},
};
use crate::ModelError;
use jobs::Precision;
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

/// A Llama model's `config.json`, with the defaults of Hugging Face transformers for what it leaves out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LlamaConfig {
    /// Width of a token.
    pub width: usize,
    /// Width of the MLP's inner layer.
    pub mlp_width: usize,
    /// Number of layers.
    pub layers: usize,
    /// Query heads of a layer.
    pub heads: usize,
    /// Key and value heads of a layer; each serves `heads / kv_heads` query heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_width: usize,
    /// Added to the mean square by each norm.
    pub norm_eps: f32,
    /// Base of the rotary frequencies.
    pub rope_theta: f32,
    /// How the rotary frequencies were stretched after training.
    pub rope_scaling: Option<RopeScaling>,
    /// Number of token ids.
    pub vocabulary: usize,
    /// Longest text, in tokens.
    pub positions: usize,
    /// The padding token, if the model has one; of several, the first.
    pub pad_token: Option<u32>,
    /// The number format in which the weights are stored, as far as the file states one that this crate computes in.
    pub stored: Option<Precision>,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    model_type: String,
    hidden_size: Option<usize>,
    intermediate_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    rms_norm_eps: Option<f32>,
    rope_theta: Option<f32>,
    rope_scaling: Option<RopeFile>,
    rope_parameters: Option<RopeFile>,
    vocab_size: Option<usize>,
    max_position_embeddings: Option<usize>,
    #[serde(default)]
    pad_token_id: Value,
    hidden_act: Option<String>,
    attention_bias: Option<bool>,
    mlp_bias: Option<bool>,
    quantization_config: Option<Value>,
    torch_dtype: Option<String>,
    dtype: Option<String>,
}

impl LlamaConfig {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// The file cannot be read, is no JSON, names another `model_type`, or holds a setting this crate cannot follow.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        let text = std::fs::read_to_string(path).map_err(|source| ModelError::Read { path: path.into(), source })?;
        let invalid = |source| ModelError::Json { path: path.into(), what: "Llama configuration", source };
        let file: File = serde_json::from_str(&text).map_err(invalid)?;
        if file.model_type != "llama" {
            let found = file.model_type;
            return Err(ModelError::ModelType { path: path.into(), kind: "Llama", found, expected: "llama" });
        }
        let check = Check { path };
        check.only_what_is_followed(&file)?;
        check.config(&file)
    }

    /// Checks that the model has a linear layer of that name, which takes updates.
    ///
    /// # Errors
    /// [`ModelError::Module`].
    pub fn check_module(&self, name: &str) -> Result<(), ModelError> {
        module::find(self, name).map(drop)
    }

    /// Width of all keys of a token, and of all its values.
    pub(crate) fn kv_width(&self) -> usize {
        self.kv_heads * self.head_width
    }

    /// Width of all queries of a token.
    pub(crate) fn query_width(&self) -> usize {
        self.heads * self.head_width
    }
}

/// Refuses settings by their key.
pub(super) struct Check<'a> {
    path: &'a Path,
}

impl Check<'_> {
    pub(super) fn refuse(&self, key: &'static str, found: impl ToString, expected: &str) -> ModelError {
        ModelError::Setting { path: self.path.into(), key, found: found.to_string(), expected: expected.into() }
    }

    fn number(&self, key: &'static str, found: usize, at_least: usize) -> Result<usize, ModelError> {
        if found >= at_least { Ok(found) } else { Err(self.refuse(key, found, &format!("at least {at_least}"))) }
    }

    fn positive(&self, key: &'static str, found: f32) -> Result<f32, ModelError> {
        let is_right = found > 0.0 && found.is_finite();
        if is_right { Ok(found) } else { Err(self.refuse(key, found, "a finite number above 0")) }
    }

    fn only_what_is_followed(&self, file: &File) -> Result<(), ModelError> {
        let activation = file.hidden_act.as_deref().unwrap_or("silu");
        if activation != "silu" {
            return Err(self.refuse("hidden_act", activation, "`silu`"));
        }
        for (key, found) in [("attention_bias", file.attention_bias), ("mlp_bias", file.mlp_bias)] {
            if found == Some(true) {
                return Err(self.refuse(key, true, "`false`"));
            }
        }
        match &file.quantization_config {
            Some(found) => Err(self.refuse("quantization_config", found, "none: quantised weights are not read")),
            None => Ok(()),
        }
    }

    fn config(&self, file: &File) -> Result<LlamaConfig, ModelError> {
        let width = self.number("hidden_size", file.hidden_size.unwrap_or(4096), 1)?;
        let heads = self.number("num_attention_heads", file.num_attention_heads.unwrap_or(32), 1)?;
        let kv_heads = self.number("num_key_value_heads", file.num_key_value_heads.unwrap_or(heads), 1)?;
        if !heads.is_multiple_of(kv_heads) {
            return Err(self.refuse("num_key_value_heads", kv_heads, "a divisor of `num_attention_heads`"));
        }
        if file.head_dim.is_none() && !width.is_multiple_of(heads) {
            return Err(self.refuse("num_attention_heads", heads, "a divisor of `hidden_size`"));
        }
        let head_width = file.head_dim.unwrap_or(width / heads);
        if head_width == 0 || !head_width.is_multiple_of(2) {
            return Err(self.refuse("head_dim", head_width, "an even number, at least 2"));
        }
        let (rope_theta, rope_scaling) = self.rope(file)?;
        let stored = file.dtype.as_deref().or(file.torch_dtype.as_deref());
        Ok(LlamaConfig {
            width,
            mlp_width: self.number("intermediate_size", file.intermediate_size.unwrap_or(11008), 1)?,
            layers: self.number("num_hidden_layers", file.num_hidden_layers.unwrap_or(32), 1)?,
            heads,
            kv_heads,
            head_width,
            norm_eps: self.positive("rms_norm_eps", file.rms_norm_eps.unwrap_or(1e-6))?,
            rope_theta,
            rope_scaling,
            vocabulary: self.number("vocab_size", file.vocab_size.unwrap_or(32000), 1)?,
            positions: self.number("max_position_embeddings", file.max_position_embeddings.unwrap_or(2048), 1)?,
            pad_token: token(&file.pad_token_id),
            stored: stored.and_then(precision),
        })
    }

    /// `rope_parameters` holds everything in files of transformers 5; before, `rope_theta` stood beside `rope_scaling`.
    fn rope(&self, file: &File) -> Result<(f32, Option<RopeScaling>), ModelError> {
        let (part, keys) = match (&file.rope_parameters, &file.rope_scaling) {
            (Some(part), _) => (Some(part), RopeFile::PARAMETERS),
            (None, part) => (part.as_ref(), RopeFile::SCALING),
        };
        let theta = part.and_then(|part| part.rope_theta).or(file.rope_theta).unwrap_or(10_000.0);
        let theta = self.positive("rope_theta", theta)?;
        Ok((theta, part.map(|part| part.check(self, keys)).transpose()?.flatten()))
    }
}

/// The first token id of a number or a list; anything else counts as none.
fn token(value: &Value) -> Option<u32> {
    let first = value.as_array().map_or(value, |all| all.first().unwrap_or(&Value::Null));
    first.as_u64().and_then(|id| u32::try_from(id).ok())
}

fn precision(name: &str) -> Option<Precision> {
    match name {
        "float32" => Some(Precision::F32),
        "bfloat16" => Some(Precision::Bf16),
        "float16" => Some(Precision::F16),
        _ => None,
    }
}
