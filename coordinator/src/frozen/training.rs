//! The jobs that train the adapters of a sweep, whose ids stand for the adapters.

use super::{FrozenError, locations::pinned_head};
use jobs::{
    Digest, EVALUATION_SEMANTICS, HeadSpec, JobId, JobSpec, SplitInput, Sweep, SweepError, TRAIN_SEMANTICS, Task,
    TaskTraining, TrainLeg, TrainSpec,
};
use std::collections::BTreeMap;

/// The most legs of a training. A sweep file with more is refused before; a stored sweep may say anything.
const MOST_LEGS: usize = 10_000;

/// Why an adapter cannot be trained.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// The settings depend on the base, and nobody looked at it.
    #[error("the family of the base model is not known, and the defaults of `training` depend on it")]
    Family,
    /// A setting cannot be followed.
    #[error("the settings of training cannot be used")]
    Settings(#[from] SweepError),
    /// Too many jobs, or none.
    #[error("the training would have {0} legs, expected 1 to {MOST_LEGS}; `checkpoint_steps` sets the steps of each")]
    Legs(usize),
}

/// The tasks whose adapters the sweep trains.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct TrainedTasks(BTreeMap<String, TrainedTask>);

#[derive(Debug, Clone, PartialEq)]
struct TrainedTask {
    /// At least one.
    legs: Vec<TrainSpec>,
    /// The job of the last leg.
    adapter: JobId,
    /// Whether the adapter brings the head that is evaluated.
    has_head: bool,
    /// The head that training starts from, if one is named.
    start: Option<HeadSpec>,
}

impl TrainedTasks {
    /// Those of a sweep; `digest` finds the digest of an input by what it is.
    pub(super) fn of(
        sweep: &Sweep,
        base: Digest,
        commits: &BTreeMap<String, String>,
        digest: &impl Fn(String) -> Result<Digest, FrozenError>,
    ) -> Result<Self, FrozenError> {
        let mut tasks = BTreeMap::new();
        for task in &sweep.tasks {
            let Some(training) = task.adapter.training() else { continue };
            let first = spec(sweep, task, training, base, digest)?;
            let count = training.legs();
            if count == 0 || count > MOST_LEGS {
                return Err(failed(sweep, task, TrainingError::Legs(count)));
            }
            let legs = first.legs(training.checkpoint_steps());
            let Some(last) = legs.last() else { return Err(failed(sweep, task, TrainingError::Legs(0))) };
            let adapter = JobSpec::from(last.clone()).id();
            let has_head = last.settings.trains_head;
            let start = task.head.as_ref().map(|head| pinned_head(head, commits));
            tasks.insert(task.name.clone(), TrainedTask { legs, adapter, has_head, start });
        }
        Ok(Self(tasks))
    }

    /// The job that finishes the adapter of a task.
    pub(super) fn adapter(&self, task: &str) -> Option<JobId> {
        self.0.get(task).map(|task| task.adapter)
    }

    /// The same, if that adapter brings the head that is evaluated.
    pub(super) fn head(&self, task: &str) -> Option<JobId> {
        self.0.get(task).filter(|task| task.has_head).map(|task| task.adapter)
    }

    /// The jobs that train the adapter of a task.
    pub(super) fn legs(&self, task: &str) -> &[TrainSpec] {
        self.0.get(task).map_or(&[], |task| &task.legs)
    }

    /// Whether a leg is one of these trainings. Legs lie in the order of their steps: a long training has thousands.
    pub(super) fn has_leg(&self, spec: &TrainSpec) -> bool {
        let legs = self.legs(&spec.task);
        legs.binary_search_by_key(&spec.leg.first, |leg| leg.leg.first).is_ok_and(|place| legs[place] == *spec)
    }

    /// The task with the head that its training starts from, if one is named.
    pub(super) fn start(&self, task: &str) -> Option<(String, HeadSpec)> {
        Some((task.to_owned(), self.0.get(task)?.start.clone()?))
    }
}

fn failed(sweep: &Sweep, task: &Task, source: TrainingError) -> FrozenError {
    FrozenError::Training { sweep: sweep.name.clone(), task: task.name.clone(), source }
}

/// The whole training as one leg.
fn spec(
    sweep: &Sweep,
    task: &Task,
    training: &TaskTraining,
    base: Digest,
    digest: &impl Fn(String) -> Result<Digest, FrozenError>,
) -> Result<TrainSpec, FrozenError> {
    let settings = training.settings().ok_or_else(|| failed(sweep, task, TrainingError::Family))?;
    let settings = settings.map_err(|error| failed(sweep, task, error.into()))?;
    let checked = training.check_family(&settings, task.head.is_some());
    checked.map_err(|error| failed(sweep, task, error.into()))?;
    let split = |name: &str| {
        let data = digest(format!("data.{}.{name}", task.name))?;
        Ok::<_, FrozenError>(SplitInput { name: name.to_owned(), data })
    };
    let keys = training.keys();
    let apart = if keys.allows_overlap() { Vec::new() } else { sweep.splits() };
    let head = task.head.as_ref().map(|_| digest(format!("heads.{}", task.name))).transpose()?;
    Ok(TrainSpec {
        semantics: TRAIN_SEMANTICS,
        evaluation: EVALUATION_SEMANTICS,
        base,
        task: task.name.clone(),
        training: split(keys.split())?,
        validation: split(&sweep.evaluation.select)?,
        apart: apart.into_iter().map(split).collect::<Result<_, _>>()?,
        head,
        settings,
        leg: TrainLeg { first: 0, end: 0, from: None },
    })
}
