use super::{Store, documents::encode_pretty, records};
use crate::{Key, KeyError, StoreError};
use serde::{Serialize, de::DeserializeOwned};

const POOLS: &str = "pools";

/// Which sweeps have jobs for the workers of a pool.
impl Store {
    /// Stores what workers of `pool` need to know about `sweep`, and replaces the earlier entry.
    ///
    /// # Errors
    /// A name cannot be part of a key; the document has no JSON form or cannot be written.
    pub async fn put_pool_entry<T>(&self, pool: &str, sweep: &str, entry: &T) -> Result<(), StoreError>
    where
        T: Serialize + Sync,
    {
        let key = entry_key(pool, sweep)?;
        let content = encode_pretty(&key, entry)?;
        Ok(self.backend.put(&key, content).await?)
    }

    /// The names of the sweeps that have an entry in `pool`, ascending.
    ///
    /// # Errors
    /// The name cannot be part of a key; the store cannot be listed.
    pub async fn pool_sweeps(&self, pool: &str) -> Result<Vec<String>, StoreError> {
        let folder = pool_key(pool)?;
        let mut sweeps: Vec<String> = Vec::new();
        let mut listing = self.backend.list(Some(&folder)).await?;
        while let Some(keys) = listing.next_page().await? {
            sweeps.extend(keys.iter().filter_map(|key| sweep_of(&folder, key)));
        }
        sweeps.sort_unstable();
        Ok(sweeps)
    }

    /// The entry of `sweep` in `pool`, if there is one.
    ///
    /// # Errors
    /// The document cannot be read or is not a `T`.
    pub async fn pool_entry<T: DeserializeOwned>(&self, pool: &str, sweep: &str) -> Result<Option<T>, StoreError> {
        let key = entry_key(pool, sweep)?;
        let content = self.backend.get(&key).await?;
        content.map(|content| records::decode(&key, &content)).transpose()
    }

    /// Deletes the entry of `sweep` in `pool`. It is no error if there is none.
    ///
    /// # Errors
    /// A name cannot be part of a key; the document cannot be deleted.
    pub async fn remove_pool_entry(&self, pool: &str, sweep: &str) -> Result<(), StoreError> {
        Ok(self.backend.delete(&entry_key(pool, sweep)?).await?)
    }

    /// Removes the entry of `sweep` from all pools, and returns the names of these pools.
    ///
    /// # Errors
    /// The store cannot be listed; a document cannot be deleted.
    pub async fn remove_pool_entries(&self, sweep: &str) -> Result<Vec<String>, StoreError> {
        let mut found = Vec::new();
        let mut listing = self.backend.list(Some(&Key::new(POOLS)?)).await?;
        while let Some(keys) = listing.next_page().await? {
            let name = format!("{sweep}.json");
            found.extend(keys.into_iter().filter_map(|key| {
                let rest = key.as_str().strip_prefix(POOLS)?.strip_prefix('/')?;
                let (pool, file) = rest.split_once('/')?;
                (file == name).then(|| (pool.to_owned(), key.clone()))
            }));
        }
        let mut pools = Vec::with_capacity(found.len());
        for (pool, key) in found {
            self.backend.delete(&key).await?;
            pools.push(pool);
        }
        Ok(pools)
    }
}

fn pool_key(pool: &str) -> Result<Key, KeyError> {
    if pool.contains('/') {
        return Err(KeyError { text: pool.to_owned(), problem: "the name of a pool holds a slash" });
    }
    Key::new(format!("{POOLS}/{pool}"))
}

fn entry_key(pool: &str, sweep: &str) -> Result<Key, KeyError> {
    if sweep.contains('/') {
        return Err(KeyError { text: sweep.to_owned(), problem: "the name of a sweep holds a slash" });
    }
    Key::new(format!("{}/{sweep}.json", pool_key(pool)?))
}

fn sweep_of(folder: &Key, key: &Key) -> Option<String> {
    let name = key.as_str().strip_prefix(folder.as_str())?.strip_prefix('/')?.strip_suffix(".json")?;
    (!name.contains('/')).then(|| name.to_owned())
}
