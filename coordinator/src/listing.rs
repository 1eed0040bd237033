use crate::lookup::{Found, JobRef, look_up_where};
use jobs::{JobId, JobKind};
use std::collections::{HashMap, HashSet};
use store::{Store, StoreError};

/// The jobs of which the store holds something, as a listing at the time of the survey showed it.
///
/// A job that another sweep finishes later is published all the same. That does no harm: a worker checks whether the
/// result exists before it computes.
#[derive(Debug, Default)]
pub(crate) struct StoreListing {
    /// The jobs with a result, if all of them were listed.
    results: Option<HashSet<JobId>>,
    /// The jobs with failed attempts, if all of them were listed.
    failures: Option<HashSet<JobId>>,
    /// Jobs that were looked up and had nothing.
    absent: HashSet<JobId>,
}

/// A sweep with more jobs always lists the whole store.
const SMALL: u64 = 500;

/// A small sweep stops a listing that has more keys than this per job, and looks each job up instead.
///
/// A thousand keys cost one request, and so does a job. A stopped listing therefore costs at most a twentieth of what
/// it would save, and the sixteen requests with which a long one begins.
const KEYS_PER_JOB: u64 = 50;

/// The keys that the first request of a listing returns.
const FIRST_PAGE: u64 = 1000;

impl StoreListing {
    /// Lists the store, unless that costs a sweep of `bound` jobs more than it saves.
    pub(crate) async fn of(store: &Store, bound: u64) -> Result<Self, StoreError> {
        let most = match bound {
            0..=SMALL => usize::try_from(bound.saturating_mul(KEYS_PER_JOB).max(FIRST_PAGE)).unwrap_or(usize::MAX),
            _ => usize::MAX,
        };
        let results = store.few_jobs_with_results(most).await?;
        let failures = store.few_jobs_with_failures(most).await?;
        Ok(Self { results, failures, absent: HashSet::new() })
    }

    /// Whether the store may hold something of the job. Artefacts are not listed.
    pub(crate) fn may_hold(&self, JobRef { id, kind }: &JobRef) -> bool {
        let is_listed = self.results.as_ref().is_none_or(|jobs| jobs.contains(id));
        let may_have_result = is_listed || *kind != JobKind::Evaluate;
        (may_have_result || self.may_have_failed(id)) && !self.absent.contains(id)
    }

    fn may_have_failed(&self, id: &JobId) -> bool {
        self.failures.as_ref().is_none_or(|jobs| jobs.contains(id))
    }

    /// What the store holds of `jobs`, in their order. A job of which it holds nothing is not looked up again.
    pub(crate) async fn look_up(&mut self, store: &Store, jobs: &[JobRef]) -> Result<Vec<Found>, StoreError> {
        let listed: Vec<JobRef> = jobs.iter().copied().filter(|job| self.may_hold(job)).collect();
        let found = look_up_where(store, &listed, |id| self.may_have_failed(id)).await?;
        let mut known: HashMap<JobId, Found> = listed.iter().map(|job| job.id).zip(found).collect();
        self.absent.extend(known.iter().filter(|(_, found)| matches!(found, Found::Nothing)).map(|(id, _)| id));
        Ok(jobs.iter().map(|job| known.remove(&job.id).unwrap_or(Found::Nothing)).collect())
    }

    /// Notes that the store may hold something of a job by now.
    pub(crate) fn add(&mut self, id: &JobId) {
        self.absent.remove(id);
        for jobs in [&mut self.results, &mut self.failures].into_iter().flatten() {
            jobs.insert(*id);
        }
    }

    /// Frees the memory of a job that will not be looked up again.
    pub(crate) fn forget(&mut self, id: &JobId) {
        for jobs in [&mut self.results, &mut self.failures].into_iter().flatten() {
            jobs.remove(id);
        }
    }
}
