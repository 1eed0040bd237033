//! Reads the facts that the [decision](super::decision) about a delivery needs.

use super::{
    Worker,
    decision::{Next, Settlement, Unread, decide},
    facts::{Fact, Facts, Me, StoredOutput, Wanted},
    unable::Unable,
};
use jobs::{Job, now_ms};
use queue::Delivery;
use std::sync::Arc;
use store::StoreError;
use tracing::warn;

/// What to do with a delivery that was looked up.
pub(super) enum Lookup {
    Settle(Settlement),
    Compute,
}

impl Worker {
    /// Looks a delivery up in the store. A job to compute may be started at once: its trial is stored.
    pub(super) async fn look_up(&self, delivery: &Delivery) -> Result<Lookup, StoreError> {
        let mut facts = Facts {
            wanted: Wanted::of(delivery.job()),
            attempt: delivery.attempt(),
            losses: delivery.losses(),
            unable: self.unable(delivery.job()),
            cancellation: Fact::Unread,
            // A coordinator in this process uses the same store, and a sweep that is only evaluated is in no store.
            has_sweep: if self.shares_store { Fact::Read(true) } else { Fact::Unread },
            output: Fact::Unread,
            failed_on: Fact::Unread,
            trials: Fact::Unread,
            workers: Fact::Unread,
            now_ms: now_ms(),
        };
        loop {
            match decide(self.me(), &facts) {
                Next::Read(unread) => self.read(delivery, unread, &mut facts).await?,
                Next::Settle(settlement) => return Ok(Lookup::Settle(settlement)),
                Next::Compute { trial } => {
                    if let Some(trial) = trial
                        && let Some(machine) = &self.machine
                    {
                        self.store.put_trial(&facts.wanted.job, &machine.name, &trial).await?;
                    }
                    return Ok(Lookup::Compute);
                }
            }
        }
    }

    /// Why this worker leaves a job to others, if it does.
    pub(super) fn unable(&self, job: &Job) -> Option<Unable> {
        Unable::of(job.spec(), self.allows_commands)
    }

    /// This worker, as decisions see it.
    pub(super) fn me(&self) -> Me<'_> {
        Me {
            worker: &self.name,
            machine: self.machine.as_ref().map(|machine| machine.name.as_str()),
            pool: self.machine.as_ref().and_then(|machine| machine.pool.as_deref()),
            limits: &self.limits,
        }
    }

    async fn read(&self, delivery: &Delivery, unread: Unread, facts: &mut Facts) -> Result<(), StoreError> {
        match unread {
            Unread::Cancellation => {
                facts.cancellation = Fact::Read(self.cancellations.of(delivery.sweep()).await);
            }
            Unread::Sweep => facts.has_sweep = Fact::Read(self.sweeps.holds(delivery.sweep()).await?),
            Unread::Output => facts.output = Fact::Read(self.stored_output(delivery.job()).await?),
            Unread::FailedMachines => facts.failed_on = Fact::Read(self.failed_on(&facts.wanted.job).await?),
            Unread::Trials => facts.trials = Fact::Read(self.trials(&facts.wanted.job).await?),
            Unread::Workers => facts.workers = Fact::Read(self.workers_seen().await),
        }
        Ok(())
    }

    /// What the store holds under the key of the job's output.
    ///
    /// # Errors
    /// The store is unreachable.
    async fn stored_output(&self, job: &Job) -> Result<StoredOutput, StoreError> {
        match self.has_output(job).await {
            Ok(true) => Ok(StoredOutput::Present),
            Ok(false) => Ok(StoredOutput::Absent),
            Err(source @ StoreError::Backend(_)) => Err(source),
            Err(error @ StoreError::Version { .. }) => {
                warn!(%error, "another version of the program has computed the job");
                Ok(StoredOutput::Present)
            }
            Err(error) => Ok(StoredOutput::Corrupt(Arc::new(error))),
        }
    }
}
