//! What a run does about stored results that are corrupt.

use super::{Drive, failed_before};
use crate::{
    CoordinatorError, Course, Resume, Retry,
    lookup::{Found, Sought},
    run::Coordinator,
    survey::{repair_revision, set_aside, survey_revision},
};
use jobs::JobKind;

/// How often results that contradict each other are repaired in one run.
const MOST_REPAIRS: u32 = 3;

impl Drive<'_> {
    /// Reads the sweep once more at its end, because results contradict each other: only beside all others shows
    /// which one is corrupt. That one counts as failed then, or is computed again.
    pub(super) async fn read_again(&mut self) -> Result<(), CoordinatorError> {
        let Coordinator { store, settings, .. } = self.coordinator;
        self.readings += 1;
        // Another run may have made the revision since the store was surveyed, or a later one.
        let frozen = self.frozen.clone().at_revision(self.tally.revision);
        // A worker may come to the same corrupt result again and again.
        let resume = match settings.repair && self.readings <= MOST_REPAIRS {
            true => repair_revision(&frozen, store, Retry::Nothing).await?,
            false => survey_revision(&frozen, store, Retry::Nothing).await?,
        };
        let Resume { survey, memory, presence, failed, examples, corrupt, .. } = resume;
        let course = Course::remembering(self.frozen.clone(), memory)?.after(&self.course);
        self.course = if settings.writes { course.writing() } else { course };
        self.presence = presence;
        self.examples = examples;
        self.tally.counts.failed = survey.failed;
        self.compaction.forget(&corrupt);
        for event in failed.into_iter().filter(|failed| corrupt.contains(&failed.job)).map(failed_before) {
            self.tell(event);
        }
        Ok(())
    }

    /// Takes a job whose stored result is corrupt for one without a result, if it is to be computed again.
    pub(super) async fn repaired(&mut self, job: Sought, found: Found) -> Result<Found, CoordinatorError> {
        let Sought { id, kind } = job;
        let is_new = matches!(found, Found::Corrupt(_)) && self.coordinator.settings.repair;
        if !is_new || !self.repaired.insert(id) {
            return Ok(found);
        }
        let store = &self.coordinator.store;
        match kind {
            JobKind::Evaluate => set_aside(store, &id, &self.examples).await?,
            JobKind::Write | JobKind::Statistics => {
                // Its files can be made again from the same inputs, and may be large: nothing is kept of them.
                let removed = store.remove_artefact(&id).await?;
                tracing::warn!(job = %id.short(), removed, "removed a corrupt artefact; it is made again");
                store.clear_failures(&id).await?;
            }
        }
        Ok(Found::Nothing)
    }
}
