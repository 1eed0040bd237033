use jobs::{JobId, RecipeSpec};
use std::collections::{HashMap, HashSet};

/// The jobs that a plan has issued.
#[derive(Debug, Default)]
pub(super) struct IssuedJobs {
    all: HashSet<JobId>,
    /// The number of issued jobs that the plan waits for.
    open: usize,
    /// The jobs that write an artefact.
    writes: HashSet<JobId>,
    /// The searches that wait for a job.
    requests: HashMap<JobId, Vec<SearchPoint>>,
    /// Jobs that the plan does not wait for any more, because their searches have ended.
    abandoned: HashSet<JobId>,
}

/// A point that a search has requested.
#[derive(Debug, Clone)]
pub(super) struct SearchPoint {
    /// The index of the search.
    pub(super) search: usize,
    /// The recipe as the search composed it.
    pub(super) spec: RecipeSpec,
    /// The job of the point: of its first seed, if it has replicates.
    pub(super) point: JobId,
}

impl IssuedJobs {
    /// Issues a job; `false` if it was issued before, and is still waited for.
    pub(super) fn issue(&mut self, id: JobId) -> bool {
        let is_new = self.all.insert(id) || self.abandoned.remove(&id);
        if is_new {
            self.open += 1;
        }
        is_new
    }

    pub(super) fn contains(&self, id: &JobId) -> bool {
        self.all.contains(id)
    }

    pub(super) fn has_open(&self) -> bool {
        self.open > 0
    }

    /// Notes that a job writes an artefact.
    pub(super) fn mark_as_write(&mut self, id: JobId) {
        self.writes.insert(id);
    }

    pub(super) fn is_write(&self, id: &JobId) -> bool {
        self.writes.contains(id)
    }

    /// Notes that a search waits for a job.
    pub(super) fn request(&mut self, id: JobId, point: SearchPoint) {
        self.requests.entry(id).or_default().push(point);
    }

    /// The index of the first search that waits for a job.
    pub(super) fn requesting_search(&self, id: &JobId) -> Option<usize> {
        self.requests.get(id)?.first().map(|point| point.search)
    }

    /// The points that wait for a job, which are not waiting any more.
    pub(super) fn take_requests(&mut self, id: &JobId) -> Vec<SearchPoint> {
        self.requests.remove(id).unwrap_or_default()
    }

    /// Notes that a job has ended.
    pub(super) fn complete(&mut self, id: &JobId) {
        // An abandoned job was subtracted when it was abandoned.
        if !self.abandoned.remove(id) {
            self.open -= 1;
        }
    }

    /// Stops waiting for all jobs that searches have requested, and returns them.
    pub(super) fn abandon_requests(&mut self) -> Vec<JobId> {
        let ids: Vec<JobId> = self.requests.drain().map(|(id, _)| id).collect();
        self.open = self.open.saturating_sub(ids.len());
        self.abandoned.extend(&ids);
        ids
    }
}
