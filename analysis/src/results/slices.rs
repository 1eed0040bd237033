//! What the slices of races took.

use super::Results;
use jobs::{JobId, JobResult, Outcome, Preset, Row, Subject, Timings};
use std::collections::BTreeSet;
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
    /// Reads the slices that the points of the searches name, each once.
    pub(super) async fn read_slices(&mut self, outcome: &Outcome, store: &Store) {
        let points = outcome.rows.iter().flat_map(Row::points);
        let jobs: BTreeSet<JobId> = points.flat_map(|point| &point.slices).copied().collect();
        let jobs: Vec<JobId> = jobs.into_iter().collect();
        for batch in jobs.chunks(BATCH) {
            for found in store.results_of(batch).await {
                match found {
                    Ok(Some(result)) => self.slices.extend(SliceCost::of(&result)),
                    // Compacted parts hold no slices, so that a copied sweep has none of them. They decide no shown value.
                    Ok(None) | Err(_) => self.missing_slices += 1,
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
