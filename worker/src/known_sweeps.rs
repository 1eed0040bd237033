use jobs::{Progress, now_ms};
use parking_lot::{Mutex, MutexGuard};
use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};
use store::{Dated, Revision, Store, StoreError};

/// So many different sweeps that the store does not hold show that it is not the coordinator's store.
const MAX_UNKNOWN: usize = 3;

/// So many sweeps that the store holds are remembered. Beyond that, all are looked up again.
const MAX_HELD: usize = 1000;

/// A run is alive if its last progress report is younger than this, by the store's clock.
const ALIVE_WITHIN: Duration = Duration::from_secs(120);

/// Which sweeps the store holds.
///
/// A coordinator stores the manifest of a sweep before it publishes a job. If the manifest is absent, the sweep was
/// removed, or worker and coordinator use two stores.
#[derive(Debug)]
pub(crate) struct KnownSweeps {
    store: Store,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    held: HashSet<String>,
    unknown: BTreeSet<String>,
}

impl Seen {
    /// Remembers a sweep that the store holds. At least one stays remembered.
    fn remember(&mut self, sweep: &str) {
        if self.held.len() >= MAX_HELD {
            self.held.clear();
        }
        self.held.insert(sweep.to_owned());
    }
}

impl KnownSweeps {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, seen: Mutex::default() }
    }

    /// Whether the store holds `sweep`. A sweep that it holds is looked up once.
    pub(crate) async fn holds(&self, sweep: &str) -> Result<bool, StoreError> {
        if self.seen().held.contains(sweep) {
            return Ok(true);
        }
        // The manifest is not read: also a damaged one shows that this is the coordinator's store.
        let is_held = match self.store.has_revision(Revision::first(sweep)).await {
            Ok(is_held) => is_held,
            // No store holds a sweep under an invalid name.
            Err(StoreError::Key(_)) => false,
            Err(error) => return Err(error),
        };
        if is_held {
            self.seen().remember(sweep);
        }
        Ok(is_held)
    }

    /// Records a job of `sweep`, which the store does not hold. Returns the unknown sweeps if they show that the store
    /// is not the coordinator's.
    ///
    /// One message shows nothing while the store holds any sweep: sweeps are removed, and their jobs stay in the queue.
    /// Many messages show nothing if one sweep was known before, or if a run uses the store.
    pub(crate) async fn other_store(&self, sweep: &str) -> Result<Option<Vec<String>>, StoreError> {
        let unknown = {
            let mut seen = self.seen();
            if !seen.held.is_empty() {
                return Ok(None);
            }
            if seen.unknown.len() < MAX_UNKNOWN {
                seen.unknown.insert(sweep.to_owned());
            }
            seen.unknown.clone()
        };
        let stored = self.store.sweeps().await?;
        let is_other = stored.is_empty() || (unknown.len() >= MAX_UNKNOWN && !self.has_live_run(&stored).await?);
        Ok(is_other.then(|| unknown.into_iter().collect()))
    }

    /// Whether a run of one of these sweeps is alive.
    async fn has_live_run(&self, sweeps: &[String]) -> Result<bool, StoreError> {
        for sweep in sweeps {
            let progress = match self.store.dated_document::<Progress>(sweep, Progress::DOCUMENT).await {
                Ok(progress) => progress,
                Err(error @ StoreError::Backend(_)) => return Err(error),
                Err(_) => None,
            };
            let is_recent =
                |progress: &Dated<Progress>| progress.age(progress.content.updated_ms, now_ms()) < ALIVE_WITHIN;
            if progress.is_some_and(|progress| progress.content.ended.is_none() && is_recent(&progress)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_remembered_sweeps_is_bounded_and_the_last_one_stays() {
        let mut seen = Seen::default();
        for number in 0..=3 * MAX_HELD {
            let sweep = format!("sweep-{number}");
            seen.remember(&sweep);
            assert!(seen.held.len() <= MAX_HELD && seen.held.contains(&sweep));
        }
    }
}
