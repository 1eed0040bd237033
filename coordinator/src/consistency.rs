use crate::lookup::Found;
use jobs::{ExampleCounts, JobResult};
use store::{Store, StoreError};

/// Compares the results of a sweep with each other: all results must agree about the sizes of their data.
pub(crate) struct ConsistencyCheck<'a> {
    /// The sizes by all results of the sweep, if these are known to contradict each other.
    pub(crate) contradicting: Option<&'a ExampleCounts>,
    /// The sizes by the accepted results.
    pub(crate) accepted: &'a mut ExampleCounts,
}

impl ConsistencyCheck<'_> {
    /// Accepts a result, or returns it as corrupt.
    pub(crate) fn apply(&mut self, found: Found) -> Found {
        let Found::Result(result) = found else { return found };
        if let Err(error) = self.check(&result) {
            return Found::corrupt(&error);
        }
        self.accept(&result);
        Found::Result(result)
    }

    /// Fails if the result contradicts most others.
    pub(crate) fn check(&self, result: &JobResult) -> Result<(), StoreError> {
        let Some(counts) = self.contradicting else { return Ok(()) };
        counts.check(&result.meaning, &result.scores).map_err(|fault| Store::refuse(&result.job, fault))
    }

    /// Adds the sizes of a result.
    pub(crate) fn accept(&mut self, result: &JobResult) {
        self.accepted.add(&result.meaning, &result.scores);
    }
}
