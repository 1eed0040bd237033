//! What a run does about corrupt stored results.

use super::sweep_run::{Services, SweepRun};
use crate::{
    CoordinatorError, Retry,
    lookup::JobRef,
    survey::{repair_revision, set_aside, survey_revision},
};
use jobs::JobKind;

/// How often a run repairs results that contradict each other. A worker may produce the same corrupt result each time.
const MAX_REPAIRS: u32 = 3;

impl SweepRun<'_> {
    /// Reads the sweep again at its end, because results contradict each other. Only all results together show which
    /// one is corrupt. That one then counts as failed, or is computed again.
    pub(super) async fn read_again(&mut self) -> Result<(), CoordinatorError> {
        let Services { store, settings, .. } = self.services;
        self.readings += 1;
        // Another run may have made a revision since the store was surveyed.
        let frozen = self.frozen.clone().at_revision(self.state.revision());
        let mut resume = if settings.repair && self.readings <= MAX_REPAIRS {
            repair_revision(&frozen, store, Retry::Nothing).await?
        } else {
            survey_revision(&frozen, store, Retry::Nothing).await?
        };
        self.listing = std::mem::take(&mut resume.listing);
        self.compaction.forget(&resume.corrupt);
        self.state.replace_results(&self.frozen, resume)?;
        self.flush();
        Ok(())
    }

    /// Makes room for the result of a job whose stored result is corrupt.
    pub(super) async fn remove_corrupt(&mut self, job: JobRef) -> Result<(), CoordinatorError> {
        let JobRef { id, kind } = job;
        let store = self.services.store;
        match kind {
            JobKind::Evaluate => set_aside(store, &id, self.state.examples()).await?,
            JobKind::Write | JobKind::Statistics | JobKind::Tune | JobKind::Train => {
                // No copy is kept: the files may be large, and can be written again from the same inputs.
                let removed = store.remove_artefact(&id).await?;
                tracing::warn!(job = %id.short(), removed, "removed a corrupt artefact; the job is computed again");
                store.clear_failures(&id).await?;
            }
        }
        Ok(())
    }
}
