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
    heard: Mutex<HashMap<String, (Instant, Option<Cancellation>)>>,
}

impl Cancellations {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, heard: Mutex::default() }
    }

    /// Whether `sweep` was cancelled. A store that cannot be asked says no: computing a job too many does no harm.
    pub(crate) async fn of(&self, sweep: &str) -> Option<Cancellation> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner).get(sweep).cloned();
        if let Some((when, answer)) = heard
            && when.elapsed() < BELIEVED
        {
            return answer;
        }
        let asked = self.store.document::<Cancellation>(sweep, Cancellation::DOCUMENT).await;
        let answer = asked.unwrap_or_else(|error| {
            tracing::warn!(sweep, %error, "cannot look whether the sweep was cancelled");
            None
        });
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.retain(|_, (when, _)| when.elapsed() < BELIEVED);
        heard.insert(sweep.to_owned(), (Instant::now(), answer.clone()));
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
