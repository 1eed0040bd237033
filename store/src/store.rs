mod artefacts;
mod check;
mod checkpoints;
mod documents;
mod machines;
mod parts;
mod pools;
mod records;
mod repair;
mod revisions;
mod similarities;
#[cfg(test)]
mod tests;
mod workers;

pub use check::CheckReport;
pub use parts::{BriefResult, Compacted, PartError, PartResults};
pub use records::Records;
pub use revisions::Revision;

use crate::{
    Backend, BackendError, FolderBackend, Key, Location, Put, S3Backend, S3Settings, StoreError, retry::RetryBackend,
};
use jobs::{ArtefactResult, FailureRecord, JobId, JobResult};
use records::{Record, failures_folder, result_key};
use std::{collections::HashSet, path::PathBuf, sync::Arc, time::Duration};
use tokio::task::JoinSet;

/// How many objects are read at the same time.
const CONCURRENT_READS: usize = 32;
/// How many records one call reads.
const BATCH: usize = 8;

/// The results, failures and documents of sweeps. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    backend: Arc<dyn Backend>,
}

impl Store {
    /// The store that `backend` keeps.
    pub fn new(backend: impl Backend) -> Self {
        Self { backend: Arc::new(backend) }
    }

    /// The store at `location`, to read and write; makes the folder where it is missing, though no bucket.
    ///
    /// An unreachable S3 server is retried for seconds only, because a person may wait for the response;
    /// [`with_retries`](Self::with_retries) applies to later calls.
    ///
    /// # Errors
    /// The folder cannot be made or written to; the bucket cannot be reached or listed.
    pub async fn open(location: &Location, settings: &S3Settings) -> Result<Self, StoreError> {
        match location {
            Location::Folder(path) => Self::folder(path),
            Location::S3(place) => Ok(Self::new(S3Backend::open(place.clone(), settings).await?)),
        }
    }

    /// The store at `location`, which must exist. Opening it changes nothing.
    ///
    /// # Errors
    /// There is no such folder; the bucket cannot be reached or listed.
    pub async fn existing(location: &Location, settings: &S3Settings) -> Result<Self, StoreError> {
        match location {
            Location::Folder(path) => Self::existing_folder(path),
            Location::S3(_) => Self::open(location, settings).await,
        }
    }

    /// The store in the folder at `path`, to read and write; makes the folder where it is missing.
    ///
    /// # Errors
    /// The folder cannot be made or written to.
    pub fn folder(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Ok(Self::new(FolderBackend::create(path)?))
    }

    /// The store in the folder at `path`, which must exist. Opening it changes nothing.
    ///
    /// # Errors
    /// There is no such folder.
    pub fn existing_folder(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Ok(Self::new(FolderBackend::open(path)?))
    }

    /// The same store with retries: a call fails only after the store was unreachable for `outage`.
    #[must_use]
    pub fn with_retries(self, outage: Duration) -> Self {
        Self { backend: Arc::new(RetryBackend::new(self.backend, outage)) }
    }

    /// Where the store lies, for people.
    pub fn place(&self) -> String {
        self.backend.place()
    }

    /// The result of `job`; `None` if it is not done.
    ///
    /// # Errors
    /// The result cannot be read, is corrupt, of another version or of another job.
    pub async fn result(&self, job: &JobId) -> Result<Option<JobResult>, StoreError> {
        self.record(result_key(job)?).await
    }

    /// Stores the result of a job, unless there is one: the first one stays.
    ///
    /// The scores of the two are then compared, and a difference is logged as a warning. Two workers that compute the
    /// same job get the same numbers unless their programs or devices differ.
    ///
    /// # Errors
    /// The result names another job than its meaning makes, or cannot be written; the one that is there is corrupt.
    pub async fn put_result(&self, result: &JobResult) -> Result<Put, StoreError> {
        let key = result_key(&result.job)?;
        let content = records::encode_record(&key, result)?;
        let put = self.backend.put_if_absent(&key, content).await?;
        if put == Put::Exists {
            self.compare_with_first(result).await?;
        }
        Ok(put)
    }

