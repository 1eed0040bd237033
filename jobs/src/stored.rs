//! The layouts of stored documents and of messages, version by version, and their conversions to the working types.
//!
//! A message, a result or a failure is written in the oldest version that can hold it, so that programs of neighbouring
//! versions share a store and a cluster: a program that knows no other kinds of jobs reads a version 1 result of an
//! evaluation. An unknown version is refused, and so is an unknown field. Every layout that was ever written stays
//! here. What [`recipe_age`] calls newer is in a version that earlier programs refuse as newer.

mod artefact;
mod cancellation;
mod failure;
mod finish;
mod job;
mod manifest;
mod outcome;
mod pool_entry;
mod progress;
mod recipe_age;
mod result;
mod similarity;

pub(crate) use artefact::StoredArtefact;
pub(crate) use cancellation::StoredCancellation;
pub(crate) use failure::StoredFailure;
pub(crate) use finish::StoredFinish;
pub(crate) use job::StoredJob;
pub(crate) use manifest::StoredManifest;
pub(crate) use outcome::StoredOutcome;
pub(crate) use pool_entry::StoredPoolEntry;
pub(crate) use progress::StoredProgress;
pub(crate) use result::StoredResult;
pub(crate) use similarity::StoredSimilarity;

#[cfg(test)]
mod sweep_tests;
#[cfg(test)]
mod tests;

use crate::{JobSpec, Meaning};
use recipe_age::Age;
use std::borrow::Cow;

/// A document that does not hold what one of its version holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a document of version {version} has {expected}")]
pub(crate) struct OtherLayout {
    version: u32,
    expected: &'static str,
}

/// What a job is, as documents say it: version 1 knows evaluations alone, and names their meaning. Version 2 knows jobs
/// that write as well. Version 3 knows statistics and the recipes that [`recipe_age`] calls newer.
///
/// It borrows where it is written from a job that stays: a specification has some hundred strings.
struct StoredSpec<'a> {
    version: u32,
    meaning: Option<Cow<'a, Meaning>>,
    spec: Option<Cow<'a, JobSpec>>,
}

impl<'a> From<&'a JobSpec> for StoredSpec<'a> {
    fn from(spec: &'a JobSpec) -> Self {
        let whole = |version| Self { version, meaning: None, spec: Some(Cow::Borrowed(spec)) };
        match spec {
            spec if spec.is_newer() => Self::newest(spec),
            JobSpec::Evaluate(meaning) => Self { version: 1, meaning: Some(Cow::Borrowed(meaning)), spec: None },
            JobSpec::Write(_)
            | JobSpec::Statistics(_)
            | JobSpec::Layerwise(_)
            | JobSpec::Tune(_)
            | JobSpec::Train(_) => whole(2),
        }
    }
}

impl<'a> StoredSpec<'a> {
    /// The specification of a document that only programs of version 3 read.
    fn newest(spec: &'a JobSpec) -> Self {
        Self { version: 3, meaning: None, spec: Some(Cow::Borrowed(spec)) }
    }
}

impl TryFrom<StoredSpec<'_>> for JobSpec {
    type Error = OtherLayout;

    fn try_from(StoredSpec { version, meaning, spec }: StoredSpec<'_>) -> Result<Self, OtherLayout> {
        match (version, meaning, spec) {
            (1, Some(meaning), None) => Ok(Self::Evaluate(meaning.into_owned())),
            (1, _, _) => Err(OtherLayout { version, expected: "a `meaning` and no `spec`" }),
            (_, None, Some(spec)) => Ok(spec.into_owned()),
            (_, _, _) => Err(OtherLayout { version, expected: "a `spec` and no `meaning`" }),
        }
    }
}
