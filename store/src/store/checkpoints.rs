use super::Store;
use crate::{Key, KeyError, StoreError};
use jobs::JobId;

const CHECKPOINTS: &str = "checkpoints";

/// What unfinished jobs have come to.
impl Store {
    /// Keeps the checkpoint of `job`, in place of the one before.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn put_checkpoint(&self, job: &JobId, content: Vec<u8>) -> Result<(), StoreError> {
        Ok(self.backend.put(&key(job)?, content).await?)
    }

    /// The checkpoint of `job`, if there is one.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn checkpoint(&self, job: &JobId) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.backend.get(&key(job)?).await?)
    }

    /// Deletes the checkpoint of `job`; that there is none is no error.
    ///
    /// # Errors
    /// It cannot be deleted.
    pub async fn remove_checkpoint(&self, job: &JobId) -> Result<(), StoreError> {
        Ok(self.backend.delete(&key(job)?).await?)
    }
}

fn key(job: &JobId) -> Result<Key, KeyError> {
    Key::new(format!("{CHECKPOINTS}/{job}.json"))
}
