//! The legs of trained adapters.

use super::{Problem, Results};
use jobs::{ArtefactResult, JobId, Outcome};
use store::{Store, StoreError};

impl Results {
    /// Reads the records of the legs that trained the adapters of a sweep.
    pub(super) async fn read_legs(&mut self, outcome: &Outcome, store: &Store) {
        for (task, job) in &outcome.trained {
            match legs(*job, store).await {
                Ok(legs) => drop(self.legs.insert(task.clone(), legs)),
                Err(source) => {
                    self.problems.push(Problem::at(&outcome.sweep, *job, Some((task, "training")), Some(source)));
                }
            }
        }
    }
}

/// The legs up to this one, as far as their records are there.
async fn legs(last: JobId, store: &Store) -> Result<Vec<ArtefactResult>, StoreError> {
    let mut legs = Vec::new();
    let mut next = Some(last);
    while let Some(job) = next {
        let Some(result) = store.artefact_result(&job).await? else { break };
        next = result.spec.leg_before();
        legs.push(result);
    }
    legs.reverse();
    Ok(legs)
}
