use super::{manifest::first_revision, recipe_age::Age};
use crate::{
    Digest, EnsembleRule, JobId, LeftOut, Metric, Objective, Outcome, Point, Raced, Recipe, RecipeSpec, Reference, Row,
    RowKind, RowReplicates, SeedRun, SubsetJob, Variant, version::known,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An outcome as it is stored. Version 1 knows no revisions, and is read as the outcome of a first revision.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredOutcome {
    #[serde(deserialize_with = "known::<_, 1, { Outcome::VERSION }>")]
    version: u32,
    sweep: String,
    #[serde(default = "first_revision")]
    revision: u32,
    objective: Objective,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    goals: Vec<Metric>,
    select: String,
    report: String,
    tasks: Vec<String>,
    rows: Vec<StoredRow>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    given_denominators: BTreeMap<String, BTreeMap<String, f64>>,
    #[serde(default, skip_serializing_if = "is_zero")]
    missing: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ended_early: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reference: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    variant: Option<Variant>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    trained: BTreeMap<String, JobId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    setup: Option<Digest>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredRow {
    name: String,
    kind: StoredRowKind,
    jobs: BTreeMap<String, Vec<JobId>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    subsets: Vec<StoredSubset>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replicates: Option<StoredReplicates>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredReplicates {
    key: String,
    runs: Vec<StoredSeedRun>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredSeedRun {
    seed: u64,
    jobs: BTreeMap<String, JobId>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredSubset {
    tasks: Vec<String>,
    job: Option<JobId>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum StoredRowKind {
    ZeroShot,
    Finetuned,
    Baseline {
        spec: RecipeSpec,
        recipe: Recipe,
    },
    Learned {
        spec: RecipeSpec,
        recipe: Recipe,
    },
    Search {
        spec: RecipeSpec,
        recipe: Recipe,
        points: Vec<StoredPoint>,
        #[serde(default, skip_serializing_if = "StoredLeftOut::is_empty")]
        left_out: StoredLeftOut,
    },
    Ensemble {
        rule: EnsembleRule,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredPoint {
    spec: RecipeSpec,
    job: JobId,
    value: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    raced: Option<Raced>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    slices: Vec<JobId>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredLeftOut {
    points: u64,
    failed: u64,
}

impl StoredLeftOut {
    fn is_empty(&self) -> bool {
        self.points == 0
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl From<Outcome> for StoredOutcome {
    fn from(outcome: Outcome) -> Self {
        Self {
            version: version_of(&outcome),
            sweep: outcome.sweep,
            revision: outcome.revision,
            objective: outcome.objective,
            goals: outcome.goals,
            select: outcome.select,
            report: outcome.report,
            tasks: outcome.tasks,
            rows: outcome.rows.into_iter().map(StoredRow::from).collect(),
            given_denominators: outcome.given_denominators,
            missing: outcome.missing,
            ended_early: outcome.ended_early,
            reference: outcome.reference,
            variant: outcome.variant,
            trained: outcome.trained,
            setup: outcome.setup,
        }
    }
}

/// The oldest version that can hold the outcome.
fn version_of(outcome: &Outcome) -> u32 {
    let has_axes = |row: &Row| !row.subsets.is_empty() || row.replicates.is_some() || row.is_raced();
    let is_extended = outcome.reference.is_some() || outcome.variant.is_some() || !outcome.goals.is_empty();
    if is_extended || !outcome.trained.is_empty() || outcome.rows.iter().any(has_axes) {
        return Outcome::VERSION;
    }
    if outcome.rows.iter().any(|row| row.kind.is_newer()) { 3 } else { 2 }
}

impl From<StoredOutcome> for Outcome {
    fn from(stored: StoredOutcome) -> Self {
        Self {
            sweep: stored.sweep,
            revision: stored.revision,
            objective: stored.objective,
            goals: stored.goals,
            select: stored.select,
            report: stored.report,
            tasks: stored.tasks,
            rows: stored.rows.into_iter().map(Row::from).collect(),
            given_denominators: stored.given_denominators,
            missing: stored.missing,
            ended_early: stored.ended_early,
            reference: stored.reference,
            variant: stored.variant,
            trained: stored.trained,
            setup: stored.setup,
        }
    }
}

impl Age for RowKind {
    fn is_newer(&self) -> bool {
        match self {
            Self::ZeroShot | Self::Finetuned => false,
            Self::Ensemble { .. } => true,
            Self::Baseline { spec, recipe } => spec.is_newer() || recipe.is_newer(),
            Self::Learned { .. } => true,
            Self::Search { spec, recipe, points, .. } => {
                spec.is_newer() || recipe.is_newer() || points.iter().any(|point| point.spec.is_newer())
            }
        }
    }
}

impl From<Row> for StoredRow {
    fn from(Row { name, kind, jobs, subsets, replicates }: Row) -> Self {
        let kind = match kind {
            RowKind::ZeroShot => StoredRowKind::ZeroShot,
            RowKind::Finetuned => StoredRowKind::Finetuned,
            RowKind::Ensemble { rule } => StoredRowKind::Ensemble { rule },
            RowKind::Baseline { spec, recipe } => StoredRowKind::Baseline { spec, recipe },
            RowKind::Learned { spec, recipe } => StoredRowKind::Learned { spec, recipe },
            RowKind::Search { spec, recipe, points, left_out: LeftOut { points: others, failed } } => {
                let points = points.into_iter().map(StoredPoint::from);
                let left_out = StoredLeftOut { points: others, failed };
                StoredRowKind::Search { spec, recipe, points: points.collect(), left_out }
            }
        };
        let subsets = subsets.into_iter().map(|SubsetJob { tasks, job }| StoredSubset { tasks, job }).collect();
        Self { name, kind, jobs, subsets, replicates: replicates.map(StoredReplicates::from) }
    }
}

impl From<StoredRow> for Row {
    fn from(StoredRow { name, kind, jobs, subsets, replicates }: StoredRow) -> Self {
        let kind = match kind {
            StoredRowKind::ZeroShot => RowKind::ZeroShot,
            StoredRowKind::Finetuned => RowKind::Finetuned,
            StoredRowKind::Ensemble { rule } => RowKind::Ensemble { rule },
            StoredRowKind::Baseline { spec, recipe } => RowKind::Baseline { spec, recipe },
            StoredRowKind::Learned { spec, recipe } => RowKind::Learned { spec, recipe },
            StoredRowKind::Search { spec, recipe, points, left_out: StoredLeftOut { points: others, failed } } => {
                let points = points.into_iter().map(Point::from);
                let left_out = LeftOut { points: others, failed };
                RowKind::Search { spec, recipe, points: points.collect(), left_out }
            }
        };
        let subsets = subsets.into_iter().map(|StoredSubset { tasks, job }| SubsetJob { tasks, job }).collect();
        Self { name, kind, jobs, subsets, replicates: replicates.map(RowReplicates::from) }
    }
}

impl From<Point> for StoredPoint {
    fn from(Point { spec, job, value, raced, slices }: Point) -> Self {
        Self { spec, job, value, raced, slices }
    }
}

impl From<StoredPoint> for Point {
    fn from(StoredPoint { spec, job, value, raced, slices }: StoredPoint) -> Self {
        Self { spec, job, value, raced, slices }
    }
}

impl From<RowReplicates> for StoredReplicates {
    fn from(RowReplicates { key, runs }: RowReplicates) -> Self {
        Self { key, runs: runs.into_iter().map(|SeedRun { seed, jobs }| StoredSeedRun { seed, jobs }).collect() }
    }
}

impl From<StoredReplicates> for RowReplicates {
    fn from(StoredReplicates { key, runs }: StoredReplicates) -> Self {
        Self { key, runs: runs.into_iter().map(|StoredSeedRun { seed, jobs }| SeedRun { seed, jobs }).collect() }
    }
}
