//! The types in which a plan speaks to its caller.

use crate::lookup::JobRef;
use jobs::{ArtefactResult, Blame, Job, JobId, JobResult, Outcome, RecipeSpec};
use std::fmt;

/// The parts of a sweep, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The adapters that the sweep trains.
    Train,
    /// The base model and each adapter alone.
    References,
    /// What merges need to know of the tasks' own models.
    Statistics,
    /// The coefficients that are learned.
    Tune,
    /// The searches.
    Search,
    /// The fixed recipes.
    Baselines,
    /// The merges by learned coefficients.
    Learned,
    /// The report split.
    Report,
    /// The chosen recipes for subsets of the tasks.
    Subsets,
    /// The winner as an artefact.
    Write,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Train => "train",
            Self::References => "references",
            Self::Statistics => "statistics",
            Self::Tune => "tune",
            Self::Learned => "learned",
            Self::Search => "search",
            Self::Baselines => "baselines",
            Self::Report => "report",
            Self::Subsets => "subsets",
            Self::Write => "write",
        })
    }
}

/// A job that the plan has issued.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedJob {
    /// The job's id.
    pub id: JobId,
    /// The job.
    pub job: Job,
    /// The phase that the job belongs to.
    pub phase: Phase,
    /// A label for people: `knots_ties scaling=0.3`, `mnist alone on test`.
    pub label: String,
}

impl PlannedJob {
    /// Whether it evaluates a slice, for a race.
    pub(crate) fn is_slice(&self) -> bool {
        self.job.spec().as_evaluation().is_some_and(|meaning| meaning.slice.is_some())
    }

    /// The reference by which the store is asked for the job.
    pub(crate) fn job_ref(&self) -> JobRef {
        JobRef::new(self.id, &self.job)
    }
}

/// What a sweep needs next.
#[derive(Debug, Clone, PartialEq)]
pub enum NextJobs {
    /// These jobs, in this order. The plan issues each job once.
    Publish(Vec<PlannedJob>),
    /// Results of jobs that were issued before.
    Wait,
    /// Nothing: the sweep is over.
    Finished(Box<Outcome>),
}

/// How a job ended.
#[derive(Debug, Clone, Copy)]
pub enum Completion<'a> {
    /// With a result.
    Result(&'a JobResult),
    /// With an artefact.
    Artefact(&'a ArtefactResult),
    /// With a permanent failure.
    Failed {
        /// The error and its causes, outermost first.
        errors: &'a [String],
        /// Whether the job or the machine is to blame. Older programs did not record it.
        blame: Option<Blame>,
    },
}

/// What a plan did with a stored result that it had not requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loaded {
    /// The plan recorded it.
    New,
    /// The plan knew the result, or has issued the job.
    Known,
    /// The result has other inputs than the sweep. The plan ignored it.
    OtherInputs,
    /// Its value depends on accuracies of adapters that are not known yet. The plan ignored it.
    TooEarly,
}

/// What a completion means for the sweep.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recorded {
    /// The value of the metric; `None` for single adapters and failures.
    pub value: Option<f64>,
    /// The search and its point, if the point is better than every point of every search before.
    pub best_of: Option<(String, RecipeSpec)>,
}
