use crate::{
    Digest, EnsembleRule, JobId, Metric, Objective, Recipe, RecipeSpec, Reference, Variant, stored::StoredOutcome,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The outcome of a sweep: the rows of its table. Each row names the jobs that hold its numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "StoredOutcome", from = "StoredOutcome")]
pub struct Outcome {
    /// The sweep's name.
    pub sweep: String,
    /// The revision of the sweep with this outcome.
    pub revision: u32,
    /// The objective of the searches.
    pub objective: Objective,
    /// The metrics of which the searches sought the best trade-offs; empty if the objective alone counted.
    pub goals: Vec<Metric>,
    /// The split that recipes were chosen on.
    pub select: String,
    /// The split that the chosen recipes are reported on.
    pub report: String,
    /// The tasks, in table order.
    pub tasks: Vec<String>,
    /// The rows: zero-shot, fine-tuned, baselines, searches.
    pub rows: Vec<Row>,
    /// Given accuracies of single adapters, by split and task.
    pub given_denominators: BTreeMap<String, BTreeMap<String, f64>>,
    /// The number of search points (or of fixed recipes, if nothing is searched) whose jobs on the selection split
    /// failed for a reason that may be the machine's. Their values are unknown, so no winner is named while there are
    /// some.
    pub missing: u64,
    /// Whether a person ended the searches early. Each search chose the best of the points known at that time.
    pub ended_early: bool,
    /// Published figures that rows are shown beside.
    pub reference: Option<Reference>,
    /// Which of several sets of adapters was merged, if the sweep file has variants.
    pub variant: Option<Variant>,
    /// The jobs that finished the adapters which the sweep trained, by task.
    pub trained: BTreeMap<String, JobId>,
    /// The digest of everything that decides the numbers of a variant apart from its adapters. The numbers of two variants are
    /// comparable if it is the same.
    pub setup: Option<Digest>,
}

impl Outcome {
    /// The newest version of the document. Outcomes with published figures, subsets of the tasks, replicates, races, goals, a variant or
    /// trained adapters are written as version 4, others with newer recipes as version 3, and all others as version 2. Version 1 is read
    /// as well.
    pub const VERSION: u32 = 4;

    /// The name of the document of a sweep that holds it.
    pub const DOCUMENT: &str = "outcome.json";
}

/// One row of a sweep's table.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// What the row stands for.
    pub kind: RowKind,
    /// The jobs that hold its numbers, by split: one, or one per task for single adapters. A failed job is missing.
    pub jobs: BTreeMap<String, Vec<JobId>>,
    /// The jobs that hold the numbers of its recipe for subsets of the tasks, on the report split.
    pub subsets: Vec<SubsetJob>,
    /// The jobs of its recipe with every seed, if it has replicates. The row's own jobs are those of the seed that is best on
    /// the selection split.
    pub replicates: Option<RowReplicates>,
}

impl Outcome {
    /// Adds the slices of the same points in another outcome of the sweep.
    pub fn add_slices_of(&mut self, other: &Self) {
        let points = other.rows.iter().flat_map(Row::points);
        let slices: BTreeMap<JobId, &Vec<JobId>> = points.map(|point| (point.job, &point.slices)).collect();
        for row in &mut self.rows {
            let RowKind::Search { points, .. } = &mut row.kind else { continue };
            for point in points {
                point.slices.extend(slices.get(&point.job).into_iter().copied().flatten());
                point.slices.sort_unstable();
                point.slices.dedup();
            }
        }
    }
}

impl Row {
    /// The listed points of the row's search.
    pub fn points(&self) -> &[Point] {
        match &self.kind {
            RowKind::Search { points, .. } => points,
            RowKind::ZeroShot
            | RowKind::Finetuned
            | RowKind::Baseline { .. }
            | RowKind::Learned { .. }
            | RowKind::Ensemble { .. } => &[],
        }
    }

    /// Whether points of the row's search were decided about by races.
    pub fn is_raced(&self) -> bool {
        self.points().iter().any(|point| point.raced.is_some() || !point.slices.is_empty())
    }
}

/// The jobs of a recipe that is evaluated with several seeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowReplicates {
    /// The recipe key of the seed.
    pub key: String,
    /// The seeds: that of the recipe, and those that follow it. After 2^64 - 1 comes 0.
    pub runs: Vec<SeedRun>,
}

impl RowReplicates {
    /// All jobs with their splits.
    pub fn jobs(&self) -> impl Iterator<Item = (&str, JobId)> {
        self.runs.iter().flat_map(|run| run.jobs.iter().map(|(split, job)| (split.as_str(), *job)))
    }
}

/// The jobs of a recipe with one seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedRun {
    /// The seed.
    pub seed: u64,
    /// The jobs by split. A failed job is missing.
    pub jobs: BTreeMap<String, JobId>,
}

/// A subset of the tasks, and the job that evaluates a recipe for it on the tasks of the subset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubsetJob {
    /// The tasks, in the order of the sweep.
    pub tasks: Vec<String>,
    /// The job. `None` if it failed, and for a single task whose accuracy was given.
    pub job: Option<JobId>,
}

/// What a row stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum RowKind {
    /// The base model.
    ZeroShot,
    /// Every adapter alone on its own task.
    Finetuned,
    /// A fixed recipe.
    Baseline {
        /// The recipe as written.
        spec: RecipeSpec,
        /// The recipe.
        recipe: Recipe,
    },
    /// A merge whose coefficients were learned, on neither the selection nor the report split.
    Learned {
        /// The recipe as it would be written.
        spec: RecipeSpec,
        /// The recipe.
        recipe: Recipe,
    },
    /// The recipe that a search chose.
    Search {
        /// The recipe as the search composed it.
        spec: RecipeSpec,
        /// The recipe.
        recipe: Recipe,
        /// The points that the search read, in search order, each once for every seed if it has replicates. Of very many points these are the best, and those at the
        /// ends of the ranges.
        points: Vec<Point>,
        /// The number of points that are not listed. They have results like the others.
        left_out: LeftOut,
    },
    /// All adapters together without a merge.
    Ensemble {
        /// How their scores become one.
        rule: EnsembleRule,
    },
}

/// Points that are counted and not listed one by one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// The number of these points.
    pub points: u64,
    /// The number of them that failed.
    pub failed: u64,
}

/// A point that a search read.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The recipe as the search composed it.
    pub spec: RecipeSpec,
    /// The job on the selection split.
    pub job: JobId,
    /// The metric's value on all examples; `None` if the job failed, or if the point was decided in a race.
    pub value: Option<f64>,
    /// What the point rests on, if a race decided about it and its value is not known.
    pub raced: Option<Raced>,
    /// The jobs that evaluated it on slices of the examples, in the order of their ids.
    pub slices: Vec<JobId>,
}

impl Point {
    /// Whether its job failed.
    pub fn is_failed(&self) -> bool {
        self.value.is_none() && self.raced.is_none()
    }
}

/// How a race decided about a point whose value is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Raced {
    /// Whether the point was better than those before it, until another one was better. Otherwise it was worse.
    pub led: bool,
    /// The number of examples on which its answers are known.
    pub examples: u64,
    /// The number of all examples.
    pub of: u64,
}
