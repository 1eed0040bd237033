use crate::{
    ModelError, decoder,
    limits::{CONFIG_BYTES, read_small_text},
};
use serde::Deserialize;
use std::path::Path;

/// The kinds of models that can be evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelKind {
    /// CLIP, for pictures.
    Clip,
    /// A Llama, Mistral, Qwen2 or Qwen3, for texts.
    Language,
}

impl ModelKind {
    /// The kind of the model in a Hugging Face folder, by the `model_type` of its `config.json`.
    ///
    /// # Errors
    /// The file cannot be read, is no JSON, or names a model of another kind.
    pub fn of(folder: &Path) -> Result<Self, ModelError> {
        #[derive(Deserialize)]
        struct File {
            #[serde(default)]
            model_type: String,
        }
        let path = folder.join("config.json");
        let text =
            read_small_text(&path, CONFIG_BYTES).map_err(|source| ModelError::Read { path: path.clone(), source })?;
        let invalid = |source| ModelError::Json { path: path.clone(), what: "model configuration", source };
        let file: File = serde_json::from_str(&text).map_err(invalid)?;
        match file.model_type.as_str() {
            "clip" => Ok(Self::Clip),
            other if decoder::family_of(other).is_some() => Ok(Self::Language),
            other => Err(ModelError::ModelType {
                path,
                kind: "CLIP or language",
                found: other.to_owned(),
                expected: "clip`, `llama`, `mistral`, `qwen2` or `qwen3",
            }),
        }
    }
}
