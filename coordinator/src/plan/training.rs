//! Adapters that the sweep trains: the jobs that do, and what waits for them.

use super::{known::Known, pending::PendingJob, results::JobStatus};
use crate::CoordinatorError;
use jobs::{JobId, JobSpec, TrainSpec};
use std::collections::BTreeMap;

/// A job that trains an adapter.
#[derive(Debug)]
pub(super) struct Leg {
    task: String,
    job: JobId,
}

impl Leg {
    pub(super) fn of(spec: &TrainSpec) -> Self {
        Self { task: spec.task.clone(), job: JobSpec::from(spec.clone()).id() }
    }
}

impl Known {
    /// The jobs that train adapters, leg by leg.
    pub(super) fn train_jobs(&self) -> impl Iterator<Item = PendingJob> {
        let tasks = self.frozen.sweep().tasks.iter();
        tasks.flat_map(|task| self.frozen.train_specs(&task.name)).cloned().map(PendingJob::train)
    }

    /// The jobs that finish the adapters of those of these tasks that the sweep trains.
    pub(super) fn trained<'a>(&self, tasks: impl IntoIterator<Item = &'a str>) -> Vec<JobId> {
        tasks.into_iter().filter_map(|task| self.frozen.trained_by(task)).collect()
    }

    /// The jobs that have finished adapters, by task.
    pub(super) fn trained_adapters(&self) -> BTreeMap<String, JobId> {
        let tasks = self.frozen.sweep().tasks.iter();
        let trained = tasks.filter_map(|task| Some((task.name.clone(), self.frozen.trained_by(&task.name)?)));
        trained.filter(|(_, job)| self.has_artefact(job)).collect()
    }

    /// Whether all adapters are there. A leg that failed is an error: its adapter can never be there.
    pub(super) fn has_adapters(&self) -> Result<bool, CoordinatorError> {
        let mut is_complete = true;
        for Leg { task, job } in &self.legs {
            match self.status(job) {
                None => is_complete = false,
                Some(JobStatus::Done(_)) => {}
                Some(JobStatus::Failed | JobStatus::Missing) => {
                    let source = self.results.errors.get(job).cloned().map(Box::new);
                    return Err(CoordinatorError::Training { task: task.clone(), job: *job, source });
                }
            }
        }
        Ok(is_complete)
    }
}
