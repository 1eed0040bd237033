use jobs::{JobId, JobResult};
use std::{
    collections::{HashMap, HashSet},
    mem,
};
use store::{Revision, Store, StoreError};
use tokio::task::JoinSet;

/// Results in a part.
const PART: usize = 5_000;

/// Results that are held until their part is written. Those of a larger sweep are read again: with the answers to every example
/// they take tens of kilobytes each.
const MOST_HELD: usize = 1_000;

/// Writes the results of a sweep into parts, in the background: one object to read in place of thousands.
///
/// Results stay where they are, and nothing but speed depends on parts: what cannot be compacted now is compacted by a
/// later run. Of the results that wait, the first are held in memory, since each was read just now; of the others only their ids.
#[derive(Debug)]
pub(crate) struct Compaction {
    store: Store,
    sweep: String,
    revision: u32,
    /// Jobs with a result that is in no part.
    waiting: Vec<JobId>,
    /// The results of some of these jobs.
    held: HashMap<JobId, JobResult>,
    writing: JoinSet<()>,
}

impl Compaction {
    pub(crate) fn new(store: Store, sweep: String, waiting: Vec<JobId>) -> Self {
        Self { store, sweep, revision: 1, waiting, held: HashMap::new(), writing: JoinSet::new() }
    }

    /// Parts are of this revision from now on.
    pub(crate) fn of_revision(&mut self, number: u32) {
        self.revision = number;
    }

    /// The job has this result.
    pub(crate) fn add(&mut self, result: JobResult) {
        self.waiting.push(result.job);
        if self.held.len() < MOST_HELD || self.held.contains_key(&result.job) {
            self.held.insert(result.job, result);
        }
    }

    /// The job's result is corrupt after all.
    pub(crate) fn forget(&mut self, jobs: &HashSet<JobId>) {
        self.waiting.retain(|job| !jobs.contains(job));
        self.held.retain(|job, _| !jobs.contains(job));
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
        let held: Vec<JobResult> = jobs.iter().filter_map(|job| self.held.remove(job)).collect();
        let read: Vec<JobId> = {
            let held: HashSet<JobId> = held.iter().map(|result| result.job).collect();
            jobs.into_iter().filter(|job| !held.contains(job)).collect()
        };
        let store = self.store.clone();
        let sweep = self.sweep.clone();
        let revision = self.revision;
        self.writing.spawn(async move {
            match write_part(&store, Revision::of(&sweep, revision), held, &read).await {
                Ok(results) => tracing::debug!(sweep, results, "wrote a part"),
                Err(error) => tracing::warn!(sweep, %error, "cannot write a part; a later run will"),
            }
        });
    }
}

/// Writes a part of `results` and of those of `jobs`, and says how many it holds.
async fn write_part(
    store: &Store,
    revision: Revision<'_>,
    mut results: Vec<JobResult>,
    jobs: &[JobId],
) -> Result<usize, StoreError> {
    for result in store.results_of(jobs).await {
        match result {
            Ok(result) => results.extend(result),
            Err(error) if error.is_of_one_object() => {
                tracing::warn!(sweep = revision.sweep, %error, "left a corrupt result out of a part");
            }
            Err(error) => return Err(error),
        }
    }
    let count = results.len();
    store.put_part(revision, results).await?;
    Ok(count)
}
