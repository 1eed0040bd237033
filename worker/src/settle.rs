//! What becomes of a job after an attempt: decided here, done by the worker.

use crate::{JobError, limits::Limits};
use jobs::Blame;
use std::time::Duration;

/// What to do with a delivery whose attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AfterFailure {
    /// Give it back as it is: the worker is stopping, and the attempt does not count.
    GiveBack,
    /// Nobody wants it any more.
    Drop,
    /// Try again, not before this has passed.
    Retry(Duration),
    /// Record the failure for good and set the job aside.
    Park,
}

/// What is known of the machines that failed on a job, this one among them, and of those that may still do better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tried {
    /// How many machines failed on it.
    pub(crate) machines: usize,
    /// Whether a machine is alive that has not tried it.
    pub(crate) others: bool,
    /// How long ago the first of them failed.
    pub(crate) lasting: Duration,
}

/// The longest pause before another attempt: well below the time after which a coordinator misses a job.
const MAX_BACK_OFF: Duration = Duration::from_secs(60);

/// A job that a machine which is there has not come to for so long is given up.
const TOO_LONG: Duration = Duration::from_secs(24 * 3600);

/// Machines are replaced by others without end on some clusters: what so many times the limit of them cannot do, none can.
const TOO_MANY: usize = 4;

impl Tried {
    /// Whether another machine may do what `limit` of them should have been enough for.
    fn may_find_another(self, limit: u32, patience: Duration) -> bool {
        let limit = limit as usize;
        let may_come = self.machines < limit && self.lasting < patience;
        let is_endless = self.machines >= limit.saturating_mul(TOO_MANY) || self.lasting >= TOO_LONG;
        !is_endless && (self.others || may_come)
    }
}

/// Decides what follows a failed attempt, counted from 1. `tried` is `None` where there is no other machine.
pub(crate) fn after_failure(error: &JobError, attempt: u32, tried: Option<Tried>, limits: &Limits) -> AfterFailure {
    match error {
        JobError::Interrupted => return AfterFailure::GiveBack,
        JobError::Cancelled(_) => return AfterFailure::Drop,
        // Decided before it was said.
        JobError::Lost { .. } | JobError::Stored(_) => return AfterFailure::Park,
        _ => {}
    }
    let is_open = match tried {
        None => error.is_retryable() && attempt < limits.attempts,
        Some(_) if error.blame() == Blame::Job => false,
        Some(tried) => attempt < limits.attempts || tried.may_find_another(limits.attempts, limits.patience),
    };
    if is_open { AfterFailure::Retry(pause(attempt, limits)) } else { AfterFailure::Park }
}

/// The pause after the attempt of this number.
pub(crate) fn pause(attempt: u32, limits: &Limits) -> Duration {
    let doublings = attempt.saturating_sub(1).min(10);
    limits.back_off.saturating_mul(1 << doublings).min(MAX_BACK_OFF)
}

/// Whether a job that was lost so often is set aside, where `tried` tells of the machines that it was lost on.
pub(crate) fn is_lost(losses: u32, tried: Option<Tried>, limits: &Limits) -> bool {
    match tried {
        None => losses >= limits.losses,
        Some(tried) => losses >= limits.losses && !tried.may_find_another(limits.losses, limits.patience),
    }
}

#[cfg(test)]
mod tests;
