use crate::{Backend, BackendError, Key, Listing, Put};
use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable};
use std::{sync::Arc, time::Duration};

/// The longest pause between two tries.
const MAX_PAUSE: Duration = Duration::from_secs(20);

/// A backend that is asked again while it is out of reach.
///
/// Backends try again by themselves what passes within seconds; this outlasts what takes minutes, so that neither a
/// finished job, nor a worker with its caches, nor a coordinator is lost to it.
#[derive(Debug)]
pub(crate) struct Patient {
    inner: Arc<dyn Backend>,
    outage: Duration,
}

impl Patient {
    /// `inner`, asked for as long as `outage`.
    pub(crate) fn new(inner: Arc<dyn Backend>, outage: Duration) -> Self {
        Self { inner, outage }
    }

    async fn ask<T, F: Future<Output = Result<T, BackendError>>>(
        &self,
        ask: impl FnMut() -> F,
    ) -> Result<T, BackendError> {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(500))
            .with_max_delay(MAX_PAUSE)
            .with_total_delay(Some(self.outage))
            .without_max_times()
            .with_jitter();
        ask.retry(pauses)
            .when(BackendError::is_retryable)
            .notify(|error, pause| tracing::warn!(%error, ?pause, "the store is out of reach"))
            .await
    }
}

#[async_trait]
impl Backend for Patient {
    fn place(&self) -> String {
        self.inner.place()
    }

    async fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, BackendError> {
        self.ask(|| self.inner.get(key)).await
    }

    async fn put_if_absent(&self, key: &Key, content: Vec<u8>) -> Result<Put, BackendError> {
        self.ask(|| self.inner.put_if_absent(key, content.clone())).await
    }

    async fn put(&self, key: &Key, content: Vec<u8>) -> Result<(), BackendError> {
        self.ask(|| self.inner.put(key, content.clone())).await
    }

    // Pages that follow are as patient as the backend makes them: a listing cannot be taken up in the middle.
    async fn list(&self, folder: Option<&Key>) -> Result<Box<dyn Listing>, BackendError> {
        self.ask(|| self.inner.list(folder)).await
    }

    async fn delete(&self, key: &Key) -> Result<(), BackendError> {
        self.ask(|| self.inner.delete(key)).await
    }
}
