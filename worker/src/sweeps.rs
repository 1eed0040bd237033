use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};
use store::{Revision, Store, StoreError};

/// Which sweeps the store holds. A coordinator keeps its sweep's manifest before it publishes a job: one that is not
/// there means that worker and coordinator have two stores.
#[derive(Debug)]
pub(crate) struct Sweeps {
    store: Store,
    held: Mutex<HashSet<String>>,
}

impl Sweeps {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, held: Mutex::default() }
    }

    /// Whether the store holds `sweep`; asked once for each that it does.
    pub(crate) async fn holds(&self, sweep: &str) -> Result<bool, StoreError> {
        if self.held.lock().unwrap_or_else(PoisonError::into_inner).contains(sweep) {
            return Ok(true);
        }
        // Whatever became of the manifest there, it is the same store: the manifest is not read.
        let is_held = self.store.has_revision(Revision::first(sweep)).await?;
        if is_held {
            self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(sweep.to_owned());
        }
        Ok(is_held)
    }
}
