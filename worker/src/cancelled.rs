use jobs::Cancellation;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use store::Store;
use tokio::time::{Instant, sleep};

/// How long an answer of the store is believed.
const BELIEVED: Duration = Duration::from_secs(5);

/// Which sweeps were cancelled, as far as the store told lately.
#[derive(Debug)]
pub(crate) struct Cancellations {
    store: Store,
    /// When it was heard that a sweep is not cancelled.
    heard: Mutex<HashMap<String, Instant>>,
}

impl Cancellations {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, heard: Mutex::default() }
    }

    /// Whether `sweep` was cancelled. A store that cannot be asked says no: computing a job too many does no harm.
    pub(crate) async fn of(&self, sweep: &str) -> Option<Cancellation> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner).get(sweep).copied();
        // A cancellation may have been taken back: only that there was none is believed.
        if heard.is_some_and(|when| when.elapsed() < BELIEVED) {
            return None;
        }
        let asked = self.store.cancellation(sweep).await;
        let answer = asked.unwrap_or_else(|error| {
            tracing::warn!(sweep, %error, "cannot look whether the sweep was cancelled");
            None
        });
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.retain(|_, when| when.elapsed() < BELIEVED);
        if answer.is_none() {
            heard.insert(sweep.to_owned(), Instant::now());
        }
        answer
    }

    /// Waits until `sweep` is cancelled together with its running jobs.
    pub(crate) async fn stops_running(&self, sweep: &str) {
        loop {
            sleep(BELIEVED).await;
            if self.of(sweep).await.is_some_and(|cancellation| cancellation.stops_running) {
                return;
            }
        }
    }
}