    async fn compare_with_first(&self, second: &JobResult) -> Result<(), StoreError> {
        let first = match self.result(&second.job).await {
            // The result is stored, even if it cannot be compared now.
            Err(error) if error.is_retryable() => None,
            first => first?,
        };
        if let Some(first) = first
            && first.scores != second.scores
        {
            tracing::warn!(
                job = %second.job, kept = %first.run.worker, dropped = %second.run.worker,
                kept_device = %first.run.device, dropped_device = %second.run.device,
                "two workers came to different scores for one job",
            );
        }
        Ok(())
    }

    /// Begins to read all results, page by page.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub async fn results(&self) -> Result<Records<JobResult>, StoreError> {
        Records::list(self, Key::new(JobResult::FOLDER)?).await
    }

    /// The results of `jobs`, in their order; `None` for those not done. Reads many at a time.
    ///
    /// A result that cannot be read is an error of its own, so that callers may skip and report it.
    pub async fn results_of(&self, jobs: &[JobId]) -> Vec<Result<Option<JobResult>, StoreError>> {
        let mut outcomes = Vec::with_capacity(jobs.len());
        let mut keys = Vec::with_capacity(jobs.len());
        for job in jobs {
            outcomes.push(result_key(job).map(|key| keys.push(key)).map_err(StoreError::from));
        }
        let mut records = self.records_at(keys).await.into_iter();
        let taken = outcomes.into_iter().map(|outcome| outcome.and_then(|()| records.next().unwrap_or(Ok(None))));
        taken.collect()
    }

    /// Deletes the result of `job`; an absent result is no error. Compacted parts may still have it.
    ///
    /// # Errors
    /// The result cannot be deleted.
    pub async fn remove_result(&self, job: &JobId) -> Result<(), StoreError> {
        Ok(self.backend.delete(&result_key(job)?).await?)
    }

    /// Stores why an attempt failed. Replaces the record of the same attempt if the job was redelivered.
    ///
    /// # Errors
    /// The record names another job than its meaning makes, or cannot be written.
    pub async fn put_failure(&self, failure: &FailureRecord) -> Result<(), StoreError> {
        let key = failure.key()?;
        let content = records::encode_record(&key, failure)?;
        Ok(self.backend.put(&key, content).await?)
    }

    /// The failed attempts at `job`, in their order.
    ///
    /// # Errors
    /// The store cannot be listed. A record that cannot be read is an error of its own, after the others.
    pub async fn failures(&self, job: &JobId) -> Result<Vec<Result<FailureRecord, StoreError>>, StoreError> {
        let mut failures = Records::<FailureRecord>::list(self, failures_folder(job)?).await?.collect().await?;
        failures.sort_by_key(|failure| failure.as_ref().map_or(u32::MAX, |failure| failure.attempt));
        Ok(failures)
    }

    /// Begins to read the failed attempts at all jobs, page by page.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub async fn all_failures(&self) -> Result<Records<FailureRecord>, StoreError> {
        Records::list(self, Key::new(FailureRecord::FOLDER)?).await
    }

    /// The jobs that have a result, without reading any.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub async fn jobs_with_results(&self) -> Result<HashSet<JobId>, StoreError> {
        self.jobs_in(Key::new(JobResult::FOLDER)?, records::job_of_result).await
    }

    /// The jobs that have failed attempts, for good or not, without reading any.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub async fn jobs_with_failures(&self) -> Result<HashSet<JobId>, StoreError> {
        self.jobs_in(Key::new(FailureRecord::FOLDER)?, records::job_of_failure).await
    }

    /// The jobs that have made an artefact, without reading any.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub async fn jobs_with_artefacts(&self) -> Result<HashSet<JobId>, StoreError> {
        self.jobs_in(Key::new(ArtefactResult::FOLDER)?, records::job_of_artefact).await
    }

    /// As [`jobs_with_results`](Self::jobs_with_results), if they are no more than `most`; `None` if they are. The
    /// listing ends there: a store of a million results is not read for a sweep of ten.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub async fn few_jobs_with_results(&self, most: usize) -> Result<Option<HashSet<JobId>>, StoreError> {
        self.few_jobs_in(Key::new(JobResult::FOLDER)?, records::job_of_result, most).await
    }

    /// As [`jobs_with_failures`](Self::jobs_with_failures), if the failed attempts are no more than `most`; `None` if
    /// they are.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub async fn few_jobs_with_failures(&self, most: usize) -> Result<Option<HashSet<JobId>>, StoreError> {
        self.few_jobs_in(Key::new(FailureRecord::FOLDER)?, records::job_of_failure, most).await
    }

    async fn jobs_in(&self, folder: Key, job_of: fn(&Key) -> Option<JobId>) -> Result<HashSet<JobId>, StoreError> {
        Ok(self.few_jobs_in(folder, job_of, usize::MAX).await?.unwrap_or_default())
    }

    /// The jobs of the records in `folder`, unless it holds more than `most` keys.
    async fn few_jobs_in(
        &self,
        folder: Key,
        job_of: fn(&Key) -> Option<JobId>,
        most: usize,
    ) -> Result<Option<HashSet<JobId>>, StoreError> {
        let mut listing = self.backend.list(Some(&folder)).await?;
        let mut jobs = HashSet::new();
        let mut listed = 0;
        // Only a complete listing shows which jobs are absent.
        while let Some(keys) = listing.next_page().await? {
            listed += keys.len();
            if listed > most {
                return Ok(None);
            }
            // Files that are not records are ignored.
            jobs.extend(keys.iter().filter_map(job_of));
        }
        Ok(Some(jobs))
    }

    /// Deletes the records of failed attempts at `job`, and returns how many there were.
    ///
    /// # Errors
    /// The store cannot be listed, or a record cannot be deleted.
    pub async fn clear_failures(&self, job: &JobId) -> Result<usize, StoreError> {
        let mut listing = self.backend.list(Some(&failures_folder(job)?)).await?;
        let mut cleared = 0;
        while let Some(keys) = listing.next_page().await? {
            for key in keys {
                self.backend.delete(&key).await?;
                cleared += 1;
            }
        }
        Ok(cleared)
    }

    /// The records under `keys`, in their order; `None` for those that are not there.
    async fn records_at<T: Record>(&self, keys: Vec<Key>) -> Vec<Result<Option<T>, StoreError>> {
        let backend = Arc::clone(&self.backend);
        let batches = keys.chunks(BATCH).map(<[Key]>::to_vec).collect();
        let records = concurrently(batches, CONCURRENT_READS / BATCH, move |keys| {
            let backend = Arc::clone(&backend);
            async move {
                let contents = backend.get_many(&keys).await;
                keys.iter().zip(contents).map(|(key, content)| decode_found(key, content)).collect::<Vec<_>>()
            }
        });
        records.await.into_iter().flatten().collect()
    }

    async fn record<T: Record>(&self, key: Key) -> Result<Option<T>, StoreError> {
        decode_found(&key, self.backend.get(&key).await)
    }
}

fn decode_found<T: Record>(key: &Key, content: Result<Option<Vec<u8>>, BackendError>) -> Result<Option<T>, StoreError> {
    content?.map(|content| records::decode_record(key, &content)).transpose()
}

/// Runs `work` on all items, `most` at a time, and returns the outcomes in the items' order.
async fn concurrently<I, T, F>(items: Vec<I>, most: usize, work: impl Fn(I) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut outcomes: Vec<Option<T>> = items.iter().map(|_| None).collect();
    let mut running = JoinSet::new();
    let mut items = items.into_iter().enumerate();
    loop {
        while running.len() < most
            && let Some((index, item)) = items.next()
        {
            let work = work(item);
            running.spawn(async move { (index, work.await) });
        }
        match running.join_next().await {
            None => return outcomes.into_iter().flatten().collect(),
            Some(Ok((index, outcome))) => outcomes[index] = Some(outcome),
            Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}
