use crate::{Phase, StopReason, SweepRevision};
use jobs::{JobId, JobKind, Outcome, RecipeSpec, Timings, WeakAdapter};
use std::collections::BTreeMap;

/// An event of a running sweep, for progress bars and logs.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The revision of the sweep that this run has made or continues.
    Revision(SweepRevision),
    /// The size of the sweep, before anything is published.
    Plan {
        /// The largest number of jobs that the sweep may need.
        bound: u64,
        /// The number of jobs that are stored already, as far as known before the search continues.
        stored: u64,
    },
    /// Jobs of this phase are published from now on.
    Phase(Phase),
    /// A job was published.
    Published {
        /// The job.
        job: JobId,
        /// Its label for people.
        label: String,
    },
    /// A job has a result.
    Finished {
        /// The job.
        job: JobId,
        /// Its label for people.
        label: String,
        /// The value of the metric, if it can be computed yet.
        value: Option<f64>,
        /// The durations of its parts when it was computed.
        timings: Timings,
        /// Whether the result was stored before this run needed it.
        is_reused: bool,
    },
    /// A job has an artefact. Counts include statistics, and not the winner as an adapter.
    Written {
        /// The job.
        job: JobId,
        /// Its kind.
        kind: JobKind,
        /// Its label for people.
        label: String,
        /// The size of its files in bytes.
        size: u64,
        /// Numbers about them, by name, such as `loss` of a leg of training.
        facts: BTreeMap<String, f64>,
        /// Whether it was stored before this run needed it.
        is_reused: bool,
    },
    /// The job that should write the winner failed permanently.
    NotWritten {
        /// The job.
        job: JobId,
        /// Its label for people.
        label: String,
        /// The error and its causes, outermost first.
        errors: Vec<String>,
        /// Whether it failed before this run needed it.
        is_reused: bool,
    },
    /// A job failed permanently.
    Failed {
        /// The job.
        job: JobId,
        /// Its label for people.
        label: String,
        /// The error and its causes, outermost first.
        errors: Vec<String>,
        /// Whether it failed before this run needed it.
        is_reused: bool,
    },
    /// An adapter is worse on its own task than the base model. Reported once in a run, as soon as it is known.
    WeakAdapter(WeakAdapter),
    /// A search found a point that is better than every point of every search before.
    Best {
        /// The search.
        search: String,
        /// The point.
        spec: Box<RecipeSpec>,
        /// Its value.
        value: f64,
    },
}

/// The jobs of a run, by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Computed while this run waited for them.
    pub run: u64,
    /// Stored before this run needed them.
    pub reused: u64,
    /// Failed permanently, in this run or before.
    pub failed: u64,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEnd {
    /// How it ended.
    pub ended: Ended,
    /// The jobs of the run.
    pub counts: Counts,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// Everything is evaluated, and the outcome is stored.
    Finished(Box<Outcome>),
    /// The sweep was cancelled.
    Cancelled,
    /// More jobs failed than were allowed to fail.
    TooManyFailures {
        /// The number of failed jobs.
        failed: u64,
        /// The number that was allowed.
        limit: u64,
    },
    /// The run stopped by itself. The next run of the sweep resumes it.
    Stopped(StopReason),
    /// The caller stopped the run. The next run of the sweep resumes it.
    Interrupted,
}
