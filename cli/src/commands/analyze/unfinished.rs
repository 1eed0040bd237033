use crate::{
    failure::{Failure, RunFailure, StoredFailure},
    terminal,
};
use analysis::{SoFar, Sweeps};
use coordinator::{CoordinatorError, FreezeError, Frozen};
use jobs::{Manifest, Outcome};
use std::collections::HashMap;
use store::{Store, StoreError};

/// Adds the results so far of sweeps that have not finished, and prints their progress by name.
///
/// A sweep that cannot be read is a warning. The others are shown.
pub(super) async fn add(store: &Store, sweeps: &mut Sweeps) -> Result<HashMap<String, SoFar>, Failure> {
    let mut states = HashMap::new();
    for name in sweeps.unfinished.clone() {
        match look(store, &name).await {
            Ok((outcome, state)) => {
                terminal::note(format_args!("{name} has not finished: `bowline run` resumes it"));
                sweeps.add(outcome);
                states.insert(name, state);
            }
            Err(Failure::Store(error @ StoreError::Backend(_)))
            | Err(Failure::Run(RunFailure::Coordinator(CoordinatorError::Store(error @ StoreError::Backend(_))))) => {
                return Err(error.into());
            }
            Err(failure) => {
                let why = jobs::error_line(&failure);
                terminal::note(format_args!("warning: {name} has not finished, and cannot be summed up: {why}"));
            }
        }
    }
    Ok(states)
}

async fn look(store: &Store, name: &str) -> Result<(Outcome, SoFar), Failure> {
    let manifest = store.manifest::<Manifest>(name).await?;
    let manifest = manifest
        .ok_or_else(|| Failure::Stored(StoredFailure::NoSweep { name: name.to_owned(), store: store.place() }))?;
    let frozen = Frozen::from_manifest(&manifest).map_err(FreezeError::from)?;
    let (outcome, survey) = coordinator::so_far(&frozen, store).await?;
    Ok((outcome, SoFar { stored: survey.stored, jobs_at_most: survey.bound }))
}
