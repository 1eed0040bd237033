//! The adapter of a task: one that is there, or one that the sweep trains.

use super::{Sweep, SweepError, Task, training::TrainingKeys};
use crate::{InputRef, TrainFamily, TrainLength, TrainSettings};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// The most legs of a training: each is a job.
pub(crate) const MOST_LEGS: usize = 10_000;

/// Where the adapter of a task comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskAdapter {
    /// Jobs of the sweep train it.
    Train(Box<TaskTraining>),
    /// It is there.
    #[serde(untagged)]
    Given(InputRef),
}

/// How jobs of a sweep train the adapter of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskTraining {
    /// What the sweep file says.
    keys: TrainingKeys,
    /// The models whose settings are the defaults for the base of the sweep. A sweep file does not say it: the base does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    family: Option<TrainFamily>,
    /// All settings, once the family is known. They are stored, so that other defaults of a later program change no sweep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settings: Option<TrainSettings>,
    /// The steps of a leg; the sweep file says it, or the family does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checkpoint_steps: Option<usize>,
}

impl TaskTraining {
    /// Checks the keys for a sweep, which trains in legs of a number of steps that is known before.
    pub(super) fn new(keys: TrainingKeys) -> Result<Self, SweepError> {
        let checkpoint_steps = keys.checkpoint_steps();
        match keys.length() {
            TrainLength::Steps(steps) => {
                if let Some(stated) = checkpoint_steps.filter(|stated| steps.div_ceil(*stated) > MOST_LEGS) {
                    let legs = steps.div_ceil(stated);
                    let problem = format!(
                        "is {stated}, so that {steps} steps are {legs} legs, and at most {MOST_LEGS} are allowed"
                    );
                    return Err(keys.invalid("checkpoint_steps", problem));
                }
                Ok(Self { keys, family: None, settings: None, checkpoint_steps })
            }
            TrainLength::Epochs(_) => {
                let problem = "is not supported where a sweep trains: its jobs are legs of so many steps, and the number \
                               of examples is known only when they are read; use `steps`";
                Err(keys.invalid("epochs", problem.to_owned()))
            }
        }
    }

    /// Takes the defaults of a family of bases.
    fn take_family(&mut self, family: TrainFamily) {
        self.family = Some(family);
        // `settings` makes the error again, where it can be reported.
        self.settings = self.keys.settings(family).ok();
        let usual = self.settings.as_ref().map(|settings| family.leg_steps(settings));
        self.checkpoint_steps = self.keys.checkpoint_steps().or(usual);
    }

    /// The settings; `None` before the family of the base is known.
    pub fn settings(&self) -> Option<Result<TrainSettings, SweepError>> {
        let known = self.settings.clone().map(Ok);
        known.or_else(|| self.family.map(|family| self.keys.settings(family)))
    }

    /// The keys of the sweep file with their values, and with those of the defaults where the file has none.
    pub fn resolved(&self) -> Value {
        let mut keys = self.keys.written();
        if let (Some(keys), Some(settings)) = (keys.as_object_mut(), &self.settings) {
            let of_file = |value: Value| value.as_object().cloned().unwrap_or_default();
            for (key, value) in of_file(settings.as_keys()) {
                // The file may have a part of it.
                if key == "early_stopping" {
                    keys.insert(key, value);
                } else {
                    keys.entry(key).or_insert(value);
                }
            }
            keys.entry("checkpoint_steps").or_insert(self.checkpoint_steps.into());
        }
        keys
    }

    /// Checks what depends on the family of the base and on whether the task names a head.
    ///
    /// # Errors
    /// Names the key.
    pub fn check_family(&self, settings: &TrainSettings, has_head: bool) -> Result<(), SweepError> {
        let Some(family) = self.family else { return Ok(()) };
        settings
            .check_family(family, has_head)
            .map_err(|error| self.keys.invalid(error.key, format!("is {}, expected {}", error.found, error.expected)))
    }

    /// What the sweep file says.
    pub fn keys(&self) -> &TrainingKeys {
        &self.keys
    }

    /// The steps of a leg: after each, a checkpoint is stored.
    pub fn checkpoint_steps(&self) -> usize {
        // A stored sweep may say 0.
        self.checkpoint_steps.unwrap_or(usize::MAX).max(1)
    }

    /// The number of jobs that train the adapter, once the family of the base is known.
    pub fn legs(&self) -> usize {
        match self.keys.length() {
            TrainLength::Steps(steps) => steps.div_ceil(self.checkpoint_steps()),
            TrainLength::Epochs(_) => 0,
        }
    }
}

impl TaskAdapter {
    /// The adapter, if it is there.
    pub fn given(&self) -> Option<&InputRef> {
        match self {
            Self::Given(reference) => Some(reference),
            Self::Train(_) => None,
        }
    }

    /// How it is trained, if jobs of the sweep do.
    pub fn training(&self) -> Option<&TaskTraining> {
        match self {
            Self::Given(_) => None,
            Self::Train(training) => Some(training),
        }
    }
}

impl From<InputRef> for TaskAdapter {
    fn from(reference: InputRef) -> Self {
        Self::Given(reference)
    }
}

impl fmt::Display for TaskAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(reference) => reference.fmt(f),
            Self::Train(_) => f.write_str("an adapter that the sweep trains"),
        }
    }
}

impl Task {
    /// Whether its adapter is trained with a head that is not there yet, which only texts have.
    pub fn trains_new_head(&self) -> bool {
        let has_texts = self.data.as_ref().is_some_and(|data| data.text.is_some());
        self.head.is_none() && has_texts && self.adapter.training().is_some()
    }
}

impl Sweep {
    /// Whether jobs of the sweep train adapters.
    pub fn trains(&self) -> bool {
        self.tasks.iter().any(|task| task.adapter.training().is_some())
    }

    /// The number of jobs that train adapters.
    pub fn train_jobs(&self) -> usize {
        self.tasks.iter().filter_map(|task| task.adapter.training()).map(TaskTraining::legs).sum()
    }

    /// The same sweep with the settings of training that are the defaults for its base.
    #[must_use]
    pub fn with_train_family(mut self, family: TrainFamily) -> Self {
        for task in &mut self.tasks {
            if let TaskAdapter::Train(training) = &mut task.adapter {
                training.take_family(family);
            }
        }
        self
    }

    /// All splits that are read of a task: those of [`data_splits`](Self::data_splits), and the one that it is trained on.
    pub fn splits_of<'a>(&'a self, task: &'a Task) -> Vec<&'a str> {
        let mut splits = self.data_splits();
        if let Some(training) = task.adapter.training()
            && !splits.contains(&training.keys.split())
        {
            splits.push(training.keys.split());
        }
        splits
    }
}
