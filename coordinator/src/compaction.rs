use jobs::{JobId, JobResult};
use std::{collections::HashSet, mem};
use store::{Revision, Store, StoreError};
use tokio::task::JoinSet;

/// Results in a part.
const PART: usize = 5_000;

/// Writes the results of a sweep into parts, in the background: one object to read in place of thousands.
///
/// Results stay where they are, and nothing but speed depends on parts: what cannot be compacted now is compacted by a
/// later run. The results themselves are not kept in memory, only their ids.
#[derive(Debug)]
pub(crate) struct Compaction {
    store: Store,
    sweep: String,
    revision: u32,
    /// Jobs with a result that is in no part.
    waiting: Vec<JobId>,
    writing: JoinSet<()>,
}

impl Compaction {
    pub(crate) fn new(store: Store, sweep: String, waiting: Vec<JobId>) -> Self {
        Self { store, sweep, revision: 1, waiting, writing: JoinSet::new() }
    }

    /// Parts are of this revision from now on.
    pub(crate) fn of_revision(&mut self, number: u32) {
        self.revision = number;
    }

    /// The job has a result.
    pub(crate) fn add(&mut self, job: JobId) {
        self.waiting.push(job);
    }

    /// The job's result is corrupt after all.
    pub(crate) fn forget(&mut self, jobs: &HashSet<JobId>) {
        self.waiting.retain(|job| !jobs.contains(job));
    }

    /// Begins to write a part once there is enough for one, unless one is being written.
    pub(crate) fn go_on(&mut self) {
        while self.writing.try_join_next().is_some() {}
        if self.writing.is_empty() && self.waiting.len() >= PART {
            let rest = self.waiting.split_off(PART);
            self.write(rest);
        }
    }

    /// Writes what is left.
    pub(crate) async fn finish(&mut self) {
        while self.writing.join_next().await.is_some() {}
        while !self.waiting.is_empty() {
            let rest = self.waiting.split_off(PART.min(self.waiting.len()));
            self.write(rest);
            while self.writing.join_next().await.is_some() {}
        }
    }

    /// Writes what waits, and keeps `rest` for later.
    fn write(&mut self, rest: Vec<JobId>) {
        let mut jobs = mem::replace(&mut self.waiting, rest);
        // One that was computed again waits twice.
        let mut seen = HashSet::new();
        jobs.retain(|job| seen.insert(*job));
        let store = self.store.clone();
        let sweep = self.sweep.clone();
        let revision = self.revision;
        self.writing.spawn(async move {
            match write_part(&store, Revision::of(&sweep, revision), &jobs).await {
                Ok(()) => tracing::debug!(sweep, results = jobs.len(), "wrote a part"),
                Err(error) => tracing::warn!(sweep, %error, "cannot write a part; a later run will"),
            }
        });
    }
}

async fn write_part(store: &Store, revision: Revision<'_>, jobs: &[JobId]) -> Result<(), StoreError> {
    let mut results: Vec<JobResult> = Vec::with_capacity(jobs.len());
    for result in store.results_of(jobs).await {
        match result {
            Ok(result) => results.extend(result),
            Err(error) if error.is_of_one_object() => {
                tracing::warn!(sweep = revision.sweep, %error, "left a corrupt result out of a part");
            }
            Err(error) => return Err(error),
        }
    }
    store.put_part(revision, results).await.map(drop)
}
