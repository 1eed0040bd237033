use jobs::JobId;
use std::collections::HashSet;

/// The jobs of a sweep of which the store holds something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredJobs {
    /// The jobs with a result or a permanent failure.
    pub ended: HashSet<JobId>,
    /// The jobs with an artefact that merges of the sweep are made from. The winner is none of them.
    pub artefacts: HashSet<JobId>,
    /// The slices of its races with a result or a permanent failure. They count as no jobs of their own.
    pub slices: HashSet<JobId>,
    /// The legs of its trainings that rested and did not go on: the store holds their states, and perhaps nothing else of them.
    pub rested: HashSet<JobId>,
}

impl StoredJobs {
    /// The number of jobs, without slices.
    pub fn count(&self) -> usize {
        self.ended.len() + self.artefacts.len()
    }

    /// Adds the jobs of `other`.
    pub fn extend(&mut self, other: Self) {
        self.ended.extend(other.ended);
        self.artefacts.extend(other.artefacts);
        self.slices.extend(other.slices);
        self.rested.extend(other.rested);
    }

    /// Removes the jobs of `other`.
    pub fn remove_all(&mut self, other: &Self) {
        self.ended.retain(|job| !other.ended.contains(job));
        self.artefacts.retain(|job| !other.artefacts.contains(job));
        self.slices.retain(|job| !other.slices.contains(job));
        self.rested.retain(|job| !other.rested.contains(job));
    }
}
