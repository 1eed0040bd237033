mod beaten;
mod build;
mod condition;
mod devices;
mod lines;
mod normalised;
mod optimism;
mod published;
mod render;
mod replicates;
mod subsets;
#[cfg(test)]
mod tests;
mod weak;

pub use beaten::Better;
pub(crate) use build::scores;
pub(crate) use lines::ENDED_EARLY;
pub(crate) use normalised::{Own, normalised_interval};
pub use published::{Figure, PublishedSummary, ReferenceSummary};
pub use replicates::{ReplicatesSummary, SeedSpread};
pub(crate) use subsets::shown_metric;
pub use subsets::{Spread, SubsetSize};

use jobs::{Digest, Interval, MergeFacts, Metric, Objective, Recipe, RecipeSpec, Variant};
use serde::Serialize;
use std::collections::BTreeMap;

/// What a sweep came to, as `bowline run --json` prints it.
///
/// Shares are in [0, 1], intervals are 95 % intervals, and what does not exist is `null` or left out. Everything but
/// `counts` and `timings` is the same whenever and wherever the sweep is run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The version of this document.
    pub version: u32,
    /// The sweep's name.
    pub sweep: String,
    /// The revision of the sweep that this is of.
    pub revision: u32,
    /// What was searched by: `metric` and `goal`.
    pub objective: Objective,
    /// The metrics of which the searches sought the best trade-offs, if there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub goals: Vec<Metric>,
    /// The two splits.
    pub splits: Splits,
    /// The tasks, in table order.
    pub tasks: Vec<String>,
    /// How many jobs came to what; absent where a stored sweep is summarised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// How far a sweep has come that has not finished: rows are then what it came to so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub so_far: Option<SoFar>,
    /// Jobs on the selection split that failed for a reason that may lie with a machine: while there are some, no row
    /// is chosen.
    #[serde(skip_serializing_if = "is_zero")]
    pub missing: u64,
    /// Whether a person ended the searches before they were over.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ended_early: bool,
    /// Where the published figures stand that rows are beside; absent without a `reference` in the sweep file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<ReferenceSummary>,
    /// Which of several sets of adapters was merged, if the sweep file has variants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<Variant>,
    /// By which variants are comparable, as in [`jobs::Outcome::setup`].
    #[serde(skip)]
    pub setup: Option<Digest>,
    /// When the newest of the results in the rows was computed: milliseconds since 1970, UTC. 0 without results.
    #[serde(skip)]
    pub newest_ms: u64,
    /// The rows: zero-shot, fine-tuned, baselines, searches.
    pub rows: Vec<SummaryRow>,
    /// The rows that nothing has chosen and that are better than the chosen one by the objective on the selection
    /// split, the best first: baselines, and the base model.
    pub beaten_by: Vec<Better>,
    /// What a reader has to know besides the numbers, each in a sentence.
    pub notes: Vec<String>,
    /// Results that are missing or cannot be read, each in a line.
    pub problems: Vec<String>,
    /// Seconds that the parts of the sweep's jobs took; they are those of the runs that computed them.
    pub timings: Spent,
}

impl Summary {
    /// The version of the document that is written now.
    pub const VERSION: u32 = 2;

    /// The chosen row: the best search by the objective on the selection split, the first among equals.
    ///
    /// Fixed recipes were given, not chosen: one of them is the best only where nothing was searched at all. `None`
    /// if no such row has a value, or if jobs are missing without which it is not known.
    pub fn best(&self) -> Option<&SummaryRow> {
        self.rows.iter().find(|row| row.is_chosen)
    }
}

/// Seconds that the jobs of a sweep took, slices of races among them; each job counts once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Spent {
    /// The number of jobs whose results were found, without slices.
    pub jobs: u64,
    /// Reading models, adapters, heads and data.
    pub load_s: f64,
    /// The alignment of the adapters.
    pub align_s: f64,
    /// The merge.
    pub merge_s: f64,
    /// The evaluation.
    pub evaluate_s: f64,
}

/// The splits of a sweep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Splits {
    /// The split that recipes were chosen on.
    pub select: String,
    /// The split that the chosen ones are reported on.
    pub report: String,
}

/// How far a sweep has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SoFar {
    /// The jobs that are done.
    pub stored: u64,
    /// The most jobs that it may need.
    pub jobs_at_most: u64,
}

/// How many jobs of a run came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Computed by this run.
    pub run: u64,
    /// Found in the store.
    pub reused: u64,
    /// Failed for good.
    pub failed: u64,
}

/// What a row stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The base model.
    ZeroShot,
    /// Every adapter alone on its own task.
    Finetuned,
    /// A fixed recipe.
    Baseline,
    /// A merge whose coefficients were learned.
    Learned,
    /// The recipe that a search chose.
    Search,
    /// All adapters together without a merge.
    Ensemble,
}

impl Kind {
    /// Whether the row is a merge: only merges compete with each other.
    pub fn is_merge(self) -> bool {
        matches!(self, Self::Baseline | Self::Learned | Self::Search)
    }

