//! What the rows with replicates reach over their seeds.

use super::{
    normalised::Own,
    subsets::{mean_of, sample_deviation},
};
use crate::Results;
use jobs::{JobId, Outcome, Row};
use serde::Serialize;
use std::collections::BTreeMap;

/// What the recipe of a row reaches over its seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReplicatesSummary {
    /// The recipe key of the seed.
    pub key: String,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// The seed that is best on the selection split, which the row itself is of; `None` if no value is known.
    pub best: Option<u64>,
    /// The values of the objective by split.
    pub splits: BTreeMap<String, SeedSpread>,
}

/// The values of the objective over seeds on one split.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SeedSpread {
    /// The number of seeds with a value.
    pub n: u64,
    /// Their mean.
    pub mean: f64,
    /// Their sample standard deviation; `None` for one seed.
    pub sd: Option<f64>,
    /// The value of the best seed of the selection split.
    pub best: Option<f64>,
}

pub(super) fn replicates(
    row: &Row,
    outcome: &Outcome,
    results: &Results,
    denominators: &BTreeMap<&str, Own>,
) -> Option<ReplicatesSummary> {
    let of = row.replicates.as_ref()?;
    let own_job = row.jobs.get(&outcome.select).and_then(|jobs| jobs.first());
    let best = of.runs.iter().find(|run| own_job.is_some() && run.jobs.get(&outcome.select) == own_job);
    let spread = |split: &str, own: &Own| {
        let value = |job: &JobId| {
            let scores = &results.found.get(job)?.scores;
            outcome.objective.metric.value(scores, &own.accuracies)
        };
        let of_split = of.runs.iter().filter_map(|run| value(run.jobs.get(split)?));
        let values: Vec<f64> = of_split.collect();
        Some(SeedSpread {
            n: values.len() as u64,
            mean: mean_of(&values)?,
            sd: sample_deviation(&values),
            best: best.and_then(|run| value(run.jobs.get(split)?)),
        })
    };
    let splits = denominators.iter().filter_map(|(split, own)| Some(((*split).to_owned(), spread(split, own)?)));
    Some(ReplicatesSummary {
        key: of.key.clone(),
        seeds: of.runs.iter().map(|run| run.seed).collect(),
        best: best.map(|run| run.seed),
        splits: splits.collect(),
    })
}

impl ReplicatesSummary {
    /// The mean on a split, if the value of every seed is known there.
    pub(super) fn whole_mean(&self, split: &str) -> Option<f64> {
        let spread = self.splits.get(split)?;
        (spread.n == self.seeds.len() as u64).then_some(spread.mean)
    }
}
