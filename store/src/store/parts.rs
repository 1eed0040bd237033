mod brief;
mod error;
mod file;
mod index;
mod row;
#[cfg(test)]
mod tests;

pub use brief::BriefResult;
pub use error::PartError;

use super::{
    CONCURRENT_READS, Store, concurrently,
    records::{self, check_record},
};
use crate::{Key, Put, Revision, StoreError};
use file::{Part, Row};
use jobs::{JobId, JobResult};
use std::{
    collections::{BTreeMap, HashSet},
    panic::resume_unwind,
    sync::Arc,
};
use tokio::task::spawn_blocking;

/// The jobs whose results lie in parts, and the parts that cannot be read.
#[derive(Debug, Default)]
pub struct Compacted {
    /// All jobs of all parts that can be read.
    pub jobs: HashSet<JobId>,
    /// The others, by number.
    pub broken: BTreeMap<u32, StoreError>,
}

/// Many results in one object, so that a sweep of a million jobs is read in a hundred requests.
///
/// A part repeats results that have objects of their own, and never replaces them as the proof that a job is done.
/// Parts belong to a revision of a sweep: what another revision looked at is not among them, unless this one has wanted
/// it as well. Two coordinators may write parts at the same time, and the same result into more than one: readers go by
/// the job.
impl Store {
    /// Keeps `results` as the next part of `revision`, and gives its number.
    ///
    /// The index of its jobs is written after it: a part without one is whole. Results that make the same part as one
    /// that is there already, because a writer came back after a crash, are not written again if they meet it.
    ///
    /// # Errors
    /// A result names another job than its meaning makes; the sweep's name cannot be part of a key; the part cannot be
    /// written.
    pub async fn put_part(&self, revision: Revision<'_>, results: Vec<JobResult>) -> Result<u32, StoreError> {
        let mut number = self.parts(revision).await?.last().map_or(0, |last| last + 1);
        let first = part_key(revision, number)?;
        let (content, index) = off_the_runtime(move || {
            for result in &results {
                check_record(&first, result)?;
            }
            let content = file::encode(&results).map_err(|error| StoreError::of_part(&first, error))?;
            Ok::<_, StoreError>((content, index::encode(results.iter().map(|result| result.job).collect())))
        })
        .await?;
        loop {
            let key = part_key(revision, number)?;
            let put = self.backend.put_if_absent(&key, content.clone()).await?;
            if put == Put::Created || self.backend.get(&key).await?.as_ref() == Some(&content) {
                break;
            }
            number += 1;
        }
        self.backend.put(&index_key(revision, number)?, index).await?;
        Ok(number)
    }

