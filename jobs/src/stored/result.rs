use super::recipe_age::Age;
use crate::{JobId, JobResult, Meaning, MergeFacts, RunFacts, TaskScore, Timings, version::known};
use serde::{Deserialize, Serialize};

/// The result of an evaluation as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredResult {
    #[serde(deserialize_with = "known::<_, 1, { JobResult::VERSION }>")]
    version: u32,
    job: JobId,
    meaning: Meaning,
    scores: Vec<TaskScore>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    merge: Option<MergeFacts>,
    timings: Timings,
    run: RunFacts,
}

impl From<JobResult> for StoredResult {
    fn from(JobResult { job, meaning, scores, merge, timings, run }: JobResult) -> Self {
        let version = if meaning.is_newer() { JobResult::VERSION } else { 1 };
        Self { version, job, meaning, scores, merge, timings, run }
    }
}

impl From<StoredResult> for JobResult {
    fn from(StoredResult { version: _, job, meaning, scores, merge, timings, run }: StoredResult) -> Self {
        Self { job, meaning, scores, merge, timings, run }
    }
}
