use crate::{Counts, Event, Phase, clock::now_ms};
use jobs::{BestSoFar, FailureKind, JobId, Objective, Progress, Timings};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};
use tokio::time::Instant;

/// The time over which the rate is told.
const RATE_OVER: Duration = Duration::from_secs(300);

/// Kinds of failures that are told apart; what comes later counts as the last of them.
const MAX_KINDS: usize = 50;

/// The running count of a sweep, for people who watch it.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) revision: u32,
    /// The pool whose workers do the jobs.
    pub(super) pool: Option<String>,
    bound: u64,
    pub(super) counts: Counts,
    pub(super) phase: Option<Phase>,
    objective: Objective,
    best: Option<BestSoFar>,
    kinds: BTreeMap<Vec<String>, (u64, JobId)>,
    /// How many jobs were computed by when.
    samples: VecDeque<(Instant, u64)>,
    started_ms: u64,
    /// Seconds that the sweep's jobs computed, in all runs that waited for them.
    device_s: f64,
}

impl Tally {
    pub(super) fn new(bound: u64, counts: Counts, objective: Objective) -> Self {
        Self {
            revision: 1,
            pool: None,
            bound,
            counts,
            phase: None,
            objective,
            best: None,
            kinds: BTreeMap::new(),
            samples: VecDeque::from([(Instant::now(), counts.run)]),
            started_ms: now_ms(),
            device_s: 0.0,
        }
    }

    /// Counts what a job took of a device.
    pub(super) fn add_device_time(&mut self, timings: &Timings) {
        self.device_s += timings.total_s();
    }

    /// What the jobs of the sweep took of devices, in all runs that waited for them.
    pub(super) fn device_time(&self) -> Duration {
        Duration::try_from_secs_f64(self.device_s).unwrap_or_default()
    }

    /// What an earlier coordinator of the same revision found to be the best, and what the jobs of all revisions took.
    pub(super) fn remember(&mut self, earlier: &Progress) {
        if earlier.revision == self.revision {
            self.best.clone_from(&earlier.best);
        }
        self.device_s = earlier.device_s;
    }

    pub(super) fn note(&mut self, event: &Event) {
        match event {
            Event::Failed { job, errors, .. } => self.note_failure(*job, errors),
            // The first point after a new start need not be better than what an earlier run has found.
            Event::Best { search, spec, value }
                if self.best.as_ref().is_none_or(|best| self.objective.compare(*value, best.value).is_gt()) =>
            {
                self.best = Some(BestSoFar { search: search.clone(), spec: (**spec).clone(), value: *value });
            }
            _ => {}
        }
    }

    fn note_failure(&mut self, job: JobId, errors: &[String]) {
        if let Some((jobs, _)) = self.kinds.get_mut(errors) {
            *jobs += 1;
        } else if self.kinds.len() < MAX_KINDS {
            self.kinds.insert(errors.to_vec(), (1, job));
        } else if let Some(mut last) = self.kinds.last_entry() {
            last.get_mut().0 += 1;
        }
    }

    /// What there is to tell now.
    pub(super) fn progress(&mut self, outstanding: usize, ended: Option<String>) -> Progress {
        let rate = self.rate();
        let mut failures: Vec<FailureKind> = self
            .kinds
            .iter()
            .map(|(errors, (jobs, example))| FailureKind { errors: errors.clone(), jobs: *jobs, example: *example })
            .collect();
        failures.sort_by_key(|kind| std::cmp::Reverse(kind.jobs));
        Progress {
            version: Progress::VERSION,
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
            failures,
            device_s: self.device_s,
            started_ms: self.started_ms,
            updated_ms: now_ms(),
            ended,
        }
    }

    /// Jobs computed for each second, lately.
    fn rate(&mut self) -> Option<f64> {
        let now = Instant::now();
        self.samples.push_back((now, self.counts.run));
        while self.samples.len() > 2 && now.duration_since(self.samples[0].0) > RATE_OVER {
            self.samples.pop_front();
        }
        let (since, run) = *self.samples.front()?;
        let seconds = now.duration_since(since).as_secs_f64();
        let done = self.counts.run - run;
        (seconds > 1.0 && done > 0).then(|| done as f64 / seconds)
    }
}
