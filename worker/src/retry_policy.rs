//! What follows a failed attempt or a lost delivery. Pure functions; the worker does what they decide.

use crate::{JobError, limits::Limits};
use jobs::Blame;
use std::time::Duration;

/// What to do with a delivery whose attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AfterFailure {
    /// Return it unchanged: the worker is stopping, or the job rests, and the attempt does not count.
    Return,
    /// Acknowledge it: the sweep was cancelled.
    Discard,
    /// Try again, after this time.
    Retry(Duration),
    /// Record the failure as permanent and dead-letter the job.
    DeadLetter,
}

/// The machines that have tried a job without success, and whether others are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MachinesTried {
    /// How many machines failed on it.
    pub(crate) machines: usize,
    /// Whether a machine is alive that has not tried it.
    pub(crate) has_untried: bool,
    /// How long ago the first of them failed.
    pub(crate) lasting: Duration,
}

/// The longest pause before another attempt. It is well below the time after which a coordinator misses a job.
const MAX_BACK_OFF: Duration = Duration::from_secs(60);

/// A job is given up after this time, although a machine that has not tried it is alive.
const MAX_WAIT_FOR_UNTRIED: Duration = Duration::from_secs(24 * 3600);

/// A job is given up once this many times the limit of machines have failed on it. Some clusters replace machines
/// without end.
const MAX_MACHINES_PER_LIMIT: usize = 4;

impl MachinesTried {
    /// Whether the job may still succeed on another machine, with `limit` machines that may fail.
    fn may_find_another(self, limit: u32, machine_wait: Duration) -> bool {
        let limit = limit as usize;
        let is_exhausted =
            self.machines >= limit.saturating_mul(MAX_MACHINES_PER_LIMIT) || self.lasting >= MAX_WAIT_FOR_UNTRIED;
        let may_one_start = self.machines < limit && self.lasting < machine_wait;
        !is_exhausted && (self.has_untried || may_one_start)
    }
}

/// Decides what follows a failed attempt, counted from 1. `tried` is `None` if there is no other machine.
pub(crate) fn after_failure(
    error: &JobError,
    attempt: u32,
    tried: Option<MachinesTried>,
    limits: &Limits,
) -> AfterFailure {
    match error {
        JobError::Interrupted | JobError::Rests(_) => return AfterFailure::Return,
        JobError::Cancelled(_) => return AfterFailure::Discard,
        // No attempt was made, and none would help.
        JobError::Lost { .. } | JobError::CorruptResult(_) | JobError::CheckpointGone(_) => {
            return AfterFailure::DeadLetter;
        }
        JobError::Input(_)
        | JobError::Artefact(_)
        | JobError::Changed { .. }
        | JobError::FileChanged(_)
        | JobError::Adapter { .. }
        | JobError::AdapterModule { .. }
        | JobError::Base(_)
        | JobError::Merge(_)
        | JobError::Output(_)
        | JobError::InputMerge(_)
        | JobError::Tune(_)
        | JobError::Train { .. }
        | JobError::Overlap { .. }
        | JobError::Checkpoint(_)
        | JobError::CheckpointStore(_)
        | JobError::RestRefused(_)
        | JobError::Statistics(_)
        | JobError::Scratch { .. }
        | JobError::Model(_)
        | JobError::Data { .. }
        | JobError::NoHead { .. }
        | JobError::TooLarge { .. }
        | JobError::MergeTooLarge { .. }
        | JobError::StatisticsTooLarge { .. }
        | JobError::TrainingImages { .. }
        | JobError::Head { .. }
        | JobError::Joint(_)
        | JobError::Score { .. }
        | JobError::Command(_)
        | JobError::Incomplete(_)
        | JobError::Panicked(_)
        | JobError::TimedOut(_)
        | JobError::LoadTimedOut(_)
        | JobError::ImpossibleResult(_)
        | JobError::Slice(_)
        | JobError::SliceSize { .. }
        | JobError::Precision { .. } => {}
    }
    let may_succeed = match tried {
        None => error.is_retryable() && attempt < limits.attempts,
        Some(_) if matches!(error, JobError::Command(error) if error.counts_attempts()) => {
            error.is_retryable() && attempt < limits.attempts
        }
        Some(_) if error.blame() == Blame::Job => false,
        Some(tried) => attempt < limits.attempts || tried.may_find_another(limits.attempts, limits.machine_wait),
    };
    if may_succeed { AfterFailure::Retry(back_off(attempt, limits)) } else { AfterFailure::DeadLetter }
}

/// The pause after the attempt of this number.
pub(crate) fn back_off(attempt: u32, limits: &Limits) -> Duration {
    let doublings = attempt.saturating_sub(1).min(10);
    limits.back_off.saturating_mul(1 << doublings).min(MAX_BACK_OFF)
}

/// Whether a job with this many lost deliveries is given up. `tried` describes the machines on which it was lost.
pub(crate) fn is_lost(losses: u32, tried: Option<MachinesTried>, limits: &Limits) -> bool {
    match tried {
        None => losses >= limits.losses,
        Some(tried) => losses >= limits.losses && !tried.may_find_another(limits.losses, limits.machine_wait),
    }
}

#[cfg(test)]
mod tests;
