use super::recipe_age::Age;
use crate::{JobId, JobResult, Meaning, MergeFacts, RunFacts, TaskScore, Timings, version::known};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The result of an evaluation as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredResult<'a> {
    #[serde(deserialize_with = "known::<_, 1, { JobResult::VERSION }>")]
    version: u32,
    job: JobId,
    meaning: Cow<'a, Meaning>,
    scores: Cow<'a, [TaskScore]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    merge: Option<Cow<'a, MergeFacts>>,
    timings: Cow<'a, Timings>,
    run: Cow<'a, RunFacts>,
}

impl<'a> From<&'a JobResult> for StoredResult<'a> {
    fn from(JobResult { job, meaning, scores, merge, timings, run }: &'a JobResult) -> Self {
        Self {
            version: if meaning.is_newer() { JobResult::VERSION } else { 1 },
            job: *job,
            meaning: Cow::Borrowed(meaning),
            scores: Cow::Borrowed(scores),
            merge: merge.as_ref().map(Cow::Borrowed),
            timings: Cow::Borrowed(timings),
            run: Cow::Borrowed(run),
        }
    }
}

impl From<StoredResult<'_>> for JobResult {
    fn from(StoredResult { version: _, job, meaning, scores, merge, timings, run }: StoredResult<'_>) -> Self {
        Self {
            job,
            meaning: meaning.into_owned(),
            scores: scores.into_owned(),
            merge: merge.map(Cow::into_owned),
            timings: timings.into_owned(),
            run: run.into_owned(),
        }
    }
}
