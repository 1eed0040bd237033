mod changes;
mod keys;
#[cfg(test)]
mod tests;

use crate::{CoordinatorError, Frozen, FrozenError, clock::now_ms};
use changes::{changes, is_unrelated};
use jobs::{Change, Manifest, Progress};
use std::{collections::BTreeMap, time::Duration};
use store::{Dated, Put, Revision, Store, StoreError};

/// A coordinator that was not heard of for so long is taken for one that is not at work any more.
const HEARD_WITHIN: Duration = Duration::from_secs(45);

/// The revision of its sweep that a run makes, or goes on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revised {
    /// The number of the revision.
    pub number: u32,
    /// What makes it another than the one before; nothing of a first one.
    pub changes: Vec<Change>,
    /// Whether the store does not hold it yet: a run makes it.
    pub is_new: bool,
    /// What is known of the revision that a new one follows.
    pub follows: Option<Earlier>,
}

/// A revision that another follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Earlier {
    /// When it began, if it says so: milliseconds since 1970, UTC.
    pub begun_ms: Option<u64>,
    /// Whether a run of it seems to be at work.
    pub is_at_work: bool,
}

impl Revised {
    /// The first revision of a sweep of which nothing is stored.
    pub fn first() -> Self {
        Self { number: 1, changes: Vec::new(), is_new: true, follows: None }
    }
}

/// Whether the coordinator that told of its `progress` seems to be at work: it has told of itself lately by the store's clock.
/// Where the store has none, its own clock is held against ours, `now_ms`: then it is a guess.
pub fn is_at_work(progress: &Dated<Progress>, now_ms: u64) -> bool {
    progress.content.ended.is_none() && progress.age(progress.content.updated_ms, now_ms) < HEARD_WITHIN
}

/// Which revision a run of the sweep would make or go on with. Writes nothing.
///
/// Where inputs lie means nothing, since their digests are compared; nor do the versions of programs: a sweep may be
/// finished by a newer one.
pub(crate) async fn revision_of(store: &Store, frozen: &Frozen) -> Result<Revised, CoordinatorError> {
    revision_after(store, frozen, 0).await
}

/// Stores the revision that the sweep is, unless the store holds it: of two runs that make the same one at the same time one
/// makes it, and the other goes on with it.
pub(crate) async fn keep_revision(
    store: &Store,
    frozen: &Frozen,
    versions: &BTreeMap<String, String>,
) -> Result<Revised, CoordinatorError> {
    let mut taken = 0;
    loop {
        let revised = revision_after(store, frozen, taken).await?;
        if !revised.is_new {
            return Ok(revised);
        }
        refuse_to_go_back(store, frozen, &revised).await?;
        let manifest = Manifest {
            revision: revised.number,
            begun_ms: Some(now_ms()),
            changes: revised.changes.clone(),
            ..frozen.manifest(versions.clone())
        };
        let revision = Revision::of(&frozen.sweep().name, revised.number);
        match store.put_revision(revision, &manifest).await? {
            Put::Created => return Ok(revised),
            // Another run was faster. What it made is the same, or the one that ours follows.
            Put::Exists => taken = revised.number,
        }
    }
}

/// As [`revision_of`], by one who knows that the revision `taken` is there.
async fn revision_after(store: &Store, frozen: &Frozen, taken: u32) -> Result<Revised, CoordinatorError> {
    let name = &frozen.sweep().name;
    let newest = store.newest_revision(name).await?.max(taken);
    if newest == 0 {
        return Ok(Revised::first());
    }
    let earlier = manifest(store, Revision::of(name, newest)).await?;
    let now = frozen.manifest(BTreeMap::new());
    let changes = changes(&earlier, &now);
    if changes.is_empty() {
        return Ok(Revised { number: newest, changes: earlier.changes, is_new: false, follows: None });
    }
    if is_unrelated(&earlier, &now) {
        return Err(CoordinatorError::OtherSweep { place: store.place(), sweep: name.clone() });
    }
    let follows = Earlier { begun_ms: earlier.begun_ms, is_at_work: is_run(store, name, newest).await? };
    Ok(Revised { number: newest + 1, changes, is_new: true, follows: Some(follows) })
}

/// Whether a run of this revision seems to be at work.
async fn is_run(store: &Store, sweep: &str, revision: u32) -> Result<bool, StoreError> {
    match store.dated_document::<Progress>(sweep, Progress::DOCUMENT).await {
        Ok(Some(progress)) => Ok(progress.content.revision == revision && is_at_work(&progress, now_ms())),
        Ok(None) => Ok(false),
        Err(error @ StoreError::Backend(_)) => Err(error),
        // What another program told decides nothing.
        Err(_) => Ok(false),
    }
}

/// Refuses to make a revision that is an earlier one again while the newest is at work: a run that was overtaken, and that a
/// supervisor has started once more, would take the sweep back, and so on for ever.
async fn refuse_to_go_back(store: &Store, frozen: &Frozen, revised: &Revised) -> Result<(), CoordinatorError> {
    if !revised.follows.is_some_and(|earlier| earlier.is_at_work) {
        return Ok(());
    }
    let name = &frozen.sweep().name;
    let newest = revised.number - 1;
    let now = frozen.manifest(BTreeMap::new());
    for number in (1..newest).rev() {
        if changes(&manifest(store, Revision::of(name, number)).await?, &now).is_empty() {
            return Err(CoordinatorError::Overtaken { sweep: name.clone(), revision: number, newest });
        }
    }
    Ok(())
}

/// The manifest of a revision that is there.
async fn manifest(store: &Store, revision: Revision<'_>) -> Result<Manifest, CoordinatorError> {
    let sweep = || revision.sweep.to_owned();
    match store.revision::<Manifest>(revision).await? {
        Some(manifest) if manifest.is_readable() => Ok(manifest),
        Some(Manifest { version, .. }) => {
            Err(FrozenError::Version { sweep: sweep(), found: version, expected: Manifest::VERSION }.into())
        }
        None => Err(CoordinatorError::Removed { sweep: sweep() }),
    }
}
