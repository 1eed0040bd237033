use crate::{Wanted, lookup::Sought};
use jobs::{JobId, WorkerStatus};
use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};
use tokio::time::Instant;

/// Jobs that are published and not answered.
#[derive(Debug, Default)]
pub(super) struct Outstanding(BTreeMap<JobId, Open>);

#[derive(Debug)]
struct Open {
    wanted: Wanted,
    /// Since when nothing in queue or workers is known of it.
    missing_since: Option<Instant>,
}

impl Outstanding {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// How the jobs are looked up, all of them.
    pub(super) fn sought(&self) -> Vec<Sought> {
        self.0.values().map(|open| open.wanted.sought()).collect()
    }

    /// How the job is looked up, if it is one of these.
    pub(super) fn sought_of(&self, id: &JobId) -> Option<Sought> {
        self.0.get(id).map(|open| open.wanted.sought())
    }

    pub(super) fn insert(&mut self, wanted: Wanted) {
        self.0.insert(wanted.id, Open { wanted, missing_since: None });
    }

    /// Takes an answered job out; its label.
    pub(super) fn remove(&mut self, id: &JobId) -> String {
        self.0.remove(id).map(|open| open.wanted.label).unwrap_or_default()
    }

    /// Notes that jobs wait in the queue: each of these may be one of them.
    pub(super) fn may_wait(&mut self) {
        self.0.values_mut().for_each(|open| open.missing_since = None);
    }

    /// The jobs that neither the queue, which is empty, nor one of these workers has had for as long as `after`, and that
    /// none has left to another. A broker that was emptied or set up anew forgets jobs, and so do some when a job came back
    /// too often.
    pub(super) fn lost(&mut self, workers: &[WorkerStatus], after: Duration) -> Vec<Wanted> {
        if workers.iter().any(|status| status.left.len() >= WorkerStatus::MOST_LEFT) {
            // It tells not of all.
            self.may_wait();
        }
        let in_hand = workers.iter().filter_map(|status| Some(status.job.as_ref()?.job));
        // What waits for a worker of our version is on its way round between the queues.
        let left = workers.iter().flat_map(|status| &status.left).copied();
        let held: HashSet<JobId> = in_hand.chain(left).collect();
        let mut lost = Vec::new();
        for (id, open) in &mut self.0 {
            if held.contains(id) {
                open.missing_since = None;
                continue;
            }
            let since = *open.missing_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= after {
                open.missing_since = None;
                lost.push(open.wanted.clone());
            }
        }
        lost
    }
}