    /// Whether the row was made by the sweep: what was given is chosen only where nothing was made.
    pub fn is_made(self) -> bool {
        matches!(self, Self::Learned | Self::Search)
    }
}

/// One row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SummaryRow {
    /// Its name.
    pub name: String,
    /// What it stands for.
    pub kind: Kind,
    /// Whether it is the chosen row: see [`Summary::best`].
    pub is_chosen: bool,
    /// The objective's value on the selection split. Of a row with replicates it is the mean over seeds.
    pub value: Option<f64>,
    /// The recipe as people write it; only merges have one, and no search of which every point failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipe: Option<RecipeSpec>,
    /// The same recipe with everything said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canonical: Option<Recipe>,
    /// What the search looked at; only searches have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchSummary>,
    /// The published figures of the same method, beside those on the report split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<PublishedSummary>,
    /// What the merge found about itself; only merges with a result on the selection split have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merge: Option<MergeFacts>,
    /// The numbers by split; a split of which nothing is known is absent.
    pub splits: BTreeMap<String, SplitSummary>,
    /// What its recipe reaches over several seeds. `splits` is of the best of them on the selection split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicates: Option<ReplicatesSummary>,
    /// What its recipe reaches on the report split for subsets of the tasks, by their number of tasks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subsets: Vec<SubsetSize>,
}

/// What a search looked at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SearchSummary {
    /// The number of points. With replicates every seed of a point counts.
    pub points: u64,
    /// How many of them failed.
    pub failed: u64,
    /// The points that races decided about, without a value on all examples.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub raced: Vec<RacedPoint>,
    /// The share of the examples of all points on which these were evaluated; absent if no point was raced out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub examples_share: Option<f64>,
    /// The keys whose chosen value is the smallest of those looked at, though not the smallest that there can be.
    pub at_lower_border: Vec<String>,
    /// The keys whose chosen value is the largest of those looked at, though not the largest that there can be.
    pub at_upper_border: Vec<String>,
}

/// A point that a race decided about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RacedPoint {
    /// The recipe as the search composed it.
    pub recipe: RecipeSpec,
    /// Whether it was better than the points before it, until another one was better. Otherwise it was worse.
    pub led: bool,
    /// The number of examples on which it was evaluated.
    pub examples: u64,
    /// The number of all examples.
    pub of: u64,
}

/// A row's numbers on one split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SplitSummary {
    /// The unweighted mean of the tasks' accuracies; `null` if a task is missing.
    pub mean_accuracy: Option<f64>,
    /// The interval of `mean_accuracy`, from the finite number of examples; `null` where one of them is not known.
    pub interval: Option<Interval>,
    /// The mean over tasks of accuracy over that of the task's own adapter.
    pub mean_normalised: Option<f64>,
    /// The interval of `mean_normalised`, from the finite number of examples of the row and of the tasks' own adapters;
    /// `null` where the former is not known, and for the adapters themselves.
    pub normalised_interval: Option<Interval>,
    /// In a joint benchmark: the share of examples whose true class is among the first k, by k.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub hits: BTreeMap<u32, f64>,
    /// The number of examples that were evaluated.
    pub n: u64,
    /// The tasks' numbers, in table order.
    pub tasks: Vec<TaskSummary>,
}

/// A row's numbers on one task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskSummary {
    /// The task.
    pub task: String,
    /// The number of examples; `null` for an accuracy that was given.
    pub n: Option<u64>,
    /// How many of them had the right answer.
    pub correct: Option<u64>,
    /// The share of right answers.
    pub accuracy: f64,
    /// The interval of the accuracy.
    pub interval: Option<Interval>,
    /// The accuracy over that of the task's own adapter.
    pub normalised: Option<f64>,
    /// How many texts were longer than they may be, and were cut.
    #[serde(skip_serializing_if = "is_zero")]
    pub truncated: u64,
}

impl SplitSummary {
    /// The value of a metric, with its 95 % interval where one is known; `None` if the numbers do not hold it.
    pub(crate) fn value(&self, metric: &Metric) -> Option<(f64, Option<Interval>)> {
        match metric {
            Metric::MeanNormalisedAccuracy => Some((self.mean_normalised?, self.normalised_interval)),
            Metric::MeanAccuracy => Some((self.mean_accuracy?, self.interval)),
            // Where a task is missing, its mean is, and the worst is not known. The least of several has no simple interval.
            Metric::WorstNormalisedAccuracy => {
                self.mean_normalised?;
                let normalised = self.tasks.iter().map(|task| task.normalised).collect::<Option<Vec<_>>>()?;
                Some((normalised.into_iter().min_by(f64::total_cmp)?, None))
            }
            Metric::WorstAccuracy => {
                self.mean_accuracy?;
                Some((self.tasks.iter().map(|task| task.accuracy).min_by(f64::total_cmp)?, None))
            }
            Metric::JointHits(k) => {
                let hits = *self.hits.get(k)?;
                Some((hits, Some(Interval::wilson((hits * self.n as f64).round() as u64, self.n))))
            }
            Metric::Accuracy(task) => {
                let task = self.tasks.iter().find(|of| of.task == *task)?;
                Some((task.accuracy, task.interval))
            }
        }
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}
