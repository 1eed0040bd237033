//! What a worker does before it takes jobs: it waits after faults of its machine, and tests the machine.

use super::{LAST_WRITE_TIMEOUT, Worker};
use crate::{WorkerError, machine::Faults};
use jobs::{Job, WorkerStatus, error_chain, now_ms};
use std::sync::{Arc, atomic::Ordering};
use tokio::{
    task::spawn_blocking,
    time::{sleep, timeout},
};
use tracing::{info, warn};

impl Worker {
    /// Waits as long as the faults of its machine require, and tests that they are gone, before any job is taken.
    pub(super) async fn start_up(&self) -> Result<(), WorkerError> {
        let Some(machine) = &self.machine else { return Ok(()) };
        let mut faults = self.store.machine::<Faults>(&machine.name).await.unwrap_or_else(|error| {
            warn!(%error, "cannot read the faults of this machine");
            None
        });
        if let Some(error) = self.lost_predecessor().await {
            faults = Some(self.record_fault(faults, error, None).await);
        }
        if let Some(faults) = &faults {
            self.may_have_faults.store(true, Ordering::Relaxed);
            let pause = faults.remaining_pause(now_ms());
            if !pause.is_zero() {
                let count = faults.count;
                let last = &faults.error;
                warn!(
                    faults = count,
                    last,
                    ?pause,
                    "workers of this machine ended by their own faults; this one waits"
                );
            }
            sleep(pause).await;
        }
        // A store that refuses this write would also refuse results.
        self.heartbeat.store_once(&self.store).await.map_err(WorkerError::Unwritable)?;
        let Some(faults) = faults else { return Ok(()) };
        match faults.job.clone() {
            Some(job) => self.test_machine(faults, job).await,
            None => Ok(()),
        }
    }

    /// Tests whether the job that failed last on this machine would fail again.
    async fn test_machine(&self, faults: Faults, job: Job) -> Result<(), WorkerError> {
        let Some(machine) = &self.machine else { return Ok(()) };
        let self_test = Arc::clone(&machine.self_test);
        let tested = job.clone();
        match spawn_blocking(move || self_test.run(&tested)).await {
            Ok(Err(error)) if error.is_own_fault() => {
                let error = error_chain(&error);
                self.record_fault(Some(faults), error.clone(), Some(job)).await;
                let _ = timeout(LAST_WRITE_TIMEOUT, self.heartbeat.remove(&self.store)).await;
                Err(WorkerError::OwnFaults { count: 1, error })
            }
            Ok(Ok(()) | Err(_)) => {
                info!("the self-test of this machine passed");
                Ok(())
            }
            Err(error) => {
                warn!(%error, "the self-test of this machine did not finish");
                Ok(())
            }
        }
    }

    /// The loss of the last worker of this name, if it ended without removing its heartbeat while it had a job.
    async fn lost_predecessor(&self) -> Option<String> {
        let status: WorkerStatus = self.store.worker(&self.name).await.ok()??;
        let job = status.job?.job.short();
        Some(format!("the last worker of this name disappeared while it had job {job}"))
    }

    /// Records that the worker ends by its own fault, or by one of a service that it needs. The next worker of this
    /// machine tests itself with `job`.
    pub(super) async fn record_own_fault(&self, error: String, job: Option<&Job>) {
        let Some(machine) = &self.machine else { return };
        let recording = async {
            let earlier = self.store.machine::<Faults>(&machine.name).await.unwrap_or_default();
            self.record_fault(earlier, error, job.cloned()).await;
        };
        // The store may be unreachable: the worker does not wait for its retries again.
        let _ = timeout(LAST_WRITE_TIMEOUT, recording).await;
    }

    async fn record_fault(&self, earlier: Option<Faults>, error: String, job: Option<Job>) -> Faults {
        let faults = Faults::one_more(earlier, error, job, now_ms());
        if let Some(machine) = &self.machine
            && let Err(error) = self.store.put_machine(&machine.name, &faults).await
        {
            warn!(%error, "cannot store the faults of this machine");
        }
        faults
    }

    /// Deletes the stored faults of this machine, because it computed a job.
    pub(super) async fn clear_faults(&self) {
        let Some(machine) = self.machine.as_ref().filter(|_| self.may_have_faults.load(Ordering::Relaxed)) else {
            return;
        };
        match self.store.remove_machine(&machine.name).await {
            Ok(()) => self.may_have_faults.store(false, Ordering::Relaxed),
            Err(error) => warn!(%error, "cannot delete the faults of this machine"),
        }
    }
}
