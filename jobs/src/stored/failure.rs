use super::{OtherLayout, StoredSpec};
use crate::{Blame, FailureRecord, JobId, JobSpec, Meaning, version::known};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A failed attempt as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredFailure {
    #[serde(deserialize_with = "known::<_, 1, { FailureRecord::VERSION }>")]
    version: u32,
    job: JobId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    meaning: Option<Meaning>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spec: Option<JobSpec>,
    attempt: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sweep: Option<String>,
    is_final: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blame: Option<Blame>,
    errors: Vec<String>,
    worker: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    machine: Option<String>,
    failed_ms: u64,
}

impl From<FailureRecord> for StoredFailure {
    fn from(failure: FailureRecord) -> Self {
        let FailureRecord { job, spec, attempt, sweep, is_final, blame, errors, worker, machine, failed_ms } = failure;
        let StoredSpec { version, meaning, spec } = StoredSpec::from(&spec);
        let meaning = meaning.map(Cow::into_owned);
        let spec = spec.map(Cow::into_owned);
        Self { version, job, meaning, spec, attempt, sweep, is_final, blame, errors, worker, machine, failed_ms }
    }
}

impl TryFrom<StoredFailure> for FailureRecord {
    type Error = OtherLayout;

    fn try_from(stored: StoredFailure) -> Result<Self, OtherLayout> {
        let StoredFailure {
            version,
            job,
            meaning,
            spec,
            attempt,
            sweep,
            is_final,
            blame,
            errors,
            worker,
            machine,
            failed_ms,
        } = stored;
        let meaning = meaning.map(Cow::Owned);
        let spec = spec.map(Cow::Owned);
        let spec = StoredSpec { version, meaning, spec }.try_into()?;
        Ok(Self { job, spec, attempt, sweep, is_final, blame, errors, worker, machine, failed_ms })
    }
}
