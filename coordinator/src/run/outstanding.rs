#[cfg(test)]
mod tests;

use crate::{PlannedJob, lookup::JobRef};
use jobs::{JobId, WorkerStatus};
use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};
use tokio::time::Instant;

/// Jobs that are published and have not ended.
#[derive(Debug, Default)]
pub(super) struct Outstanding {
    jobs: BTreeMap<JobId, OutstandingJob>,
    /// The number of jobs published so far, which is the number of the next one.
    published: u64,
    /// The highest number of a job that has ended.
    newest_ended: Option<u64>,
}

#[derive(Debug)]
struct OutstandingJob {
    job: PlannedJob,
    /// The position in the order of publishing.
    number: u64,
    /// Since when the queue is empty and no worker has the job.
    missing_since: Option<Instant>,
    /// Since when jobs that were published later have ended, and no worker has this one.
    overtaken: Option<Overtaken>,
}

/// When other jobs overtook a job.
#[derive(Debug, Clone, Copy)]
struct Overtaken {
    since: Instant,
    /// Everything in the queue at that time has a lower number. Once a job of this number or a higher one has ended,
    /// the queue has turned over: a worker would have taken the job by then, even if it was requeued meanwhile.
    turned_over_at: u64,
}

impl Outstanding {
    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// The references of all jobs.
    pub(super) fn job_refs(&self) -> Vec<JobRef> {
        self.jobs.values().map(|outstanding| outstanding.job.job_ref()).collect()
    }

    /// The reference of a job, if it is outstanding.
    pub(super) fn job_ref_of(&self, id: &JobId) -> Option<JobRef> {
        self.jobs.get(id).map(|outstanding| outstanding.job.job_ref())
    }

    pub(super) fn insert(&mut self, job: PlannedJob) {
        let number = self.published;
        self.published += 1;
        self.jobs.insert(job.id, OutstandingJob { job, number, missing_since: None, overtaken: None });
    }

    /// Gives an outstanding job the form in which the plan has asked for it. Its place in the order stays.
    pub(super) fn replace(&mut self, job: PlannedJob) {
        if let Some(outstanding) = self.jobs.get_mut(&job.id) {
            outstanding.job = job;
        }
    }

    /// Removes a job that has ended or is not needed any more.
    pub(super) fn remove(&mut self, id: &JobId) -> Option<PlannedJob> {
        let outstanding = self.jobs.remove(id)?;
        self.newest_ended = self.newest_ended.max(Some(outstanding.number));
        Some(outstanding.job)
    }

    /// Notes that the queue has jobs. Each outstanding job may be one of them, unless others have overtaken it.
    pub(super) fn queue_has_jobs(&mut self) {
        self.jobs.values_mut().for_each(|outstanding| outstanding.missing_since = None);
    }

    /// The lost jobs, which count as published again from now on.
    ///
    /// A job is lost if for `after` no live worker has held or deferred it, and during that time the queue was empty or
    /// has turned over. A broker forgets jobs when it is purged or set up anew, and some brokers drop a message that
    /// was returned too often.
    pub(super) fn lost(
        &mut self,
        workers: &[WorkerStatus],
        queue_is_empty: bool,
        after: Duration,
        now: Instant,
    ) -> Vec<PlannedJob> {
        if workers.iter().any(|status| status.left.len() >= WorkerStatus::MOST_LEFT) {
            // This worker's list of deferred jobs is full: any job may be one that it does not list.
            self.queue_has_jobs();
            self.jobs.values_mut().for_each(|outstanding| outstanding.overtaken = None);
        }
        let held = held_by(workers);
        let newest_ended = self.newest_ended;
        let mut lost = Vec::new();
        for (id, outstanding) in &mut self.jobs {
            if held.contains(id) {
                outstanding.missing_since = None;
                outstanding.overtaken = None;
                continue;
            }
            if queue_is_empty {
                outstanding.missing_since.get_or_insert(now);
            }
            if newest_ended > Some(outstanding.number) {
                outstanding.overtaken.get_or_insert(Overtaken { since: now, turned_over_at: self.published });
            }
            let is_missing = outstanding.missing_since.is_some_and(|since| now.duration_since(since) >= after);
            let is_passed_over = outstanding.overtaken.is_some_and(|overtaken| {
                now.duration_since(overtaken.since) >= after && newest_ended >= Some(overtaken.turned_over_at)
            });
            if is_missing || is_passed_over {
                lost.push(outstanding.job.clone());
            }
        }
        for job in &lost {
            self.renumber(&job.id);
        }
        lost
    }

    /// Moves a job behind everything that was published before.
    fn renumber(&mut self, id: &JobId) {
        if let Some(outstanding) = self.jobs.get_mut(id) {
            outstanding.missing_since = None;
            outstanding.overtaken = None;
            outstanding.number = self.published;
            self.published += 1;
        }
    }
}

/// The jobs that live workers hold, or have deferred to workers of another version. A deferred message moves between
/// the queues and may be in none of them at the moment.
fn held_by(workers: &[WorkerStatus]) -> HashSet<JobId> {
    let held = workers.iter().filter_map(|status| Some(status.job.as_ref()?.job));
    let deferred = workers.iter().flat_map(|status| &status.left).copied();
    held.chain(deferred).collect()
}
