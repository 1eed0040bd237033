//! Published figures beside a row's own.

use super::{SplitSummary, SummaryRow};
use jobs::{Interval, Outcome, PublishedMetric, PublishedRow, PublishedSource};
use serde::Serialize;
use std::collections::BTreeMap;

/// Where the published figures beside the rows stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReferenceSummary {
    /// The paper, the table and the address.
    pub source: PublishedSource,
    /// What published means are, unless a row says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<PublishedMetric>,
    /// What a reader has to know of the protocol.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// The published figures of a method beside those of a row on the report split. Shares lie in [0, 1], except for
/// normalised ones.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PublishedSummary {
    /// The method as the paper calls it.
    pub method: String,
    /// What `mean` and `tasks` are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<PublishedMetric>,
    /// The mean over tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<Figure>,
    /// The figures of single tasks, by task.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tasks: BTreeMap<String, Figure>,
    /// Hits in a joint benchmark, by k.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub hits: BTreeMap<u32, Figure>,
    /// What a reader has to know of the published row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A published figure and ours.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// The published one.
    pub published: f64,
    /// Ours; `null` if it is not known.
    pub own: Option<f64>,
    /// The interval of ours, from the finite number of examples.
    pub interval: Option<Interval>,
    /// Ours minus the published one.
    pub difference: Option<f64>,
    /// What is known to be wrong with the published figure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defect: Option<String>,
}

/// A number of a row with its interval.
type Own = (Option<f64>, Option<Interval>);

impl ReferenceSummary {
    pub(super) fn of(outcome: &Outcome) -> Option<Self> {
        let figures = &outcome.reference.as_ref()?.figures;
        Some(Self { source: figures.source.clone(), metric: figures.metric, notes: figures.notes.clone() })
    }
}

/// Puts the published figures beside the rows that name them.
pub(super) fn publish(rows: &mut [SummaryRow], outcome: &Outcome) {
    let Some(reference) = &outcome.reference else { return };
    for row in rows {
        let Some(published) = reference.row(&row.name) else { continue };
        let metric = reference.figures.metric_of(published);
        row.published = Some(beside(published, metric, row.splits.get(&outcome.report)));
    }
}

fn beside(row: &PublishedRow, metric: Option<PublishedMetric>, split: Option<&SplitSummary>) -> PublishedSummary {
    let mean = row.mean.map(|mean| figure(mean, own_mean(metric, split), None));
    let of_task = |(task, published): (&String, &f64)| {
        let defect = row.defects.get(task).cloned();
        (task.clone(), figure(*published, own_of_task(task, metric, split), defect))
    };
    let of_hits = |(k, published): (&u32, &f64)| {
        let own = split.and_then(|split| split.hits.get(k).copied());
        (*k, figure(*published, (own, None), None))
    };
    PublishedSummary {
        method: row.method.clone(),
        metric: metric.filter(|_| mean.is_some() || !row.tasks.is_empty()),
        mean,
        tasks: row.tasks.iter().map(of_task).collect(),
        hits: row.hits.iter().map(of_hits).collect(),
        note: row.note.clone(),
    }
}

fn own_mean(metric: Option<PublishedMetric>, split: Option<&SplitSummary>) -> Own {
    match (split, metric) {
        (Some(split), Some(PublishedMetric::MeanAccuracy)) => (split.mean_accuracy, split.interval),
        (Some(split), Some(PublishedMetric::MeanNormalisedAccuracy)) => {
            (split.mean_normalised, split.normalised_interval)
        }
        (None, _) | (_, None) => (None, None),
    }
}

fn own_of_task(task: &str, metric: Option<PublishedMetric>, split: Option<&SplitSummary>) -> Own {
    let own = split.and_then(|split| split.tasks.iter().find(|own| own.task == task));
    match (own, metric) {
        (Some(own), Some(PublishedMetric::MeanAccuracy)) => (Some(own.accuracy), own.interval),
        (Some(own), Some(PublishedMetric::MeanNormalisedAccuracy)) => (own.normalised, None),
        (None, _) | (_, None) => (None, None),
    }
}

/// Published figures are in percent.
fn figure(percent: f64, (own, interval): Own, defect: Option<String>) -> Figure {
    let published = percent / 100.0;
    Figure { published, own, interval, difference: own.map(|own| own - published), defect }
}
