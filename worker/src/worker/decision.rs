//! What happens with a delivery before it is computed. A pure function: it names the next fact to read, or the
//! decision.

use super::{
    facts::{Fact, Facts, Me, StoredOutput, Wanted, WorkerSeen},
    unable::Unable,
};
use crate::{
    JobError,
    machine::Trial,
    retry_policy::{MachinesTried, back_off, is_lost},
};
use jobs::{Cancellation, JobId, WorkerState};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// A worker whose last heartbeat is younger than this is alive. The age is measured by the store's clock, because
/// clocks of machines may be wrong.
const ALIVE_WITHIN: Duration = Duration::from_secs(60);

/// The same for decisions that cost only time if the worker is dead.
const MAYBE_ALIVE_WITHIN: Duration = Duration::from_secs(120);

/// How long a job stays in the queue that this machine leaves to other machines. They may be busy.
const LEFT_FOR: Duration = Duration::from_secs(5);

/// The next step with a delivery.
#[derive(Debug)]
pub(super) enum Next {
    /// Read this fact and decide again.
    Read(Unread),
    /// Settle the delivery without computing the job.
    Settle(Settlement),
    /// Compute the job. A trial is stored first.
    Compute { trial: Option<Trial> },
}

/// A fact that the decision needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    Cancellation,
    Sweep,
    Output,
    FailedMachines,
    Trials,
    Workers,
}

/// How to settle a delivery without computing its job.
#[derive(Debug)]
pub(super) enum Settlement {
    /// Acknowledge it: its sweep is cancelled or finished.
    Discard(Cancellation),
    /// Leave it to a worker that can compute it.
    Defer(Unable),
    /// Return it with a loss: the store does not hold its sweep.
    UnknownSweep,
    /// Acknowledge it: its result is stored.
    Known,
    /// Return it to the queue for this time: for another machine, or for a later attempt.
    Postpone(Duration),
    /// Return it after a pause: it looks lost, but a live worker computes it.
    WaitForHolder,
    /// The job failed without an attempt.
    Fail(JobError),
}

/// Decides what happens with a delivery.
///
/// Cancellation is first: the store may no longer hold a cancelled sweep. The stored output is next, also for a job
/// that is delivered for the first time, because two runs or two sweeps may have published the same job.
pub(super) fn decide(me: Me<'_>, facts: &Facts) -> Next {
    let cancellation = match &facts.cancellation {
        Fact::Unread => return Next::Read(Unread::Cancellation),
        Fact::Read(cancellation) => cancellation,
    };
    if let Some(cancellation) = cancellation {
        return Next::Settle(Settlement::Discard(cancellation.clone()));
    }
    if let Some(unable) = &facts.unable {
        return Next::Settle(Settlement::Defer(unable.clone()));
    }
    match facts.has_sweep {
        Fact::Unread => return Next::Read(Unread::Sweep),
        Fact::Read(false) => return Next::Settle(Settlement::UnknownSweep),
        Fact::Read(true) => {}
    }
    match &facts.output {
        Fact::Unread => Next::Read(Unread::Output),
        Fact::Read(StoredOutput::Present) => Next::Settle(Settlement::Known),
        Fact::Read(StoredOutput::Corrupt(error)) => {
            Next::Settle(Settlement::Fail(JobError::CorruptResult(Arc::clone(error))))
        }
        Fact::Read(StoredOutput::Absent) => decide_attempt(me, facts),
    }
}

/// Decides whether a job without a result is tried on this machine.
fn decide_attempt(me: Me<'_>, facts: &Facts) -> Next {
    let Some(machine) = me.machine else {
        if is_lost(facts.losses, None, me.limits) {
            return give_up(me, facts, Vec::new());
        }
        return Next::Compute { trial: None };
    };
    if facts.attempt > 1 {
        let failed_on = match &facts.failed_on {
            Fact::Unread => return Next::Read(Unread::FailedMachines),
            Fact::Read(failed_on) => failed_on,
        };
        if failed_on.contains_key(machine) {
            match &facts.workers {
                Fact::Unread => return Next::Read(Unread::Workers),
                Fact::Read(workers) if has_untried(me, facts.wanted, failed_on.keys(), workers.as_deref()) => {
                    return Next::Settle(Settlement::Postpone(LEFT_FOR));
                }
                Fact::Read(_) => {}
            }
        }
    }
    if facts.losses == 0 {
        return Next::Compute { trial: None };
    }
    decide_after_losses(me, machine, facts)
}

