//! The failures of a sweep.

use crate::failure::Failure;
use analysis::Failures;
use coordinator::{CoordinatorError, FreezeError, Frozen, Retry};
use jobs::{FailureRecord, JobId, Manifest, Outcome};
use std::collections::HashSet;
use store::{Revision, Store};

/// The last record of every job of a sweep that failed permanently and has no result: attempts of this sweep, and
/// earlier failures in other sweeps. A failure of an earlier revision counts if this revision needs the job as well. A slice of a race
/// counts as none, and neither does a point that was computed ahead of a search which did not come to it.
pub(crate) async fn of_sweep<'a>(
    store: &Store,
    frozen: &Frozen,
    failures: &'a Failures,
) -> Result<Vec<&'a FailureRecord>, Failure> {
    let wanted: Option<HashSet<JobId>> = match coordinator::survey(frozen, store, Retry::Nothing).await {
        Ok(resume) => Some(resume.failed_jobs().iter().copied().collect()),
        Err(CoordinatorError::Store(error)) => return Err(error.into()),
        // People look into a sweep that cannot continue because of its failures.
        Err(_) => None,
    };
    let name = frozen.sweep().name.as_str();
    let is_first = frozen.revision() == 1;
    let is_own =
        |record: &FailureRecord| record.sweep.as_deref() == Some(name) && frozen.has_inputs_of_job(&record.spec);
    let is_of = |record: &&FailureRecord| match &wanted {
        Some(wanted) => wanted.contains(&record.job) || (is_first && is_own(record)),
        None => is_own(record),
    };
    let is_wanted = |record: &FailureRecord| wanted.as_ref().is_some_and(|wanted| wanted.contains(&record.job));
    let mut of_sweep: Vec<&FailureRecord> =
        failures.records.iter().filter(is_of).filter(|record| !Failures::is_of_slice(record)).collect();
    // Most sweeps have no others, and need not be read again.
    if !of_sweep.iter().all(|record| is_wanted(record)) {
        let ahead = match coordinator::points_ahead(frozen, store).await {
            Ok(ahead) => ahead,
            Err(CoordinatorError::Store(error)) => return Err(error.into()),
            Err(_) => Vec::new(),
        };
        of_sweep.retain(|record| is_wanted(record) || !ahead.contains(&record.job));
    }
    Ok(of_sweep)
}

/// How many failed jobs of a sweep have a stored result that is corrupt; 0 if the store cannot be read.
pub(crate) async fn corrupt(store: &Store, frozen: &Frozen) -> u64 {
    coordinator::survey(frozen, store, Retry::Nothing).await.map_or(0, |resume| resume.survey.corrupt)
}

/// The failures of the revision with this `outcome`.
pub(crate) async fn of_outcome<'a>(
    store: &Store,
    outcome: &Outcome,
    failures: &'a Failures,
) -> Result<Vec<&'a FailureRecord>, Failure> {
    let points = Failures::points_of(outcome);
    let of_name: Vec<&FailureRecord> = failures.of_sweep(&outcome.sweep, &points).collect();
    if of_name.is_empty() {
        return Ok(of_name);
    }
    let revision = Revision::of(&outcome.sweep, outcome.revision);
    match store.revision::<Manifest>(revision).await {
        Ok(Some(manifest)) => {
            let frozen = Frozen::from_manifest(&manifest).map_err(FreezeError::from)?;
            of_sweep(store, &frozen, failures).await
        }
        // A copy of a sweep's folder may have none. An unreadable one is reported elsewhere.
        Ok(None) | Err(_) => Ok(of_name),
    }
}
