use crate::{
    JobId, RecipeSpec,
    stored::{StoredCancellation, StoredFinish, StoredProgress},
    version::known,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The heartbeat of a worker, which it stores every few seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerStatus {
    /// [`VERSION`](Self::VERSION) when it was written.
    #[serde(deserialize_with = "known::<_, 1, { WorkerStatus::VERSION }>")]
    pub version: u32,
    /// Its name, which shows in its results.
    pub worker: String,
    /// The machine that it runs on, the same after a restart. Older programs did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// The pool that it takes jobs of. Older programs did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// Whether it only takes jobs of the run in its own process.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_local: bool,
    /// Whether it runs the commands of sweeps.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allows_commands: bool,
    /// The device, for instance `cuda:0`.
    pub device: String,
    /// Versions of the programs that decide numbers, by name.
    pub versions: BTreeMap<String, String>,
    /// What it is doing.
    pub state: WorkerState,
    /// The job that it computes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobInHand>,
    /// Jobs that it recently deferred to workers of another version: no worker holds them, and they are not lost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<JobId>,
    /// Jobs that it has done since it started.
    pub done: u64,
    /// Attempts that failed since it started.
    pub failed: u64,
    /// When it started: milliseconds since 1970, UTC, by its own clock.
    pub started_ms: u64,
    /// When it wrote this, by the same clock.
    pub beat_ms: u64,
}

impl WorkerStatus {
    /// The version of the document that is written now.
    pub const VERSION: u32 = 2;

    /// The most jobs in [`left`](Self::left). A worker with so many may have deferred more.
    pub const MOST_LEFT: usize = 1000;

    /// The status of an idle worker that has just started.
    pub fn fresh(worker: impl Into<String>, device: impl Into<String>, started_ms: u64) -> Self {
        Self {
            version: Self::VERSION,
            worker: worker.into(),
            machine: None,
            pool: None,
            is_local: false,
            allows_commands: false,
            device: device.into(),
            versions: BTreeMap::new(),
            state: WorkerState::Idle,
            job: None,
            left: Vec::new(),
            done: 0,
            failed: 0,
            started_ms,
            beat_ms: started_ms,
        }
    }

    /// Whether it takes jobs of `pool`. Older programs did not record their pool, so it may be any.
    pub fn takes_jobs_of(&self, pool: &str) -> bool {
        !self.is_local && self.pool.as_deref().is_none_or(|own| own == pool)
    }
}

/// What a worker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// It waits for a job.
    Idle,
    /// It computes a job.
    Busy,
    /// It finishes its job and takes no other.
    Draining,
}

/// A job that a worker computes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobInHand {
    /// The job.
    pub job: JobId,
    /// The sweep that wants it.
    pub sweep: String,
    /// The attempt, from 1.
    pub attempt: u32,
    /// Since when: milliseconds since 1970, UTC.
    pub since_ms: u64,
    /// How far it has come, if it trains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<StepsMade>,
}

/// How far a leg of a training has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepsMade {
    /// The task whose adapter is trained.
    pub task: String,
    /// The steps that were made before the leg, or before it went on after a rest.
    pub first: usize,
    /// The steps that are made by now.
    pub made: usize,
    /// The steps after the leg.
    pub end: usize,
    /// The steps of the whole training.
    pub of: usize,
    /// The mean loss of the examples of the last step, before it.
    pub loss: f64,
    /// The learning rate of the last step.
    pub rate: f64,
    /// Milliseconds that the steps of the leg took so far, with the evaluations between them.
    pub took_ms: u64,
    /// The evaluation after the last step, while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluated: Option<Evaluated>,
}

/// How far an evaluation of an adapter in training has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluated {
    /// Examples that are done.
    pub done: usize,
    /// All examples.
    pub n: usize,
}

impl StepsMade {
    /// Seconds until so many steps of the training are made, at the pace of the leg so far; `None` before its first step.
    pub fn seconds_until(&self, steps: usize) -> Option<f64> {
        let made = self.made.checked_sub(self.first).filter(|made| *made > 0)?;
        Some(self.took_ms as f64 / 1e3 / made as f64 * steps.saturating_sub(self.made) as f64)
    }
}

/// The cancellation of a sweep: workers drop its jobs when they receive them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "StoredCancellation", from = "StoredCancellation")]
pub struct Cancellation {
    /// The newest revision that is cancelled. Later ones are not. 0 stands for a removed sweep, whose jobs may be left
    /// in a queue.
    pub revision: u32,
    /// Whether running jobs stop as well.
    pub stops_running: bool,
    /// When it was cancelled: milliseconds since 1970, UTC.
    pub cancelled_ms: u64,
    /// Why a run stopped by itself; `None` if a person cancelled the sweep. The next run resumes a stopped one.
    pub stopped: Option<String>,
    /// Whether the sweep has finished, so that jobs that are left in a queue are not needed.
    pub is_finished: bool,
}

