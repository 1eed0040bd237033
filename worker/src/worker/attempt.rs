//! One attempt at a job: computes it, unless the worker stops, the sweep is cancelled or a limit is reached.

use super::{Worker, loop_state::LoopState, rests::Start};
use crate::{AttemptContext, Computed, JobError, attempt_context::LoadTime, limits::Limits};
use jobs::{Job, JobSpec};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::error;

/// How often the time limits are checked while inputs may be read.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// The outcome of an attempt.
pub(super) struct Attempted {
    pub(super) outcome: Result<Computed, JobError>,
    /// The computation continues although it was cancelled.
    pub(super) hangs: bool,
    /// The worker stops, and what is left to do has time until then.
    pub(super) stops_at: Option<Instant>,
}

impl Attempted {
    fn with(outcome: Result<Computed, JobError>) -> Self {
        Self { outcome, hangs: false, stops_at: None }
    }
}

impl Worker {
    /// Attempts a job, and reports its times to the loop state and the queue selector.
    pub(super) async fn attempt_timed(&self, job: &Job, sweep: &str, state: &LoopState) -> Attempted {
        state.computation_started();
        let started = Instant::now();
        if let Some(selector) = &self.queue_selector {
            let base = match job.spec() {
                JobSpec::Evaluate(meaning) => Some(meaning.base),
                JobSpec::Statistics(spec) => Some(spec.base),
                JobSpec::Layerwise(spec) => Some(spec.base),
                JobSpec::Tune(spec) => Some(spec.base),
                JobSpec::Train(spec) => Some(spec.base),
                // A write job loads no model.
                JobSpec::Write(_) => None,
            };
            selector.job_started(sweep, base);
        }
        let attempted = self.attempt(job, sweep, &state.interrupt).await;
        self.heartbeat.attempt_ended();
        if let Some(selector) = &self.queue_selector {
            let load_s = attempted.outcome.as_ref().map_or(0.0, |computed| computed.timings.load_s);
            let load = Duration::try_from_secs_f64(load_s).unwrap_or_default();
            selector.job_ended(sweep, started.elapsed(), load);
        }
        state.computation_ended();
        attempted
    }

    async fn attempt(&self, job: &Job, sweep: &str, interrupt: &CancellationToken) -> Attempted {
        let start = match self.leg_start(job).await {
            Ok(start) => start,
            Err(error) => return Attempted::with(Err(error)),
        };
        let attempted = self.attempt_from(start, job, sweep, interrupt).await;
        let Err(JobError::RestRefused(error)) = &attempted.outcome else { return attempted };
        match self.start_after_refusal(job, &**error).await {
            Ok(start) => self.attempt_from(start, job, sweep, interrupt).await,
            Err(error) => Attempted::with(Err(error)),
        }
    }

    async fn attempt_from(&self, start: Start, job: &Job, sweep: &str, interrupt: &CancellationToken) -> Attempted {
        let (checkpoints, mut kept) = self.checkpoints(job).await;
        let may_rest = !start.is_refused;
        let rest = self.limits.rest.filter(|_| may_rest);
        let context = AttemptContext::with_checkpoints(checkpoints).with_slices(self.slices(job).await);
        let context = context.starting_from(start.from).resting_after(rest);
        // A computation runs on in its thread when nobody waits for it any more, and a command on its device.
        let _stops = context.cancellation.clone().drop_guard();
        self.heartbeat.attempt_started(&context);
        let computing = self.compute.compute(job, &context);
        tokio::pin!(computing);
        let reason = tokio::select! {
            biased;
            outcome = &mut computing => {
                if matches!(outcome, Err(JobError::CheckpointGone(_))) {
                    self.give_checkpoint_up(job).await;
                }
                return Attempted::with(outcome);
            }
            reason = self.interruption(sweep, interrupt, &context) => reason,
            never = self.write_checkpoints(kept.as_mut()) => match never {},
        };
        context.cancel(keeps_after(&reason, may_rest));
        let stops_at = Instant::now() + self.limits.stopping;
        // There is one device: the next job must wait until this computation has released it.
        let stopped = timeout_at(stops_at, computing).await;
        if !matches!(stopped, Ok(Ok(_))) {
            self.write_last_checkpoint(kept).await;
        }
        match stopped {
            // It ended before it saw the cancellation.
            Ok(Ok(computed)) => Attempted::with(Ok(computed)),
            Ok(Err(error)) => {
                let stops_at = matches!(reason, JobError::Interrupted).then_some(stops_at);
                Attempted { stops_at, ..Attempted::with(Err(after_stop(reason, error, may_rest))) }
            }
            Err(_) => {
                error!("the job does not stop; the worker ends");
                Attempted { hangs: true, ..Attempted::with(Err(reason)) }
            }
        }
    }

