use super::{Store, documents::encode_pretty, records};
use crate::{Key, KeyError, StoreError};
use jobs::{Digest, Similarity};

const SIMILARITIES: &str = "similarities";

/// How alike the updates of adapters act, by the inputs that decide it.
impl Store {
    /// Stores the similarity of updates, unless the store has one of the same inputs over more examples. Returns whether it is
    /// stored.
    ///
    /// # Errors
    /// The document cannot be written, or the one before cannot be read for another reason than its content.
    pub async fn put_similarity(&self, inputs: &Digest, similarity: &Similarity) -> Result<bool, StoreError> {
        match self.similarity(inputs).await {
            Ok(Some(earlier)) if similarity.is_over_fewer(&earlier) => return Ok(false),
            Ok(_) => {}
            // A broken document is replaced.
            Err(error) if error.is_of_one_object() => {}
            Err(error) => return Err(error),
        }
        let key = key(inputs)?;
        let content = encode_pretty(&key, similarity)?;
        self.backend.put(&key, content).await?;
        Ok(true)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::MemoryBackend;

    #[tokio::test]
    async fn a_similarity_over_fewer_examples_does_not_replace_one_over_more() {
        let store = Store::new(MemoryBackend::default());
        let inputs = Digest::of(b"inputs");
        let of = |examples: u64| Similarity {
            tasks: vec!["mnist".to_owned()],
            split: "validation".to_owned(),
            examples: vec![examples],
            weights: 1,
            before: vec![vec![Some(1.0)]],
            after: vec![vec![Some(1.0)]],
        };
        for (examples, is_kept, stored) in [(8, true, 8), (256, true, 256), (8, false, 256), (256, true, 256)] {
            assert_eq!(store.put_similarity(&inputs, &of(examples)).await.unwrap(), is_kept);
            assert_eq!(store.similarity(&inputs).await.unwrap(), Some(of(stored)));
        }
    }
}
