//! How a worker begins, and what it leaves behind when it ends by a fault of its own.

use super::{FAREWELL, Worker};
use crate::{WorkerError, clock::now_ms, machine::Faults};
use jobs::{Job, WorkerStatus};
use std::sync::{Arc, atomic::Ordering};
use store::StoreError;
use tokio::{
    task::spawn_blocking,
    time::{sleep, timeout},
};
use tracing::{info, warn};

impl Worker {
    /// Waits as long as the faults of its machine ask for, and shows that they are mended, before any job is taken.
    pub(super) async fn arrive(&self) -> Result<(), WorkerError> {
        let Some(machine) = &self.machine else { return Ok(()) };
        let name = &machine.name;
        let mut faults = self.store.machine::<Faults>(name).await.unwrap_or_else(|error| {
            warn!(%error, "cannot read what is known of this machine");
            None
        });
        if let Some(error) = self.predecessor_lost().await {
            faults = Some(self.note_fault(faults, error, None).await);
        }
        if let Some(faults) = &faults {
            self.has_record.store(true, Ordering::Relaxed);
            let pause = faults.pause(now_ms());
            if !pause.is_zero() {
                let (faults, last) = (faults.count, &faults.error);
                warn!(
                    faults,
                    last,
                    ?pause,
                    "workers of this machine ended by faults of their own; this one waits first"
                );
            }
            sleep(pause).await;
        }
        // A store that takes no write takes no result either.
        self.pulse.tell(&self.store).await.map_err(WorkerError::Unwritable)?;
        match faults.and_then(|faults| Some((faults.job.clone()?, faults))) {
            Some((job, faults)) => self.prove(faults, job).await,
            None => Ok(()),
        }
    }

    /// Looks whether the job that failed here last would fail again.
    async fn prove(&self, faults: Faults, job: Job) -> Result<(), WorkerError> {
        let Some(machine) = &self.machine else { return Ok(()) };
        let proof = Arc::clone(&machine.proof);
        let asked = job.clone();
        match spawn_blocking(move || proof.prove(&asked)).await {
            Ok(Err(error)) if error.is_own_fault() => {
                let error = error.chain().join(": ");
                self.note_fault(Some(faults), error.clone(), Some(job)).await;
                let _ = timeout(FAREWELL, self.pulse.end(&self.store)).await;
                Err(WorkerError::Unfit { count: 1, error })
            }
            Ok(Ok(()) | Err(_)) => {
                info!("what made workers of this machine end is mended, as far as can be seen");
                Ok(())
            }
            Err(error) => {
                warn!(%error, "the proof that this machine is fit came to no end");
                Ok(())
            }
        }
    }

    /// What a worker of the same name left behind, if it ended without a word and with a job in hand.
    async fn predecessor_lost(&self) -> Option<String> {
        let status: WorkerStatus = self.store.worker(&self.name).await.ok()??;
        let job = status.job?.job.short();
        Some(format!("the last worker of this name ended without a word, with job {job} in hand"))
    }

    /// Keeps that the worker ends by a fault of its own, or of a service that it relies on; `job` is what would show that it
    /// is mended.
    pub(super) async fn note_own_fault(&self, error: String, job: Option<&Job>) {
        let Some(machine) = &self.machine else { return };
        let noting = async {
            let earlier = self.store.machine::<Faults>(&machine.name).await.unwrap_or_default();
            self.note_fault(earlier, error, job.cloned()).await;
        };
        // A store that is away is not waited for once more.
        let _ = timeout(FAREWELL, noting).await;
    }

    async fn note_fault(&self, earlier: Option<Faults>, error: String, job: Option<Job>) -> Faults {
        let faults = Faults::after(earlier, error, job, now_ms());
        if let Some(machine) = &self.machine
            && let Err(error) = self.store.put_machine(&machine.name, &faults).await
        {
            warn!(%error, "cannot keep that this machine has faults");
        }
        faults
    }

    /// The machine did a job: what was known against it is forgotten.
    pub(super) async fn note_success(&self) {
        let Some(machine) = self.machine.as_ref().filter(|_| self.has_record.load(Ordering::Relaxed)) else { return };
        match self.store.remove_machine(&machine.name).await {
            Ok(()) => self.has_record.store(false, Ordering::Relaxed),
            Err(error) => warn!(%error, "cannot forget the faults of this machine"),
        }
    }
}

/// What a store error means for the worker that meets it with a job in hand.
pub(super) fn out_of_reach(job: &Job, source: StoreError) -> WorkerError {
    WorkerError::Store { job: job.id(), source }
}
