//! What other machines have made of a job, and whether there are any.

use super::Worker;
use crate::{
    clock::now_ms,
    machine::Trial,
    settle::{Tried, is_lost, pause},
};
use jobs::{Blame, Job, JobId, WorkerState, WorkerStatus};
use queue::Delivery;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use store::{Dated, StoreError};
use tracing::{debug, warn};

/// A worker that told of itself within this time is alive. The store's clock decides; workers' own may be wrong.
const ALIVE_WITHIN: Duration = Duration::from_secs(60);

/// The same where it costs only time to believe it.
const MAY_BE_ALIVE_WITHIN: Duration = Duration::from_secs(120);

/// How long a job stays away that this machine leaves to others, which may be busy.
const LEFT_FOR: Duration = Duration::from_secs(5);

/// What is to be done with a job that failed, or was lost, before.
pub(super) enum Before {
    /// Try it.
    Try,
    /// Leave it for so long, to others or to a later time.
    Leave(Duration),
    /// Set it aside: it was lost on these machines.
    Lost(Vec<String>),
}

impl Worker {
    /// What is to be done with a job before it is computed, in the light of what was made of it elsewhere.
    pub(super) async fn look_back(&self, delivery: &Delivery) -> Result<Before, StoreError> {
        let job = delivery.job();
        let losses = delivery.losses();
        let Some(machine) = self.machine.as_ref().map(|machine| &machine.name) else {
            let is_lost = is_lost(losses, None, &self.limits);
            return Ok(if is_lost { Before::Lost(Vec::new()) } else { Before::Try });
        };
        if delivery.attempt() > 1 {
            let failed = self.failed_on(&job.id()).await?;
            if failed.contains_key(machine) && self.may_others(&job.id(), failed.keys()).await {
                return Ok(Before::Leave(LEFT_FOR));
            }
        }
        if losses == 0 { Ok(Before::Try) } else { self.after_losses(job, losses, machine).await }
    }

    /// What is to be done with a job that was lost before. Which machine the first loss befell nobody knows; from then on each
    /// leaves a note before it begins.
    async fn after_losses(&self, job: &Job, losses: u32, machine: &String) -> Result<Before, StoreError> {
        let id = job.id();
        let notes: BTreeMap<String, Trial> =
            self.store.trials(&id).await?.into_iter().filter_map(|(name, trial)| Some((name, trial.ok()?))).collect();
        let mine = notes.get(machine).copied();
        let others = self.may_others(&id, notes.keys().chain([machine])).await;
        let first_ms = notes.values().map(|trial| trial.first_ms).min();
        let lasting = first_ms.map_or(0, |first| now_ms().saturating_sub(first));
        // This machine is alive itself, and has not tried it unless there is a note of it.
        let may_try = others || mine.is_none();
        let tried = Tried { machines: notes.len(), others: may_try, lasting: Duration::from_millis(lasting) };
        if is_lost(losses, Some(tried), &self.limits) {
            return Ok(Before::Lost(notes.into_keys().collect()));
        }
        if let Some(mine) = mine {
            if others {
                debug!("the job was lost on this machine, and is left to others");
                return Ok(Before::Leave(LEFT_FOR));
            }
            // Not at once: what took it down here may take it down again.
            let due = pause(losses, &self.limits).saturating_sub(since(mine.last_ms));
            if !due.is_zero() {
                return Ok(Before::Leave(due));
            }
        }
        self.store.put_trial(&id, machine, &Trial::begins(mine, now_ms())).await?;
        Ok(Before::Try)
    }

    /// The job, which was lost before, has been settled here: no note of it is needed.
    pub(super) async fn forget_trials(&self, job: &JobId, is_over: bool) {
        let Some(machine) = &self.machine else { return };
        let forgetting = async {
            if !is_over {
                return self.store.remove_trial(job, &machine.name).await;
            }
            for (name, _) in self.store.trials::<serde::de::IgnoredAny>(job).await? {
                self.store.remove_trial(job, &name).await?;
            }
            Ok(())
        };
        if let Err(error) = forgetting.await {
            warn!(%error, "cannot take back the note on a job that was lost before");
        }
    }

    /// What is known of the machines that failed on the job, with this one; `None` where there is no other.
    pub(super) async fn tried(&self, job: &JobId) -> Option<Tried> {
        let machine = &self.machine.as_ref()?.name;
        let mut failed = self.failed_on(job).await.unwrap_or_default();
        failed.entry(machine.clone()).or_insert_with(now_ms);
        let first_ms = failed.values().min().copied();
        Some(Tried {
            machines: failed.len(),
            others: self.may_others(job, failed.keys()).await,
            lasting: first_ms.map_or(Duration::ZERO, since),
        })
    }

    /// The machines on which attempts at the job failed for reasons of theirs, and when each did first.
    async fn failed_on(&self, job: &JobId) -> Result<BTreeMap<String, u64>, StoreError> {
        let mut failed = BTreeMap::new();
        // What cannot be read was written by another version; it counts as nobody's.
        for record in self.store.failures(job).await?.into_iter().flatten() {
            if record.blame == Some(Blame::Machine) {
                let first = failed.entry(record.machine.unwrap_or(record.worker)).or_insert(record.failed_ms);
                *first = record.failed_ms.min(*first);
            }
        }
        Ok(failed)
    }

    /// Whether a machine is alive that is none of these, and may get the job: one of another pool does not, and one of another
    /// version leaves it. Where the store does not say, there may be one.
    async fn may_others(&self, job: &JobId, tried: impl Iterator<Item = &String> + Send) -> bool {
        let pool = self.machine.as_ref().and_then(|machine| machine.pool.as_ref());
        let tried: BTreeSet<&String> = tried.collect();
        let Ok(workers) = self.store.dated_workers::<WorkerStatus>().await else { return true };
        workers.into_iter().filter_map(|(_, dated)| dated.ok()).any(|dated| {
            let is_alive = age(&dated) < MAY_BE_ALIVE_WITHIN;
            let status = dated.content;
            let is_of_pool = pool.is_none_or(|pool| status.takes_jobs_of(pool));
            let gets_it = is_alive && is_of_pool && !status.left.contains(job);
            let machine = status.machine.unwrap_or(status.worker);
            gets_it && status.state != WorkerState::Draining && !tried.contains(&machine)
        })
    }

    /// Whether another worker tells that it is at the job: one that lost its connection for a while, not its life.
    pub(super) async fn is_in_other_hands(&self, job: JobId) -> bool {
        let workers = self.store.dated_workers::<WorkerStatus>().await.unwrap_or_default();
        workers
            .into_iter()
            .filter(|(name, _)| *name != self.name)
            .filter_map(|(_, dated)| dated.ok())
            .any(|dated| age(&dated) < ALIVE_WITHIN && dated.content.job.is_some_and(|in_hand| in_hand.job == job))
    }
}

/// How long ago a worker told of itself.
fn age(dated: &Dated<WorkerStatus>) -> Duration {
    dated.age(dated.content.beat_ms, now_ms())
}

/// How long ago `then_ms` was, by this machine's clock.
fn since(then_ms: u64) -> Duration {
    Duration::from_millis(now_ms().saturating_sub(then_ms))
}
