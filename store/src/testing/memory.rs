use crate::{Action, Backend, BackendError, Key, Listing, Put};
use async_trait::async_trait;
use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs, io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Objects in memory; clones share them. It keeps every rule of the seam but that of surviving a crash.
#[derive(Debug, Clone, Default)]
pub struct MemoryBackend {
    objects: Arc<Mutex<BTreeMap<Key, Vec<u8>>>>,
}

impl MemoryBackend {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// All objects, by key.
    pub fn objects(&self) -> BTreeMap<Key, Vec<u8>> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Vec<u8>>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Backend for MemoryBackend {
    fn place(&self) -> String {
        "memory".to_owned()
    }

    async fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, BackendError> {
        Ok(self.lock().get(key).cloned())
    }

    async fn put_if_absent(&self, key: &Key, content: Vec<u8>) -> Result<Put, BackendError> {
        match self.lock().entry(key.clone()) {
            Entry::Occupied(_) => Ok(Put::Exists),
            Entry::Vacant(place) => {
                place.insert(content);
                Ok(Put::Created)
            }
        }
    }

    async fn put(&self, key: &Key, content: Vec<u8>) -> Result<(), BackendError> {
        self.lock().insert(key.clone(), content);
        Ok(())
    }

    async fn size(&self, key: &Key) -> Result<Option<u64>, BackendError> {
        Ok(self.lock().get(key).map(|content| content.len() as u64))
    }

    async fn get_file(&self, key: &Key, to: &Path) -> Result<Option<u64>, BackendError> {
        let Some(content) = self.get(key).await? else { return Ok(None) };
        fs::write(to, &content).map_err(|error| failed(Action::Read, to, error))?;
        Ok(Some(content.len() as u64))
    }

    async fn put_file_if_absent(&self, key: &Key, from: &Path) -> Result<Put, BackendError> {
        let content = fs::read(from).map_err(|error| failed(Action::Write, from, error))?;
        self.put_if_absent(key, content).await
    }

    async fn put_file(&self, key: &Key, from: &Path) -> Result<(), BackendError> {
        let content = fs::read(from).map_err(|error| failed(Action::Write, from, error))?;
        self.put(key, content).await
    }

    async fn list(&self, folder: Option<&Key>) -> Result<Box<dyn Listing>, BackendError> {
        let prefix = folder.map(|folder| format!("{folder}/")).unwrap_or_default();
        let keys = self.lock().keys().filter(|key| key.as_str().starts_with(&prefix)).cloned().collect();
        Ok(Box::new(MemoryListing { keys }))
    }

    async fn delete(&self, key: &Key) -> Result<(), BackendError> {
        self.lock().remove(key);
        Ok(())
    }
}

fn failed(action: Action, path: &Path, error: io::Error) -> BackendError {
    BackendError::from_io(action, path.display().to_string(), error)
}

#[derive(Debug)]
struct MemoryListing {
    keys: Vec<Key>,
}

#[async_trait]
impl Listing for MemoryListing {
    async fn next_page(&mut self) -> Result<Option<Vec<Key>>, BackendError> {
        let rest = self.keys.split_off(self.keys.len().min(1000));
        let page = std::mem::replace(&mut self.keys, rest);
        Ok((!page.is_empty()).then_some(page))
    }
}
