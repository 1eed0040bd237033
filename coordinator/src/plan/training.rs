//! Adapters that the sweep trains: the jobs that do, and what waits for them.

use super::{known::Known, pending::PendingJob, results::JobStatus};
use crate::CoordinatorError;
use jobs::{JobId, JobSpec, TrainSpec};
use std::collections::{BTreeMap, VecDeque};

/// The jobs of a training that are not known to be done, in their order.
#[derive(Debug)]
pub(super) struct OpenLegs {
    task: String,
    jobs: VecDeque<JobId>,
}

impl OpenLegs {
    pub(super) fn of(task: &str, legs: &[TrainSpec]) -> Self {
        // Every leg but the last is named by the one after it: a long training has thousands, and an id takes a hash.
        let named = legs.iter().filter_map(|leg| leg.leg.from);
        let last = legs.last().map(|leg| JobSpec::from(leg.clone()).id());
        Self { task: task.to_owned(), jobs: named.chain(last).collect() }
    }
}

impl Known {
    /// The jobs that train adapters, leg by leg.
    pub(super) fn train_jobs(&self) -> impl Iterator<Item = PendingJob> {
        let tasks = self.frozen.sweep().tasks.iter();
        tasks.filter_map(|task| PendingJob::training(self.frozen.train_specs(&task.name)))
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
    ///
    /// Legs follow each other, so that only the first one of each training that is not done decides. It is remembered.
    pub(super) fn has_adapters(&mut self) -> Result<bool, CoordinatorError> {
        let mut is_complete = true;
        for OpenLegs { task, jobs } in &mut self.legs {
            while let Some(job) = jobs.front() {
                match self.results.statuses.get(job) {
                    None => {
                        is_complete = false;
                        break;
                    }
                    Some(JobStatus::Done(_)) => drop(jobs.pop_front()),
                    Some(JobStatus::Failed | JobStatus::Missing) => {
                        let source = self.results.errors.get(job).cloned().map(Box::new);
                        return Err(CoordinatorError::Training { task: task.clone(), job: *job, source });
                    }
                }
            }
        }
        Ok(is_complete)
    }
}
