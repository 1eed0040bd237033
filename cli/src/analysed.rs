//! The analysis of a sweep.

use crate::failure::Failure;
use analysis::{Chart, Failures, Frame, Results, SoFar, Summary, Table, Tables};
use jobs::{FailureRecord, Outcome};
use serde::Serialize;

/// A sweep with its results.
#[derive(Debug, Serialize)]
pub(crate) struct Analysed {
    #[serde(flatten)]
    pub(crate) summary: Summary,
    pub(crate) tables: Vec<Table>,
    /// Charts that are not of its own jobs: over all variants of its file, and of the similarity of updates.
    #[serde(skip)]
    pub(crate) other_charts: Vec<Chart>,
    #[serde(skip)]
    pub(crate) outcome: Outcome,
    #[serde(skip)]
    pub(crate) results: Results,
}

impl Analysed {
    /// Sums a sweep up; `frame` holds its jobs, `failed` are its failures, `so_far` says how far it has come if it has
    /// not finished, and `top` of the best are listed.
    pub(crate) fn new(
        frame: &Frame,
        (outcome, so_far): (Outcome, Option<SoFar>),
        results: Results,
        failed: &[&FailureRecord],
        top: u32,
    ) -> Result<Self, Failure> {
        let summary = Summary { so_far, ..Summary::of_sweep(&outcome, &results, frame, None)? };
        let kinds = Failures::by_kind(failed.iter().copied());
        let tables = Tables { frame, outcome: &outcome, results: &results, summary: &summary, failures: &kinds, top };
        let tables = tables.all()?;
        Ok(Self { summary, tables, other_charts: Vec::new(), outcome, results })
    }
}
