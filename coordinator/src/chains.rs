//! Trainings that no leg can go on with: the checkpoint of their newest leg is gone, or a leg before it.
//!
//! A leg goes on from the checkpoint of the one before, which is deleted once that leg is stored. So a training in the
//! middle of which something is missing is made again from its first leg, leg by leg: one job that made all steps again
//! might never end within its limit of time.

use crate::{CoordinatorError, Frozen};
use futures_util::{StreamExt, stream};
use jobs::{ArtefactResult, JobId, JobSpec, TrainSpec};
use std::collections::HashSet;
use store::{Store, StoreError};

/// The number of records that are read at the same time.
const CONCURRENT: usize = 32;

/// What the store holds of a leg.
enum Leg {
    Absent,
    Stored(Box<ArtefactResult>),
    /// A record that cannot be read.
    Corrupt,
}

/// The stored legs that count as not done, because no leg can go on from them.
pub(crate) async fn lost_legs(frozen: &Frozen, store: &Store) -> Result<HashSet<JobId>, StoreError> {
    let mut lost = HashSet::new();
    for legs in chains(frozen) {
        let stored = read_all(store, &legs).await?;
        // The plan finds a corrupt record, and `--repair` removes the whole training.
        if !stored.iter().any(|leg| matches!(leg, Leg::Corrupt)) && !can_go_on(store, &legs, &stored).await? {
            let is_stored = |(id, leg): (&JobId, Leg)| matches!(leg, Leg::Stored(_)).then_some(*id);
            lost.extend(legs.iter().zip(stored).filter_map(is_stored));
        }
    }
    Ok(lost)
}

/// Removes the stored legs that count as not done, so that they are made again.
pub(crate) async fn remove_lost_legs(frozen: &Frozen, store: &Store) -> Result<(), CoordinatorError> {
    for leg in lost_legs(frozen, store).await? {
        tracing::warn!(leg = %leg.short(), "no leg can go on from a stored leg of a training; it is made again");
        store.remove_artefact(&leg).await?;
    }
    Ok(())
}

/// Removes all legs of the trainings of which one of `jobs` is a leg, and returns them.
pub(crate) async fn remove_trainings(
    frozen: &Frozen,
    store: &Store,
    jobs: &[JobId],
) -> Result<HashSet<JobId>, StoreError> {
    let mut removed = HashSet::new();
    for legs in chains(frozen).filter(|legs| legs.iter().any(|leg| jobs.contains(leg))) {
        for leg in &legs {
            let objects = store.remove_artefact(leg).await?;
            if objects > 0 {
                tracing::warn!(leg = %leg.short(), "removed a leg of a training with a corrupt one; it is made again");
            }
        }
        removed.extend(legs);
    }
    for leg in jobs.iter().filter(|job| removed.contains(*job)) {
        store.clear_failures(leg).await?;
    }
    Ok(removed)
}

/// The legs of which the store holds a record, readable or not.
pub(crate) async fn stored_legs(frozen: &Frozen, store: &Store) -> Result<Vec<JobId>, StoreError> {
    let mut found = Vec::new();
    for legs in chains(frozen) {
        let stored = read_all(store, &legs).await?;
        found.extend(legs.into_iter().zip(stored).filter(|(_, leg)| !matches!(leg, Leg::Absent)).map(|(id, _)| id));
    }
    Ok(found)
}

/// The legs of each training of a sweep, in their order.
fn chains(frozen: &Frozen) -> impl Iterator<Item = Vec<JobId>> {
    let tasks = frozen.sweep().tasks.iter().map(|task| frozen.train_specs(&task.name));
    // Every leg but the last is named by the one after it: a long training has thousands, and an id takes a hash.
    let ids = |legs: &[TrainSpec]| {
        let last = legs.last().map(|leg| JobSpec::from(leg.clone()).id());
        legs.iter().filter_map(|leg| leg.leg.from).chain(last).collect()
    };
    tasks.filter(|legs| !legs.is_empty()).map(ids)
}

async fn read_all(store: &Store, legs: &[JobId]) -> Result<Vec<Leg>, StoreError> {
    let mut stored = Vec::with_capacity(legs.len());
    let mut read =
        stream::iter(legs.iter().copied().map(|leg| async move { read(store, &leg).await })).buffered(CONCURRENT);
    while let Some(leg) = read.next().await {
        stored.push(leg?);
    }
    Ok(stored)
}

async fn read(store: &Store, leg: &JobId) -> Result<Leg, StoreError> {
    match store.artefact_result(leg).await {
        Ok(None) => Ok(Leg::Absent),
        Ok(Some(result)) => Ok(Leg::Stored(Box::new(result))),
        Err(error @ StoreError::Backend(_)) => Err(error),
        Err(_) => Ok(Leg::Corrupt),
    }
}

/// Whether every leg before the newest is stored, and the checkpoint of the newest as well, unless it is the last.
///
/// Another run may train at the same time. It stores a leg before it deletes the checkpoint that this one started from, so what
/// seems to be missing is looked at once more.
async fn can_go_on(store: &Store, legs: &[JobId], stored: &[Leg]) -> Result<bool, StoreError> {
    let Some(newest) = stored.iter().rposition(|leg| matches!(leg, Leg::Stored(_))) else { return Ok(true) };
    for (id, leg) in legs.iter().zip(stored).take(newest) {
        if matches!(leg, Leg::Absent) && matches!(read(store, id).await?, Leg::Absent) {
            return Ok(false);
        }
    }
    let Leg::Stored(result) = &stored[newest] else { return Ok(true) };
    match store.check_temporary_files(result).await {
        Ok(()) => Ok(true),
        Err(error) if error.is_of_one_object() => match legs.get(newest + 1) {
            Some(next) => Ok(!matches!(read(store, next).await?, Leg::Absent)),
            None => Ok(true),
        },
        Err(error) => Err(error),
    }
}
