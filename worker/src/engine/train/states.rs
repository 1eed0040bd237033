//! Where a leg starts from, and what it leaves.

use super::{failure, finished::facts};
use crate::{JobError, OutputFiles, RestedState, engine::attempt::Attempt};
use evaluation::{StateError, TrainError, TrainState, Trainer};
use jobs::{CHECKPOINT_FILE, TrainSpec};
use std::{collections::BTreeMap, fs, io, sync::Arc};
use tempfile::TempDir;

/// The state that a leg hands on, if training was stopped early in a leg before. The last leg writes the adapter.
pub(super) fn stopped_state(attempt: &Attempt<'_>, spec: &TrainSpec) -> Result<Option<TrainState>, JobError> {
    let Some(stopping) = spec.settings.early_stopping.filter(|_| !spec.is_last()) else { return Ok(None) };
    let state = checkpoint(attempt, spec)?;
    Ok(state.filter(|state| state.is_stopped(&stopping) && state.steps() <= spec.leg.first))
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
    let bytes = state.to_bytes(&spec.run().to_string()).map_err(JobError::Checkpoint)?;
    fs::write(folder.path().join(CHECKPOINT_FILE), bytes).map_err(scratch)?;
    OutputFiles::of(folder, facts).map_err(scratch)
}

pub(super) fn scratch_folder() -> Result<TempDir, JobError> {
    tempfile::Builder::new().prefix("bowline-train-").tempdir().map_err(scratch)
}

pub(super) fn scratch(source: io::Error) -> JobError {
    JobError::Scratch { path: std::env::temp_dir(), source }
}

/// The checkpoint of the leg before; `None` for the first leg.
fn checkpoint(attempt: &Attempt<'_>, spec: &TrainSpec) -> Result<Option<TrainState>, JobError> {
    let Some(bytes) = attempt.leg_checkpoint() else {
        return if spec.leg.first == 0 { Ok(None) } else { Err(JobError::CheckpointGone(None)) };
    };
    let state = TrainState::from_bytes(&bytes, &spec.run().to_string()).map_err(|error| match error {
        // The worker deletes it, so that the next run makes the training again.
        StateError::Damaged { .. } | StateError::Version { .. } => JobError::CheckpointGone(Some(Arc::new(error))),
        StateError::OtherRun => JobError::Checkpoint(error),
    })?;
    Ok(Some(state))
}

/// The end of an attempt at a leg that rests.
pub(super) fn rests(spec: &TrainSpec, state: &TrainState) -> JobError {
    match state.to_bytes(&spec.run().to_string()) {
        Ok(bytes) => JobError::Rests(RestedState::of(&bytes)),
        Err(error) => JobError::Checkpoint(error),
    }
}

/// What an earlier attempt at the leg kept when it rested.
fn rested_state(text: &str, spec: &TrainSpec, trainer: &Trainer) -> Option<TrainState> {
    let state = TrainState::from_bytes(&RestedState::bytes(text)?, &spec.run().to_string()).ok()?;
    let is_of_leg = (spec.leg.first..=spec.leg.end).contains(&state.steps());
    (is_of_leg && trainer.check_state(&state).is_ok()).then_some(state)
}

/// Where an attempt at a leg starts.
pub(super) struct Start {
    pub(super) state: TrainState,
    /// Whether it may rest.
    pub(super) may_rest: bool,
}

/// Where an attempt at a leg starts: from what the leg kept when it rested, or from the checkpoint of the leg before.
///
/// A rest counts as no attempt. A leg whose state is refused must not rest again: it could do so for ever. It computes in one go, and its
/// limit ends it if it has to.
pub(super) fn start(attempt: &Attempt<'_>, spec: &TrainSpec, trainer: &Trainer) -> Result<Start, JobError> {
    let checkpoints = attempt.checkpoints();
    let Some(text) = checkpoints.last() else {
        return Ok(Start { state: first_state(attempt, spec, trainer)?, may_rest: true });
    };
    match rested_state(text, spec, trainer) {
        Some(state) => {
            tracing::info!(steps = state.steps(), "the leg goes on where it rested");
            Ok(Start { state, may_rest: true })
        }
        None => {
            tracing::warn!(
                "what the leg kept is of another run or damaged; it starts from its beginning and does not rest"
            );
            Ok(Start { state: first_state(attempt, spec, trainer)?, may_rest: false })
        }
    }
}

/// The state before the first step of a leg: the checkpoint of the leg before.
fn first_state(attempt: &Attempt<'_>, spec: &TrainSpec, trainer: &Trainer) -> Result<TrainState, JobError> {
    let Some(state) = checkpoint(attempt, spec)? else { return Ok(trainer.start()) };
    trainer.check_state(&state).map_err(|error| failure(spec, error))?;
    let is_stopped = spec.settings.early_stopping.is_some_and(|stopping| state.is_stopped(&stopping));
    // Of legs after the one that stopped early, only the last one comes here.
    if state.steps() != spec.leg.first && !(is_stopped && state.steps() < spec.leg.first) {
        let problem = format!("its checkpoint has {} steps, expected {}", state.steps(), spec.leg.first);
        return Err(failure(spec, TrainError::State { problem }));
    }
    Ok(state)
}
