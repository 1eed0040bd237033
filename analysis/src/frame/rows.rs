use crate::Results;
use jobs::{
    Axis, BenchmarkInput, Combine, Digest, Elect, JobId, JobResult, Meaning, Outcome, Recipe, RowKind, Space, Subject,
    TaskScore, TrimScope,
};
use std::collections::{BTreeMap, BTreeSet};

/// A result and one of its tasks, flat.
#[derive(Debug)]
pub(super) struct Flat<'a> {
    pub(super) sweep: Option<&'a str>,
    pub(super) row: Option<&'a str>,
    pub(super) subject: &'static str,
    pub(super) recipe: FlatRecipe,
    pub(super) result: &'a JobResult,
    pub(super) score: &'a TaskScore,
    pub(super) normalised: Option<f64>,
}

/// A recipe's parts by column; nothing is set for a model that is no merge.
#[derive(Debug, Clone, Default)]
pub(super) struct FlatRecipe {
    pub(super) space: Option<&'static str>,
    pub(super) axis: Option<&'static str>,
    pub(super) drop_rate: Option<f64>,
    pub(super) drop_seed: Option<u64>,
    pub(super) density: Option<f64>,
    pub(super) trim_scope: Option<&'static str>,
    pub(super) elect: Option<&'static str>,
    pub(super) combine: Option<&'static str>,
    pub(super) common_share: Option<f64>,
    pub(super) scaling: Option<f64>,
    pub(super) weights: Option<String>,
}

impl Flat<'_> {
    pub(super) fn benchmark(&self) -> &'static str {
        match self.result.meaning.benchmark {
            BenchmarkInput::PerTask => "per_task",
            BenchmarkInput::Joint { .. } => "joint",
        }
    }
}

pub(super) fn of_store(results: &Results) -> Vec<Flat<'_>> {
    let own = Own::of(results);
    results.found.values().flat_map(|result| flat(result, None, None, &own, &BTreeMap::new())).collect()
}

pub(super) fn of_sweep<'a>(outcome: &'a Outcome, results: &'a Results) -> Vec<Flat<'a>> {
    let own = Own::of(results);
    let mut rows = Vec::new();
    for row in &outcome.rows {
        let mut jobs: BTreeSet<JobId> = row.jobs.values().flatten().copied().collect();
        if let RowKind::Search { points, .. } = &row.kind {
            jobs.extend(points.iter().map(|point| point.job));
        }
        for result in jobs.iter().filter_map(|job| results.found.get(job)) {
            rows.extend(flat(result, Some(&outcome.sweep), Some(&row.name), &own, &outcome.given_denominators));
        }
    }
    rows
}

fn flat<'a>(
    result: &'a JobResult,
    sweep: Option<&'a str>,
    row: Option<&'a str>,
    own: &Own,
    given: &BTreeMap<String, BTreeMap<String, f64>>,
) -> Vec<Flat<'a>> {
    let (subject, recipe) = match &result.meaning.subject {
        Subject::Base => ("base", FlatRecipe::default()),
        Subject::Adapter { .. } => ("adapter", FlatRecipe::default()),
        Subject::Merge { recipe } => ("merge", flatten(recipe)),
    };
    let given = given.get(&result.meaning.split);
    let of_score = |score: &'a TaskScore| {
        let denominator = given.and_then(|given| given.get(&score.task).copied());
        let denominator = denominator.or_else(|| own.accuracy(&result.meaning, &score.task));
        let normalised = denominator.filter(|own| *own > 0.0).map(|own| score.accuracy() / own);
        Flat { sweep, row, subject, recipe: recipe.clone(), result, score, normalised }
    };
    result.scores.iter().map(of_score).collect()
}

/// Accuracies of single adapters, by what was evaluated on what, and then by the adapter.
#[derive(Debug, Default)]
struct Own(BTreeMap<Digest, BTreeMap<Digest, f64>>);

impl Own {
    fn of(results: &Results) -> Self {
        let mut own = Self::default();
        for JobResult { meaning, scores, .. } in results.found.values() {
            let (Subject::Adapter { task }, [adapter]) = (&meaning.subject, &meaning.adapters[..]) else { continue };
            let Some(score) = scores.iter().find(|score| score.task == *task) else { continue };
            if let Some(place) = place(meaning, task) {
                own.0.entry(place).or_default().insert(adapter.digest, score.accuracy());
            }
        }
        own
    }

    /// What the adapter of `task` reaches alone. The base model has no adapters: there it must be clear which is meant.
    fn accuracy(&self, meaning: &Meaning, task: &str) -> Option<f64> {
        let known = self.0.get(&place(meaning, task)?)?;
        match meaning.adapters.iter().find(|adapter| adapter.task == task) {
            Some(adapter) => known.get(&adapter.digest).copied(),
            None if known.len() == 1 => known.values().next().copied(),
            None => None,
        }
    }
}

/// What `task` is evaluated on: the base model, data, head and benchmark. Joint benchmarks have no own accuracies.
fn place(meaning: &Meaning, task: &str) -> Option<Digest> {
    let input = meaning.tasks.iter().find(|input| input.name == *task)?;
    (meaning.benchmark == BenchmarkInput::PerTask)
        .then(|| Digest::of_json(&(meaning.base, input, &meaning.split, meaning.precision)))
}

fn flatten(recipe: &Recipe) -> FlatRecipe {
    let (space, axis) = match recipe.space {
        Space::Full => ("full", None),
        Space::Core => ("core", None),
        Space::Knots { axis: Axis::Columns, .. } => ("knots", Some("columns")),
        Space::Knots { axis: Axis::Rows, .. } => ("knots", Some("rows")),
    };
    let (combine, common_share) = match recipe.combine {
        Combine::Mean => ("mean", None),
        Combine::Sum => ("sum", None),
        Combine::Max => ("max", None),
        Combine::Tsv => ("tsv", None),
        Combine::IsoC => ("iso_c", None),
        Combine::IsoCts { common_share } => ("iso_cts", Some(common_share)),
    };
    FlatRecipe {
        space: Some(space),
        axis,
        drop_rate: Some(recipe.drop.map_or(0.0, |drop| drop.rate)),
        drop_seed: recipe.drop.map(|drop| drop.seed),
        density: Some(recipe.trim.map_or(1.0, |trim| trim.density)),
        trim_scope: recipe.trim.map(|trim| match trim.scope {
            TrimScope::Model => "model",
            TrimScope::Matrix => "matrix",
        }),
        elect: recipe.elect.map(|elect| match elect {
            Elect::SumOfValues => "sum_of_values",
            Elect::SumOfSigns => "sum_of_signs",
        }),
        combine: Some(combine),
        common_share,
        scaling: Some(recipe.scaling),
        weights: (!recipe.weights.is_empty()).then(|| jobs::canonical_json(&recipe.weights)),
    }
}
