use futures_util::{StreamExt, TryStreamExt, stream};
use jobs::{Blame, JobId, JobResult};
use std::{collections::HashSet, error::Error, iter::successors};
use store::{Store, StoreError};

/// What the store holds of a job.
#[derive(Debug)]
pub(crate) enum Found {
    /// Its result.
    Result(Box<JobResult>),
    /// The attempt that was its last.
    Failed(Failed),
    /// Something that is no result of the job lies where its result belongs: what is wrong, outermost first.
    Corrupt(Vec<String>),
    /// Neither.
    Nothing,
}

/// How a job failed for good.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failed {
    /// The error and its causes, outermost first.
    pub(crate) errors: Vec<String>,
    /// Where the failure lies; an older program did not tell.
    pub(crate) blame: Option<Blame>,
}

/// Which failures of earlier runs are tried again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Retry {
    /// None: they are counted as they are.
    Nothing,
    /// Those that lie with a machine or a service: another may have come since, or the same one may be mended.
    #[default]
    Machines,
    /// All.
    Everything,
}

impl Retry {
    pub(crate) fn covers(self, failed: &Failed) -> bool {
        match self {
            Self::Nothing => false,
            Self::Machines => failed.blame == Some(Blame::Machine),
            Self::Everything => true,
        }
    }
}

/// Jobs that are looked up at the same time.
const CONCURRENT: usize = 32;

/// What the store holds of `ids`, in their order.
///
/// A result wins over a failure: a job may have failed in one run and succeeded in another.
pub(crate) async fn look_up(store: &Store, ids: &[JobId]) -> Result<Vec<Found>, StoreError> {
    let one = |id: JobId| async move {
        match result(store, &id).await? {
            Found::Nothing => final_failure(store, &id).await,
            found => Ok(found),
        }
    };
    stream::iter(ids.iter().copied().map(one)).buffered(CONCURRENT).try_collect().await
}

/// What the store holds of many `ids`, in their order: failures are listed at once, and read only where there are some.
pub(crate) async fn look_up_many(store: &Store, ids: &[JobId]) -> Result<Vec<Found>, StoreError> {
    let failed = store.jobs_with_failures().await?;
    let one = |id: JobId| {
        let has_failed = failed.contains(&id);
        async move {
            match result(store, &id).await? {
                Found::Nothing if has_failed => final_failure(store, &id).await,
                found => Ok(found),
            }
        }
    };
    stream::iter(ids.iter().copied().map(one)).buffered(CONCURRENT).try_collect().await
}

/// The result of a job. One object that cannot be used costs its job and nothing else.
async fn result(store: &Store, id: &JobId) -> Result<Found, StoreError> {
    match store.result(id).await {
        Ok(Some(result)) => Ok(Found::Result(Box::new(result))),
        Ok(None) => Ok(Found::Nothing),
        Err(error) if error.is_of_one_object() => Ok(Found::corrupt(&error)),
        // It fails again wherever it is tried again, and says nothing of the recipe.
        Err(error @ StoreError::Version { .. }) => {
            Ok(Found::Failed(Failed { errors: chain(&error, OTHER_VERSION), blame: None }))
        }
        Err(error) => Err(error),
    }
}

const CORRUPT: &str = "the stored result of the job is corrupt; `bowline run --repair` computes it again";
const OTHER_VERSION: &str =
    "the stored result is one of another version; use that program, or remove the object to have it made anew";

impl Found {
    pub(crate) fn corrupt(error: &StoreError) -> Self {
        Self::Corrupt(chain(error, CORRUPT))
    }
}

/// `first`, then an error and its causes.
fn chain(error: &StoreError, first: &str) -> Vec<String> {
    let error: &(dyn Error + 'static) = error;
    let causes = successors(Some(error), |error: &&(dyn Error + 'static)| (*error).source()).map(ToString::to_string);
    [first.to_owned()].into_iter().chain(causes).collect()
}

async fn final_failure(store: &Store, id: &JobId) -> Result<Found, StoreError> {
    for failure in store.failures(id).await? {
        match failure {
            Ok(failure) if failure.is_final => {
                return Ok(Found::Failed(Failed { errors: failure.errors, blame: failure.blame }));
            }
            Ok(_) => {}
            Err(error @ StoreError::Backend(_)) => return Err(error),
            // At worst the job is tried once more.
            Err(error) => tracing::warn!(%error, "skipped the record of a failed attempt"),
        }
    }
    Ok(Found::Nothing)
}

/// Which jobs it is worth to look up.
#[derive(Debug)]
pub(crate) enum Presence {
    /// All of them: the sweep is small.
    Unknown,
    /// Those that the store held something of when it was listed.
    Listed(HashSet<JobId>),
}

/// A sweep with more jobs is told by listing the store: a thousand keys cost one request there, a job costs two.
const SMALL: u64 = 500;

impl Presence {
    /// What the store holds, if a sweep of `bound` jobs is better told by listing it.
    pub(crate) async fn of(store: &Store, bound: u64) -> Result<Self, StoreError> {
        if bound <= SMALL {
            return Ok(Self::Unknown);
        }
        let mut jobs = store.jobs_with_results().await?;
        jobs.extend(store.jobs_with_failures().await?);
        Ok(Self::Listed(jobs))
    }

    /// Whether the store may hold something of the job.
    pub(crate) fn may_hold(&self, id: &JobId) -> bool {
        match self {
            Self::Unknown => true,
            Self::Listed(jobs) => jobs.contains(id),
        }
    }

    /// The job is known from now on; nobody will ask again.
    pub(crate) fn forget(&mut self, id: &JobId) {
        if let Self::Listed(jobs) = self {
            jobs.remove(id);
        }
    }
}
