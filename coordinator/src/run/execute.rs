//! The loop of a run: it executes the decisions of the state, and reads the clock and the store for it.

use super::{
    final_documents::{FinalDocuments, final_documents},
    state::Action,
    sweep_run::{Services, SweepRun},
};
use crate::{CoordinatorError, Ended, chains::remove_lost_legs, clock::Now, clock::now_ms};
use futures_util::FutureExt;
use jobs::WorkerStatus;
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};

/// The longest time for each of the writes with which a run ends. A run that ends because the store is unreachable does
/// not wait for it here.
const END_LIMIT: Duration = Duration::from_secs(5);

/// The status of a worker without a heartbeat for this long is removed.
const REMOVED_AFTER: Duration = Duration::from_secs(24 * 3600);

/// The timers of a run.
struct Timers {
    polls: Interval,
    ticks: Interval,
}

impl SweepRun<'_> {
    /// Runs until the sweep is over, cancelled, or stopped.
    pub(super) async fn execute(&mut self) -> Result<Ended, CoordinatorError> {
        self.open().await?;
        let settings = self.services.settings;
        let mut timers = Timers {
            // Jobs that were just published have no results yet.
            polls: every(settings.poll, settings.poll),
            ticks: every(settings.tick, Duration::ZERO),
        };
        loop {
            match self.state.next_action(Instant::now())? {
                Action::Start(jobs) => self.start(jobs).await?,
                Action::StartAhead(jobs) => self.start_ahead(jobs).await?,
                Action::ReadAgain => self.read_again().await?,
                Action::Wait => self.wait(&mut timers).await?,
                Action::Finish(outcome) => return self.finish(outcome).await,
                Action::End(ended) => return Ok(ended),
            }
        }
    }

    async fn open(&mut self) -> Result<(), CoordinatorError> {
        if self.services.settings.is_kept {
            self.open_documents().await?;
        }
        self.enter_pool().await?;
        // The first call subscribes to announcements. Every job that is published later is announced.
        let _nothing_yet = self.services.publisher.settled().now_or_never();
        // Replaces the progress of an earlier run, which says that the run has ended.
        self.store_progress(None).await;
        self.remove_old_workers().await;
        remove_lost_legs(&self.frozen, self.services.store).await?;
        self.state.begin();
        self.flush();
        Ok(())
    }

    /// Removes the status documents of workers that died long ago.
    async fn remove_old_workers(&mut self) {
        let store = self.services.store;
        let workers = store.dated_workers::<WorkerStatus>().await.unwrap_or_default();
        for (name, status) in workers {
            if status.is_ok_and(|dated| dated.age(dated.content.beat_ms, now_ms()) > REMOVED_AFTER)
                && let Err(error) = store.remove_worker(&name).await
            {
                tracing::debug!(%error, "cannot remove the status of a worker");
            }
        }
    }

    /// Waits until something may have changed, and reads it.
    async fn wait(&mut self, timers: &mut Timers) -> Result<(), CoordinatorError> {
        tokio::select! {
            announced = self.services.publisher.settled() => self.follow_announced(announced).await,
            _ = timers.polls.tick() => self.follow_all().await,
            _ = timers.ticks.tick() => self.tick().await,
        }
    }

    /// Stores the progress, and checks whether the run may continue.
    async fn tick(&mut self) -> Result<(), CoordinatorError> {
        let Services { store, settings, .. } = self.services;
        if settings.is_kept {
            self.check_newest().await?;
            self.store_progress(None).await;
            self.compaction.start_part();
            // Another run of the sweep may have ended and removed the entry.
            if let Err(error) = self.enter_pool().await {
                tracing::warn!(%error, "cannot add the sweep to the list of its pool");
            }
        }
        match store.dated_workers::<WorkerStatus>().await {
            Ok(workers) => {
                if let Some(warning) = self.state.observe_workers(workers, Now::read()) {
                    tracing::warn!("{warning}");
                }
            }
            Err(error) => tracing::debug!(%error, "cannot count the workers"),
        }
        if settings.is_kept {
            let mark = self.read_cancellation().await?;
            self.state.set_cancellation(mark);
            self.check_finish_request().await;
        }
        Ok(())
    }

    /// Writes the documents with which a run ends.
    pub(super) async fn end(&mut self, ended: &Result<Ended, CoordinatorError>) {
        self.flush();
        let Some(documents) = final_documents(ended, self.state.counts().failed) else { return };
        let FinalDocuments { ended, drops_jobs, leaves_pool } = documents;
        if drops_jobs {
            let _ = timeout(END_LIMIT, self.drop_remaining_jobs(ended.clone())).await;
        }
        if leaves_pool {
            let _ = timeout(END_LIMIT, self.leave_pool()).await;
        }
        let _ = timeout(END_LIMIT, self.store_progress(Some(ended))).await;
    }
}

/// A timer that ticks for the first time after `first`, and does not catch up on missed ticks.
fn every(time: Duration, first: Duration) -> Interval {
    let mut interval = interval_at(Instant::now() + first, time);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
