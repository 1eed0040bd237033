//! The analysis of the sweeps of a store.

use crate::{failed, failure::Failure, similarity, unfinished, variants};
use analysis::{Chart, Failures, Frame, Results, SoFar, Summary, Sweeps, Table, Tables};
use jobs::{FailureRecord, Outcome};
use serde::Serialize;
use store::Store;

/// Sweeps of a store with their results.
pub(crate) struct AnalysedStore {
    pub(crate) frame: Frame,
    pub(crate) failures: Failures,
    pub(crate) sweeps: Vec<Analysed>,
    /// What people should know of sweeps that have not finished.
    pub(crate) notes: Vec<String>,
}

impl AnalysedStore {
    /// Reads the results of `sweeps`, also of those that have not finished; `top` of the best merges are listed.
    pub(crate) async fn read(store: &Store, mut sweeps: Sweeps, top: u32) -> Result<Self, Failure> {
        let unfinished = unfinished::add(store, &mut sweeps).await?;
        let frame = sweeps.frame(store).await?;
        let failures = Failures::of_store(store).await?;
        let mut analysed = Vec::with_capacity(sweeps.outcomes.len());
        for outcome in sweeps.outcomes {
            let results = Results::of(&outcome, store).await;
            let so_far = unfinished.progress.get(&outcome.sweep).copied();
            let failed = failed::of_outcome(store, &outcome, &failures).await?;
            analysed.push(Analysed::new(&frame, (outcome, so_far), results, &failed, top)?);
        }
        variants::add(&mut analysed);
        for sweep in &mut analysed {
            similarity::add(store, sweep).await;
        }
        Ok(Self { frame, failures, sweeps: analysed, notes: unfinished.notes })
    }
}

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
        let other_charts = Chart::learning(&outcome, &results);
        Ok(Self { summary, tables, other_charts, outcome, results })
    }
}
