use crate::{Counts, Event, Phase, clock::Now};
use jobs::{BestSoFar, FailureKind, JobId, Objective, Progress, Timings};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};
use tokio::time::Instant;

/// The time over which the rate is computed.
const RATE_OVER: Duration = Duration::from_secs(300);

/// The number of kinds of failures that are distinguished. Further failures count as the last kind.
const MAX_KINDS: usize = 50;

/// Counts what a run does, for the progress document.
#[derive(Debug)]
pub(super) struct ProgressTracker {
    pub(super) revision: u32,
    /// The pool whose workers compute the jobs.
    pool: Option<String>,
    bound: u64,
    pub(super) counts: Counts,
    pub(super) phase: Option<Phase>,
    objective: Objective,
    best: Option<BestSoFar>,
    /// Failures by their errors.
    kinds: BTreeMap<Vec<String>, FailedJobs>,
    /// The number of computed jobs at several times.
    samples: VecDeque<Sample>,
    started_ms: u64,
    /// Seconds of device time, in all runs of the sweep.
    device_s: f64,
}

/// Jobs that failed for the same reason.
#[derive(Debug)]
struct FailedJobs {
    count: u64,
    example: JobId,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    run: u64,
}

/// What is known at the beginning of a run.
pub(super) struct Beginning {
    pub(super) pool: Option<String>,
    pub(super) bound: u64,
    pub(super) counts: Counts,
    pub(super) objective: Objective,
}

impl ProgressTracker {
    pub(super) fn new(beginning: Beginning, now: Now) -> Self {
        let Beginning { pool, bound, counts, objective } = beginning;
        Self {
            revision: 1,
            pool,
            bound,
            counts,
            phase: None,
            objective,
            best: None,
            kinds: BTreeMap::new(),
            samples: VecDeque::from([Sample { at: now.instant, run: counts.run }]),
            started_ms: now.unix_ms,
            device_s: 0.0,
        }
    }

    /// Adds the device time of a job.
    pub(super) fn add_device_time(&mut self, timings: &Timings) {
        self.device_s += timings.total_s();
    }

    /// The device time of the sweep's jobs, in all runs that waited for them.
    pub(super) fn device_time(&self) -> Duration {
        Duration::try_from_secs_f64(self.device_s).unwrap_or_default()
    }

    /// Takes over the best point of an earlier run of the same revision, and the device time of all revisions.
    pub(super) fn resume_from(&mut self, earlier: &Progress) {
        if earlier.revision == self.revision {
            self.best.clone_from(&earlier.best);
        }
        self.device_s = earlier.device_s;
    }

    /// Counts an event.
    pub(super) fn note(&mut self, event: &Event) {
        match event {
            Event::Failed { job, errors, .. } => self.note_failure(*job, errors),
            Event::Best { search, spec, value } => {
                // The best point of this run may be worse than the best of an earlier run.
                if self.best.as_ref().is_none_or(|best| self.objective.compare(*value, best.value).is_gt()) {
                    self.best = Some(BestSoFar { search: search.clone(), spec: (**spec).clone(), value: *value });
                }
            }
            Event::Revision(_)
            | Event::Plan { .. }
            | Event::Phase(_)
            | Event::Published { .. }
            | Event::Finished { .. }
            | Event::Written { .. }
            | Event::NotWritten { .. }
            | Event::WeakAdapter(_) => {}
        }
    }

    fn note_failure(&mut self, job: JobId, errors: &[String]) {
        if let Some(jobs) = self.kinds.get_mut(errors) {
            jobs.count += 1;
        } else if self.kinds.len() < MAX_KINDS {
            self.kinds.insert(errors.to_vec(), FailedJobs { count: 1, example: job });
        } else if let Some(mut last) = self.kinds.last_entry() {
            last.get_mut().count += 1;
        }
    }

    /// The progress document at this time.
    pub(super) fn progress(&mut self, outstanding: usize, ended: Option<String>, now: Now) -> Progress {
        let rate = self.rate(now.instant);
        Progress {
            revision: self.revision,
            pool: self.pool.clone(),
            phase: self.phase.map(|phase| phase.to_string()),
            bound: self.bound,
            run: self.counts.run,
            reused: self.counts.reused,
            failed: self.counts.failed,
            outstanding: outstanding as u64,
            rate,
            best: self.best.clone(),
            failures: self.failures(),
            device_s: self.device_s,
            started_ms: self.started_ms,
            updated_ms: now.unix_ms,
            ended,
        }
    }

    /// The kinds of failures, the most frequent first.
    fn failures(&self) -> Vec<FailureKind> {
        let kinds = self.kinds.iter().map(|(errors, failed)| FailureKind {
            errors: errors.clone(),
            jobs: failed.count,
            example: failed.example,
        });
        let mut failures: Vec<FailureKind> = kinds.collect();
        failures.sort_by_key(|kind| std::cmp::Reverse(kind.jobs));
        failures
    }

    /// Jobs computed per second, recently.
    fn rate(&mut self, now: Instant) -> Option<f64> {
        self.samples.push_back(Sample { at: now, run: self.counts.run });
        while self.samples.len() > 2 && now.duration_since(self.samples[0].at) > RATE_OVER {
            self.samples.pop_front();
        }
        let oldest = *self.samples.front()?;
        let seconds = now.duration_since(oldest.at).as_secs_f64();
        let done = self.counts.run - oldest.run;
        (seconds > 1.0 && done > 0).then(|| done as f64 / seconds)
    }
}