/// Decides what happens with a job that was lost before.
///
/// The machine of the first loss is unknown. From then on, each machine stores a trial before it starts the job.
fn decide_after_losses(me: Me<'_>, machine: &str, facts: &Facts) -> Next {
    let trials = match &facts.trials {
        Fact::Unread => return Next::Read(Unread::Trials),
        Fact::Read(trials) => trials,
    };
    let workers = match &facts.workers {
        Fact::Unread => return Next::Read(Unread::Workers),
        Fact::Read(workers) => workers,
    };
    let own_trial = trials.get(machine).copied();
    let this_machine = machine.to_owned();
    let has_other = has_untried(me, facts.wanted, trials.keys().chain([&this_machine]), workers.as_deref());
    let first_ms = trials.values().map(|trial| trial.first_ms).min();
    let lasting_ms = first_ms.map_or(0, |first| facts.now_ms.saturating_sub(first));
    let tried = MachinesTried {
        machines: trials.len(),
        // This machine is alive. It has not tried the job if it has stored no trial.
        has_untried: has_other || own_trial.is_none(),
        lasting: Duration::from_millis(lasting_ms),
    };
    if is_lost(facts.losses, Some(tried), me.limits) {
        return give_up(me, facts, trials.keys().cloned().collect());
    }
    if let Some(own_trial) = own_trial {
        if has_other {
            return Next::Settle(Settlement::Postpone(LEFT_FOR));
        }
        // Not at once: the cause of the loss may still be there.
        let since = Duration::from_millis(facts.now_ms.saturating_sub(own_trial.last_ms));
        let rest = back_off(facts.losses, me.limits).saturating_sub(since);
        if !rest.is_zero() {
            return Next::Settle(Settlement::Postpone(rest));
        }
    }
    Next::Compute { trial: Some(Trial::start(own_trial, facts.now_ms)) }
}

/// Gives up a job that was lost too often, unless a live worker computes it: that worker lost only its connection.
fn give_up(me: Me<'_>, facts: &Facts, machines: Vec<String>) -> Next {
    match &facts.workers {
        Fact::Unread => Next::Read(Unread::Workers),
        Fact::Read(Some(workers)) if has_holder(me, facts.wanted.job, workers) => {
            Next::Settle(Settlement::WaitForHolder)
        }
        Fact::Read(_) => Next::Settle(Settlement::Fail(JobError::Lost { losses: facts.losses, machines })),
    }
}

/// Whether another live worker computes the job, by its heartbeat.
fn has_holder(me: Me<'_>, job: JobId, workers: &[WorkerSeen]) -> bool {
    workers.iter().any(|seen| {
        let computes = seen.status.job.as_ref().is_some_and(|in_hand| in_hand.job == job);
        computes && seen.age < ALIVE_WITHIN && seen.status.worker != me.worker
    })
}

/// Whether a machine is alive that is not in `tried` and may receive the job. A machine of another pool does not
/// receive it; one of another version defers it, and so does one that runs no commands if the job runs one. If the store did not list the workers, there may be one.
pub(super) fn has_untried<'a>(
    me: Me<'_>,
    wanted: Wanted,
    tried: impl Iterator<Item = &'a String>,
    workers: Option<&[WorkerSeen]>,
) -> bool {
    let Some(workers) = workers else { return true };
    let tried: BTreeSet<&str> = tried.map(String::as_str).collect();
    workers.iter().any(|WorkerSeen { status, age }| {
        let is_alive = *age < MAYBE_ALIVE_WITHIN && status.state != WorkerState::Draining;
        let is_of_pool = me.pool.is_none_or(|pool| status.takes_jobs_of(pool));
        let has_deferred = status.left.contains(&wanted.job);
        let runs_commands = !wanted.runs_command || status.allows_commands;
        let machine = status.machine.as_deref().unwrap_or(&status.worker);
        is_alive && is_of_pool && runs_commands && !has_deferred && !tried.contains(machine)
    })
}

#[cfg(test)]
mod tests;
