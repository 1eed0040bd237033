use crate::RecordedError;
use jobs::{JobId, KnownAnswers, LearnedWeights};
use std::collections::{BTreeMap, HashMap};

/// What a plan knows about its jobs: one number per job, since there may be a million. Another plan of the same sweep
/// can start from it.
#[derive(Debug, Default)]
pub struct KnownResults {
    pub(super) statuses: HashMap<JobId, JobStatus>,
    /// The errors of failed jobs outside the searches.
    pub(super) errors: HashMap<JobId, RecordedError>,
    /// Accuracies of single adapters, given or measured, by split and task.
    pub(super) denominators: BTreeMap<String, BTreeMap<String, f64>>,
    /// Accuracies of the base model, by split and task.
    pub(super) zero_shot: BTreeMap<String, BTreeMap<String, f64>>,
    /// The number of examples of each task by the base model, by split.
    pub(super) sizes: BTreeMap<String, BTreeMap<String, u64>>,
    /// In a race, the answers of merges on the selection split, by the job on all examples.
    pub(super) answers: HashMap<JobId, KnownAnswers>,
    /// The slices of these jobs that have results.
    pub(super) slices: HashMap<JobId, Vec<JobId>>,
    /// Points that are raced out, each with the point that it lost against: decided for good, also without the answers.
    pub(super) raced_out: HashMap<SearchedPoint, JobId>,
    /// Points whose race was left to the values on all examples, with the point that they raced against.
    pub(super) whole: HashMap<SearchedPoint, JobId>,
    /// How many examples were answered of points whose answers are not kept.
    pub(super) counted: HashMap<JobId, Counted>,
    /// The values of the goals of merges on the selection split, if the sweep has goals.
    pub(super) goals: HashMap<JobId, Vec<f64>>,
    /// The coefficients that jobs have learned.
    pub(super) learned: HashMap<JobId, LearnedWeights>,
}

/// A point of a search. Another search may hold the same point against another one, by another error rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SearchedPoint {
    /// The index of the search.
    pub(super) search: usize,
    pub(super) point: JobId,
}

/// A point whose answers are not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    /// How many examples of it were answered.
    pub(super) examples: u64,
    /// The number of examples of the split.
    pub(super) of: u64,
}

/// The status of a job that has ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum JobStatus {
    /// The job succeeded. Its result has this value of the metric, if any.
    Done(Option<f64>),
    /// The job failed permanently because of its inputs or its recipe.
    Failed,
    /// The job failed permanently, and a machine may be the reason.
    Missing,
}
