use super::{Store, records};
use crate::{Key, StoreError};
use serde::{Serialize, de::DeserializeOwned};

const WORKERS: &str = "workers";

impl Store {
    /// Keeps what the worker `name` tells of itself, in place of what it told before.
    ///
    /// # Errors
    /// The name cannot be part of a key; the status has no JSON form or cannot be written.
    pub async fn put_worker<T: Serialize + Sync>(&self, name: &str, status: &T) -> Result<(), StoreError> {
        let key = worker_key(name)?;
        let content = records::encode(&key, status)?;
        Ok(self.backend.put(&key, content).await?)
    }

    /// What all workers tell of themselves, sorted by name. One that cannot be read is an error of its own.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub async fn workers<T: DeserializeOwned>(&self) -> Result<Vec<Result<T, StoreError>>, StoreError> {
        let mut listing = self.backend.list(Some(&Key::new(WORKERS)?)).await?;
        let mut keys = Vec::new();
        while let Some(page) = listing.next_page().await? {
            keys.extend(page);
        }
        keys.sort_unstable();
        let mut workers = Vec::with_capacity(keys.len());
        for key in keys {
            match self.backend.get(&key).await {
                // It ended since it was listed.
                Ok(None) => {}
                Ok(Some(content)) => workers.push(records::decode(&key, &content)),
                Err(error) => workers.push(Err(error.into())),
            }
        }
        Ok(workers)
    }

    /// Forgets the worker `name`; that it is unknown is no error.
    ///
    /// # Errors
    /// The name cannot be part of a key; the store does not delete.
    pub async fn remove_worker(&self, name: &str) -> Result<(), StoreError> {
        Ok(self.backend.delete(&worker_key(name)?).await?)
    }
}

fn worker_key(name: &str) -> Result<Key, StoreError> {
    Ok(Key::new(format!("{WORKERS}/{name}.json"))?)
}
