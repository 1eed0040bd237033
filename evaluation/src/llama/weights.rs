//! The tensors of a model folder, found and checked, not yet read.

use super::{LlamaConfig, module::Site, stored::Stored};
use crate::{
    ModelError,
    model::weights::{WeightFile, Weights},
};
use std::{path::Path, sync::Arc};

/// Everything that the model computes with.
pub(crate) struct LlamaWeights {
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
    /// In the order of [`Site::ALL`].
    pub(crate) linears: [Stored; 7],
}

impl LlamaWeights {
    /// Finds all tensors under `model.`, or without it where a file holds the bare model. Heads are ignored.
    pub(crate) fn open(folder: &Path, config: &LlamaConfig) -> Result<Self, ModelError> {
        let weights = Weights::open(folder)?;
        let bare = !weights.has("model.embed_tokens.weight") && weights.has("embed_tokens.weight");
        let find = |key: &str, shape: &[usize]| {
            let key = if bare { key.to_owned() } else { format!("model.{key}") };
            Stored::find(&weights, format!("{key}.weight"), shape)
        };
        let layer = |n: usize| {
            let norm = |name: &str| find(&format!("layers.{n}.{name}"), &[config.width]);
            let linear = |site: Site| find(&format!("layers.{n}.{}", site.name()), &site.shape(config));
            let [q, k, v, o, gate, up, down] = Site::ALL.map(linear);
            Ok(LayerWeights {
                norms: [norm("input_layernorm")?, norm("post_attention_layernorm")?],
                linears: [q?, k?, v?, o?, gate?, up?, down?],
            })
        };
        Ok(Self {
            embedding: find("embed_tokens", &[config.vocabulary, config.width])?,
            layers: (0..config.layers).map(layer).collect::<Result<_, ModelError>>()?,
            norm: find("norm", &[config.width])?,
            files: weights.files().to_vec(),
        })
    }
}
