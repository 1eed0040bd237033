use super::{Coordinator, OUTCOME, Settings, drive::Drive};
use crate::{CoordinatorError, Ended, Event, clock::now_ms, revision::keep_revision};
use jobs::{Cancellation, Finish, Outcome, PoolEntry, Progress};
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
        let sweep = self.frozen.sweep().name.clone();
        match self.cancelled().await? {
            // An earlier run stopped by itself, and is wanted again.
            Some(Cancellation { stopped: Some(_), .. }) => {
                store.delete_document(&sweep, Cancellation::DOCUMENT).await?
            }
            Some(Cancellation { cancelled_ms, .. }) => return Err(CoordinatorError::Cancelled { sweep, cancelled_ms }),
            None => {}
        }
        // Who runs the sweep again wants all of it.
        if !settings.finish
            && let Err(error) = store.delete_document(&sweep, Finish::DOCUMENT).await
        {
            tracing::warn!(%error, "cannot take back the wish to end the searches early");
        }
        // What an older program told is of no use; nothing depends on it.
        if let Ok(Some(earlier)) = store.document::<Progress>(&sweep, Progress::DOCUMENT).await {
            self.tally.remember(&earlier);
        }
        Ok(())
    }

    /// The mark that cancels this revision. One that cancels earlier ones alone is taken away, for workers go by it as well, and so
    /// is one that another run of it has left at its end: this one wants what it still waits for.
    pub(super) async fn cancelled(&mut self) -> Result<Option<Cancellation>, StoreError> {
        let store = &self.coordinator.store;
        let sweep = &self.frozen.sweep().name;
        let mark = store.cancellation(sweep).await?;
        let is_of_another = |mark: &Cancellation| mark.is_finished || !mark.covers(self.tally.revision);
        if mark.as_ref().is_some_and(is_of_another) {
            store.delete_document(sweep, Cancellation::DOCUMENT).await?;
            return Ok(None);
        }
        Ok(mark)
    }

    /// Ends the searches where they are, if a person has wished so of this revision.
    ///
    /// Nothing depends on it: what cannot be read now is read at the next tick, or wished for once more.
    pub(super) async fn hear_of_finish(&mut self) {
        if self.ends_early {
            return;
        }
        let store = &self.coordinator.store;
        let sweep = &self.frozen.sweep().name;
        match store.document::<Finish>(sweep, Finish::DOCUMENT).await {
            Ok(Some(wish)) if wish.revision == self.tally.revision => {}
            _ => return,
        }
        tracing::info!("the searches end where they are, as was wished");
        self.ends_early = true;
        for job in self.course.end_early() {
            self.outstanding.remove(&job);
        }
    }

    /// Has workers drop what is left of a run that stopped by itself: nobody waits for it. The next run takes that back.
    pub(super) async fn drop_rest(&mut self, reason: String) {
        // Workers drop jobs of whatever revision: those of a later one are wanted.
        let is_ours = self.coordinator.settings.is_kept && self.outstanding.len() > 0;
        if !is_ours || self.check_newest().await.is_err() {
            return;
        }
        let store = &self.coordinator.store;
        let sweep = &self.frozen.sweep().name;
        let mark = Cancellation::stopped(self.tally.revision, reason, now_ms());
        if let Err(error) = store.put_document(sweep, Cancellation::DOCUMENT, &mark).await {
            tracing::warn!(%error, "cannot have workers drop what is left in the queue");
        }
    }

    /// Looks whether the sweep is still this one: documents of a later revision are not ours to write.
    pub(super) async fn check_newest(&mut self) -> Result<(), CoordinatorError> {
        let store = &self.coordinator.store;
        let sweep = self.frozen.sweep().name.clone();
        let revision = self.tally.revision;
        if !store.has_revision(Revision::of(&sweep, revision + 1)).await? {
            return Ok(());
        }
        let newest = store.newest_revision(&sweep).await?.max(revision + 1);
        Err(CoordinatorError::Overtaken { sweep, revision, newest })
    }

    /// Looks whether the sweep is still there.
    async fn check_kept(&mut self) -> Result<(), CoordinatorError> {
        let store = &self.coordinator.store;
        let sweep = self.frozen.sweep().name.clone();
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
            self.leave_nothing(&outcome.sweep).await;
        }
        Ok(Ended::Finished(outcome))
    }

    /// Has workers acknowledge what the sweep has left in their queue, such as messages that were doubled when a connection
    /// broke: it would keep a queue from being empty, and machines from being sent away.
    async fn leave_nothing(&mut self, sweep: &str) {
        let Coordinator { store, settings, .. } = self.coordinator;
        if settings.pool.is_none() {
            return;
        }
        let mark = Cancellation::finished(self.tally.revision, now_ms());
        if let Err(error) = store.put_document(sweep, Cancellation::DOCUMENT, &mark).await {
            tracing::warn!(%error, "cannot have workers drop what may be left in the queue");
        }
    }

    /// Tells the workers of the pool that jobs of the sweep may wait for them.
    pub(super) async fn enter_pool(&mut self) -> Result<(), StoreError> {
        let Coordinator { store, settings, .. } = self.coordinator;
        let Some(pool) = settings.pool.as_ref().filter(|_| settings.is_kept) else { return Ok(()) };
        let sweep = &self.frozen.sweep().name;
        let Settings { priority, max_workers, .. } = *settings;
        let entry = PoolEntry { priority, max_workers, ..PoolEntry::new(sweep, self.frozen.base()) };
        store.put_pool_entry(pool, sweep, &entry).await
    }

    /// Tells the workers of the pool that no jobs of the sweep are wanted any more.
    pub(super) async fn leave_pool(&mut self) {
        let Coordinator { store, settings, .. } = self.coordinator;
        let Some(pool) = settings.pool.as_ref().filter(|_| settings.is_kept) else { return };
        if let Err(error) = store.remove_pool_entry(pool, &self.frozen.sweep().name).await {
            tracing::warn!(%error, pool, "cannot take the sweep from the list of the pool");
        }
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
