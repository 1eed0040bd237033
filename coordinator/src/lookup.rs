use futures_util::{StreamExt, TryStreamExt, stream};
use jobs::{ArtefactResult, Blame, Job, JobId, JobKind, JobResult};
use std::{
    collections::{HashMap, HashSet},
    error::Error,
    iter::successors,
};
use store::{Store, StoreError};

/// What the store holds of a job.
#[derive(Debug)]
pub(crate) enum Found {
    /// Its result.
    Result(Box<JobResult>),
    /// The artefact that it made, with all files in their places.
    Artefact(Box<ArtefactResult>),
    /// The attempt that was its last.
    Failed(Failed),
    /// Something that is no result of the job lies where its result belongs: what is wrong, outermost first.
    Corrupt(Vec<String>),
    /// Neither.
    Nothing,
}

/// A job that is looked up: what it comes to lies in a place of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Sought {
    pub(crate) id: JobId,
    pub(crate) kind: JobKind,
}

impl Sought {
    pub(crate) fn new(id: JobId, job: &Job) -> Self {
        Self { id, kind: job.spec.kind() }
    }
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

/// What the store holds of `jobs`, in their order.
///
/// A result wins over a failure: a job may have failed in one run and succeeded in another. Failures are listed only for a job
/// without a result that `may_have_failed`.
async fn look_up_where(
    store: &Store,
    jobs: &[Sought],
    may_have_failed: impl Fn(&JobId) -> bool + Send + Sync,
) -> Result<Vec<Found>, StoreError> {
    let one = |Sought { id, kind }: Sought| {
        let may_have_failed = may_have_failed(&id);
        async move {
            let found = match kind {
                JobKind::Evaluate => result(store, &id).await?,
                JobKind::Write | JobKind::Statistics => artefact(store, &id).await?,
            };
            match found {
                Found::Nothing if may_have_failed => final_failure(store, &id).await,
                found => Ok(found),
            }
        }
    };
    stream::iter(jobs.iter().copied().map(one)).buffered(CONCURRENT).try_collect().await
}

/// What the store holds of `jobs`, in their order, whatever was known of them.
pub(crate) async fn look_up(store: &Store, jobs: &[Sought]) -> Result<Vec<Found>, StoreError> {
    look_up_where(store, jobs, |_| true).await
}

/// What the store holds of many `jobs`, in their order: failures are listed at once, and read only where there are some.
pub(crate) async fn look_up_many(store: &Store, jobs: &[Sought]) -> Result<Vec<Found>, StoreError> {
    let failed = store.jobs_with_failures().await?;
    look_up_where(store, jobs, |id| failed.contains(id)).await
}

/// The result of an evaluation.
async fn result(store: &Store, id: &JobId) -> Result<Found, StoreError> {
    found(store.result(id).await.map(|result| result.map(|result| Found::Result(Box::new(result)))))
}

/// The artefact of a job. One without its files is corrupt.
async fn artefact(store: &Store, id: &JobId) -> Result<Found, StoreError> {
    let whole = async {
        let Some(result) = store.artefact_result(id).await? else { return Ok(None) };
        store.check_artefact_files(&result).await?;
        Ok(Some(Found::Artefact(Box::new(result))))
    };
    found(whole.await)
}

/// What was read of a job. One object that cannot be used costs its job and nothing else.
fn found(read: Result<Option<Found>, StoreError>) -> Result<Found, StoreError> {
    match read {
        Ok(found) => Ok(found.unwrap_or(Found::Nothing)),
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

/// Which jobs it is worth to look up: what the store was seen to hold when the sweep was surveyed.
///
/// A job that another sweep finishes later is published all the same. No harm comes of that: a worker looks whether the result is
/// there before it computes.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    /// The jobs with a result, if all of them were listed.
    results: Option<HashSet<JobId>>,
    /// The jobs with failed attempts, if all of them were listed.
    failures: Option<HashSet<JobId>>,
    /// Jobs that were looked up and had nothing.
    absent: HashSet<JobId>,
}

/// A sweep with more jobs lists the store to its end, however much it holds.
const SMALL: u64 = 500;

/// A smaller one gives up a listing that is longer than so many keys for each of its jobs, and asks for each job by itself. A
/// thousand keys cost one request, and so does a job: such a listing costs a twentieth of what it saves at most, and the sixteen
/// requests with which a long one begins.
const KEYS_PER_JOB: u64 = 50;

/// What the first request of a listing tells.
const FIRST_PAGE: u64 = 1000;

impl Presence {
    /// What the store holds, as far as a sweep of `bound` jobs is well told by listing it.
    pub(crate) async fn of(store: &Store, bound: u64) -> Result<Self, StoreError> {
        let most = match bound {
            0..=SMALL => usize::try_from(bound.saturating_mul(KEYS_PER_JOB).max(FIRST_PAGE)).unwrap_or(usize::MAX),
            _ => usize::MAX,
        };
        let results = store.few_jobs_with_results(most).await?;
        let failures = store.few_jobs_with_failures(most).await?;
        Ok(Self { results, failures, absent: HashSet::new() })
    }

    /// Whether the store may hold something of the job. Artefacts were not listed.
    pub(crate) fn may_hold(&self, Sought { id, kind }: &Sought) -> bool {
        let is_listed = self.results.as_ref().is_none_or(|jobs| jobs.contains(id));
        let may_have_result = is_listed || *kind != JobKind::Evaluate;
        (may_have_result || self.may_have_failed(id)) && !self.absent.contains(id)
    }

    fn may_have_failed(&self, id: &JobId) -> bool {
        self.failures.as_ref().is_none_or(|jobs| jobs.contains(id))
    }

    /// What the store holds of `jobs`, in their order. Those of which it holds nothing are not asked for again.
    pub(crate) async fn look_up(&mut self, store: &Store, jobs: &[Sought]) -> Result<Vec<Found>, StoreError> {
        let asked: Vec<Sought> = jobs.iter().copied().filter(|job| self.may_hold(job)).collect();
        let answers = look_up_where(store, &asked, |id| self.may_have_failed(id)).await?;
        let mut known: HashMap<JobId, Found> = asked.iter().map(|job| job.id).zip(answers).collect();
        self.absent.extend(known.iter().filter(|(_, found)| matches!(found, Found::Nothing)).map(|(id, _)| id));
        Ok(jobs.iter().map(|job| known.remove(&job.id).unwrap_or(Found::Nothing)).collect())
    }

    /// The job is known from now on; nobody will ask again.
    pub(crate) fn forget(&mut self, id: &JobId) {
        for jobs in [&mut self.results, &mut self.failures].into_iter().flatten() {
            jobs.remove(id);
        }
    }
}
