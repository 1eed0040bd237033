mod changes;
mod keys;
mod setup;
#[cfg(test)]
mod tests;

use crate::{CoordinatorError, Frozen, clock::now_ms};
use changes::{changes, is_unrelated};
use jobs::{Change, Manifest, Progress};
pub(crate) use setup::setup;
use std::{collections::BTreeMap, time::Duration};
use store::{Dated, Put, Revision, Store, StoreError};

/// A coordinator whose progress is older than this counts as not running.
const ACTIVE_WITHIN: Duration = Duration::from_secs(45);

/// The revision of its sweep that a run makes or continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepRevision {
    /// The number of the revision.
    pub number: u32,
    /// The changes since the revision before; empty for the first one.
    pub changes: Vec<Change>,
    /// Whether the store does not hold it yet, so that a run makes it.
    pub is_new: bool,
    /// The revision that a new one follows.
    pub follows: Option<PreviousRevision>,
}

/// A revision that another one follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviousRevision {
    /// When it began, if its manifest records that: milliseconds since 1970, UTC.
    pub begun_ms: Option<u64>,
    /// Whether a run of it seems to be active.
    pub is_active: bool,
}

impl SweepRevision {
    /// The first revision of a sweep of which nothing is stored.
    pub fn first() -> Self {
        Self { number: 1, changes: Vec::new(), is_new: true, follows: None }
    }
}

/// Whether the coordinator that wrote `progress` seems to be active: by the store's clock, the document is young.
///
/// If the store has no clock, the coordinator's clock is compared with ours, `now_ms`. The answer is a guess then.
pub fn is_active(progress: &Dated<Progress>, now_ms: u64) -> bool {
    progress.content.ended.is_none() && progress.age(progress.content.updated_ms, now_ms) < ACTIVE_WITHIN
}

/// The revision that a run of the sweep would make or continue. Writes nothing.
///
/// The locations of inputs are ignored, since digests are compared. So are versions of programs: a newer program may
/// finish a sweep.
pub(crate) async fn revision_of(store: &Store, frozen: &Frozen) -> Result<SweepRevision, CoordinatorError> {
    revision_after(store, frozen, 0).await
}

/// Stores the revision of the sweep, unless the store holds it. If two runs make the same revision at the same time,
/// one of them writes it, and the other one continues it.
pub(crate) async fn store_revision(
    store: &Store,
    frozen: &Frozen,
    versions: &BTreeMap<String, String>,
) -> Result<SweepRevision, CoordinatorError> {
    let mut taken = 0;
    loop {
        let revision = revision_after(store, frozen, taken).await?;
        if !revision.is_new {
            return Ok(revision);
        }
        refuse_to_go_back(store, frozen, &revision).await?;
        let manifest = Manifest {
            revision: revision.number,
            begun_ms: Some(now_ms()),
            changes: revision.changes.clone(),
            ..frozen.manifest(versions.clone())
        };
        let key = Revision::of(&frozen.sweep().name, revision.number);
        match store.put_revision(key, &manifest).await? {
            Put::Created => return Ok(revision),
            // Another run was faster. Its revision is the same as ours, or the one that ours follows.
            Put::Exists => taken = revision.number,
        }
    }
}

/// As [`revision_of`], if the revision `taken` is known to exist. A listing may not show it yet.
async fn revision_after(store: &Store, frozen: &Frozen, taken: u32) -> Result<SweepRevision, CoordinatorError> {
    let name = &frozen.sweep().name;
    let newest = store.newest_revision(name).await?.max(taken);
    if newest == 0 {
        return Ok(SweepRevision::first());
    }
    let earlier = manifest(store, Revision::of(name, newest)).await?;
    let now = frozen.manifest(BTreeMap::new());
    let changes = changes(&earlier, &now);
    if changes.is_empty() {
        return Ok(SweepRevision { number: newest, changes: earlier.changes, is_new: false, follows: None });
    }
    if is_unrelated(&earlier, &now) {
        return Err(CoordinatorError::OtherSweep { place: store.place(), sweep: name.clone() });
    }
    let is_active = is_revision_active(store, name, newest).await?;
    let follows = PreviousRevision { begun_ms: earlier.begun_ms, is_active };
    Ok(SweepRevision { number: newest + 1, changes, is_new: true, follows: Some(follows) })
}

/// Whether a run of this revision seems to be active.
async fn is_revision_active(store: &Store, sweep: &str, revision: u32) -> Result<bool, StoreError> {
    match store.dated_document::<Progress>(sweep, Progress::DOCUMENT).await {
        Ok(Some(progress)) => Ok(progress.content.revision == revision && is_active(&progress, now_ms())),
        Ok(None) => Ok(false),
        Err(error @ StoreError::Backend(_)) => Err(error),
        // Another program wrote the document. It decides nothing here.
        Err(_) => Ok(false),
    }
}

/// Refuses a new revision that equals an earlier one while the newest is active.
///
/// Otherwise a superseded run, which a supervisor starts again, would take the sweep back, and both runs would
/// supersede each other without end.
async fn refuse_to_go_back(store: &Store, frozen: &Frozen, new: &SweepRevision) -> Result<(), CoordinatorError> {
    if !new.follows.is_some_and(|previous| previous.is_active) {
        return Ok(());
    }
    let name = &frozen.sweep().name;
    let newest = new.number - 1;
    let now = frozen.manifest(BTreeMap::new());
    for number in (1..newest).rev() {
        if changes(&manifest(store, Revision::of(name, number)).await?, &now).is_empty() {
            return Err(CoordinatorError::Superseded { sweep: name.clone(), revision: number, newest });
        }
    }
    Ok(())
}

/// The manifest of a revision that exists.
async fn manifest(store: &Store, revision: Revision<'_>) -> Result<Manifest, CoordinatorError> {
    match store.revision::<Manifest>(revision).await? {
        Some(manifest) => Ok(manifest),
        None => Err(CoordinatorError::Removed { sweep: revision.sweep.to_owned() }),
    }
}
