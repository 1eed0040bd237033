//! Jobs that are published for idle workers before the plan asks for them.

#[cfg(test)]
mod tests;

use super::RunState;
use crate::{CoordinatorError, PlannedJob, lookup::Found};
use jobs::{JobId, WorkerStatus};
use std::collections::HashMap;

/// The jobs that were looked up or published ahead and that the plan has not asked for.
///
/// Nothing is decided by them. Their results lie in the store, where the run finds them if the plan asks. Their failures count only
/// then, but their time counts in any case.
#[derive(Debug, Default)]
pub(super) struct Speculation {
    jobs: HashMap<JobId, Ahead>,
    /// The number of entries that are [`Ahead::Open`].
    open: usize,
}

/// How far a job has come that was planned ahead.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Ahead {
    /// The store had something of it before: there was nothing to publish.
    Stored,
    /// It is published.
    Open,
    /// It has ended in this run, after this device time in seconds.
    Ended(f64),
}

impl Speculation {
    pub(super) fn contains(&self, id: &JobId) -> bool {
        self.jobs.contains_key(id)
    }

    pub(super) fn is_open(&self, id: &JobId) -> bool {
        self.jobs.get(id) == Some(&Ahead::Open)
    }

    /// The number of jobs that the plan has not asked for.
    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// The number of published jobs that have not ended.
    pub(super) fn open(&self) -> usize {
        self.open
    }

    pub(super) fn set(&mut self, id: JobId, ahead: Ahead) {
        self.take(&id);
        self.open += usize::from(ahead == Ahead::Open);
        self.jobs.insert(id, ahead);
    }

    /// Removes a job, which the plan has asked for.
    pub(super) fn take(&mut self, id: &JobId) -> Option<Ahead> {
        let ahead = self.jobs.remove(id)?;
        self.open -= usize::from(ahead == Ahead::Open);
        Some(ahead)
    }

    /// Removes the published jobs that have not ended.
    pub(super) fn take_open(&mut self) -> Vec<JobId> {
        let open: Vec<JobId> = self.jobs.keys().copied().filter(|id| self.is_open(id)).collect();
        for id in &open {
            self.take(id);
        }
        open
    }

    /// Seconds of device time of jobs that the plan has not asked for.
    pub(super) fn unused_s(&self) -> f64 {
        let seconds = |ahead: &Ahead| match ahead {
            Ahead::Ended(seconds) => *seconds,
            Ahead::Stored | Ahead::Open => 0.0,
        };
        self.jobs.values().map(seconds).sum()
    }
}

/// The workers that take the run's jobs, as their last heartbeats show them.
#[derive(Debug, Default)]
pub(super) struct SeenWorkers {
    able: usize,
    in_hand: Vec<JobId>,
}

impl SeenWorkers {
    pub(super) fn new(able: &[&WorkerStatus]) -> Self {
        let in_hand = able.iter().filter_map(|status| Some(status.job.as_ref()?.job)).collect();
        Self { able: able.len(), in_hand }
    }
}

impl RunState {
    /// The jobs to look up and publish ahead: at most one for each idle worker.
    pub(super) fn jobs_ahead(&mut self) -> Result<Vec<PlannedJob>, CoordinatorError> {
        let idle = self.idle_workers();
        if idle == 0 {
            return Ok(Vec::new());
        }
        // Those that were planned ahead before come first again.
        let mut jobs = self.plan.ahead(idle + self.speculation.len())?;
        jobs.retain(|job| !self.speculation.contains(&job.id));
        jobs.truncate(idle);
        Ok(jobs)
    }

    /// The workers that have nothing to do. A run that computes its jobs itself has one worker, which has as many jobs as there are.
    ///
    /// Heartbeats are seconds old. Therefore every outstanding job takes a worker, whether it has begun or not, and so does every
    /// job in hand that is none of this run.
    fn idle_workers(&self) -> usize {
        if self.settings.pool.is_none() {
            return 0;
        }
        let SeenWorkers { able, in_hand } = &self.workers;
        let is_own = |job: &JobId| self.plan.has_issued(job) || self.speculation.contains(job);
        let busy_elsewhere = in_hand.iter().filter(|job| !is_own(job)).count();
        let most = self.settings.max_workers.map_or(usize::MAX, |most| most as usize);
        let free = able.saturating_sub(busy_elsewhere).min(most);
        free.saturating_sub(self.outstanding.len())
    }

    /// Whether a job was looked up or published ahead.
    pub(in crate::run) fn is_ahead(&self, id: &JobId) -> bool {
        self.speculation.contains(id)
    }

    /// Decides about a job that was looked up before it is published ahead. What the store has of it says nothing as long as the
    /// plan does not ask.
    pub(in crate::run) fn start_ahead(&mut self, job: PlannedJob, found: &Found) -> Option<PlannedJob> {
        if matches!(found, Found::Nothing) {
            self.speculation.set(job.id, Ahead::Open);
            return Some(job);
        }
        self.speculation.set(job.id, Ahead::Stored);
        None
    }

    /// A job that was published ahead has ended.
    pub(super) fn settle_ahead(&mut self, job: &PlannedJob, found: &Found) {
        let seconds = match found {
            Found::Result(result) => result.timings.total_s(),
            Found::Artefact(_) | Found::Failed(_) | Found::Corrupt(_) | Found::Nothing => 0.0,
        };
        tracing::debug!(job = %job.id.short(), label = job.label, "a job ended ahead of its search");
        self.speculation.set(job.id, Ahead::Ended(seconds));
    }

    /// Lets the plan have a job that was published ahead; `None` if the job is as if it had not been.
    pub(super) fn adopt(&mut self, job: PlannedJob, found: Found) -> Result<Option<Unadopted>, CoordinatorError> {
        let unadopted = |job, found| Ok(Some(Unadopted { job, found }));
        match (self.speculation.take(&job.id), found) {
            (None | Some(Ahead::Stored), found) => unadopted(job, found),
            (Some(Ahead::Open), Found::Nothing) => {
                self.announce(&job);
                self.outstanding.replace(job);
                Ok(None)
            }
            (
                Some(Ahead::Open | Ahead::Ended(_)),
                found @ (Found::Result(_) | Found::Artefact(_) | Found::Failed(_)),
            ) => {
                self.outstanding.remove(&job.id);
                // Whoever counts jobs counts their beginnings and their ends.
                self.announce(&job);
                self.complete(job, found, false)?;
                Ok(None)
            }
            (Some(Ahead::Open | Ahead::Ended(_)), found @ (Found::Corrupt(_) | Found::Nothing)) => {
                self.outstanding.remove(&job.id);
                unadopted(job, found)
            }
        }
    }
}

/// A job that was not computed ahead, with what the store holds of it.
pub(super) struct Unadopted {
    pub(super) job: PlannedJob,
    pub(super) found: Found,
}
