//! Where a leg starts from, and what it leaves.

use super::{failure, finished::facts};
use crate::{JobError, LegStart, OutputFiles, StateFile, engine::attempt::Attempt};
use evaluation::{StateError, TrainError, TrainState, Trainer};
use jobs::{CHECKPOINT_FILE, TrainSpec};
use std::{collections::BTreeMap, fs, io, path::Path, sync::Arc};
use tempfile::TempDir;

/// The state that a leg hands on, if training was stopped early in a leg before. The last leg writes the adapter.
///
/// A leg that hands a state on never rests.
pub(super) fn stopped_state(attempt: &Attempt<'_>, spec: &TrainSpec) -> Result<Option<TrainState>, JobError> {
    let Some(stopping) = spec.settings.early_stopping.filter(|_| !spec.is_last()) else { return Ok(None) };
    match &attempt.context().leg_start {
        LegStart::LegBefore(file) => {
            let state = checkpoint(file, spec)?;
            let is_stopped = state.is_stopped(&stopping) && state.steps() <= spec.leg.first;
            Ok(is_stopped.then_some(state))
        }
        LegStart::Nothing | LegStart::Rested(_) => Ok(None),
    }
}

/// Writes a state as it is, without reading base or splits. What is measured is what the last evaluation found.
pub(super) fn hand_on(spec: &TrainSpec, state: &TrainState) -> Result<OutputFiles, JobError> {
    let last =
        state.evaluations.last().ok_or_else(|| JobError::Incomplete("its checkpoint has no evaluation".to_owned()))?;
    write_checkpoint(spec, state, facts(spec, state, last.correct, last.n))
}

pub(super) fn write_checkpoint(
    spec: &TrainSpec,
    state: &TrainState,
    facts: BTreeMap<String, f64>,
) -> Result<OutputFiles, JobError> {
    let folder = scratch_folder()?;
    write_state(spec, state, &folder.path().join(CHECKPOINT_FILE))?;
    OutputFiles::of(folder, facts).map_err(scratch)
}

fn write_state(spec: &TrainSpec, state: &TrainState, path: &Path) -> Result<(), JobError> {
    state.write(&spec.run().to_string(), path).map_err(|error| match error {
        StateError::File(source) => scratch(source),
        error @ (StateError::Damaged { .. } | StateError::Version { .. } | StateError::OtherRun) => {
            JobError::Checkpoint(error)
        }
    })
}

pub(super) fn scratch_folder() -> Result<TempDir, JobError> {
    tempfile::Builder::new().prefix("bowline-train-").tempdir().map_err(scratch)
}

pub(super) fn scratch(source: io::Error) -> JobError {
    JobError::Scratch { path: std::env::temp_dir(), source }
}

/// The checkpoint of the leg before.
fn checkpoint(file: &StateFile, spec: &TrainSpec) -> Result<TrainState, JobError> {
    let bytes = fs::read(file.path()).map_err(scratch)?;
    TrainState::from_bytes(&bytes, &spec.run().to_string()).map_err(|error| match error {
        // The worker deletes it, so that the next run makes the training again.
        StateError::Damaged { .. } | StateError::Version { .. } => JobError::CheckpointGone(Some(Arc::new(error))),
        StateError::OtherRun => JobError::Checkpoint(error),
        StateError::File(source) => scratch(source),
    })
}

/// The end of an attempt at a leg that rests.
pub(super) fn rests(spec: &TrainSpec, state: &TrainState) -> JobError {
    let kept = || {
        let file = StateFile::new().map_err(scratch)?;
        write_state(spec, state, &file.path())?;
        Ok(file)
    };
    match kept() {
        Ok(file) => JobError::Rests(file),
        Err(error) => error,
    }
}

/// What an earlier attempt at the leg kept when it rested.
fn rested_state(file: &StateFile, spec: &TrainSpec, trainer: &Trainer) -> Result<TrainState, JobError> {
    let bytes = fs::read(file.path()).map_err(scratch)?;
    let state = TrainState::from_bytes(&bytes, &spec.run().to_string());
    let state = state.map_err(|error| JobError::RestRefused(Box::new(error)))?;
    let legs = spec.leg.first..=spec.leg.end;
    if !legs.contains(&state.steps()) {
        let problem = format!("it has {} steps, expected {} to {}", state.steps(), legs.start(), legs.end());
        return Err(JobError::RestRefused(Box::new(TrainError::State { problem })));
    }
    trainer.check_state(&state).map_err(|error| JobError::RestRefused(Box::new(error)))?;
    Ok(state)
}

/// Where an attempt at a leg starts: from what the leg kept when it rested, from the checkpoint of the leg before, or from the beginning.
///
/// # Errors
/// [`JobError::RestRefused`]; a checkpoint that is gone, or none of this training.
pub(super) fn start(attempt: &Attempt<'_>, spec: &TrainSpec, trainer: &Trainer) -> Result<TrainState, JobError> {
    match &attempt.context().leg_start {
        LegStart::Nothing if spec.leg.first == 0 => Ok(trainer.start()),
        LegStart::Nothing => Err(JobError::CheckpointGone(None)),
        LegStart::LegBefore(file) => {
            let state = checkpoint(file, spec)?;
            check_start(&state, spec, trainer)?;
            file.discard();
            Ok(state)
        }
        LegStart::Rested(file) => {
            let state = rested_state(file, spec, trainer)?;
            tracing::info!(steps = state.steps(), "the leg goes on where it rested");
            file.discard();
            Ok(state)
        }
    }
}

/// Fails unless the checkpoint of the leg before is the state before the first step of this leg.
fn check_start(state: &TrainState, spec: &TrainSpec, trainer: &Trainer) -> Result<(), JobError> {
    trainer.check_state(state).map_err(|error| failure(spec, error))?;
    let is_stopped = spec.settings.early_stopping.is_some_and(|stopping| state.is_stopped(&stopping));
    // Of legs after the one that stopped early, only the last one comes here.
    if state.steps() != spec.leg.first && !(is_stopped && state.steps() < spec.leg.first) {
        let problem = format!("its checkpoint has {} steps, expected {}", state.steps(), spec.leg.first);
        return Err(failure(spec, TrainError::State { problem }));
    }
    Ok(())
}
