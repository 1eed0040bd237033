//! What the slices of races took.

use super::{Problem, Results};
use jobs::{JobId, JobResult, Outcome, Preset, RowKind, Subject, Timings};
use std::collections::BTreeMap;
use store::Store;

/// Slices that are read at the same time.
const BATCH: usize = 256;

/// What the evaluation of a model on a slice of the examples took.
#[derive(Debug, Clone, PartialEq)]
pub struct SliceCost {
    /// The method of the model, as in the column `method` of the frame.
    pub method: String,
    /// The durations of its parts.
    pub timings: Timings,
    /// Where it was computed.
    pub device: String,
    /// When it ended: milliseconds since 1970, UTC.
    pub finished_ms: u64,
}

impl Results {
    /// Reads the slices that the points of the searches name, each once. One that is missing or cannot be read is a problem, since the
    /// cost is then higher than what is shown.
    pub(super) async fn read_slices(&mut self, outcome: &Outcome, store: &Store) {
        let mut rows: BTreeMap<JobId, &str> = BTreeMap::new();
        for row in &outcome.rows {
            let points = match &row.kind {
                RowKind::Search { points, .. } => points.as_slice(),
                RowKind::ZeroShot | RowKind::Finetuned | RowKind::Baseline { .. } | RowKind::Ensemble { .. } => &[],
            };
            for job in points.iter().flat_map(|point| &point.slices) {
                rows.entry(*job).or_insert(&row.name);
            }
        }
        let jobs: Vec<JobId> = rows.keys().copied().collect();
        for batch in jobs.chunks(BATCH) {
            for (job, found) in batch.iter().zip(store.results_of(batch).await) {
                let place = Some((rows[job], outcome.select.as_str()));
                match found {
                    Ok(Some(result)) => self.slices.extend(SliceCost::of(&result)),
                    Ok(None) => self.problems.push(Problem::at(&outcome.sweep, *job, place, None)),
                    Err(source) => self.problems.push(Problem::at(&outcome.sweep, *job, place, Some(source))),
                }
            }
        }
    }
}

impl SliceCost {
    fn of(result: &JobResult) -> Option<Self> {
        let Subject::Merge { recipe } = &result.meaning.subject else { return None };
        Some(Self {
            method: Preset::of(recipe).map_or("other", Preset::name).to_owned(),
            timings: result.timings,
            device: result.run.device.clone(),
            finished_ms: result.run.finished_ms,
        })
    }
}
