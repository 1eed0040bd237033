use crate::{AttemptContext, JobError, Output};
use async_trait::async_trait;
use jobs::{Job, Timings};
use std::{collections::BTreeMap, fmt};

/// The output of a computed job, before the worker adds facts about itself.
#[derive(Debug)]
pub struct Computed {
    /// Scores or files.
    pub output: Output,
    /// How long the parts took.
    pub timings: Timings,
    /// The commits that hub inputs were resolved to.
    pub commits: BTreeMap<String, String>,
}

/// Computes the jobs of a worker.
#[async_trait]
pub trait Compute: fmt::Debug + Send + Sync + 'static {
    /// Computes one job. Ends early with [`JobError::Interrupted`] once the context is cancelled.
    async fn compute(&self, job: &Job, context: &AttemptContext) -> Result<Computed, JobError>;

    /// The device, for results.
    fn device(&self) -> String;

    /// Versions of the libraries that decide numbers, by name.
    fn versions(&self) -> BTreeMap<String, String>;
}
