use super::{Worker, passed};
use crate::{Computed, JobError, Stop};
use jobs::Job;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tracing::error;

/// How often it is looked whether inputs are still being read.
const LOOK: Duration = Duration::from_secs(1);

/// What an attempt came to.
pub(super) struct Attempted {
    pub(super) outcome: Result<Computed, JobError>,
    /// The computation goes on although it was told to stop.
    pub(super) hangs: bool,
}

impl Attempted {
    /// It came to nothing before it began.
    pub(super) fn failed(error: JobError) -> Self {
        Self { outcome: Err(error), hangs: false }
    }
}

impl Worker {
    /// Computes the job, unless something comes between: the worker leaves, the sweep is cancelled, time is up.
    pub(super) async fn attempt(&self, job: &Job, sweep: &str, leave: &Stop) -> Attempted {
        let stop = Stop::default();
        let computing = self.compute.compute(job, &stop);
        tokio::pin!(computing);
        let reason = tokio::select! {
            biased;
            outcome = &mut computing => return Attempted { outcome, hangs: false },
            reason = self.disturbance(sweep, leave, &stop) => reason,
        };
        stop.request();
        // The device is one: the next job has to wait until this one let go of it.
        match timeout(self.limits.stopping, computing).await {
            // It was done before it heard.
            Ok(Ok(computed)) => Attempted { outcome: Ok(computed), hangs: false },
            Ok(Err(_)) => Attempted { outcome: Err(reason), hangs: false },
            Err(_) => {
                error!("the job does not stop; the worker ends");
                Attempted { outcome: Err(reason), hangs: true }
            }
        }
    }

    async fn disturbance(&self, sweep: &str, leave: &Stop, stop: &Stop) -> JobError {
        tokio::select! {
            () = leave.requested() => JobError::Interrupted,
            () = self.cancellations.stops_running(sweep) => JobError::Cancelled(sweep.to_owned()),
            error = self.time_is_up(stop) => error,
        }
    }

    /// Waits until the job has computed for too long, or its inputs took too long. The two do not count together: how long a
    /// download takes says nothing about a job.
    async fn time_is_up(&self, stop: &Stop) -> JobError {
        let start = Instant::now();
        loop {
            let (loaded, is_loading) = stop.loaded_for();
            let computed = start.elapsed().saturating_sub(loaded);
            if let Some(limit) = self.limits.loading.filter(|limit| loaded >= *limit) {
                return JobError::LoadTimedOut(limit);
            }
            match self.limits.wall_clock {
                Some(limit) if computed >= limit => return JobError::TimedOut(limit),
                // Whatever is loaded meanwhile makes it later.
                Some(limit) if !is_loading => passed(Instant::now(), Some((limit - computed).min(LOOK))).await,
                _ => sleep(LOOK).await,
            }
        }
    }
}
