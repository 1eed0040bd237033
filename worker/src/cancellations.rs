use jobs::Cancellation;
use parking_lot::Mutex;
use std::{collections::HashMap, time::Duration};
use store::Store;
use tokio::time::{Instant, sleep};

/// How long the store's answer is cached.
const CACHED_FOR: Duration = Duration::from_secs(5);

/// Which sweeps are cancelled, according to the store.
#[derive(Debug)]
pub(crate) struct Cancellations {
    store: Store,
    /// When the store last answered that a sweep is not cancelled.
    not_cancelled: Mutex<HashMap<String, Instant>>,
}

impl Cancellations {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, not_cancelled: Mutex::default() }
    }

    /// The cancellation of `sweep`, if there is one. A store that does not answer counts as no: an unwanted job does no
    /// harm.
    pub(crate) async fn of(&self, sweep: &str) -> Option<Cancellation> {
        let read = self.not_cancelled.lock().get(sweep).copied();
        // Only "not cancelled" is cached, because a cancellation may be withdrawn.
        if read.is_some_and(|when| when.elapsed() < CACHED_FOR) {
            return None;
        }
        let cancellation = self.store.cancellation(sweep).await.unwrap_or_else(|error| {
            tracing::warn!(sweep, %error, "cannot read whether the sweep is cancelled");
            None
        });
        let mut not_cancelled = self.not_cancelled.lock();
        not_cancelled.retain(|_, when| when.elapsed() < CACHED_FOR);
        if cancellation.is_none() {
            not_cancelled.insert(sweep.to_owned(), Instant::now());
        }
        cancellation
    }

    /// Waits until `sweep` is cancelled together with its running jobs.
    pub(crate) async fn stops_running(&self, sweep: &str) {
        loop {
            sleep(CACHED_FOR).await;
            if self.of(sweep).await.is_some_and(|cancellation| cancellation.stops_running) {
                return;
            }
        }
    }
}
