use super::{CONCURRENT_READS, Store, concurrently, documents::encode_pretty, records};
use crate::{Dated, Key, KeyError, StoreError};
use serde::{Serialize, de::DeserializeOwned};

const WORKERS: &str = "workers";

/// Heartbeats of workers, such as the job that they compute.
impl Store {
    /// Stores the heartbeat of the worker `name`, and replaces the earlier one.
    ///
    /// # Errors
    /// The name cannot be part of a key; the document has no JSON form or cannot be written.
    pub async fn put_worker<T: Serialize + Sync>(&self, name: &str, document: &T) -> Result<(), StoreError> {
        let key = worker_key(name)?;
        let content = encode_pretty(&key, document)?;
        Ok(self.backend.put(&key, content).await?)
    }

    /// The heartbeats of all workers, by their names, ascending.
    ///
    /// A document that cannot be read, because another version wrote it perhaps, is an error of its own, so that
    /// callers may skip and report it.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub async fn workers<T>(&self) -> Result<Vec<(String, Result<T, StoreError>)>, StoreError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let dated = self.dated_workers().await?;
        Ok(dated.into_iter().map(|(name, dated)| (name, dated.map(|dated| dated.content))).collect())
    }

    /// The same, and when each was written by the store's clock: the clocks of workers may be wrong.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub async fn dated_workers<T>(&self) -> Result<Vec<(String, Result<Dated<T>, StoreError>)>, StoreError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let mut names = Vec::new();
        let mut listing = self.backend.list(Some(&Key::new(WORKERS)?)).await?;
        while let Some(keys) = listing.next_page().await? {
            names.extend(keys.iter().filter_map(worker_of));
        }
        names.sort_unstable();
        let this = self.clone();
        let documents = concurrently(names.clone(), CONCURRENT_READS, move |name| {
            let this = this.clone();
            async move { this.dated_worker::<T>(&name).await.transpose() }
        });
        // A worker may have ended since the listing.
        Ok(names.into_iter().zip(documents.await).filter_map(|(name, document)| Some((name, document?))).collect())
    }

    /// Deletes the heartbeat of the worker `name`. It is no error if there is none.
    ///
    /// # Errors
    /// The name cannot be part of a key; the document cannot be deleted.
    pub async fn remove_worker(&self, name: &str) -> Result<(), StoreError> {
        Ok(self.backend.delete(&worker_key(name)?).await?)
    }

    /// The heartbeat of the worker `name`; `None` if there is none, or the worker deleted it when it ended.
    ///
    /// # Errors
    /// The document cannot be read or is not a `T`.
    pub async fn worker<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        Ok(self.dated_worker(name).await?.map(|dated| dated.content))
    }

    async fn dated_worker<T: DeserializeOwned>(&self, name: &str) -> Result<Option<Dated<T>>, StoreError> {
        let key = worker_key(name)?;
        let dated = self.backend.get_dated(&key).await?;
        dated.map(|dated| dated.try_map(|content| records::decode(&key, &content))).transpose()
    }
}

fn worker_key(name: &str) -> Result<Key, KeyError> {
    if name.contains('/') {
        return Err(KeyError { text: name.to_owned(), problem: "the name of a worker holds a slash" });
    }
    Key::new(format!("{WORKERS}/{name}.json"))
}

fn worker_of(key: &Key) -> Option<String> {
    let name = key.as_str().strip_prefix(WORKERS)?.strip_prefix('/')?.strip_suffix(".json")?;
    (!name.contains('/')).then(|| name.to_owned())
}
