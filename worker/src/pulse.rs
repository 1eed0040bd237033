use crate::{Machine, clock::now_ms};
use jobs::{Job, JobId, JobInHand, WorkerState, WorkerStatus};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use store::{Store, StoreError};

/// A worker's sign of life in the store, for people who watch a sweep and for coordinators that miss a job.
///
/// Nothing relies on it: a worker that cannot tell of itself goes on.
#[derive(Debug)]
pub(crate) struct Pulse {
    status: Mutex<WorkerStatus>,
    every: Option<Duration>,
}

impl Pulse {
    /// The sign of a worker that is idle. It is not stored unless [`every`](Self::every) says how often.
    pub(crate) fn new(worker: String, device: String, versions: BTreeMap<String, String>) -> Self {
        let status = WorkerStatus { versions, ..WorkerStatus::fresh(worker, device, now_ms()) };
        Self { status: Mutex::new(status), every: None }
    }

    /// The same, of a worker on this machine.
    pub(crate) fn of_machine(self, machine: &Machine) -> Self {
        let mut status = self.lock();
        status.machine = Some(machine.name.clone());
        status.pool.clone_from(&machine.pool);
        drop(status);
        self
    }

    /// The same, of a worker that takes jobs of its own process alone.
    pub(crate) fn of_own_process(self) -> Self {
        self.lock().is_local = true;
        self
    }

    /// The same, stored so often.
    pub(crate) fn every(self, time: Duration) -> Self {
        Self { every: Some(time), ..self }
    }

    /// The worker has a job, which it computes next or at once. One that was taken ahead is none yet.
    pub(crate) fn takes(&self, job: &Job, sweep: &str, attempt: u32) {
        let mut status = self.lock();
        status.job = Some(JobInHand { job: job.id(), sweep: sweep.to_owned(), attempt, since_ms: now_ms() });
        if status.state != WorkerState::Draining {
            status.state = WorkerState::Busy;
        }
    }

    /// The job has a result.
    pub(crate) fn succeeded(&self) {
        self.lock().done += 1;
    }

    /// The attempt has failed.
    pub(crate) fn failed(&self) {
        self.lock().failed += 1;
    }

    /// The worker takes no more jobs than the one in its hand.
    pub(crate) fn drains(&self) {
        self.lock().state = WorkerState::Draining;
    }

    /// The worker has settled `job`, and rests unless it computes another by now.
    pub(crate) fn rests(&self, job: JobId) {
        let mut status = self.lock();
        if status.job.as_ref().is_some_and(|in_hand| in_hand.job != job) {
            return;
        }
        status.job = None;
        if status.state != WorkerState::Draining {
            status.state = WorkerState::Idle;
        }
    }

    /// Tells of the worker once, if it tells of itself at all.
    ///
    /// # Errors
    /// The store does not take it.
    pub(crate) async fn tell(&self, store: &Store) -> Result<(), StoreError> {
        if self.every.is_none() {
            return Ok(());
        }
        let status = WorkerStatus { beat_ms: now_ms(), ..self.lock().clone() };
        store.put_worker(&status.worker, &status).await
    }

    /// Tells of the worker for as long as it is polled.
    /// `left` tells which jobs were left to workers of another version.
    pub(crate) async fn beat(&self, store: &Store, left: impl Fn() -> Vec<JobId> + Send) -> Infallible {
        let Some(every) = self.every else { return std::future::pending().await };
        let mut is_known_to_fail = false;
        loop {
            let status = WorkerStatus { beat_ms: now_ms(), left: left(), ..self.lock().clone() };
            match store.put_worker(&status.worker, &status).await {
                Ok(()) => is_known_to_fail = false,
                Err(error) if is_known_to_fail => tracing::debug!(%error, "cannot store a sign of life"),
                Err(error) => {
                    is_known_to_fail = true;
                    tracing::warn!(%error, "cannot store a sign of life; the worker goes on");
                }
            }
            tokio::time::sleep(every).await;
        }
    }

    /// Takes the sign back: the worker has ended, and is not missing.
    pub(crate) async fn end(&self, store: &Store) {
        if self.every.is_some() {
            let worker = self.lock().worker.clone();
            if let Err(error) = store.remove_worker(&worker).await {
                tracing::debug!(%error, "cannot remove the sign of life");
            }
        }
    }

    /// What the worker is doing.
    pub(crate) fn state(&self) -> WorkerState {
        self.lock().state
    }

    fn lock(&self) -> MutexGuard<'_, WorkerStatus> {
        // Nothing panics between two steps of a change, so a poisoned status is a whole one.
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
