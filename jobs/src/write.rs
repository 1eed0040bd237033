use crate::{AdapterInput, Digest, OtherSemantics, Recipe, StatisticsInput};
use serde::{Deserialize, Serialize};

/// The version of what turns a merge into files: their names, layout, and number formats. It is part of the identity
/// of every job that writes, and grows when the same merge would be written as other files.
pub const WRITE_SEMANTICS: u32 = 1;

/// All that decides which files a job writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteSpec {
    /// [`WRITE_SEMANTICS`] when it was made; what a merge means is versioned in its recipe.
    pub semantics: u32,
    /// The base model's content.
    pub base: Digest,
    /// The adapters, in merge order.
    pub adapters: Vec<AdapterInput>,
    /// How they are merged.
    pub recipe: Box<Recipe>,
    /// The statistics that the recipe merges by, in merge order; none for most recipes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statistics: Vec<StatisticsInput>,
    /// What is written.
    pub format: WriteFormat,
    /// How the files name what was merged.
    pub names: MergeNames,
}

/// What a merge is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteFormat {
    /// A PEFT adapter; only a low-rank merge is one.
    Adapter,
    /// The base model with the merge added to its weights.
    Model,
}

/// How the configuration and the model card of a merge name what was merged.
///
/// They are a part of the files, and so of what decides them. Where inputs lie is none: two sweeps that name them
/// alike share what was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MergeNames {
    /// The base model's hub id (`owner/name`), if it is on the hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_model: Option<String>,
    /// The revision of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Where each adapter came from, in merge order: a hub id, or the name of a folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adapters: Vec<String>,
}

impl WriteSpec {
    /// Whether this version of the program writes what was meant.
    ///
    /// # Errors
    /// The files or the recipe are of another version of their semantics.
    pub fn check_semantics(&self) -> Result<(), OtherSemantics> {
        if self.semantics != WRITE_SEMANTICS {
            return Err(OtherSemantics { part: "output", job: self.semantics, ours: WRITE_SEMANTICS });
        }
        self.recipe.check_semantics()
    }
}

impl WriteFormat {
    /// Its name in documents and for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Adapter => "adapter",
            Self::Model => "model",
        }
    }
}
