use crate::{Action, Backend, BackendError, Dated, Key, Listing, Problem, Put};
use async_trait::async_trait;
use futures_util::future::join_all;
use parking_lot::Mutex;
use std::{path::Path, sync::Arc, time::Duration};

/// A backend with faults; clones share them.
///
/// Every call is looked up among the faults, in the order in which they were added; the first one that fits and has
/// not struck often enough strikes.
#[derive(Debug, Clone)]
pub struct Faulty<B> {
    inner: B,
    faults: Arc<Mutex<Vec<Armed>>>,
    has_credentials: bool,
}

/// What a fault does to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call fails and does nothing.
    Fails(Problem),
    /// The call does its work, and fails all the same: its answer was lost.
    FailsAfterwards(Problem),
    /// The call takes so much longer, by tokio's clock.
    IsSlow(Duration),
}

#[derive(Debug)]
struct Armed {
    action: Action,
    prefix: String,
    fault: Fault,
    left: u32,
}

impl<B> Faulty<B> {
    /// `inner`, without a fault so far.
    pub fn new(inner: B) -> Self {
        Self { inner, faults: Arc::default(), has_credentials: false }
    }

    /// The same, whose refusals may pass by themselves.
    #[must_use]
    pub fn with_credentials(self) -> Self {
        Self { has_credentials: true, ..self }
    }

    /// Makes the next `times` calls fail that do `action` to a key that starts with `prefix`.
    pub fn strike(&self, times: u32, action: Action, prefix: &str, fault: Fault) {
        let armed = Armed { action, prefix: prefix.to_owned(), fault, left: times };
        self.faults.lock().push(armed);
    }

    fn next(&self, action: Action, key: &str) -> Option<Fault> {
        let mut faults = self.faults.lock();
        let fits = |armed: &&mut Armed| armed.left > 0 && armed.action == action && key.starts_with(&armed.prefix);
        let armed = faults.iter_mut().find(fits)?;
        armed.left -= 1;
        Some(armed.fault)
    }
}

impl<B: Backend> Faulty<B> {
    async fn call<T: Send>(
        &self,
        action: Action,
        key: &str,
        call: impl Future<Output = Result<T, BackendError>> + Send,
    ) -> Result<T, BackendError> {
        let failed = |problem| BackendError { action, object: key.to_owned(), problem, source: None };
        match self.next(action, key) {
            None => call.await,
            Some(Fault::Fails(problem)) => Err(failed(problem)),
            Some(Fault::FailsAfterwards(problem)) => call.await.and(Err(failed(problem))),
            Some(Fault::IsSlow(time)) => {
                tokio::time::sleep(time).await;
                call.await
            }
        }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<B: Backend> Backend for Faulty<B> {
    fn place(&self) -> String {
        self.inner.place()
    }

    fn refuses_for_now(&self) -> bool {
        self.has_credentials
    }

    async fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, BackendError> {
        self.call(Action::Read, key.as_str(), self.inner.get(key)).await
    }

    async fn get_many(&self, keys: &[Key]) -> Vec<Result<Option<Vec<u8>>, BackendError>> {
        // Each object has faults of its own.
        join_all(keys.iter().map(|key| self.get(key))).await
    }

    async fn get_dated(&self, key: &Key) -> Result<Option<Dated<Vec<u8>>>, BackendError> {
        self.call(Action::Read, key.as_str(), self.inner.get_dated(key)).await
    }

    async fn put_if_absent(&self, key: &Key, content: Vec<u8>) -> Result<Put, BackendError> {
        self.call(Action::Write, key.as_str(), self.inner.put_if_absent(key, content)).await
    }

    async fn put(&self, key: &Key, content: Vec<u8>) -> Result<(), BackendError> {
        self.call(Action::Write, key.as_str(), self.inner.put(key, content)).await
    }

    async fn size(&self, key: &Key) -> Result<Option<u64>, BackendError> {
        self.call(Action::Read, key.as_str(), self.inner.size(key)).await
    }

    async fn get_file(&self, key: &Key, to: &Path) -> Result<Option<u64>, BackendError> {
        self.call(Action::Read, key.as_str(), self.inner.get_file(key, to)).await
    }

    async fn put_file_if_absent(&self, key: &Key, from: &Path) -> Result<Put, BackendError> {
        self.call(Action::Write, key.as_str(), self.inner.put_file_if_absent(key, from)).await
    }

    async fn put_file(&self, key: &Key, from: &Path) -> Result<(), BackendError> {
        self.call(Action::Write, key.as_str(), self.inner.put_file(key, from)).await
    }

    async fn list(&self, folder: Option<&Key>) -> Result<Box<dyn Listing>, BackendError> {
        let prefix = folder.map_or("", Key::as_str);
        self.call(Action::List, prefix, self.inner.list(folder)).await
    }

    async fn delete(&self, key: &Key) -> Result<(), BackendError> {
        self.call(Action::Delete, key.as_str(), self.inner.delete(key)).await
    }
}
