//! Sweeps that have not finished.

use crate::failure::{Failure, RunFailure, StoredFailure};
use analysis::{SoFar, Sweeps};
use coordinator::{CoordinatorError, FreezeError, Frozen};
use jobs::{Manifest, Outcome};
use std::collections::HashMap;
use store::{Store, StoreError};

/// The progress of sweeps that have not finished, by name, and notes for people.
#[derive(Debug, Default)]
pub(crate) struct Unfinished {
    pub(crate) progress: HashMap<String, SoFar>,
    pub(crate) notes: Vec<String>,
}

/// Adds the results so far of sweeps that have not finished.
///
/// A sweep that cannot be read is a note. The others are shown.
pub(crate) async fn add(store: &Store, sweeps: &mut Sweeps) -> Result<Unfinished, Failure> {
    let mut unfinished = Unfinished::default();
    for name in sweeps.unfinished.clone() {
        match look(store, &name).await {
            Ok((outcome, state)) => {
                unfinished.notes.push(format!("{name} has not finished: `bowline run` resumes it"));
                sweeps.add(outcome);
                unfinished.progress.insert(name, state);
            }
            Err(Failure::Store(error @ StoreError::Backend(_)))
            | Err(Failure::Run(RunFailure::Coordinator(CoordinatorError::Store(error @ StoreError::Backend(_))))) => {
                return Err(error.into());
            }
            Err(failure) => {
                let why = jobs::error_line(&failure);
                let note = format!("warning: {name} has not finished, and cannot be summed up: {why}");
                unfinished.notes.push(note);
            }
        }
    }
    Ok(unfinished)
}

async fn look(store: &Store, name: &str) -> Result<(Outcome, SoFar), Failure> {
    let manifest = store.manifest::<Manifest>(name).await?;
    let manifest = manifest
        .ok_or_else(|| Failure::Stored(StoredFailure::NoSweep { name: name.to_owned(), store: store.place() }))?;
    let frozen = Frozen::from_manifest(&manifest).map_err(FreezeError::from)?;
    let (outcome, survey) = coordinator::so_far(&frozen, store).await?;
    Ok((outcome, SoFar { stored: survey.stored, jobs_at_most: survey.bound }))
}
