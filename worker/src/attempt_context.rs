use crate::{Checkpoints, LegStart};
use jobs::{JobResult, StepsMade};
use parking_lot::{Mutex, MutexGuard};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What an attempt at a job shares with the worker that started it. Clones share the same state.
#[derive(Debug, Clone, Default)]
pub struct AttemptContext {
    /// Cancelled when the computation must stop. The engine checks it between batches.
    pub cancellation: CancellationToken,
    /// What an earlier attempt kept, and where this one keeps its state.
    pub checkpoints: Checkpoints,
    /// The results of slices of the job that the store had. They save their examples.
    pub slices: Arc<Vec<JobResult>>,
    /// What a leg of a training goes on from.
    pub leg_start: LegStart,
    /// How long a leg may compute before it rests ([`Limits::rest`](crate::Limits::rest)).
    pub rest: Option<Duration>,
    /// Whether the worker keeps what the computation has come to when it is cancelled.
    keeps_when_cancelled: Arc<AtomicBool>,
    started: Started,
    load_timer: Arc<Mutex<LoadTimer>>,
    steps: Arc<Mutex<Option<StepsMade>>>,
}

/// When an attempt started: when its context was made.
#[derive(Debug, Clone, Copy)]
struct Started(Instant);

impl Default for Started {
    fn default() -> Self {
        Self(Instant::now())
    }
}

/// Measures how long inputs are read.
#[derive(Debug, Default)]
struct LoadTimer {
    /// When the outermost read started, if one is running.
    since: Option<Instant>,
    /// How many reads are running: one may contain others.
    depth: u32,
    /// The time of all reads that have ended.
    total: Duration,
}

/// How long inputs of a job have been read so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LoadTime {
    pub(crate) total: Duration,
    pub(crate) is_loading: bool,
}

/// Marks that inputs of a job are being read, until it is dropped.
#[derive(Debug)]
pub struct Loading(AttemptContext);

impl AttemptContext {
    /// A context with checkpoints.
    pub fn with_checkpoints(checkpoints: Checkpoints) -> Self {
        Self { checkpoints, ..Self::default() }
    }

    /// The same context with the results of slices of the job.
    #[must_use]
    pub fn with_slices(self, slices: Vec<JobResult>) -> Self {
        Self { slices: Arc::new(slices), ..self }
    }

    /// The same context of a leg that goes on from `leg_start`.
    #[must_use]
    pub fn starting_from(self, leg_start: LegStart) -> Self {
        Self { leg_start, ..self }
    }

    /// The same context of a leg that rests after this time.
    #[must_use]
    pub fn resting_after(self, rest: Option<Duration>) -> Self {
        Self { rest, ..self }
    }

    /// Whether a leg has computed for long enough. As in the limit of a job, the time of reading inputs does not count.
    pub fn is_to_rest(&self) -> bool {
        let computed = self.started.0.elapsed().saturating_sub(self.load_time().total);
        self.rest.is_some_and(|rest| computed >= rest)
    }

    /// Cancels the computation. If `keeps`, the worker keeps what it has come to.
    pub fn cancel(&self, keeps: bool) {
        self.keeps_when_cancelled.store(keeps, Ordering::Relaxed);
        self.cancellation.cancel();
    }

    /// Whether a cancelled computation has to say what it has come to, which may have gigabytes.
    pub fn keeps_when_cancelled(&self) -> bool {
        self.keeps_when_cancelled.load(Ordering::Relaxed)
    }

    /// Says how far a training has come, for heartbeats.
    pub fn made_steps(&self, steps: Option<StepsMade>) {
        *self.steps.lock() = steps;
    }

    /// How far a training has come; `None` for other jobs, and before the first step.
    pub fn steps_made(&self) -> Option<StepsMade> {
        self.steps.lock().clone()
    }

    /// Marks that inputs are being read. That time does not count as computing.
    #[must_use]
    pub fn loading(&self) -> Loading {
        let mut timer = self.timer();
        timer.depth += 1;
        timer.since.get_or_insert_with(Instant::now);
        drop(timer);
        Loading(self.clone())
    }

    pub(crate) fn load_time(&self) -> LoadTime {
        let timer = self.timer();
        let running = timer.since.map_or(Duration::ZERO, |since| since.elapsed());
        LoadTime { total: timer.total + running, is_loading: timer.since.is_some() }
    }

    fn timer(&self) -> MutexGuard<'_, LoadTimer> {
        self.load_timer.lock()
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        let mut timer = self.0.timer();
        timer.depth = timer.depth.saturating_sub(1);
        if timer.depth == 0 {
            let since = timer.since.take();
            timer.total += since.map_or(Duration::ZERO, |since| since.elapsed());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nested_reads_count_once() {
        let context = AttemptContext::default();
        let outer = context.loading();
        let inner = context.loading();
        tokio::time::advance(Duration::from_secs(2)).await;
        drop(inner);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(context.load_time(), LoadTime { total: Duration::from_secs(3), is_loading: true });
        drop(outer);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(context.load_time(), LoadTime { total: Duration::from_secs(3), is_loading: false });
    }
}
