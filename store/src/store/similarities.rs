use super::{Store, documents::encode_pretty, records};
use crate::{Key, KeyError, StoreError};
use jobs::{Digest, Similarity};

const SIMILARITIES: &str = "similarities";

/// How alike the updates of adapters act, by the inputs that decide it.
impl Store {
    /// Stores the similarity of updates, in place of an earlier one of the same inputs, which may be over other examples.
    ///
    /// # Errors
    /// The document cannot be written.
    pub async fn put_similarity(&self, inputs: &Digest, similarity: &Similarity) -> Result<(), StoreError> {
        let key = key(inputs)?;
        let content = encode_pretty(&key, similarity)?;
        Ok(self.backend.put(&key, content).await?)
    }

    /// The similarity of updates with these inputs, if it was measured.
    ///
    /// # Errors
    /// The document cannot be read, or is none.
    pub async fn similarity(&self, inputs: &Digest) -> Result<Option<Similarity>, StoreError> {
        let key = key(inputs)?;
        let content = self.backend.get(&key).await?;
        content.map(|content| records::decode(&key, &content)).transpose()
    }
}

fn key(inputs: &Digest) -> Result<Key, KeyError> {
    Key::new(format!("{SIMILARITIES}/{inputs}.json"))
}