    /// The numbers of the parts of `revision`, ascending.
    ///
    /// # Errors
    /// The sweep's name cannot be part of a key; the store cannot be listed.
    pub async fn parts(&self, revision: Revision<'_>) -> Result<Vec<u32>, StoreError> {
        let mut numbers = Vec::new();
        let mut listing = self.backend.list(Some(&parts_folder(revision)?)).await?;
        while let Some(keys) = listing.next_page().await? {
            numbers.extend(keys.iter().filter_map(number_of));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Begins to read the results in a part of `revision`; `None` if there is no such part.
    ///
    /// # Errors
    /// The part cannot be read, is no part, or is of another version.
    pub async fn part_results(&self, revision: Revision<'_>, number: u32) -> Result<Option<PartResults>, StoreError> {
        let key = part_key(revision, number)?;
        let Some(content) = self.backend.get(&key).await? else { return Ok(None) };
        let part = reading(key.clone(), move || Part::open(content)).await?;
        Ok(Some(PartResults { key, part: Arc::new(part), next: 0 }))
    }

    /// All results in a part of `revision`, without what tables do not ask for; `None` if there is no such part.
    ///
    /// Many times as fast as [`part_results`](Self::part_results), because neighbouring results share most of their
    /// content. The job of a row is not computed again: it was checked when the part was written, and the row has a
    /// digest. A result that cannot be read is an error of its own among the others, as are rows that are missing or
    /// doubled. Once polled, it runs concurrently with the caller.
    ///
    /// # Errors
    /// The part cannot be read, is no part, or is of another version.
    pub async fn part_in_brief(
        &self,
        revision: Revision<'_>,
        number: u32,
    ) -> Result<Option<Vec<Result<BriefResult, StoreError>>>, StoreError> {
        let this = self.clone();
        let key = part_key(revision, number)?;
        let read = concurrently(vec![key], CONCURRENT_READS, move |key| {
            let this = this.clone();
            async move {
                let Some(content) = this.backend.get(&key).await? else { return Ok(None) };
                reading(key.clone(), move || all_in_brief(content, &key)).await.map(Some)
            }
        });
        read.await.pop().expect("one part was asked for")
    }

    /// Those results of `jobs` that lie in the parts of `revision`, with all that they hold. Jobs that no part has
    /// are not among them; a part, or a result in it, that cannot be read is an error of its own.
    ///
    /// # Errors
    /// The sweep's name cannot be part of a key; the store cannot be listed or read.
    pub async fn results_in_parts(
        &self,
        revision: Revision<'_>,
        jobs: &HashSet<JobId>,
    ) -> Result<Vec<Result<JobResult, StoreError>>, StoreError> {
        let mut missing = jobs.clone();
        let mut results = Vec::new();
        for number in self.parts(revision).await? {
            let there = match self.jobs_of_part(revision, number).await {
                Ok(there) => there,
                Err(StoreError::Backend(error)) => return Err(error.into()),
                Err(error) => {
                    results.push(Err(error));
                    continue;
                }
            };
            let wanted: HashSet<JobId> = there.into_iter().filter(|job| missing.contains(job)).collect();
            if wanted.is_empty() {
                continue;
            }
            let key = part_key(revision, number)?;
            if let Some(content) = self.backend.get(&key).await? {
                let found = reading(key.clone(), move || Ok(picked(content, &key, &wanted))).await;
                let found = found.unwrap_or_else(|error| vec![Err(error)]);
                missing.retain(|job| !found.iter().flatten().any(|result| result.job == *job));
                results.extend(found);
            }
            if missing.is_empty() {
                break;
            }
        }
        Ok(results)
    }

    /// The jobs whose results lie in the parts of `revision`, without reading the results.
    ///
    /// # Errors
    /// The sweep's name cannot be part of a key; the store cannot be listed or read. A part that is broken is no such
    /// error: the others count.
    pub async fn compacted_jobs(&self, revision: Revision<'_>) -> Result<Compacted, StoreError> {
        let numbers = self.parts(revision).await?;
        let this = self.clone();
        let sweep = revision.sweep.to_owned();
        let number = revision.number;
        let read = concurrently(numbers.clone(), CONCURRENT_READS, move |part| {
            let this = this.clone();
            let sweep = sweep.clone();
            async move { this.jobs_of_part(Revision::of(&sweep, number), part).await }
        });
        let mut compacted = Compacted::default();
        for (number, jobs) in numbers.into_iter().zip(read.await) {
            match jobs {
                Ok(jobs) => compacted.jobs.extend(jobs),
                Err(StoreError::Backend(error)) => return Err(error.into()),
                Err(error) => drop(compacted.broken.insert(number, error)),
            }
        }
        Ok(compacted)
    }

    /// The jobs of a part, from its index, or from the part itself where that is missing or broken.
    async fn jobs_of_part(&self, revision: Revision<'_>, number: u32) -> Result<Vec<JobId>, StoreError> {
        let index = self.backend.get(&index_key(revision, number)?).await?;
        if let Some(Ok(jobs)) = index.map(|index| index::decode(&index)) {
            return Ok(jobs);
        }
        let key = part_key(revision, number)?;
        let Some(content) = self.backend.get(&key).await? else { return Ok(Vec::new()) };
        reading(key, move || Part::open(content).and_then(|part| part.jobs())).await
    }
}

/// The results of a part being read, a group of rows at a time: no more of them are ever in memory.
#[derive(Debug)]
pub struct PartResults {
    key: Key,
    part: Arc<Part>,
    next: usize,
}

impl PartResults {
    /// How many results the part has.
    pub fn count(&self) -> u64 {
        self.part.rows()
    }

    /// The next results, some hundreds; `None` at the end.
    ///
    /// A result that cannot be read is an error of its own among the others, so that callers may skip and report it.
    ///
    /// # Errors
    /// The part is damaged here; the next call continues after the damage.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Result<JobResult, StoreError>>>, StoreError> {
        if self.next == self.part.groups() {
            return Ok(None);
        }
        let part = Arc::clone(&self.part);
        let key = self.key.clone();
        let group = self.next;
        // Counted before it is read, so that a group that cannot be read does not stop the pages behind it.
        self.next += 1;
        reading(key.clone(), move || {
            let rows = part.rows_of(group)?;
            Ok(Some(rows.iter().map(|row| result_of(&key, row)).collect()))
        })
        .await
    }
}

/// All results of a part in brief; what cannot be read is an error among them.
fn all_in_brief(content: Vec<u8>, key: &Key) -> Result<Vec<Result<BriefResult, StoreError>>, PartError> {
    let part = Part::open(content)?;
    let mut results: Vec<Result<BriefResult, StoreError>> =
        part.check_rows().err().map(|error| Err(StoreError::of_part(key, error))).into_iter().collect();
    let mut reader = brief::Reader::new(&part);
    for group in 0..part.groups() {
        match reader.as_mut().map(|reader| reader.results(group)) {
            Some(Ok(rows)) => {
                results.extend(rows.into_iter().map(|row| row.map_err(|error| StoreError::of_part(key, error))))
            }
            Some(Err(error)) => results.push(Err(StoreError::of_part(key, error))),
            None => results.extend(whole_group(&part, key, group).into_iter().map(|row| row.map(BriefResult::from))),
        }
    }
    Ok(results)
}

/// The results of a group with all that they hold; a single error if the group is broken.
fn whole_group(part: &Part, key: &Key, group: usize) -> Vec<Result<JobResult, StoreError>> {
    match part.rows_of(group) {
        Ok(rows) => rows.iter().map(|row| result_of(key, row)).collect(),
        Err(error) => vec![Err(StoreError::of_part(key, error))],
    }
}

/// The results of `wanted` in a part; what cannot be read is an error among them.
fn picked(content: Vec<u8>, key: &Key, wanted: &HashSet<JobId>) -> Vec<Result<JobResult, StoreError>> {
    let part = match Part::open(content) {
        Ok(part) => part,
        Err(error) => return vec![Err(StoreError::of_part(key, error))],
    };
    let is_wanted = |row: &Row| row.job_id().is_some_and(|job| wanted.contains(&job));
    let of_group = |group| match part.rows_of(group) {
        Ok(rows) => rows.iter().filter(|row| is_wanted(row)).map(|row| result_of(key, row)).collect(),
        Err(error) => vec![Err(StoreError::of_part(key, error))],
    };
    (0..part.groups()).flat_map(of_group).collect()
}

/// The result in a row. That its meaning makes the job that it names was seen when it was written, and its digest says
/// that it is what was written: to hash the meaning again would take three times as long as all the rest.
fn result_of(key: &Key, row: &Row) -> Result<JobResult, StoreError> {
    let wrong = |source: PartError| StoreError::of_part(key, source);
    let job = || String::from_utf8_lossy(row.job.data()).escape_debug().to_string();
    if !row.is_whole() {
        return Err(wrong(PartError::Altered { job: job() }));
    }
    let result: JobResult = records::decode_versioned(key, row.result.data())?;
    if result.job.to_string().as_bytes() == row.job.data() {
        return Ok(result);
    }
    Err(wrong(PartError::OtherJob { job: result.job }))
}

/// Runs slow work off the async threads.
async fn off_the_runtime<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    spawn_blocking(work).await.unwrap_or_else(|error| resume_unwind(error.into_panic()))
}

/// Reads a part off the async threads. The library that reads parquet panics over some damaged files.
async fn reading<T: Send + 'static>(
    key: Key,
    work: impl FnOnce() -> Result<T, PartError> + Send + 'static,
) -> Result<T, StoreError> {
    let read = spawn_blocking(work).await.unwrap_or(Err(PartError::Unreadable));
    read.map_err(|error| StoreError::of_part(&key, error))
}

fn parts_folder(revision: Revision<'_>) -> Result<Key, StoreError> {
    revision.key("parts")
}

fn part_key(revision: Revision<'_>, number: u32) -> Result<Key, StoreError> {
    revision.key(&format!("parts/{number}.parquet"))
}

fn index_key(revision: Revision<'_>, number: u32) -> Result<Key, StoreError> {
    revision.key(&format!("parts/{number}.jobs"))
}

fn number_of(key: &Key) -> Option<u32> {
    key.as_str().rsplit('/').next()?.strip_suffix(".parquet")?.parse().ok()
}
