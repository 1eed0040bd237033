use super::{Coordinator, OUTCOME, drive::Drive};
use crate::{CoordinatorError, Ended, Event, revision::keep_revision};
use jobs::{Cancellation, Outcome, Progress};
use store::{Revision, StoreError};

/// What the store keeps of the sweep itself, beside the results of its jobs.
///
/// Documents are replaced without a condition, so that a run which was overtaken looks before each. It may write one more
/// all the same, in the moment between: every document names its revision, and readers go by that.
impl Drive<'_> {
    /// Makes the sweep's revision, or finds it made, and looks how it stands.
    pub(super) async fn open_sweep(&mut self) -> Result<(), CoordinatorError> {
        let Coordinator { store, settings, .. } = self.coordinator;
        let revised = keep_revision(store, &self.frozen, &settings.versions).await?;
        // Another run may have made one since the store was surveyed.
        self.tally.revision = revised.number;
        self.compaction.of_revision(revised.number);
        self.tell(Event::Revision(revised));
        if let Some(Cancellation { cancelled_ms, .. }) = self.cancelled().await? {
            return Err(CoordinatorError::Cancelled { sweep: self.frozen.sweep().name.clone(), cancelled_ms });
        }
        // What an older program told is of no use; nothing depends on it.
        let sweep = &self.frozen.sweep().name;
        if let Ok(Some(earlier)) = store.document::<Progress>(sweep, Progress::DOCUMENT).await {
            self.tally.remember(&earlier);
        }
        Ok(())
    }

    /// The mark that cancels this revision. One that cancels earlier ones alone is taken away: workers go by it as well.
    pub(super) async fn cancelled(&mut self) -> Result<Option<Cancellation>, StoreError> {
        let (store, sweep) = (&self.coordinator.store, &self.frozen.sweep().name);
        let mark = store.cancellation(sweep).await?;
        if mark.as_ref().is_some_and(|mark| !mark.covers(self.tally.revision)) {
            store.delete_document(sweep, Cancellation::DOCUMENT).await?;
            return Ok(None);
        }
        Ok(mark)
    }

    /// Looks whether the sweep is still this one: documents of a later revision are not ours to write.
    pub(super) async fn check_newest(&mut self) -> Result<(), CoordinatorError> {
        let (store, sweep) = (&self.coordinator.store, self.frozen.sweep().name.clone());
        let revision = self.tally.revision;
        if !store.has_revision(Revision::of(&sweep, revision + 1)).await? {
            return Ok(());
        }
        let newest = store.newest_revision(&sweep).await?.max(revision + 1);
        Err(CoordinatorError::Overtaken { sweep, revision, newest })
    }

    /// Looks whether the sweep is still there.
    async fn check_kept(&mut self) -> Result<(), CoordinatorError> {
        let (store, sweep) = (&self.coordinator.store, self.frozen.sweep().name.clone());
        if store.has_revision(Revision::of(&sweep, self.tally.revision)).await? {
            return Ok(());
        }
        Err(CoordinatorError::Removed { sweep })
    }

    pub(super) async fn finish(&mut self, mut outcome: Box<Outcome>) -> Result<Ended, CoordinatorError> {
        if self.coordinator.settings.is_kept {
            outcome.revision = self.tally.revision;
            // Parts of a sweep that was removed would be there for ever.
            self.check_kept().await?;
            self.compaction.finish().await;
            self.check_newest().await?;
            self.coordinator.store.put_document(&outcome.sweep, OUTCOME, &outcome).await?;
        }
        Ok(Ended::Finished(outcome))
    }

    pub(super) async fn store_progress(&mut self, ended: Option<String>) {
        if !self.coordinator.settings.is_kept {
            return;
        }
        let progress = self.tally.progress(self.outstanding.len(), ended);
        let sweep = &self.frozen.sweep().name;
        // For people only: what cannot be told now is told later.
        if let Err(error) = self.coordinator.store.put_document(sweep, Progress::DOCUMENT, &progress).await {
            tracing::warn!(%error, "cannot store the progress of the sweep");
        }
    }
}
