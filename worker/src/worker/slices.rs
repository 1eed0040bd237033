//! Results of slices, from which an evaluation is made.

use super::Worker;
use jobs::{Job, JobResult};
use tracing::warn;

impl Worker {
    /// The results of slices that a job names, as far as they are stored and can be read. One that is missing costs the
    /// evaluation of its examples, and no more.
    pub(super) async fn slices(&self, job: &Job) -> Vec<JobResult> {
        let mut found = Vec::new();
        for slice in self.store.results_of(&job.places.slices).await {
            match slice {
                Ok(result) => found.extend(result),
                Err(error) => warn!(%error, "cannot use the result of a slice; its examples are evaluated again"),
            }
        }
        found
    }
}