impl Cancellation {
    /// The version of the document that is written now. Version 1 is read as well.
    pub const VERSION: u32 = 2;

    /// The name of the document of a sweep that holds it.
    pub const DOCUMENT: &str = "cancelled.json";

    /// A cancellation of `revision` and of those before it, at `cancelled_ms`.
    pub fn new(revision: u32, stops_running: bool, cancelled_ms: u64) -> Self {
        Self { revision, stops_running, cancelled_ms, stopped: None, is_finished: false }
    }

    /// A run of `revision` has stopped by itself at `cancelled_ms`, for `reason`. Workers drop its remaining jobs.
    pub fn stopped(revision: u32, reason: String, cancelled_ms: u64) -> Self {
        Self { stopped: Some(reason), ..Self::new(revision, false, cancelled_ms) }
    }

    /// The run of `revision` has finished at `finished_ms`.
    pub fn finished(revision: u32, finished_ms: u64) -> Self {
        Self { is_finished: true, ..Self::stopped(revision, "the sweep has finished".to_owned(), finished_ms) }
    }

    /// The sweep was removed at `removed_ms`. Workers drop its remaining jobs.
    pub fn of_removed(removed_ms: u64) -> Self {
        Self::new(0, false, removed_ms)
    }

    /// Whether it cancels `revision`.
    pub fn covers(&self, revision: u32) -> bool {
        self.revision >= revision
    }

    /// Whether a person cancelled `revision`. A run that stopped by itself does not count.
    pub fn is_requested_for(&self, revision: u32) -> bool {
        self.stopped.is_none() && self.covers(revision)
    }
}

/// A request to end the searches of a sweep now: each chooses the best of the points that were evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "StoredFinish", from = "StoredFinish")]
pub struct Finish {
    /// The revision whose searches end. Those of other revisions do not.
    pub revision: u32,
    /// When it was requested: milliseconds since 1970, UTC.
    pub requested_ms: u64,
}

impl Finish {
    /// The version of the document that is written now. Version 1 is read as well.
    pub const VERSION: u32 = 2;

    /// The name of the document of a sweep that holds it.
    pub const DOCUMENT: &str = "finish.json";

    /// A request at `requested_ms` for `revision`.
    pub fn new(revision: u32, requested_ms: u64) -> Self {
        Self { revision, requested_ms }
    }
}

/// The progress of a run, which its coordinator stores every few seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "StoredProgress", from = "StoredProgress")]
pub struct Progress {
    /// The revision of the sweep.
    pub revision: u32,
    /// The pool whose workers compute the jobs; `None` if the run computes them itself. Older programs did not record
    /// it.
    pub pool: Option<String>,
    /// The part of the sweep for which jobs were published last.
    pub phase: Option<String>,
    /// The largest number of jobs that the sweep may need.
    pub bound: u64,
    /// Jobs that were computed while this coordinator waited for them.
    pub run: u64,
    /// Jobs that were stored before this run needed them.
    pub reused: u64,
    /// Jobs that failed permanently.
    pub failed: u64,
    /// Jobs that are published and have not ended.
    pub outstanding: u64,
    /// Jobs computed per second in the last minutes; `None` until that is known.
    pub rate: Option<f64>,
    /// The best point of all searches so far.
    pub best: Option<BestSoFar>,
    /// The errors of failed jobs, by kind, the most frequent first.
    pub failures: Vec<FailureKind>,
    /// Seconds of device time, in this and earlier runs.
    pub device_s: f64,
    /// When the coordinator started: milliseconds since 1970, UTC, by its own clock.
    pub started_ms: u64,
    /// When it wrote this, by the same clock.
    pub updated_ms: u64,
    /// How the run ended; `None` while it runs, or if it died.
    pub ended: Option<String>,
}

impl Progress {
    /// The newest version of the document. A progress whose best point is a newer recipe is written as version 3, and
    /// all others as version 2. Version 1 is read as well.
    pub const VERSION: u32 = 3;

    /// The name of the document of a sweep that holds it.
    pub const DOCUMENT: &str = "progress.json";
}

/// The best point of all searches so far.
#[derive(Debug, Clone, PartialEq)]
pub struct BestSoFar {
    /// The search.
    pub search: String,
    /// The point.
    pub spec: RecipeSpec,
    /// The metric's value.
    pub value: f64,
}

/// Failures with the same errors. `bowline failures list --json` prints them as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailureKind {
    /// The error and its causes, outermost first.
    pub errors: Vec<String>,
    /// The number of jobs that failed with them.
    pub jobs: u64,
    /// One of these jobs.
    pub example: JobId,
}
