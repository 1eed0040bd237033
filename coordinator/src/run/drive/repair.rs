//! What a run does about stored results that are corrupt.

use super::{Drive, failed_before};
use crate::{
    CoordinatorError, Course, Resume,
    lookup::Found,
    run::Coordinator,
    survey::{repair, set_aside, survey},
};
use jobs::JobId;

/// How often results that contradict each other are repaired in one run.
const MOST_REPAIRS: u32 = 3;

impl Drive<'_> {
    /// Reads the sweep once more at its end, because results contradict each other: only beside all others shows
    /// which one is corrupt. That one counts as failed then, or is computed again.
    pub(super) async fn read_again(&mut self) -> Result<(), CoordinatorError> {
        let Coordinator { store, settings, .. } = self.coordinator;
        self.readings += 1;
        // A worker may come to the same corrupt result again and again.
        let resume = match settings.repair && self.readings <= MOST_REPAIRS {
            true => repair(&self.frozen, store, false).await?,
            false => survey(&self.frozen, store, false).await?,
        };
        let Resume { survey, memory, presence, failed, examples, corrupt, .. } = resume;
        self.course = Course::remembering(self.frozen.clone(), memory)?;
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
    pub(super) async fn repaired(&mut self, job: JobId, found: Found) -> Result<Found, CoordinatorError> {
        let is_new = matches!(found, Found::Corrupt(_)) && self.coordinator.settings.repair;
        if !is_new || !self.repaired.insert(job) {
            return Ok(found);
        }
        set_aside(&self.coordinator.store, &job, &self.examples).await?;
        Ok(Found::Nothing)
    }
}
