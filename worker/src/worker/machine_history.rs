//! Which machines have tried a job: read from the store, and deleted there once the job is settled.

use super::{
    Worker,
    decision::has_untried,
    facts::{Wanted, WorkerSeen},
};
use crate::{machine::Trial, retry_policy::MachinesTried};
use jobs::{Blame, Job, JobId, WorkerStatus, now_ms};
use std::{collections::BTreeMap, time::Duration};
use store::StoreError;
use tracing::warn;

impl Worker {
    /// The machines that failed on the job, with this one; `None` if there are no other machines.
    pub(super) async fn machines_tried(&self, job: &Job) -> Option<MachinesTried> {
        let machine = &self.machine.as_ref()?.name;
        let wanted = Wanted::of(job);
        let mut failed_on = self.failed_on(&wanted.job).await.unwrap_or_default();
        failed_on.entry(machine.clone()).or_insert_with(now_ms);
        let workers = self.workers_seen().await;
        let first_ms = failed_on.values().min().copied();
        let lasting_ms = first_ms.map_or(0, |first| now_ms().saturating_sub(first));
        Some(MachinesTried {
            machines: failed_on.len(),
            has_untried: has_untried(self.me(), wanted, failed_on.keys(), workers.as_deref()),
            lasting: Duration::from_millis(lasting_ms),
        })
    }

    /// The machines on which attempts at the job failed for reasons of the machine, and when each one did first.
    pub(super) async fn failed_on(&self, job: &JobId) -> Result<BTreeMap<String, u64>, StoreError> {
        let mut failed_on = BTreeMap::new();
        // A record that cannot be read was written by another version. It counts for no machine.
        for record in self.store.failures(job).await?.into_iter().flatten() {
            if record.blame == Some(Blame::Machine) {
                let machine = record.machine.unwrap_or(record.worker);
                let first_ms = failed_on.entry(machine).or_insert(record.failed_ms);
                *first_ms = record.failed_ms.min(*first_ms);
            }
        }
        Ok(failed_on)
    }

    /// The machines that started the job after it was lost. A record that cannot be read is left out.
    pub(super) async fn trials(&self, job: &JobId) -> Result<BTreeMap<String, Trial>, StoreError> {
        let trials = self.store.trials(job).await?;
        Ok(trials.into_iter().filter_map(|(machine, trial)| Some((machine, trial.ok()?))).collect())
    }

    /// All workers with a heartbeat that can be read; `None` if the store does not list them.
    pub(super) async fn workers_seen(&self) -> Option<Vec<WorkerSeen>> {
        let workers = self.store.dated_workers::<WorkerStatus>().await.ok()?;
        let seen = workers.into_iter().filter_map(|(_, dated)| dated.ok()).map(|dated| {
            let age = dated.age(dated.content.beat_ms, now_ms());
            WorkerSeen { status: dated.content, age }
        });
        Some(seen.collect())
    }

    /// Deletes the trials of a job that was lost before and is now settled here: all of them if it `is_over`, else this
    /// machine's.
    pub(super) async fn delete_trials(&self, job: &JobId, is_over: bool) {
        let Some(machine) = &self.machine else { return };
        let deleting = async {
            if !is_over {
                return self.store.remove_trial(job, &machine.name).await;
            }
            for (name, _) in self.store.trials::<serde::de::IgnoredAny>(job).await? {
                self.store.remove_trial(job, &name).await?;
            }
            Ok(())
        };
        if let Err(error) = deleting.await {
            warn!(%error, "cannot delete the trials of a job that was lost before");
        }
    }
}
