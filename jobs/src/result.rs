mod check;

pub use check::{ResultFault, check_answer};
pub(crate) use check::{check_finite, check_number, check_timings};

use crate::{
    JobId, JobSpec, Meaning, TaskScore,
    stored::{StoredFailure, StoredResult},
};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;

/// What an evaluation came to: written once, and the only truth of "done".
///
/// A job of another kind comes to an [`ArtefactResult`](crate::ArtefactResult).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "StoredResult<'_>")]
pub struct JobResult {
    /// The job's id.
    pub job: JobId,
    /// What was computed: subject with recipe and semantics version, digests, split, benchmark.
    pub meaning: Meaning,
    /// The scores, in the order of the meaning's tasks.
    pub scores: Vec<TaskScore>,
    /// Facts about the merge, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<MergeFacts>,
    /// How long the parts took.
    pub timings: Timings,
    /// Who computed it, on what.
    pub run: RunFacts,
}

impl Serialize for JobResult {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        StoredResult::from(self).serialize(serializer)
    }
}

impl JobResult {
    /// The newest version of the document. Results of merges with statistics or with newer recipes are written as
    /// version 2, and all others as version 1.
    pub const VERSION: u32 = 2;
}

/// What the alignment and the merge found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MergeFacts {
    /// The number of adapted matrices.
    pub matrices: u64,
    /// The largest rank of a merged matrix, if the merge is low-rank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<u64>,
    /// The smallest relative gap between neighbouring singular values, if the space has any: where it is
    /// close to 0, the basis is not unique, and entry-wise recipes depend on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smallest_gap: Option<f64>,
    /// The share of the squared norm that `output_rank` cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_energy: Option<f64>,
    /// The largest condition number of the systems that `gram_merge` solved: above
    /// [`condition_limit`](crate::Recipe::condition_limit), rounding decides a part of the merge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<f64>,
    /// The largest relative residual of the same systems: above [`RESIDUAL_LIMIT`](crate::RESIDUAL_LIMIT), the merge is noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub residual: Option<f64>,
}

/// Wall-clock seconds of the parts of a job; 0 for a part that a cache saved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timings {
    /// Reading models, adapters, heads and data.
    pub load_s: f64,
    /// The alignment of the adapters.
    pub align_s: f64,
    /// The merge.
    pub merge_s: f64,
    /// The evaluation.
    pub evaluate_s: f64,
}

impl Timings {
    /// The time of all parts.
    pub fn total_s(&self) -> f64 {
        let Self { load_s, align_s, merge_s, evaluate_s } = self;
        load_s + align_s + merge_s + evaluate_s
    }

    /// Adds the times of another job, part by part.
    pub fn add(&mut self, other: &Self) {
        let Self { load_s, align_s, merge_s, evaluate_s } = other;
        self.load_s += load_s;
        self.align_s += align_s;
        self.merge_s += merge_s;
        self.evaluate_s += evaluate_s;
    }
}

/// Who computed a result, and on what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunFacts {
    /// The worker's name.
    pub worker: String,
    /// The attempt that succeeded, from 1.
    pub attempt: u32,
    /// The device, for instance `cpu (2 threads, avx512)`, with the instructions that last bits may depend on; before they were named,
    /// `cpu (2 threads)`.
    pub device: String,
    /// Versions of the programs that decide numbers, by name.
    pub versions: BTreeMap<String, String>,
    /// The commits that hub inputs were resolved to, by input.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub commits: BTreeMap<String, String>,
    /// When the result was ready: milliseconds since 1970, UTC.
    pub finished_ms: u64,
}

/// Where a failure lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blame {
    /// With the job: its inputs or its recipe. Every machine fails on it.
    Job,
    /// With a machine or a service, as far as is known: another machine, or the same one later, may succeed. It says
    /// nothing about the job's recipe.
    Machine,
}

/// A job that did not come to a result in one attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "StoredFailure", try_from = "StoredFailure")]
pub struct FailureRecord {
    /// The job's id.
    pub job: JobId,
    /// What was to be done.
    pub spec: JobSpec,
    /// The attempt that failed, from 1.
    pub attempt: u32,
    /// The sweep that needed the job. Older programs did not record it.
    pub sweep: Option<String>,
    /// Whether the job will not be tried again.
    pub is_final: bool,
    /// Where the failure lies. Older programs did not record it.
    pub blame: Option<Blame>,
    /// The error and its causes, outermost first.
    pub errors: Vec<String>,
    /// The worker's name.
    pub worker: String,
    /// The machine that it ran on, the same after a restart. Older programs did not record it.
    pub machine: Option<String>,
    /// When it failed: milliseconds since 1970, UTC.
    pub failed_ms: u64,
}

impl FailureRecord {
    /// The newest version of the document. Versions are those of [`Job`](crate::Job).
    pub const VERSION: u32 = 3;
}
