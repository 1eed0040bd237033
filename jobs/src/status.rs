use crate::{
    JobId, RecipeSpec,
    stored::{StoredProgress, first_revision},
    version::known,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a worker tells of itself, every few seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerStatus {
    /// [`VERSION`](Self::VERSION) when it was written.
    #[serde(deserialize_with = "known::<_, 1, { WorkerStatus::VERSION }>")]
    pub version: u32,
    /// Its name, which shows in its results.
    pub worker: String,
    /// The machine that it runs on, the same after a restart; not told by older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// The pool that it takes jobs of; not told by older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// Whether it takes jobs of the run in its own process alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_local: bool,
    /// The device, for instance `cuda:0`.
    pub device: String,
    /// Versions of the programs that decide numbers, by name.
    pub versions: BTreeMap<String, String>,
    /// What it is doing.
    pub state: WorkerState,
    /// The job in its hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobInHand>,
    /// Jobs that it lately left to workers of another version: nobody has them in hand, and they are not lost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<JobId>,
    /// Jobs that it has done since it started.
    pub done: u64,
    /// Attempts that failed since it started.
    pub failed: u64,
    /// When it started: milliseconds since 1970, UTC, by its own clock.
    pub started_ms: u64,
    /// When it told this, by the same clock.
    pub beat_ms: u64,
}

impl WorkerStatus {
    /// The version of the document that is written now.
    pub const VERSION: u32 = 2;

    /// The most jobs that a worker tells it has [`left`](Self::left). One that tells of so many may have left more.
    pub const MOST_LEFT: usize = 1000;

    /// The status of an idle worker that has just started.
    pub fn fresh(worker: impl Into<String>, device: impl Into<String>, started_ms: u64) -> Self {
        Self {
            version: Self::VERSION,
            worker: worker.into(),
            machine: None,
            pool: None,
            is_local: false,
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

    /// Whether it takes jobs of `pool`. Older programs do not tell their pool, so that theirs may be any.
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
    /// It has a job in its hand.
    Busy,
    /// It finishes the job in its hand and takes no other.
    Draining,
}

/// A job in the hand of a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// A sweep that is not wanted any more: its jobs are dropped as workers come to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancellation {
    /// [`VERSION`](Self::VERSION) when it was written.
    #[serde(deserialize_with = "known::<_, 1, { Cancellation::VERSION }>")]
    pub version: u32,
    /// The newest revision that is cancelled: a later one goes on all the same. 0 stands for a sweep that was removed, of which
    /// jobs may be left in a queue.
    #[serde(default = "first_revision")]
    pub revision: u32,
    /// Whether jobs that are running stop as well, instead of coming to their end.
    pub stops_running: bool,
    /// When it was cancelled: milliseconds since 1970, UTC.
    pub cancelled_ms: u64,
    /// Why its own run stopped it. The next run goes on by itself; without a reason a person cancelled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// Whether the sweep has finished, so that what is left of it in a queue is wanted by nobody.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_finished: bool,
}

impl Cancellation {
    /// The version of the document that is written now. Documents of version 1, which know no revisions, are read as those of a
    /// first one.
    pub const VERSION: u32 = 2;

    /// The name of the document of a sweep that holds it.
    pub const DOCUMENT: &str = "cancelled.json";

    /// A cancellation of `revision` and of those before it, at `cancelled_ms`.
    pub fn new(revision: u32, stops_running: bool, cancelled_ms: u64) -> Self {
        Self { version: Self::VERSION, revision, stops_running, cancelled_ms, stopped: None, is_finished: false }
    }

    /// The end that a run of `revision` itself made at `cancelled_ms`, for `reason`: workers drop what is left of it.
    pub fn stopped(revision: u32, reason: String, cancelled_ms: u64) -> Self {
        Self { stopped: Some(reason), ..Self::new(revision, false, cancelled_ms) }
    }

    /// The end of a sweep whose run of `revision` has finished at `finished_ms`.
    pub fn finished(revision: u32, finished_ms: u64) -> Self {
        Self { is_finished: true, ..Self::stopped(revision, "the sweep has finished".to_owned(), finished_ms) }
    }

    /// What is left of a sweep that was removed at `removed_ms`, so that workers drop its jobs.
    pub fn of_removed(removed_ms: u64) -> Self {
        Self::new(0, false, removed_ms)
    }

    /// Whether it cancels `revision`.
    pub fn covers(&self, revision: u32) -> bool {
        self.revision >= revision
    }

    /// Whether a person cancelled `revision`: what a run itself stopped goes on with the next run.
    pub fn is_wished_of(&self, revision: u32) -> bool {
        self.stopped.is_none() && self.covers(revision)
    }
}

/// A sweep whose searches end where they are: each with the best of what was evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finish {
    /// [`VERSION`](Self::VERSION) when it was written.
    #[serde(deserialize_with = "known::<_, 1, { Finish::VERSION }>")]
    pub version: u32,
    /// The revision whose searches end; those of another go on.
    #[serde(default = "first_revision")]
    pub revision: u32,
    /// When that was wished: milliseconds since 1970, UTC.
    pub wished_ms: u64,
}

impl Finish {
    /// The version of the document that is written now. Documents of version 1, which know no revisions, are read as those of a
    /// first one.
    pub const VERSION: u32 = 2;

    /// The name of the document of a sweep that holds it.
    pub const DOCUMENT: &str = "finish.json";

    /// The wish at `wished_ms` for `revision`.
    pub fn new(revision: u32, wished_ms: u64) -> Self {
        Self { version: Self::VERSION, revision, wished_ms }
    }
}

/// The progress of a run, which its coordinator stores every few seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "StoredProgress", from = "StoredProgress")]
pub struct Progress {
    /// The revision of the sweep.
    pub revision: u32,
    /// The pool whose workers compute the jobs; `None` if the run computes them itself. Older programs did not record it.
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
    /// The newest version of the document. A progress whose best point is a newer recipe is written as version 3, and all
    /// others as version 2. Version 1 is read as well.
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
