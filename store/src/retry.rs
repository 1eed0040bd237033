#[cfg(test)]
mod tests;

use crate::{Action, Backend, BackendError, Dated, Key, Listing, Problem, Put};
use async_trait::async_trait;
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use futures_util::future::join_all;
use parking_lot::{Mutex, MutexGuard};
use std::{collections::HashSet, path::Path, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

/// The longest pause between two tries.
const MAX_PAUSE: Duration = Duration::from_secs(20);

/// A backend that retries calls while the store is unreachable.
///
/// Backends retry faults of a few seconds by themselves. This type bridges outages of minutes, so that neither a
/// finished job, nor a worker with its caches, nor a coordinator is lost.
#[derive(Debug)]
pub(crate) struct RetryBackend {
    inner: Arc<dyn Backend>,
    outage: Arc<Outage>,
}

impl RetryBackend {
    /// `inner`, with retries for as long as `limit`.
    pub(crate) fn new(inner: Arc<dyn Backend>, limit: Duration) -> Self {
        let worked = inner.refuses_for_now().then(Mutex::default);
        Self { inner, outage: Arc::new(Outage { limit, since: Mutex::default(), worked }) }
    }

    async fn ask<T, F: Future<Output = Result<T, BackendError>>>(
        &self,
        action: Action,
        mut ask: impl FnMut() -> F,
    ) -> Result<T, BackendError> {
        let mut pauses = self.outage.pauses();
        loop {
            match self.outage.next(action, ask().await, &mut pauses) {
                Next::Return(outcome) => return outcome,
                Next::Wait(pause) => sleep(pause).await,
            }
        }
    }
}

/// An outage of the store, shared by all calls: many calls meet one outage at the same time, and one log line is
/// enough.
#[derive(Debug)]
struct Outage {
    /// How long each call waits.
    limit: Duration,
    since: Mutex<Option<Instant>>,
    /// What was allowed so far; `None` where a refusal never passes by itself.
    worked: Option<Mutex<HashSet<Action>>>,
}

/// What to do after a call.
enum Next<T> {
    Return(Result<T, BackendError>),
    Wait(Duration),
}

impl Outage {
    /// The pauses of one call.
    fn pauses(&self) -> ExponentialBackoff {
        ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(500))
            .with_max_delay(MAX_PAUSE)
            .with_total_delay(Some(self.limit))
            .without_max_times()
            .with_jitter()
            .build()
    }

    fn next<T>(&self, action: Action, outcome: Result<T, BackendError>, pauses: &mut ExponentialBackoff) -> Next<T> {
        match outcome {
            Err(error) if error.is_retryable() || self.may_be_allowed_again(action, &error) => {
                let Some(pause) = pauses.next() else { return Next::Return(Err(error)) };
                self.note_failure(&error, pause);
                Next::Wait(pause)
            }
            outcome => {
                // The store answered, even if it refused.
                self.end();
                if let (Ok(_), Some(worked)) = (&outcome, &self.worked) {
                    worked.lock().insert(action);
                }
                Next::Return(outcome)
            }
        }
    }

    /// Whether the store refuses an operation that it allowed before. An operation that was never allowed is not
    /// retried.
    fn may_be_allowed_again(&self, action: Action, error: &BackendError) -> bool {
        let has_worked = |worked: &Mutex<HashSet<Action>>| worked.lock().contains(&action);
        error.problem == Problem::Permission && self.worked.as_ref().is_some_and(has_worked)
    }

    fn note_failure(&self, error: &BackendError, pause: Duration) {
        let is_new = {
            let mut since = self.since();
            let is_new = since.is_none();
            since.get_or_insert_with(Instant::now);
            is_new
        };
        let reason = jobs::error_chain(error);
        if is_new {
            tracing::warn!(%reason, limit = ?self.limit, "the store is out of reach; trying again");
        } else {
            tracing::debug!(%reason, ?pause, "the store is still out of reach");
        }
    }

    fn end(&self) {
        let since = self.since().take();
        if let Some(since) = since {
            tracing::info!(after = ?since.elapsed(), "the store is within reach again");
        }
    }

    fn since(&self) -> MutexGuard<'_, Option<Instant>> {
        // One assignment: a poisoned state is a whole one.
        self.since.lock()
    }
}

// A method that is not forwarded would use its default here instead of the backend's.
#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Backend for RetryBackend {
    fn place(&self) -> String {
        self.inner.place()
    }

    fn refuses_for_now(&self) -> bool {
        self.inner.refuses_for_now()
    }

    async fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, BackendError> {
        self.ask(Action::Read, || self.inner.get(key)).await
    }

    async fn get_many(&self, keys: &[Key]) -> Vec<Result<Option<Vec<u8>>, BackendError>> {
        let outcomes = self.inner.get_many(keys).await;
        let retried = keys.iter().zip(outcomes).map(|(key, outcome)| async move {
            match self.outage.next(Action::Read, outcome, &mut self.outage.pauses()) {
                Next::Return(outcome) => outcome,
                Next::Wait(pause) => {
                    sleep(pause).await;
                    self.get(key).await
                }
            }
        });
        join_all(retried).await
    }

    async fn get_dated(&self, key: &Key) -> Result<Option<Dated<Vec<u8>>>, BackendError> {
        self.ask(Action::Read, || self.inner.get_dated(key)).await
    }

    async fn put_if_absent(&self, key: &Key, content: Vec<u8>) -> Result<Put, BackendError> {
        self.ask(Action::Write, || self.inner.put_if_absent(key, content.clone())).await
    }

    async fn put(&self, key: &Key, content: Vec<u8>) -> Result<(), BackendError> {
        self.ask(Action::Write, || self.inner.put(key, content.clone())).await
    }

    async fn size(&self, key: &Key) -> Result<Option<u64>, BackendError> {
        self.ask(Action::Read, || self.inner.size(key)).await
    }

    async fn get_file(&self, key: &Key, to: &Path) -> Result<Option<u64>, BackendError> {
        self.ask(Action::Read, || self.inner.get_file(key, to)).await
    }

    async fn put_file_if_absent(&self, key: &Key, from: &Path) -> Result<Put, BackendError> {
        self.ask(Action::Write, || self.inner.put_file_if_absent(key, from)).await
    }

    async fn put_file(&self, key: &Key, from: &Path) -> Result<(), BackendError> {
        self.ask(Action::Write, || self.inner.put_file(key, from)).await
    }

    async fn list(&self, folder: Option<&Key>) -> Result<Box<dyn Listing>, BackendError> {
        let inner = self.ask(Action::List, || self.inner.list(folder)).await?;
        Ok(Box::new(RetryListing { inner, outage: Arc::clone(&self.outage) }))
    }

    async fn delete(&self, key: &Key) -> Result<(), BackendError> {
        self.ask(Action::Delete, || self.inner.delete(key)).await
    }
}

/// A listing each page of which is asked for again while the store is out of reach.
#[derive(Debug)]
struct RetryListing {
    inner: Box<dyn Listing>,
    outage: Arc<Outage>,
}

#[async_trait]
impl Listing for RetryListing {
    async fn next_page(&mut self) -> Result<Option<Vec<Key>>, BackendError> {
        let mut pauses = self.outage.pauses();
        loop {
            match self.outage.next(Action::List, self.inner.next_page().await, &mut pauses) {
                Next::Return(page) => return page,
                Next::Wait(pause) => sleep(pause).await,
            }
        }
    }
}
