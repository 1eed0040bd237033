//! What the store holds of a job. A new kind of job needs an arm in [`look_up_where`].

use futures_util::{StreamExt, TryStreamExt, stream};
use jobs::{ArtefactResult, Blame, Job, JobId, JobKind, JobResult};
use store::{Store, StoreError};

/// What the store holds of a job.
#[derive(Debug)]
pub(crate) enum Found {
    /// A result.
    Result(Box<JobResult>),
    /// An artefact, of which all files are stored.
    Artefact(Box<ArtefactResult>),
    /// A permanent failure.
    Failed(FinalFailure),
    /// A corrupt object in the place of a result: what is wrong with it, outermost first.
    Corrupt(Vec<String>),
    /// None of these.
    Nothing,
}

impl Found {
    pub(crate) fn corrupt(error: &StoreError) -> Self {
        Self::Corrupt(chain(error, CORRUPT))
    }
}

/// The reference by which the store is asked for a job. The kind decides which keys are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct JobRef {
    pub(crate) id: JobId,
    pub(crate) kind: JobKind,
}

impl JobRef {
    pub(crate) fn new(id: JobId, job: &Job) -> Self {
        Self { id, kind: job.spec().kind() }
    }

    /// Whether the job comes to a result; all others come to artefacts.
    fn is_evaluation(&self) -> bool {
        match self.kind {
            JobKind::Evaluate => true,
            JobKind::Write | JobKind::Statistics | JobKind::Tune | JobKind::Train => false,
        }
    }
}

/// A permanent failure of a job.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FinalFailure {
    /// The error and its causes, outermost first.
    pub(crate) errors: Vec<String>,
    /// Whether the job or the machine is to blame. Older programs did not record it.
    pub(crate) blame: Option<Blame>,
}

/// Which failures of earlier runs are tried again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Retry {
    /// None: all of them count as failed.
    Nothing,
    /// Those of a machine or a service, because another one may have come, or the same one may be repaired.
    #[default]
    Machines,
    /// All.
    Everything,
}

impl Retry {
    pub(crate) fn covers(self, failed: &FinalFailure) -> bool {
        match self {
            Self::Nothing => false,
            Self::Machines => failed.blame == Some(Blame::Machine),
            Self::Everything => true,
        }
    }
}

/// The number of jobs that are looked up at the same time.
const CONCURRENT: usize = 32;

/// What the store holds of `jobs`, in their order.
pub(crate) async fn look_up(store: &Store, jobs: &[JobRef]) -> Result<Vec<Found>, StoreError> {
    look_up_where(store, jobs, |_| true).await
}

/// What the store holds of many `jobs`, in their order. Lists all failures once, and reads only those that exist.
pub(crate) async fn look_up_many(store: &Store, jobs: &[JobRef]) -> Result<Vec<Found>, StoreError> {
    let failed = store.jobs_with_failures().await?;
    look_up_where(store, jobs, |id| failed.contains(id)).await
}

/// What the store holds of `jobs`, in their order.
///
/// A result wins over a failure: a job may have failed in one run and succeeded in another. Failures are read only for
/// a job without a result that `may_have_failed`.
pub(crate) async fn look_up_where(
    store: &Store,
    jobs: &[JobRef],
    may_have_failed: impl Fn(&JobId) -> bool + Send + Sync,
) -> Result<Vec<Found>, StoreError> {
    let evaluations: Vec<JobId> = jobs.iter().filter(|job| job.is_evaluation()).map(|job| job.id).collect();
    // Many results are read by one call. Artefacts are few.
    let mut results = store.results_of(&evaluations).await.into_iter();
    let of_job = |job: &JobRef| Reading { id: job.id, result: if job.is_evaluation() { results.next() } else { None } };
    let readings: Vec<Reading> = jobs.iter().map(of_job).collect();
    let one = |Reading { id, result }: Reading| {
        let may_have_failed = may_have_failed(&id);
        async move {
            let found = match result {
                Some(result) => found(result.map(|result| result.map(|result| Found::Result(Box::new(result)))))?,
                None => artefact(store, &id).await?,
            };
            match found {
                Found::Nothing if may_have_failed => final_failure(store, &id).await,
                found => Ok(found),
            }
        }
    };
    stream::iter(readings.into_iter().map(one)).buffered(CONCURRENT).try_collect().await
}

/// A job, and what was read under the key of its result if it is an evaluation.
struct Reading {
    id: JobId,
    result: Option<Result<Option<JobResult>, StoreError>>,
}

/// The artefact of a job. An artefact without its files is corrupt.
async fn artefact(store: &Store, id: &JobId) -> Result<Found, StoreError> {
    let whole = async {
        let Some(result) = store.artefact_result(id).await? else { return Ok(None) };
        store.check_artefact_files(&result).await?;
        Ok(Some(Found::Artefact(Box::new(result))))
    };
    found(whole.await)
}

/// Turns an error of one object into a finding, so that the object costs its job and not the run.
fn found(read: Result<Option<Found>, StoreError>) -> Result<Found, StoreError> {
    match read {
        Ok(found) => Ok(found.unwrap_or(Found::Nothing)),
        Err(error) if error.is_of_one_object() => Ok(Found::corrupt(&error)),
        // Trying again cannot help, and the version says nothing about the recipe.
        Err(error @ StoreError::Version { .. }) => {
            Ok(Found::Failed(FinalFailure { errors: chain(&error, OTHER_VERSION), blame: None }))
        }
        Err(error) => Err(error),
    }
}

const CORRUPT: &str = "the stored result of the job is corrupt; `bowline run --repair` computes it again";
const OTHER_VERSION: &str =
    "the stored result has another version; use the program of that version, or remove the object to compute it again";

/// `first`, then an error and its causes.
fn chain(error: &StoreError, first: &str) -> Vec<String> {
    [first.to_owned()].into_iter().chain(jobs::error_messages(error)).collect()
}

/// The failure that ended the job, if one did.
async fn final_failure(store: &Store, id: &JobId) -> Result<Found, StoreError> {
    for failure in store.failures(id).await? {
        match failure {
            Ok(failure) if failure.is_final => {
                return Ok(Found::Failed(FinalFailure { errors: failure.errors, blame: failure.blame }));
            }
            Ok(_) => {}
            Err(error @ StoreError::Backend(_)) => return Err(error),
            // At worst the job is computed once more.
            Err(error) => tracing::warn!(%error, "skipped the record of a failed attempt"),
        }
    }
    Ok(Found::Nothing)
}
