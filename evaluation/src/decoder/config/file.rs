//! The file of a decoder's configuration.

use super::{
    DecoderConfig,
    check::Check,
    keys::{ROPE, SHARED},
};
use crate::{
    ModelError,
    decoder::{
        family::{self, Family},
        rope::RopeFile,
    },
    limits::{CONFIG_BYTES, read_small_text},
    settings::{Keys, Object, Section, object, part},
};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::path::{Path, PathBuf};

const WHAT: &str = "configuration of a language model";

/// `config.json` as it lies on disk.
pub(super) struct File {
    path: PathBuf,
    object: Object,
    family: &'static Family,
    keys: [Keys; 3],
}

/// What is followed of it. Where it matters whether `null` was written or nothing, there are two layers of `Option`.
#[derive(Deserialize)]
pub(in crate::decoder) struct Typed {
    pub(super) hidden_size: Option<usize>,
    pub(super) intermediate_size: Option<usize>,
    pub(super) num_hidden_layers: Option<usize>,
    pub(super) num_attention_heads: Option<usize>,
    #[serde(default, deserialize_with = "given")]
    pub(super) num_key_value_heads: Option<Option<usize>>,
    #[serde(default, deserialize_with = "given")]
    pub(super) head_dim: Option<Option<usize>>,
    pub(in crate::decoder) attention_bias: Option<bool>,
    pub(in crate::decoder) mlp_bias: Option<bool>,
    pub(in crate::decoder) use_sliding_window: Option<bool>,
    #[serde(default, deserialize_with = "given")]
    pub(in crate::decoder) sliding_window: Option<Option<usize>>,
    pub(in crate::decoder) max_window_layers: Option<usize>,
    pub(in crate::decoder) layer_types: Option<Vec<String>>,
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
        let object = object(path, WHAT, &text)?;
        let found = object.get("model_type").and_then(Value::as_str).unwrap_or_default();
        let Some(family) = family::named(found) else {
            let path = path.into();
            let found = found.to_owned();
            return Err(ModelError::ModelType { path, kind: "language", found, expected: family::TYPES });
        };
        let [common, pretrained] = SHARED;
        Ok(Self { path: path.into(), object, family, keys: [family.keys, common, pretrained] })
    }

    pub(super) fn config(&self) -> Result<DecoderConfig, ModelError> {
        // Before the types: a key that is refused need not be of a type that is known.
        self.sections().try_for_each(|section| section.check())?;
        let file = Typed::deserialize(&self.object).map_err(|source| self.invalid(source))?;
        Check { path: &self.path }.config(&file, self.family)
    }

    pub(super) fn unknown_keys(&self) -> Vec<String> {
        self.sections().flat_map(|section| section.unknown()).collect()
    }

    fn invalid(&self, source: serde_json::Error) -> ModelError {
        ModelError::Json { path: self.path.clone(), what: WHAT, source }
    }

    fn sections(&self) -> impl Iterator<Item = Section<'_>> {
        let path = &self.path;
        let rope = ["rope_scaling.", "rope_parameters."].into_iter().filter_map(move |prefix| {
            let object = part(&self.object, prefix.trim_end_matches('.'))?;
            Some(Section { path, prefix, object, keys: ROPE })
        });
        [Section { path, prefix: "", object: &self.object, keys: &self.keys }].into_iter().chain(rope)
    }
}

/// Distinguishes a key that exists, though it may be `null`, from one that does not.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}
