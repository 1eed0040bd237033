use crate::lookup::Found;
use jobs::{ExampleCounts, JobResult};
use store::{Store, StoreError};

/// Holds the results of a sweep against each other.
pub(crate) struct Judge<'a> {
    /// What all results say of the sizes of their data, once they are known to contradict each other.
    pub(crate) said: Option<&'a ExampleCounts>,
    /// What those say that were taken in.
    pub(crate) counts: &'a mut ExampleCounts,
}

impl Judge<'_> {
    /// Counts a result, or says that it is corrupt.
    pub(crate) fn judge(&mut self, found: Found) -> Found {
        let Found::Result(result) = found else { return found };
        if let Err(error) = self.sound(&result) {
            return Found::corrupt(&error);
        }
        self.count(&result);
        Found::Result(result)
    }

    /// Fails if the result contradicts most others.
    pub(crate) fn sound(&self, result: &JobResult) -> Result<(), StoreError> {
        let Some(said) = self.said else { return Ok(()) };
        said.check(&result.meaning, &result.scores).map_err(|fault| Store::refuse(&result.job, fault))
    }

    /// Counts a result that was taken in.
    pub(crate) fn count(&mut self, result: &JobResult) {
        self.counts.add(&result.meaning, &result.scores);
    }
}
