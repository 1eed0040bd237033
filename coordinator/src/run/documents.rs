use super::{
    settings::Settings,
    sweep_run::{Services, SweepRun},
};
use crate::{
    CoordinatorError, Ended, Event,
    clock::{Now, now_ms},
    revision::store_revision,
};
use jobs::{Cancellation, Finish, Outcome, PoolEntry, Progress};
use store::{Revision, StoreError};

/// The documents of the sweep in the store, beside the results of its jobs.
///
/// Documents are replaced unconditionally, so a run checks before each write whether it was superseded. It may still
/// write one document between the check and the write. Every document therefore names its revision, and readers skip
/// documents of earlier revisions.
impl SweepRun<'_> {
    /// Makes the sweep's revision, or finds it made, and reads its documents.
    pub(super) async fn open_documents(&mut self) -> Result<(), CoordinatorError> {
        let Services { store, settings, .. } = self.services;
        let revision = store_revision(store, &self.frozen, &settings.versions).await?;
        // Another run may have made a revision since the store was surveyed.
        self.state.set_revision(revision.number);
        self.compaction.of_revision(revision.number);
        self.state.emit(Event::Revision(revision));
        self.flush();
        let sweep = self.sweep().to_owned();
        match self.read_cancellation().await? {
            // An earlier run stopped by itself. This run resumes it.
            Some(Cancellation { stopped: Some(_), .. }) => {
                store.delete_document(&sweep, Cancellation::DOCUMENT).await?
            }
            Some(Cancellation { cancelled_ms, .. }) => return Err(CoordinatorError::Cancelled { sweep, cancelled_ms }),
            None => {}
        }
        // An earlier request to finish does not apply to a new run.
        if !settings.finish
            && let Err(error) = store.delete_document(&sweep, Finish::DOCUMENT).await
        {
            tracing::warn!(%error, "cannot remove an earlier request to end the searches early");
        }
        // A document that cannot be read is skipped: nothing depends on it.
        if let Ok(Some(earlier)) = store.document::<Progress>(&sweep, Progress::DOCUMENT).await {
            self.state.resume_from(&earlier);
        }
        Ok(())
    }

    /// The mark that cancels this revision.
    ///
    /// Removes a mark that cancels earlier revisions only, and the mark of another run of this revision that has
    /// finished: workers follow both, and would drop jobs that this run waits for.
    pub(super) async fn read_cancellation(&mut self) -> Result<Option<Cancellation>, StoreError> {
        let store = self.services.store;
        let Some(mark) = store.cancellation(self.sweep()).await? else { return Ok(None) };
        if mark.is_finished || !mark.covers(self.state.revision()) {
            store.delete_document(self.sweep(), Cancellation::DOCUMENT).await?;
            return Ok(None);
        }
        Ok(Some(mark))
    }

    /// Ends the searches if a person requested that for this revision.
    pub(super) async fn check_finish_request(&mut self) {
        if self.state.ends_early() {
            return;
        }
        // A request that cannot be read now is read at the next tick.
        match self.services.store.document::<Finish>(self.sweep(), Finish::DOCUMENT).await {
            Ok(Some(request)) if request.revision == self.state.revision() => {}
            Ok(_) | Err(_) => return,
        }
        tracing::info!("the searches end now, as requested");
        self.state.end_searches();
    }

    /// Makes workers drop the jobs that are left of a run that stopped by itself. The next run withdraws this.
    pub(super) async fn drop_remaining_jobs(&mut self, reason: String) {
        if !self.services.settings.is_kept || self.state.outstanding() == 0 {
            return;
        }
        // Workers drop jobs of every revision. The jobs of a later one are needed.
        if self.check_newest().await.is_err() {
            return;
        }
        let mark = Cancellation::stopped(self.state.revision(), reason, now_ms());
        if let Err(error) = self.services.store.put_document(self.sweep(), Cancellation::DOCUMENT, &mark).await {
            tracing::warn!(%error, "cannot make workers drop the jobs that are left in the queue");
        }
    }

    /// Fails if the sweep has a later revision, because its documents belong to another run.
    pub(super) async fn check_newest(&mut self) -> Result<(), CoordinatorError> {
        let store = self.services.store;
        let revision = self.state.revision();
        if !store.has_revision(Revision::of(self.sweep(), revision + 1)).await? {
            return Ok(());
        }
        let newest = store.newest_revision(self.sweep()).await?.max(revision + 1);
        Err(CoordinatorError::Superseded { sweep: self.sweep().to_owned(), revision, newest })
    }

    /// Fails if the sweep was removed.
    async fn check_kept(&mut self) -> Result<(), CoordinatorError> {
        if self.services.store.has_revision(Revision::of(self.sweep(), self.state.revision())).await? {
            return Ok(());
        }
        Err(CoordinatorError::Removed { sweep: self.sweep().to_owned() })
    }

    /// Stores the outcome.
    pub(super) async fn finish(&mut self, mut outcome: Box<Outcome>) -> Result<Ended, CoordinatorError> {
        if self.services.settings.is_kept {
            outcome.revision = self.state.revision();
            // Nothing would ever delete the parts of a removed sweep.
            self.check_kept().await?;
            self.compaction.finish().await;
            self.check_newest().await?;
            self.keep_slices(&mut outcome).await;
            self.services.store.put_document(&outcome.sweep, Outcome::DOCUMENT, &outcome).await?;
            self.drop_leftover_messages().await;
        }
        Ok(Ended::Finished(outcome))
    }

    /// Adds the slices that the stored outcome of this revision names: a run that knows evaluations on all examples needs none of theirs,
    /// and they were computed all the same.
    async fn keep_slices(&mut self, outcome: &mut Outcome) {
        match self.services.store.document::<Outcome>(self.sweep(), Outcome::DOCUMENT).await {
            Ok(Some(earlier)) if earlier.revision == outcome.revision => outcome.add_slices_of(&earlier),
            // An outcome that cannot be read is replaced. The tables say that slices of earlier runs may be missing.
            Ok(_) | Err(_) => {}
        }
    }

    /// Makes workers acknowledge what a finished sweep has left in its queue, such as messages that were duplicated
    /// when a connection broke. Otherwise the queue would not become empty, and an autoscaler would not remove
    /// machines.
    async fn drop_leftover_messages(&mut self) {
        if self.services.settings.pool.is_none() {
            return;
        }
        let mark = Cancellation::finished(self.state.revision(), now_ms());
        if let Err(error) = self.services.store.put_document(self.sweep(), Cancellation::DOCUMENT, &mark).await {
            tracing::warn!(%error, "cannot make workers drop messages that may be left in the queue");
        }
    }

    /// Adds the sweep to the list of its pool, so that workers take its jobs.
    pub(super) async fn enter_pool(&mut self) -> Result<(), StoreError> {
        let Services { store, settings, .. } = self.services;
        let Some(pool) = settings.pool.as_ref().filter(|_| settings.is_kept) else { return Ok(()) };
        let Settings { priority, max_workers, .. } = *settings;
        let runs_commands = self.frozen.sweep().evaluation.benchmark.command().is_some();
        let new = PoolEntry::new(self.sweep(), self.frozen.base());
        let entry = PoolEntry { priority, max_workers, runs_commands, ..new };
        store.put_pool_entry(pool, self.sweep(), &entry).await
    }

    /// Removes the sweep from the list of its pool.
    pub(super) async fn leave_pool(&mut self) {
        let Services { store, settings, .. } = self.services;
        let Some(pool) = settings.pool.as_ref().filter(|_| settings.is_kept) else { return };
        if let Err(error) = store.remove_pool_entry(pool, self.sweep()).await {
            tracing::warn!(%error, pool, "cannot remove the sweep from the list of its pool");
        }
    }

    /// Stores the progress; `ended` says how the run ended.
    pub(super) async fn store_progress(&mut self, ended: Option<String>) {
        if !self.services.settings.is_kept {
            return;
        }
        let progress = self.state.progress(ended, Now::read());
        // Only people read it. The next tick stores it again.
        if let Err(error) = self.services.store.put_document(self.sweep(), Progress::DOCUMENT, &progress).await {
            tracing::warn!(%error, "cannot store the progress of the sweep");
        }
    }
}
