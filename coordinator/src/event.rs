use crate::{Phase, Revised, Stopped};
use jobs::{JobId, Outcome, RecipeSpec, Timings, WeakAdapter};

/// What happens while a sweep runs, for progress bars and logs.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The revision of the sweep that this run has made, or goes on with.
    Revision(Revised),
    /// Before anything is published.
    Plan {
        /// The most jobs that the sweep may need.
        bound: u64,
        /// How many of them are stored already, as far as can be told before the search goes on.
        stored: u64,
    },
    /// Jobs of this phase are published from now on.
    Phase(Phase),
    /// A job was handed to the queue.
    Published {
        /// The job.
        job: JobId,
        /// What it is, for people.
        label: String,
    },
    /// A job's result is there.
    Finished {
        /// The job.
        job: JobId,
        /// What it is, for people.
        label: String,
        /// The value of the metric, where it can be computed yet.
        value: Option<f64>,
        /// How long its parts took, when it was computed.
        timings: Timings,
        /// Whether the result was stored before this run wanted it.
        is_reused: bool,
    },
    /// The artefact of a job is there, such as the winner as an adapter. Counts are of evaluations alone.
    Written {
        /// The job.
        job: JobId,
        /// What it is, for people.
        label: String,
        /// The size of its files in bytes.
        size: u64,
        /// Whether it was stored before this run wanted it.
        is_reused: bool,
    },
    /// A job that was to make an artefact failed for good.
    NotWritten {
        /// The job.
        job: JobId,
        /// What it is, for people.
        label: String,
        /// The error and its causes, outermost first.
        errors: Vec<String>,
        /// Whether it failed before this run wanted it.
        is_reused: bool,
    },
    /// A job failed for good.
    Failed {
        /// The job.
        job: JobId,
        /// What it is, for people.
        label: String,
        /// The error and its causes, outermost first.
        errors: Vec<String>,
        /// Whether it failed before this run wanted it.
        is_reused: bool,
    },
    /// An adapter is worse on its own task than the base model: said once in a run, as soon as it is known.
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

/// How many jobs came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Computed while this run waited for them.
    pub run: u64,
    /// Stored before this run wanted them.
    pub reused: u64,
    /// Failed for good, in this run or before.
    pub failed: u64,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// How it ended.
    pub ended: Ended,
    /// The jobs it looked at.
    pub counts: Counts,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// Everything is evaluated; the outcome is stored.
    Finished(Box<Outcome>),
    /// The sweep was cancelled.
    Cancelled,
    /// More jobs failed than were allowed to.
    TooManyFailures {
        /// How many failed.
        failed: u64,
        /// How many were allowed to.
        limit: u64,
    },
    /// The run stopped by itself: it could not come to anything, or has taken its time. Started again, it goes on.
    Stopped(Stopped),
    /// The run was told to stop; started again, it goes on.
    Interrupted,
}
