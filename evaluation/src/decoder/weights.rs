//! The tensors of a model folder, found and checked, not yet read.

use super::{DecoderConfig, module::ModuleKind, stored::Stored};
use crate::{
    ModelError,
    model::weights::{WeightFile, Weights},
};
use std::{path::Path, sync::Arc};

/// Everything that the model computes with.
pub(crate) struct DecoderWeights {
    /// `[vocabulary, width]`
    pub(crate) embedding: Stored,
    pub(crate) layers: Vec<LayerWeights>,
    pub(crate) norm: Stored,
    /// The files that they lie in.
    pub(crate) files: Vec<Arc<WeightFile>>,
}

/// The tensors of one layer.
pub(crate) struct LayerWeights {
    /// Before attention, and before the MLP.
    pub(crate) norms: [Stored; 2],
    /// In the order of [`ModuleKind::ALL`].
    pub(crate) linears: [LinearWeights; 7],
    /// Of each head of queries and of keys, `[head_width]` each.
    pub(crate) head_norms: Option<[Stored; 2]>,
}

/// A matrix and what is added after it.
pub(crate) struct LinearWeights {
    /// `[outputs, inputs]`
    pub(crate) matrix: Stored,
    /// `[outputs]`
    pub(crate) bias: Option<Stored>,
}

impl DecoderWeights {
    /// Finds all tensors under `model.`, or without it where a file holds the bare model. Heads are ignored.
    pub(crate) fn open(folder: &Path, config: &DecoderConfig) -> Result<Self, ModelError> {
        let weights = Weights::open(folder)?;
        let bare = !weights.has("model.embed_tokens.weight") && weights.has("embed_tokens.weight");
        let find = |key: &str, shape: &[usize]| {
            let key = if bare { key.to_owned() } else { format!("model.{key}") };
            Stored::find(&weights, key, shape)
        };
        let layer = |n: usize| {
            let norm = |name: &str| find(&format!("layers.{n}.{name}.weight"), &[config.width]);
            let head_norm = |name: &str| find(&format!("layers.{n}.self_attn.{name}.weight"), &[config.head_width]);
            let linear = |kind: ModuleKind| {
                let [outputs, inputs] = kind.shape(config);
                let part = |part: &str, shape: &[usize]| find(&format!("layers.{n}.{}.{part}", kind.name()), shape);
                let bias = kind.has_bias(config).then(|| part("bias", &[outputs])).transpose()?;
                Ok::<_, ModelError>(LinearWeights { matrix: part("weight", &[outputs, inputs])?, bias })
            };
            let head_norms = if config.norms_heads { Some([head_norm("q_norm")?, head_norm("k_norm")?]) } else { None };
            let [q, k, v, o, gate, up, down] = ModuleKind::ALL.map(linear);
            Ok(LayerWeights {
                norms: [norm("input_layernorm")?, norm("post_attention_layernorm")?],
                linears: [q?, k?, v?, o?, gate?, up?, down?],
                head_norms,
            })
        };
        Ok(Self {
            embedding: find("embed_tokens.weight", &[config.vocabulary, config.width])?,
            layers: (0..config.layers).map(layer).collect::<Result<_, ModelError>>()?,
            norm: find("norm.weight", &[config.width])?,
            files: weights.files().to_vec(),
        })
    }
}
