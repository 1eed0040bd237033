use crate::{
    ClipBase, DecoderBase, ExampleKind, FamilyVisitor, ModelError, ModelFamily, decoder,
    limits::{CONFIG_BYTES, read_small_text},
};
use serde::Deserialize;
use std::path::Path;

/// The kinds of models that can be evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelKind {
    /// CLIP, for images.
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

    /// Does something with the family of this kind. This is the one place that lists the families.
    pub fn visit<V: FamilyVisitor>(self, visitor: V) -> V::Output {
        match self {
            Self::Clip => visitor.visit::<ClipBase>(),
            Self::Language => visitor.visit::<DecoderBase>(),
        }
    }

    /// What models of this kind are, in words after "the base is".
    pub fn description(self) -> &'static str {
        struct Description;
        impl FamilyVisitor for Description {
            type Output = &'static str;

            fn visit<F: ModelFamily>(self) -> &'static str {
                F::DESCRIPTION
            }
        }
        self.visit(Description)
    }

    /// What models of this kind read.
    pub fn reads(self) -> ExampleKind {
        struct Reads;
        impl FamilyVisitor for Reads {
            type Output = ExampleKind;

            fn visit<F: ModelFamily>(self) -> ExampleKind {
                F::READS
            }
        }
        self.visit(Reads)
    }
}
