use jobs::Progress;
use std::{
    collections::{BTreeSet, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use store::{Dated, Revision, Store, StoreError};

use crate::clock::now_ms;

/// Different sweeps that may be unknown to a store before it is taken for another one than the coordinator's.
const MOST_STRANGERS: usize = 3;

/// A run that told of itself within this time, by the store's clock, is alive.
const ALIVE_WITHIN: Duration = Duration::from_secs(120);

/// Which sweeps the store holds. A coordinator keeps its sweep's manifest before it publishes a job: one that is not
/// there was removed, or worker and coordinator have two stores.
#[derive(Debug)]
pub(crate) struct Sweeps {
    store: Store,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    held: HashSet<String>,
    strangers: BTreeSet<String>,
}

impl Sweeps {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, seen: Mutex::default() }
    }

    /// Whether the store holds `sweep`; asked once for each that it does.
    pub(crate) async fn holds(&self, sweep: &str) -> Result<bool, StoreError> {
        if self.seen().held.contains(sweep) {
            return Ok(true);
        }
        // Whatever became of the manifest there, it is the same store: the manifest is not read.
        let is_held = match self.store.has_revision(Revision::first(sweep)).await {
            Ok(is_held) => is_held,
            // No store holds a sweep of a name that is none.
            Err(StoreError::Key(_)) => false,
            Err(error) => return Err(error),
        };
        if is_held {
            self.seen().held.insert(sweep.to_owned());
        }
        Ok(is_held)
    }

    /// Notes that a job came for `sweep`, which the store does not hold. Where that shows that the store is not the
    /// coordinator's, the sweeps that showed it.
    ///
    /// One message shows nothing, as long as the store has any sweep: sweeps are removed, and their jobs wait on. Nor do many
    /// where one sweep was known, or is just being run.
    pub(crate) async fn is_strange(&self, sweep: &str) -> Result<Option<Vec<String>>, StoreError> {
        let strangers = {
            let mut seen = self.seen();
            if !seen.held.is_empty() {
                return Ok(None);
            }
            if seen.strangers.len() < MOST_STRANGERS {
                seen.strangers.insert(sweep.to_owned());
            }
            seen.strangers.clone()
        };
        let known = self.store.sweeps().await?;
        let is_other = known.is_empty() || (strangers.len() >= MOST_STRANGERS && !self.is_in_use(&known).await?);
        Ok(is_other.then(|| strangers.into_iter().collect()))
    }

    /// Whether one of these sweeps is being run.
    async fn is_in_use(&self, sweeps: &[String]) -> Result<bool, StoreError> {
        for sweep in sweeps {
            let progress = match self.store.dated_document::<Progress>(sweep, Progress::DOCUMENT).await {
                Ok(progress) => progress,
                Err(error @ StoreError::Backend(_)) => return Err(error),
                Err(_) => None,
            };
            let is_alive =
                |progress: &Dated<Progress>| progress.age(progress.content.updated_ms, now_ms()) < ALIVE_WITHIN;
            if progress.is_some_and(|progress| progress.content.ended.is_none() && is_alive(&progress)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // Nothing panics between two steps of a change, so a poisoned state is a whole one.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
