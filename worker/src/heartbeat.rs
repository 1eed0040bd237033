use crate::{AttemptContext, Machine};
use jobs::{Job, JobId, JobInHand, StepsMade, WorkerState, WorkerStatus, now_ms};
use parking_lot::{Mutex, MutexGuard};
use std::{collections::BTreeMap, convert::Infallible, time::Duration};
use store::{Store, StoreError};

/// The heartbeat of a worker: its status in the store, for `bowline watch` and for coordinators that look for a missing
/// job.
///
/// No decision of the worker needs it: if it cannot be stored, the worker continues.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    status: Mutex<WorkerStatus>,
    /// The attempt at the job in hand, which knows how far a training has come.
    attempt: Mutex<Option<AttemptContext>>,
    interval: Option<Duration>,
}

impl Heartbeat {
    /// The heartbeat of an idle worker. It is stored only [with an interval](Self::with_interval).
    pub(crate) fn new(worker: String, device: String, versions: BTreeMap<String, String>) -> Self {
        let status = WorkerStatus { versions, ..WorkerStatus::fresh(worker, device, now_ms()) };
        Self { status: Mutex::new(status), attempt: Mutex::default(), interval: None }
    }

    /// The same, of a worker on this machine.
    pub(crate) fn on_machine(self, machine: &Machine) -> Self {
        let mut status = self.lock();
        status.machine = Some(machine.name.clone());
        status.pool.clone_from(&machine.pool);
        drop(status);
        self
    }

    /// The same, of a worker that takes only jobs of its own process.
    pub(crate) fn of_own_process(self) -> Self {
        self.lock().is_local = true;
        self
    }

    /// The same, of a worker that runs the commands of sweeps, or does not.
    pub(crate) fn allowing_commands(self, allows_commands: bool) -> Self {
        self.lock().allows_commands = allows_commands;
        self
    }

    /// The same, stored once per `interval`.
    pub(crate) fn with_interval(self, interval: Duration) -> Self {
        Self { interval: Some(interval), ..self }
    }

    /// The worker starts a job. A job that it only holds for later has not started.
    pub(crate) fn job_started(&self, job: &Job, sweep: &str, attempt: u32) {
        let mut status = self.lock();
        let sweep = sweep.to_owned();
        status.job = Some(JobInHand { job: job.id(), sweep, attempt, since_ms: now_ms(), steps: None });
        if status.state != WorkerState::Draining {
            status.state = WorkerState::Busy;
        }
    }

    /// An attempt at the job in hand starts to compute.
    pub(crate) fn attempt_started(&self, context: &AttemptContext) {
        *self.attempt.lock() = Some(context.clone());
    }

    /// The computation has ended. A later status names no steps.
    pub(crate) fn attempt_ended(&self) {
        *self.attempt.lock() = None;
    }

    /// The status as it is now.
    fn now(&self) -> WorkerStatus {
        let mut status = WorkerStatus { beat_ms: now_ms(), ..self.lock().clone() };
        if let Some(in_hand) = &mut status.job {
            in_hand.steps = self.steps_made();
        }
        status
    }

    /// How far the training in hand has come.
    pub(crate) fn steps_made(&self) -> Option<StepsMade> {
        self.attempt.lock().as_ref().and_then(AttemptContext::steps_made)
    }

    /// The result of a job is stored.
    pub(crate) fn count_done(&self) {
        self.lock().done += 1;
    }

    /// An attempt failed.
    pub(crate) fn count_failed(&self) {
        self.lock().failed += 1;
    }

    /// The worker takes no further job.
    pub(crate) fn set_draining(&self) {
        self.lock().state = WorkerState::Draining;
    }

    /// The worker has settled `job`. It is idle, unless it computes another job by now.
    pub(crate) fn job_settled(&self, job: JobId) {
        let mut status = self.lock();
        if status.job.as_ref().is_some_and(|in_hand| in_hand.job != job) {
            return;
        }
        status.job = None;
        if status.state != WorkerState::Draining {
            status.state = WorkerState::Idle;
        }
    }

    /// Stores the status once, if the heartbeat has an interval.
    ///
    /// # Errors
    /// The store refuses it.
    pub(crate) async fn store_once(&self, store: &Store) -> Result<(), StoreError> {
        if self.interval.is_none() {
            return Ok(());
        }
        let status = self.now();
        store.put_worker(&status.worker, &status).await
    }

    /// Stores the status once per interval, for as long as it is polled. `deferred` returns the jobs that were lately
    /// left to workers of another version.
    pub(crate) async fn run(&self, store: &Store, deferred: impl Fn() -> Vec<JobId> + Send) -> Infallible {
        let Some(interval) = self.interval else { return std::future::pending().await };
        let mut is_failure_reported = false;
        loop {
            let status = WorkerStatus { left: deferred(), ..self.now() };
            match store.put_worker(&status.worker, &status).await {
                Ok(()) => is_failure_reported = false,
                Err(error) if is_failure_reported => tracing::debug!(%error, "cannot store the heartbeat"),
                Err(error) => {
                    is_failure_reported = true;
                    tracing::warn!(%error, "cannot store the heartbeat; the worker continues");
                }
            }
            tokio::time::sleep(interval).await;
        }
    }

    /// Removes the stored status: the worker has ended, and is not missing.
    pub(crate) async fn remove(&self, store: &Store) {
        if self.interval.is_some() {
            let worker = self.lock().worker.clone();
            if let Err(error) = store.remove_worker(&worker).await {
                tracing::debug!(%error, "cannot remove the heartbeat");
            }
        }
    }

    /// What the worker is doing.
    pub(crate) fn state(&self) -> WorkerState {
        self.lock().state
    }

    fn lock(&self) -> MutexGuard<'_, WorkerStatus> {
        self.status.lock()
    }
}