    /// Waits for a reason to stop the computation.
    async fn interruption(&self, sweep: &str, interrupt: &CancellationToken, context: &AttemptContext) -> JobError {
        tokio::select! {
            () = interrupt.cancelled() => JobError::Interrupted,
            () = self.cancellations.stops_running(sweep) => JobError::Cancelled(sweep.to_owned()),
            error = self.time_limit(context) => error,
        }
    }

    /// Waits until the job has computed, or its inputs were read, for longer than the limit.
    async fn time_limit(&self, context: &AttemptContext) -> JobError {
        let start = Instant::now();
        loop {
            match check_limits(start.elapsed(), context.load_time(), &self.limits) {
                TimeCheck::Exceeded(error) => return error,
                TimeCheck::Again(pause) => sleep(pause).await,
            }
        }
    }
}

/// Whether a leg of a training that is stopped for `reason` keeps the steps that it has made, so that they are not made again.
///
/// That counts as no attempt: a leg that may not rest could otherwise reach its limit for ever.
fn keeps_after(reason: &JobError, may_rest: bool) -> bool {
    // Otherwise nobody goes on with it, or the time went to its inputs.
    matches!(reason, JobError::Interrupted) || (may_rest && matches!(reason, JobError::TimedOut(_)))
}

/// What an attempt came to that was stopped for `reason`, and ended with `error`.
fn after_stop(reason: JobError, error: JobError, may_rest: bool) -> JobError {
    // A leg may rest by itself just then.
    if matches!(error, JobError::Rests(_)) && keeps_after(&reason, may_rest) { error } else { reason }
}

/// The result of a check of the time limits.
#[derive(Debug)]
enum TimeCheck {
    Exceeded(JobError),
    /// Check again after this time.
    Again(Duration),
}

/// Checks the time limits of an attempt. The time of a download says nothing about a job, so reading and computing have
/// separate limits.
fn check_limits(elapsed: Duration, load_time: LoadTime, limits: &Limits) -> TimeCheck {
    if let Some(limit) = limits.loading
        && load_time.total >= limit
    {
        return TimeCheck::Exceeded(JobError::LoadTimedOut(limit));
    }
    let Some(limit) = limits.wall_clock else { return TimeCheck::Again(CHECK_EVERY) };
    let computed = elapsed.saturating_sub(load_time.total);
    if computed >= limit {
        return TimeCheck::Exceeded(JobError::TimedOut(limit));
    }
    if load_time.is_loading {
        return TimeCheck::Again(CHECK_EVERY);
    }
    // Reads that start meanwhile extend the time, so it is checked again even at the limit.
    TimeCheck::Again((limit - computed).min(CHECK_EVERY))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn limits() -> Limits {
        Limits { wall_clock: Some(seconds(10)), loading: Some(seconds(30)), ..Limits::default() }
    }

    fn check(elapsed: u64, total: u64, is_loading: bool) -> TimeCheck {
        check_limits(seconds(elapsed), LoadTime { total: seconds(total), is_loading }, &limits())
    }

    #[test]
    fn reading_and_computing_have_separate_limits() {
        assert!(matches!(check(29, 20, false), TimeCheck::Again(_)), "9 s computed");
        assert!(matches!(check(30, 20, false), TimeCheck::Exceeded(JobError::TimedOut(_))));
        assert!(matches!(check(29, 29, true), TimeCheck::Again(_)));
        assert!(matches!(check(30, 30, true), TimeCheck::Exceeded(JobError::LoadTimedOut(_))));
    }

    #[test]
    fn a_leg_that_is_stopped_rests_if_it_came_further_and_goes_on_later() {
        let rests = || JobError::Rests(crate::StateFile::new().unwrap());
        let timed_out = || JobError::TimedOut(seconds(10));
        assert!(matches!(after_stop(JobError::Interrupted, rests(), true), JobError::Rests(_)));
        assert!(matches!(after_stop(JobError::Interrupted, rests(), false), JobError::Rests(_)));
        assert!(matches!(after_stop(timed_out(), rests(), true), JobError::Rests(_)));
        assert!(matches!(after_stop(timed_out(), rests(), false), JobError::TimedOut(_)), "it could go on for ever");
        assert!(matches!(after_stop(timed_out(), JobError::Interrupted, true), JobError::TimedOut(_)));
        let cancelled = || JobError::Cancelled("s".to_owned());
        assert!(matches!(after_stop(cancelled(), rests(), true), JobError::Cancelled(_)));
        let loading = || JobError::LoadTimedOut(seconds(10));
        assert!(matches!(after_stop(loading(), rests(), true), JobError::LoadTimedOut(_)));
    }

    #[test]
    fn a_job_without_limits_is_never_too_long() {
        let load_time = LoadTime { total: seconds(1_000_000), is_loading: true };
        let check = check_limits(seconds(2_000_000), load_time, &Limits::default());
        assert!(matches!(check, TimeCheck::Again(_)));
    }
}
