use crate::{JobId, Objective, Recipe, RecipeSpec, manifest::first_revision, version::known};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a sweep came to: the rows of its table, each naming the jobs that hold its numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// [`VERSION`](Self::VERSION) when it was written.
    #[serde(deserialize_with = "known::<_, 1, { Outcome::VERSION }>")]
    pub version: u32,
    /// The sweep's name.
    pub sweep: String,
    /// The revision of the sweep that came to this.
    #[serde(default = "first_revision")]
    pub revision: u32,
    /// What was searched by.
    pub objective: Objective,
    /// The split that recipes were chosen on.
    pub select: String,
    /// The split that the chosen recipes are reported on.
    pub report: String,
    /// The tasks, in table order.
    pub tasks: Vec<String>,
    /// The rows: zero-shot, fine-tuned, baselines, searches.
    pub rows: Vec<Row>,
    /// Given accuracies of single adapters, by split and task.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub given_denominators: BTreeMap<String, BTreeMap<String, f64>>,
    /// Points of searches, or fixed recipes where nothing is searched, whose jobs on the selection split failed for a reason that
    /// may lie with a machine. What they are worth is not known, so that no winner is named while there are some.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missing: u64,
    /// Whether a person ended the searches where they were: each chose the best of the points that were evaluated by then.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ended_early: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Outcome {
    /// The version of the document that is written now. Documents of version 1, which know no revisions, are read as those of a
    /// first one.
    pub const VERSION: u32 = 2;

    /// The name of the document of a sweep that holds it.
    pub const DOCUMENT: &str = "outcome.json";
}

/// One row of a sweep's table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// What it stands for.
    pub kind: RowKind,
    /// The jobs that hold its numbers, by split: one, or one per task for single adapters. A job that
    /// failed is missing.
    pub jobs: BTreeMap<String, Vec<JobId>>,
}

/// What a row stands for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
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
    /// The recipe that a search chose.
    Search {
        /// The recipe as the search put it together.
        spec: RecipeSpec,
        /// The recipe.
        recipe: Recipe,
        /// The points that were looked at, in search order; of very many the best, and those at the ends of the ranges.
        points: Vec<Point>,
        /// The others, which have their results like any.
        #[serde(default, skip_serializing_if = "LeftOut::is_empty")]
        left_out: LeftOut,
    },
}

/// Points that are counted and not told one by one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// How many they are.
    pub points: u64,
    /// How many of them failed.
    pub failed: u64,
}

impl LeftOut {
    fn is_empty(&self) -> bool {
        self.points == 0
    }
}

/// A point that a search looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// The recipe as the search put it together.
    pub spec: RecipeSpec,
    /// The job on the selection split.
    pub job: JobId,
    /// The metric's value; `None` if the job failed.
    pub value: Option<f64>,
}
