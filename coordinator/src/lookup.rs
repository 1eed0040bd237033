use jobs::{JobId, JobResult};
use store::{Store, StoreError};

/// What the store holds of a job.
#[derive(Debug)]
pub(crate) enum Found {
    /// Its result.
    Result(Box<JobResult>),
    /// The errors of the attempt that was its last.
    Failed(Vec<String>),
    /// Neither.
    Nothing,
}

/// What the store holds of `ids`, in their order.
///
/// A result wins over a failure: a job may have failed in one run and succeeded in another.
pub(crate) async fn look_up(store: &Store, ids: &[JobId]) -> Result<Vec<Found>, StoreError> {
    let mut found = Vec::with_capacity(ids.len());
    for (id, result) in ids.iter().zip(store.results_of(ids).await) {
        found.push(match result? {
            Some(result) => Found::Result(Box::new(result)),
            None => final_failure(store, id).await?,
        });
    }
    Ok(found)
}

async fn final_failure(store: &Store, id: &JobId) -> Result<Found, StoreError> {
    for failure in store.failures(id).await? {
        let failure = failure?;
        if failure.is_final {
            return Ok(Found::Failed(failure.errors));
        }
    }
    Ok(Found::Nothing)
}
