//! The layouts of stored results and failures and of messages, version by version, and the way from each to what the
//! program works with.
//!
//! What is written is the oldest version that can hold it, so that programs of neighbouring versions share a store and
//! a cluster: a version 1 result of an evaluation is read by a program that knows no other kinds of jobs. A version
//! that is not known is refused, as is a field. A layout that was ever written stays here.

mod artefact;
mod failure;
mod job;
mod result;

pub(crate) use artefact::StoredArtefact;
pub(crate) use failure::StoredFailure;
pub(crate) use job::StoredJob;
pub(crate) use result::StoredResult;

#[cfg(test)]
mod tests;

use crate::{JobSpec, Meaning};

/// A document that does not hold what one of its version holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a document of version {version} has {expected}")]
pub(crate) struct OtherLayout {
    version: u32,
    expected: &'static str,
}

/// What a job is, as documents say it: version 1 knows evaluations alone, and names their meaning.
struct StoredSpec {
    version: u32,
    meaning: Option<Meaning>,
    spec: Option<JobSpec>,
}

impl From<JobSpec> for StoredSpec {
    fn from(spec: JobSpec) -> Self {
        match spec {
            JobSpec::Evaluate(meaning) => Self { version: 1, meaning: Some(meaning), spec: None },
            spec @ (JobSpec::Write(_) | JobSpec::Statistics(_) | JobSpec::Tune(_)) => {
                Self { version: 2, meaning: None, spec: Some(spec) }
            }
        }
    }
}

impl TryFrom<StoredSpec> for JobSpec {
    type Error = OtherLayout;

    fn try_from(StoredSpec { version, meaning, spec }: StoredSpec) -> Result<Self, OtherLayout> {
        match (version, meaning, spec) {
            (1, Some(meaning), None) => Ok(Self::Evaluate(meaning)),
            (1, _, _) => Err(OtherLayout { version, expected: "a `meaning` and no `spec`" }),
            (_, None, Some(spec)) => Ok(spec),
            (_, _, _) => Err(OtherLayout { version, expected: "a `spec` and no `meaning`" }),
        }
    }
}
