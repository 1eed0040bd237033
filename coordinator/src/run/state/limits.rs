use crate::{Ended, StopReason, run::settings::Settings};
use std::time::Duration;

/// What a run has used of its limits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage<'a> {
    /// A person cancelled the sweep, or another run stopped it.
    pub(super) is_cancelled: bool,
    /// The number of jobs that failed.
    pub(super) failed: u64,
    /// The time since the beginning of the run.
    pub(super) elapsed: Duration,
    /// The device time of all jobs, in all runs of the sweep.
    pub(super) device_time: Duration,
    /// Why the circuit breaker stops the run, if it does.
    pub(super) breaker: Option<&'a StopReason>,
}

/// Why a run ends before its sweep is over, if it does.
pub(super) fn early_end(settings: &Settings, usage: Usage<'_>) -> Option<Ended> {
    if usage.is_cancelled {
        return Some(Ended::Cancelled);
    }
    if let Some(limit) = settings.max_failures
        && usage.failed > limit
    {
        return Some(Ended::TooManyFailures { failed: usage.failed, limit });
    }
    if let Some(reason) = usage.breaker {
        return Some(Ended::Stopped(reason.clone()));
    }
    if let Some(limit) = settings.max_time
        && usage.elapsed >= limit
    {
        return Some(Ended::Stopped(StopReason::Time(limit)));
    }
    if let Some(limit) = settings.max_device_time
        && usage.device_time >= limit
    {
        return Some(Ended::Stopped(StopReason::DeviceTime(limit)));
    }
    None
}
