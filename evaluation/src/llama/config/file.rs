//! The file of a Llama's configuration.

use super::{
    LlamaConfig,
    check::Check,
    keys::{MODEL, ROPE},
};
use crate::{
    ModelError,
    limits::{CONFIG_BYTES, read_small_text},
    llama::rope::RopeFile,
    settings::{Object, Section, object, part},
};
use serde::Deserialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// `config.json` as it lies on disk.
pub(super) struct File {
    path: PathBuf,
    object: Object,
    typed: Typed,
}

/// What is followed of it.
#[derive(Deserialize)]
pub(super) struct Typed {
    model_type: Option<String>,
    pub(super) hidden_size: Option<usize>,
    pub(super) intermediate_size: Option<usize>,
    pub(super) num_hidden_layers: Option<usize>,
    pub(super) num_attention_heads: Option<usize>,
    pub(super) num_key_value_heads: Option<usize>,
    pub(super) head_dim: Option<usize>,
    pub(super) rms_norm_eps: Option<f32>,
    pub(super) rope_theta: Option<f32>,
    pub(super) rope_scaling: Option<RopeFile>,
    pub(super) rope_parameters: Option<RopeFile>,
    pub(super) vocab_size: Option<usize>,
    pub(super) max_position_embeddings: Option<usize>,
    #[serde(default)]
    pub(super) pad_token_id: Value,
    pub(super) hidden_act: Option<String>,
    pub(super) torch_dtype: Option<String>,
    pub(super) dtype: Option<String>,
}

impl File {
    pub(super) fn read(path: &Path) -> Result<Self, ModelError> {
        let text =
            read_small_text(path, CONFIG_BYTES).map_err(|source| ModelError::Read { path: path.into(), source })?;
        let what = "Llama configuration";
        let invalid = |source| ModelError::Json { path: path.into(), what, source };
        let typed: Typed = serde_json::from_str(&text).map_err(invalid)?;
        let found = typed.model_type.clone().unwrap_or_default();
        if found != "llama" {
            return Err(ModelError::ModelType { path: path.into(), kind: "Llama", found, expected: "llama" });
        }
        Ok(Self { path: path.into(), object: object(path, what, &text)?, typed })
    }

    pub(super) fn config(&self) -> Result<LlamaConfig, ModelError> {
        self.sections().try_for_each(|section| section.check())?;
        Check { path: &self.path }.config(&self.typed)
    }

    pub(super) fn unknown_keys(&self) -> Vec<String> {
        self.sections().flat_map(|section| section.unknown()).collect()
    }

    fn sections(&self) -> impl Iterator<Item = Section<'_>> {
        let path = &self.path;
        let rope = ["rope_scaling.", "rope_parameters."].into_iter().filter_map(move |prefix| {
            let object = part(&self.object, prefix.trim_end_matches('.'))?;
            Some(Section { path, prefix, object, keys: ROPE })
        });
        [Section { path, prefix: "", object: &self.object, keys: MODEL }].into_iter().chain(rope)
    }
}
