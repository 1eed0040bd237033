use crate::{Wanted, lookup::Sought};
use jobs::{JobId, WorkerStatus};
use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};
use tokio::time::Instant;

/// Jobs that are published and not answered.
#[derive(Debug, Default)]
pub(super) struct Outstanding {
    jobs: BTreeMap<JobId, Open>,
    /// How many jobs were published so far: the number of the next one.
    published: u64,
    /// The highest number of a job that was answered.
    newest_answered: Option<u64>,
}

#[derive(Debug)]
struct Open {
    wanted: Wanted,
    /// The order in which jobs were published.
    number: u64,
    /// Since when the queue is empty and no worker has the job.
    missing_since: Option<Instant>,
    /// Since when jobs that were published later have been answered, and no worker has this one.
    overtaken: Option<Overtaken>,
}

/// A job that others have overtaken.
#[derive(Debug, Clone, Copy)]
struct Overtaken {
    since: Instant,
    /// Everything in the queue at that time was published before this number. Once a job of this number or a later one is
    /// answered, the queue has turned over: the job would have been taken by then, even if it was queued up again meanwhile.
    turned_over_at: u64,
}

impl Outstanding {
    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// How the jobs are looked up, all of them.
    pub(super) fn sought(&self) -> Vec<Sought> {
        self.jobs.values().map(|open| open.wanted.sought()).collect()
    }

    /// How the job is looked up, if it is one of these.
    pub(super) fn sought_of(&self, id: &JobId) -> Option<Sought> {
        self.jobs.get(id).map(|open| open.wanted.sought())
    }

    pub(super) fn insert(&mut self, wanted: Wanted) {
        let number = self.published;
        self.published += 1;
        self.jobs.insert(wanted.id, Open { wanted, number, missing_since: None, overtaken: None });
    }

    /// Takes a job out that was answered, or is not wanted any more; its label.
    pub(super) fn remove(&mut self, id: &JobId) -> String {
        let Some(open) = self.jobs.remove(id) else { return String::new() };
        self.newest_answered = self.newest_answered.max(Some(open.number));
        open.wanted.label
    }

    /// Notes that jobs wait in the queue: each of these may be one of them, unless others have overtaken it.
    pub(super) fn may_wait(&mut self) {
        self.jobs.values_mut().for_each(|open| open.missing_since = None);
    }

    /// The jobs that got lost: for as long as `after` no worker has had them and none has left them to another, and the queue was
    /// empty all the while, or has turned over. A broker that was emptied or set up anew forgets jobs, and so do some when a job
    /// came back too often.
    pub(super) fn lost(&mut self, workers: &[WorkerStatus], queue_is_empty: bool, after: Duration) -> Vec<Wanted> {
        if workers.iter().any(|status| status.left.len() >= WorkerStatus::MOST_LEFT) {
            // It does not tell of all that it has left: any job may be one of them.
            self.may_wait();
            self.jobs.values_mut().for_each(|open| open.overtaken = None);
        }
        let in_hand = workers.iter().filter_map(|status| Some(status.job.as_ref()?.job));
        // What waits for a worker of our version is on its way round between the queues.
        let left = workers.iter().flat_map(|status| &status.left).copied();
        let held: HashSet<JobId> = in_hand.chain(left).collect();
        let now = Instant::now();
        let (published, newest_answered) = (self.published, self.newest_answered);
        let mut lost = Vec::new();
        for (id, open) in &mut self.jobs {
            if held.contains(id) {
                open.missing_since = None;
                open.overtaken = None;
                continue;
            }
            if queue_is_empty {
                open.missing_since.get_or_insert(now);
            }
            if newest_answered > Some(open.number) {
                open.overtaken.get_or_insert(Overtaken { since: now, turned_over_at: published });
            }
            let is_missing = open.missing_since.is_some_and(|since| now.duration_since(since) >= after);
            let is_passed_over = open.overtaken.is_some_and(|overtaken| {
                now.duration_since(overtaken.since) >= after && newest_answered >= Some(overtaken.turned_over_at)
            });
            if is_missing || is_passed_over {
                open.missing_since = None;
                open.overtaken = None;
                // It queues up behind all that was published before.
                open.number = self.published;
                self.published += 1;
                lost.push(open.wanted.clone());
            }
        }
        lost
    }
}

#[cfg(test)]
mod tests;
