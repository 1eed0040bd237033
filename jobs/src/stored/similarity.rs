use crate::{Similarity, SimilarityError, version::known};
use serde::{Deserialize, Serialize};

/// How alike updates act, as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredSimilarity {
    #[serde(deserialize_with = "known::<_, 1, { Similarity::VERSION }>")]
    version: u32,
    tasks: Vec<String>,
    split: String,
    examples: Vec<u64>,
    weights: u64,
    before: Vec<Vec<Option<f64>>>,
    after: Vec<Vec<Option<f64>>>,
}

impl From<Similarity> for StoredSimilarity {
    fn from(similarity: Similarity) -> Self {
        let Similarity { tasks, split, examples, weights, before, after } = similarity;
        Self { version: Similarity::VERSION, tasks, split, examples, weights, before, after }
    }
}

impl TryFrom<StoredSimilarity> for Similarity {
    type Error = SimilarityError;

    fn try_from(stored: StoredSimilarity) -> Result<Self, SimilarityError> {
        let StoredSimilarity { version: _, tasks, split, examples, weights, before, after } = stored;
        Self { tasks, split, examples, weights, before, after }.checked()
    }
}
