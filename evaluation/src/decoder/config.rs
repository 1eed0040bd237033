//! The `config.json` of a decoder.

mod check;
mod file;
mod keys;
#[cfg(test)]
mod tests;

pub(super) use check::Check;
pub(super) use file::Typed;

use super::{
    family::{Biases, SlidingWindow},
    module,
    rope::RopeScaling,
};
use crate::ModelError;
use file::File;
use jobs::Precision;
use std::path::Path;

/// The `config.json` of a Llama or of a family like it, with the defaults of Hugging Face transformers for what it
/// leaves out.
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderConfig {
    /// The family that the model is of, such as `Llama` or `Qwen3`.
    pub family: &'static str,
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
    /// Which linear layers add a bias.
    pub biases: Biases,
    /// True if each head of queries and keys goes through a norm before it is turned.
    pub norms_heads: bool,
    /// How far back tokens see in some layers; `None` means that they see all that comes before them.
    pub window: Option<SlidingWindow>,
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
    /// The padding token, if the model has one that a text may have: the state that stands for a text is that of its
    /// [last other token](Self::pooled).
    pub pad_token: Option<u32>,
    /// The number format in which the weights are stored, as far as the file states one that this crate computes in.
    pub stored: Option<Precision>,
}

impl DecoderConfig {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// The file cannot be read, is no JSON, names another `model_type`, or holds a setting this crate cannot follow.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        File::read(path)?.config()
    }

    /// The keys of `config.json` that are not known, for people.
    pub(crate) fn unknown_keys(path: &Path) -> Result<Vec<String>, ModelError> {
        Ok(File::read(path)?.unknown_keys())
    }

    /// The place of the token whose final state stands for a text of these tokens: the last that is not the padding
    /// token.
    ///
    /// Without a padding token it is the last token; in a text of padding tokens alone, the first. Tokens before the
    /// place may be padding tokens; they are seen as any other.
    ///
    /// # Source
    /// transformers from 4.49 on, `modeling_layers.py`, `GenericForSequenceClassification.forward`, with each text in a
    /// batch of its own or padded with the model's padding token. Before, the token ahead of the first padding token
    /// was taken, which differs where one stands within a text.
    ///
    /// # Examples
    /// With padding token 9, the texts `[1, 5, 9]`, `[1, 9, 5]` and `[9, 9]` are read at places 1, 2 and 0.
    pub fn pooled(&self, ids: &[u32]) -> usize {
        match self.pad_token {
            Some(pad) => ids.iter().rposition(|id| *id != pad).unwrap_or(0),
            None => ids.len().saturating_sub(1),
        }
    }

    /// Checks that the model has a linear layer of that name, which takes updates.
    ///
    /// # Errors
    /// [`ModelError::Module`].
    pub fn check_module(&self, name: &str) -> Result<(), ModelError> {
        module::find(self, name).map(drop)
    }

    /// How many tokens a token sees in this layer, itself included, unless it sees all before it.
    pub(crate) fn window_of(&self, layer: usize) -> Option<usize> {
        self.window.as_ref()?.of_layer(layer)
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
