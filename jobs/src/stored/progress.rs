use super::{manifest::first_revision, recipe_age::Age};
use crate::{BestSoFar, FailureKind, JobId, Progress, RecipeSpec, version::known};
use serde::{Deserialize, Serialize};

/// The progress of a run as it is stored. Version 1 knows no revisions, and is read as the progress of a first
/// revision.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredProgress {
    #[serde(deserialize_with = "known::<_, 1, { Progress::VERSION }>")]
    version: u32,
    #[serde(default = "first_revision")]
    revision: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pool: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phase: Option<String>,
    bound: u64,
    run: u64,
    reused: u64,
    failed: u64,
    outstanding: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rate: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    best: Option<StoredBest>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    failures: Vec<StoredFailureKind>,
    #[serde(default)]
    device_s: f64,
    started_ms: u64,
    updated_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredBest {
    search: String,
    spec: RecipeSpec,
    value: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredFailureKind {
    errors: Vec<String>,
    jobs: u64,
    example: JobId,
}

impl From<Progress> for StoredProgress {
    fn from(progress: Progress) -> Self {
        let best = progress.best.map(|BestSoFar { search, spec, value }| StoredBest { search, spec, value });
        let failures = progress.failures.into_iter().map(|kind| {
            let FailureKind { errors, jobs, example } = kind;
            StoredFailureKind { errors, jobs, example }
        });
        let is_newer = best.as_ref().is_some_and(|best| best.spec.is_newer());
        Self {
            version: if is_newer { Progress::VERSION } else { 2 },
            revision: progress.revision,
            pool: progress.pool,
            phase: progress.phase,
            bound: progress.bound,
            run: progress.run,
            reused: progress.reused,
            failed: progress.failed,
            outstanding: progress.outstanding,
            rate: progress.rate,
            best,
            failures: failures.collect(),
            device_s: progress.device_s,
            started_ms: progress.started_ms,
            updated_ms: progress.updated_ms,
            ended: progress.ended,
        }
    }
}

impl From<StoredProgress> for Progress {
    fn from(stored: StoredProgress) -> Self {
        let best = stored.best.map(|StoredBest { search, spec, value }| BestSoFar { search, spec, value });
        let failures = stored.failures.into_iter().map(|kind| {
            let StoredFailureKind { errors, jobs, example } = kind;
            FailureKind { errors, jobs, example }
        });
        Self {
            revision: stored.revision,
            pool: stored.pool,
            phase: stored.phase,
            bound: stored.bound,
            run: stored.run,
            reused: stored.reused,
            failed: stored.failed,
            outstanding: stored.outstanding,
            rate: stored.rate,
            best,
            failures: failures.collect(),
            device_s: stored.device_s,
            started_ms: stored.started_ms,
            updated_ms: stored.updated_ms,
            ended: stored.ended,
        }
    }
}
