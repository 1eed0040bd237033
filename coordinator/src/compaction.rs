use jobs::{JobId, JobResult};
use std::{
    collections::{HashMap, HashSet},
    mem,
};
use store::{Revision, Store, StoreError};
use tokio::task::JoinSet;

/// The number of results in a part.
const PART: usize = 5_000;

/// The memory for results that are held until their part is written. The others are read again: a result with the
/// answers to every example may take tens of kilobytes, and most take a few.
const MOST_HELD_BYTES: usize = 32 << 20;

/// Writes the results of a sweep into compacted parts in the background, so that a reader opens one object in place of
/// thousands.
///
/// The single results stay. Only speed depends on parts: a part that cannot be written now is written by a later run.
#[derive(Debug)]
pub(crate) struct Compaction {
    store: Store,
    sweep: String,
    revision: u32,
    /// Jobs with a result that is in no part.
    waiting: Vec<JobId>,
    /// The results of some of these jobs.
    held: HashMap<JobId, JobResult>,
    /// The memory that they take, about.
    held_bytes: usize,
    writing: JoinSet<()>,
}

impl Compaction {
    pub(crate) fn new(store: Store, sweep: String, waiting: Vec<JobId>) -> Self {
        Self { store, sweep, revision: 1, waiting, held: HashMap::new(), held_bytes: 0, writing: JoinSet::new() }
    }

    /// From now on, parts belong to this revision.
    pub(crate) fn of_revision(&mut self, number: u32) {
        self.revision = number;
    }

    /// Adds the result of a job.
    pub(crate) fn add(&mut self, result: JobResult) {
        self.waiting.push(result.job);
        // One that was computed again replaces what is held, also if it is read again later.
        self.release(&result.job);
        let bytes = memory_of(&result);
        if self.held_bytes + bytes <= MOST_HELD_BYTES {
            self.held_bytes += bytes;
            self.held.insert(result.job, result);
        }
    }

    /// Removes results that turned out to be corrupt.
    pub(crate) fn forget(&mut self, jobs: &HashSet<JobId>) {
        self.waiting.retain(|job| !jobs.contains(job));
        for job in jobs {
            self.release(job);
        }
    }

    /// Takes a result out of memory, if it is there.
    fn release(&mut self, job: &JobId) -> Option<JobResult> {
        let result = self.held.remove(job)?;
        self.held_bytes -= memory_of(&result);
        Some(result)
    }

    /// Starts to write a part if there are enough results and no other part is being written.
    pub(crate) fn start_part(&mut self) {
        while self.writing.try_join_next().is_some() {}
        if self.writing.is_empty() && self.waiting.len() >= PART {
            let rest = self.waiting.split_off(PART);
            self.write(rest);
        }
    }

    /// Writes the remaining results.
    pub(crate) async fn finish(&mut self) {
        while self.writing.join_next().await.is_some() {}
        while !self.waiting.is_empty() {
            let rest = self.waiting.split_off(PART.min(self.waiting.len()));
            self.write(rest);
            while self.writing.join_next().await.is_some() {}
        }
    }

    /// Writes all waiting results, and keeps `rest` for later.
    fn write(&mut self, rest: Vec<JobId>) {
        let mut jobs = mem::replace(&mut self.waiting, rest);
        // A job that was computed again is listed twice.
        let mut seen = HashSet::new();
        jobs.retain(|job| seen.insert(*job));
        let held: Vec<JobResult> = jobs.iter().filter_map(|job| self.release(job)).collect();
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
                Err(error) => tracing::warn!(sweep, %error, "cannot write a compacted part; a later run writes it"),
            }
        });
    }
}

/// About how much memory a result takes.
fn memory_of(result: &JobResult) -> usize {
    /// Names, recipe and numbers.
    const REST: usize = 4 << 10;
    let bitmaps = result.scores.iter().flat_map(|score| score.right.iter().chain(score.within.values()));
    REST + bitmaps.map(|bitmap| bitmap.len().div_ceil(8)).sum::<usize>()
}

/// Writes a part with `results` and the stored results of `jobs`. Returns the number of results.
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
