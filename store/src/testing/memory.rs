use crate::{Action, Backend, BackendError, Dated, Key, Listing, Put, Written};
use async_trait::async_trait;
use parking_lot::{Mutex, MutexGuard};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs, io,
    path::Path,
    sync::Arc,
};

/// Objects in memory; clones share them. It keeps every rule of the contract except surviving a crash.
#[derive(Debug, Clone, Default)]
pub struct MemoryBackend {
    objects: Arc<Mutex<BTreeMap<Key, Vec<u8>>>>,
    clock: Arc<Mutex<Clock>>,
}

/// A clock that stands still until it is set.
#[derive(Debug, Default)]
struct Clock {
    now_ms: Option<u64>,
    /// When objects were written, since it was first set.
    written: BTreeMap<Key, u64>,
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

    /// Sets the store's clock: from now on reads return when objects were written.
    pub fn set_clock(&self, now_ms: u64) {
        self.clock().now_ms = Some(now_ms);
    }

    fn stamp(&self, key: &Key) {
        let mut clock = self.clock();
        if let Some(now_ms) = clock.now_ms {
            clock.written.insert(key.clone(), now_ms);
        }
    }

    fn clock(&self) -> MutexGuard<'_, Clock> {
        self.clock.lock()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Vec<u8>>> {
        self.objects.lock()
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

    async fn get_dated(&self, key: &Key) -> Result<Option<Dated<Vec<u8>>>, BackendError> {
        let Some(content) = self.get(key).await? else { return Ok(None) };
        let clock = self.clock();
        let times = clock.written.get(key).copied().zip(clock.now_ms);
        let written = times.map(|(at_ms, now_ms)| Written { at_ms, now_ms });
        Ok(Some(Dated { content, written }))
    }

    async fn put_if_absent(&self, key: &Key, content: Vec<u8>) -> Result<Put, BackendError> {
        match self.lock().entry(key.clone()) {
            Entry::Occupied(_) => Ok(Put::Exists),
            Entry::Vacant(place) => {
                place.insert(content);
                self.stamp(key);
                Ok(Put::Created)
            }
        }
    }

    async fn put(&self, key: &Key, content: Vec<u8>) -> Result<(), BackendError> {
        self.lock().insert(key.clone(), content);
        self.stamp(key);
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
